/*
 * A peer of a ringbell listener, in C11, with nothing of ringbell in it: what docs/layout.md says, done by hand.
 *
 *   peer SOCKET echo            sends every message back, until the listener closes
 *   peer SOCKET ask TEXT...     sends each text, prints each answer on a line, and closes in order
 *
 * SOCKET is the path of the endpoint's Unix socket. The listener's codec must be text(). Linux only: the region comes as
 * a sealed memfd. Exit status: 0 closed in order, 1 refused or broken, 3 the listener died.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { PREFIX = 8, FRAME_LIMIT = 64 * 1024, HANDSHAKE_SECONDS = 10 };
enum { AWAKE = 0, IN_POLL = 1, ON_FUTEX = 2 };
enum { BELL = 1, CLOSING = 2, ACCUSATION = 3 };

_Static_assert(sizeof(_Atomic uint64_t) == 8 && sizeof(_Atomic uint32_t) == 4, "atomics that are plain words in memory");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && ATOMIC_INT_LOCK_FREE == 2, "and need no lock, which no other process would know");

#define PUBLISHED 0x80000000u
static const uint64_t MESSAGE = 0, PADDING = 1;

/* One direction. Positions count bytes since the beginning and are ours alone; `theirs` is what the other side last said. */
struct ring {
  _Atomic uint64_t *consumed;
  _Atomic uint32_t *consumer_state, *producer_state;
  unsigned char *data;
  uint64_t capacity, position, theirs;
};

static int sock = -1;
static bool closed_by_peer = false;
static struct ring in, out;

static _Noreturn void die(const char *what) {
  fprintf(stderr, "peer: %s\n", what);
  exit(1);
}

static _Noreturn void die_errno(const char *what) {
  fprintf(stderr, "peer: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void tell(unsigned char byte) {
  /* A full socket holds bells that were not heard yet; a closed one is noticed by who reads it. */
  (void)!send(sock, &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static _Noreturn void accuse(void) {
  tell(ACCUSATION);
  die("the listener broke the protocol");
}

/* ---- JSON, as much as the handshake needs ---- */

static const char *skip_space(const char *p) { return p + strspn(p, " \t\r\n"); }

static const char *skip_string(const char *p) {
  if (*p++ != '"') return NULL;
  for (; *p != '"'; ++p) {
    if ((unsigned char)*p < 0x20 || (*p == '\\' && *++p == '\0')) return NULL;
  }
  return p + 1;
}

/* Behind the value that begins at `p`, or NULL if there is none. The text ends with a zero. */
static const char *skip_value(const char *p, int depth) {
  p = skip_space(p);
  if (*p == '"') return skip_string(p);
  if (*p != '{' && *p != '[') {
    size_t length = strcspn(p, ",]} \t\r\n");
    return length > 0 ? p + length : NULL;
  }
  if (depth == 0) return NULL;
  const char close = *p == '{' ? '}' : ']';
  p = skip_space(p + 1);
  if (*p == close) return p + 1;
  for (;;) {
    if (close == '}') {
      p = skip_string(p);
      if (p == NULL || *(p = skip_space(p)) != ':') return NULL;
      ++p;
    }
    p = skip_value(p, depth - 1);
    if (p == NULL) return NULL;
    p = skip_space(p);
    if (*p == close) return p + 1;
    if (*p != ',') return NULL;
    p = skip_space(p + 1);
  }
}

/* The value of a key of the object at `object` (checked by skip_value before), or NULL. Keys have no escapes here. */
static const char *field(const char *object, const char *key) {
  const char *p = skip_space(object);
  if (*p != '{') return NULL;
  const size_t length = strlen(key);
  for (p = skip_space(p + 1); *p == '"';) {
    const bool found = strncmp(p + 1, key, length) == 0 && p[1 + length] == '"';
    p = skip_space(skip_string(p)) + 1;
    if (found) return skip_space(p);
    p = skip_space(skip_value(p, 8));
    if (*p == ',') p = skip_space(p + 1);
  }
  return NULL;
}

static bool is_string(const char *value, const char *expected) {
  const size_t length = strlen(expected);
  return value != NULL && *value == '"' && strncmp(value + 1, expected, length) == 0 && value[1 + length] == '"';
}

static uint64_t number(const char *value) {
  if (value == NULL || *value < '0' || *value > '9') die("a number is missing in a frame");
  return strtoull(value, NULL, 10);
}

/* ---- Frames: eight hexadecimal digits, the length of the JSON that follows ---- */

static void write_frame(const char *json) {
  char text[2048];
  const int length = snprintf(text, sizeof text, "%08zx%s", strlen(json), json);
  if (send(sock, text, (size_t)length, MSG_NOSIGNAL) != length) die_errno("send");
}

/* Reads exactly so many bytes, for what follows the last frame is not JSON any more. Keeps one descriptor that comes along. */
static void read_exactly(char *into, size_t length, int *descriptor) {
  while (length > 0) {
    union {
      struct cmsghdr header;
      char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = {into, length};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    const ssize_t got = recvmsg(sock, &message, MSG_CMSG_CLOEXEC);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) die_errno("recvmsg");
    if (got == 0) die("the listener hung up during the handshake");
    const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
      int passed;
      memcpy(&passed, CMSG_DATA(header), sizeof passed);
      if (*descriptor >= 0) close(*descriptor);
      *descriptor = passed;
    }
    into += got;
    length -= (size_t)got;
  }
}

/* The JSON of the next frame, to be freed. Ends the program if it is an error, or not of the type. */
static char *read_frame(const char *type, int *descriptor) {
  char prefix[PREFIX + 1] = "";
  read_exactly(prefix, PREFIX, descriptor);
  if (strspn(prefix, "0123456789abcdef") != PREFIX) die("no ringbell listener");
  const size_t length = strtoul(prefix, NULL, 16);
  if (length > FRAME_LIMIT) die("a frame is too long");
  char *json = calloc(length + 1, 1);
  if (json == NULL) die("no memory");
  read_exactly(json, length, descriptor);
  const char *end = skip_value(json, 8);
  if (end == NULL || *skip_space(end) != '\0' || *skip_space(json) != '{') die("a frame is not a JSON object");
  if (is_string(field(json, "t"), "error")) {
    const char *message = field(json, "message");
    const char *behind = message != NULL ? skip_value(message, 1) : NULL;
    fprintf(stderr, "peer: refused: %.*s\n", behind == NULL ? 0 : (int)(behind - message), message);
    exit(1);
  }
  if (!is_string(field(json, "t"), type)) die("another frame was due");
  return json;
}

/* ---- Handshake ---- */

static void open_socket(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) die("the path of the socket is too long");
  strcpy(address.sun_path, path);
  sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (sock < 0) die_errno("socket");
  const struct timeval limit = {.tv_sec = HANDSHAKE_SECONDS};
  setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (connect(sock, (struct sockaddr *)&address, sizeof address) != 0) die_errno("connect");
  /* A listener of another user could not be trusted with what we send. */
  struct ucred listener;
  socklen_t size = sizeof listener;
  if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &listener, &size) != 0) die_errno("getsockopt");
  if (listener.uid != geteuid()) die("the listener belongs to another user");
}

static void say_hello(void) {
  char json[1024];
  snprintf(json, sizeof json,
           "{\"t\":\"hello\",\"version\":1,\"transports\":[\"shm\"],\"backings\":[\"sealed\"],\"abi\":1,"
           "\"pid\":%ld,\"uid\":%ld,\"gid\":%ld,\"role\":\"c-example\",\"lanes\":[],"
           "\"codec\":{\"send\":{\"name\":\"text\",\"fingerprint\":\"text\"},"
           "\"receive\":{\"name\":\"text\",\"fingerprint\":\"text\"}}}",
           (long)getpid(), (long)geteuid(), (long)getegid());
  write_frame(json);
}

/* The capacity of `main`, the only lane we asked for. */
static uint64_t read_welcome(int *descriptor) {
  char *welcome = read_frame("welcome", descriptor);
  if (number(field(welcome, "version")) != 1) die("another version of the protocol");
  if (!is_string(field(welcome, "transport"), "shm") || !is_string(field(welcome, "backing"), "sealed")) {
    die("not the transport that we asked for");
  }
  const char *lanes = field(welcome, "lanes");
  if (lanes == NULL || *lanes != '[') die("no lanes");
  const char *lane = skip_space(lanes + 1);
  if (!is_string(field(lane, "name"), "main")) die("the first lane is not main");
  const char *behind = skip_space(skip_value(lane, 8));
  if (*behind != ']') die("more lanes than we asked for");
  const uint64_t capacity = number(field(lane, "capacity"));
  if (capacity < 4096 || capacity > 1u << 30 || (capacity & (capacity - 1)) != 0) die("a capacity that can't be");
  free(welcome);
  if (*descriptor < 0) die("no descriptor came along");
  return capacity;
}

static struct ring make_ring(unsigned char *memory, unsigned index, uint64_t capacity) {
  unsigned char *control = memory + 128 + 256 * index;
  return (struct ring){
      .consumed = (_Atomic uint64_t *)control,
      .consumer_state = (_Atomic uint32_t *)(control + 8),
      .producer_state = (_Atomic uint32_t *)(control + 128),
      .data = memory + 4096 + capacity * index,
      .capacity = capacity,
  };
}

static unsigned char *map_region(int descriptor, uint64_t capacity) {
  const uint64_t bytes = 4096 + 2 * capacity;
  /* Without the seals the listener could shrink it under us, and our next access would be a SIGBUS. */
  const int wanted = F_SEAL_SHRINK | F_SEAL_GROW;
  const int seals = fcntl(descriptor, F_GET_SEALS);
  struct stat status;
  if (seals < 0 || (seals & wanted) != wanted) die("the region is not sealed");
  if (fstat(descriptor, &status) != 0 || (uint64_t)status.st_size < bytes) die("the region is too small");
  unsigned char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  if (memory == MAP_FAILED) die_errno("mmap");
  close(descriptor);
  uint32_t version, lanes;
  uint64_t told;
  memcpy(&version, memory + 8, 4);
  memcpy(&lanes, memory + 12, 4);
  memcpy(&told, memory + 16, 8);
  if (memcmp(memory, "ringbell", 8) != 0 || version != 1 || lanes != 1 || told != bytes) die("not the region agreed on");
  return memory;
}

static void join(const char *path) {
  open_socket(path);
  say_hello();
  int descriptor = -1;
  const uint64_t capacity = read_welcome(&descriptor);
  unsigned char *memory = map_region(descriptor, capacity);

  char ready[128] = "{\"t\":\"ready\",\"nonce\":\"";
  for (int i = 0; i < 16; ++i) sprintf(ready + strlen(ready), "%02x", memory[24 + i]);
  strcat(ready, "\"}");
  write_frame(ready);

  int unexpected = -1;
  char *go = read_frame("go", &unexpected);
  if (unexpected >= 0) close(unexpected);
  if (!is_string(field(go, "transport"), "shm")) die("the listener did not go on with shared memory");
  free(go);
  /* Ring 0 carries what the listener sends, ring 1 what we send. */
  in = make_ring(memory, 0, capacity);
  out = make_ring(memory, 1, capacity);
}

/* ---- Bells ---- */

/* Wakes the other side if it sleeps on `state`. Comes after the seq_cst store of what it waits for. */
static void wake(_Atomic uint32_t *state) {
  if (atomic_load(state) == AWAKE) return;
  const uint32_t was = atomic_exchange(state, AWAKE);
  if (was == AWAKE) return;
  if (was == ON_FUTEX) {
    syscall(SYS_futex, (uint32_t *)state, FUTEX_WAKE, 1, NULL, NULL, 0);
  } else {
    tell(BELL);
  }
}

/* Reads what the other side rang; waits for it if told to. */
static void listen_to_bells(bool wait) {
  while (!closed_by_peer) {
    struct pollfd entry = {.fd = sock, .events = POLLIN};
    if (wait && poll(&entry, 1, -1) < 0 && errno != EINTR) die_errno("poll");
    unsigned char bytes[64];
    const ssize_t got = recv(sock, bytes, sizeof bytes, MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (got <= 0) {
      fprintf(stderr, "peer: the listener died\n");
      exit(3);
    }
    for (ssize_t i = 0; i < got && !closed_by_peer; ++i) {
      if (bytes[i] == CLOSING) closed_by_peer = true;
      else if (bytes[i] == ACCUSATION) die("the listener says that we broke the protocol");
      else if (bytes[i] != BELL) accuse();
    }
    wait = false;
  }
}

/* ---- Rings. Plain atomic operations are sequentially consistent in C. ---- */

static _Atomic uint64_t *header_at(const struct ring *ring, uint64_t position) {
  return (_Atomic uint64_t *)(ring->data + (position & (ring->capacity - 1)));
}

static uint64_t record_bytes(uint64_t length) { return 8 + ((length + 7) & ~(uint64_t)7); }

/* How far we are, and whether the producer waits to hear it. `theirs` is what we told it last. */
static void report(struct ring *ring) {
  if (ring->theirs == ring->position) return;
  atomic_store(ring->consumed, ring->position);
  ring->theirs = ring->position;
  wake(ring->producer_state);
}

/* The next message, copied, to be freed; NULL if there is none. */
static char *try_receive(struct ring *ring, size_t *length) {
  for (;;) {
    const uint64_t header = atomic_load_explicit(header_at(ring, ring->position), memory_order_acquire);
    if ((header & PUBLISHED) == 0) return NULL;
    const uint64_t payload = header & (PUBLISHED - 1);
    const uint64_t size = record_bytes(payload);
    const uint64_t rest = ring->capacity - (ring->position & (ring->capacity - 1));
    if (header >> 32 == PADDING) {
      if (size != rest || rest == ring->capacity) accuse();
      ring->position += size;
      continue;
    }
    if (header >> 32 != MESSAGE || size > rest || payload > ring->capacity / 2 - 8) accuse();
    /* Copied once; only the copy is looked at, for the other side may go on writing in the ring. */
    char *message = malloc(payload + 1);
    if (message == NULL) die("no memory");
    memcpy(message, ring->data + (ring->position & (ring->capacity - 1)) + 8, payload);
    *length = payload;
    ring->position += size;
    if (ring->position - ring->theirs >= ring->capacity / 8) report(ring);
    return message;
  }
}

/* The next message; NULL when the listener has closed and all it sent was taken. */
static char *receive(struct ring *ring, size_t *length) {
  for (;;) {
    char *message = try_receive(ring, length);
    if (message != NULL) return message;
    if (closed_by_peer) return NULL;
    /* Nothing to do: tell all that we took, say that we sleep, look once more, sleep. Woken for nothing, say it again. */
    report(ring);
    atomic_store(ring->consumer_state, IN_POLL);
    const bool there = (atomic_load(header_at(ring, ring->position)) & PUBLISHED) != 0;
    listen_to_bells(!there);
    atomic_store_explicit(ring->consumer_state, AWAKE, memory_order_relaxed);
    /* What was sent before the listener closed has arrived by now. */
  }
}

static bool has_room(struct ring *ring, uint64_t end) {
  /* 8 more: the header after the record is cleared. */
  if (end + 8 - ring->theirs <= ring->capacity) return true;
  const uint64_t consumed = atomic_load(ring->consumed);
  if (consumed < ring->theirs || consumed > ring->position) accuse();
  ring->theirs = consumed;
  return end + 8 - consumed <= ring->capacity;
}

/* Sends, waiting for room. False once the listener has closed. */
static bool transmit(struct ring *ring, const char *message, size_t length) {
  if (length > ring->capacity / 2 - 8) die("the message is too long for the ring");
  const uint64_t size = record_bytes(length);
  const uint64_t rest = ring->capacity - (ring->position & (ring->capacity - 1));
  const uint64_t padding = size > rest ? rest : 0;
  const uint64_t start = ring->position + padding;
  const uint64_t end = start + size;

  while (!has_room(ring, end)) {
    if (closed_by_peer) return false;
    atomic_store(ring->producer_state, IN_POLL);
    /* It may have taken all there is without telling, and have no reason to look again: the bell is one. */
    if (ring->position - ring->theirs <= ring->capacity / 8) tell(BELL);
    listen_to_bells(!has_room(ring, end));
    atomic_store_explicit(ring->producer_state, AWAKE, memory_order_relaxed);
  }
  if (closed_by_peer) return false;

  atomic_store_explicit(header_at(ring, end), 0, memory_order_relaxed);
  memcpy(ring->data + (start & (ring->capacity - 1)) + 8, message, length);
  const uint64_t header = MESSAGE << 32 | PUBLISHED | length;
  if (padding > 0) {
    atomic_store_explicit(header_at(ring, start), header, memory_order_relaxed);
    atomic_store(header_at(ring, ring->position), PADDING << 32 | PUBLISHED | (padding - 8));
  } else {
    atomic_store(header_at(ring, ring->position), header);
  }
  ring->position = end;
  wake(ring->consumer_state);
  return true;
}

/* Whom we leave asleep on a futex would notice only later. */
static void close_in_order(void) {
  tell(CLOSING);
  wake(out.consumer_state);
  wake(in.producer_state);
  close(sock);
}

int main(int argc, char **argv) {
  const bool echo = argc == 3 && strcmp(argv[2], "echo") == 0;
  if (!echo && (argc < 4 || strcmp(argv[2], "ask") != 0)) {
    fprintf(stderr, "usage: %s SOCKET echo\n       %s SOCKET ask TEXT...\n", argv[0], argv[0]);
    return 2;
  }
  join(argv[1]);
  size_t length = 0;
  if (echo) {
    for (char *message; (message = receive(&in, &length)) != NULL; free(message)) {
      if (!transmit(&out, message, length)) break;
    }
  }
  for (int i = 3; i < argc && !echo; ++i) {
    if (!transmit(&out, argv[i], strlen(argv[i]))) die("the listener has closed");
    char *answer = receive(&in, &length);
    if (answer == NULL) die("the listener closed without an answer");
    printf("%.*s\n", (int)length, answer);
    free(answer);
  }
  close_in_order();
  return 0;
}
