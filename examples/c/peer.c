/*
 * A peer of a ringbell listener, in C11, with nothing of ringbell in it: what docs/layout.md says, done by hand.
 *
 *   peer SOCKET echo            sends every message back, until the listener closes; one that came in a block, in the same block
 *   peer SOCKET ask TEXT...     sends each text, prints each answer on a line, and closes in order; wants no blocks
 *   peer SOCKET sum             adds up the bytes of each message's blocks, and answers {"blocks":n,"bytes":n,"sum":n}
 *
 * SOCKET is the path of the endpoint's Unix socket. The listener's codec must be text(), for `sum` json(). Linux only: memory
 * comes as sealed memfds. Exit status: 0 closed in order, 1 refused or broken, 3 the listener died.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/magic.h>
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
#include <sys/vfs.h>
#include <unistd.h>

enum { PREFIX = 8, FRAME_LIMIT = 64 * 1024, HANDSHAKE_SECONDS = 10 };
enum { AWAKE = 0, IN_POLL = 1, ON_FUTEX = 2 };
enum { BELL = 1, CLOSING = 2, ACCUSATION = 3, SEGMENT = 4 };
enum { ANNOUNCE = 1, RETURN = 2, RETIRE = 3 }; /* records of the bulk lane */
enum { IMMUTABLE = 1, SHARED = 2 };            /* flags of an announcement */
enum { COMES_HOME = 1 };                       /* flag of a handle */
enum { BULK_CAPACITY = 16 * 1024, PAGE = 16 * 1024, MOST_PASSED = 1024, MOST_SLOTS = 1 << 20 };

_Static_assert(sizeof(_Atomic uint64_t) == 8 && sizeof(_Atomic uint32_t) == 4, "atomics that are plain words in memory");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && ATOMIC_INT_LOCK_FREE == 2, "and need no lock, which no other process would know");

#define PUBLISHED 0x80000000u
static const uint64_t MESSAGE = 0, PADDING = 1, WITH_BLOCKS = 2, IN_BLOCK = 3;

/* One direction. Positions count bytes since the beginning and are ours alone; `theirs` is what the other side last said. */
struct ring {
  _Atomic uint64_t *consumed;
  _Atomic uint32_t *consumer_state, *producer_state;
  unsigned char *data;
  uint64_t capacity, position, theirs;
};

/* A record, copied. */
struct record {
  uint64_t kind;
  unsigned char *payload; /* to be freed */
  uint64_t length;
};

/* One of these stands in a record for each of its blocks. */
struct handle {
  uint32_t segment, slot, flags, zero;
  uint64_t length;
};

/* A record that is a message: the message's bytes, and the handles of its blocks. */
struct message {
  struct record record;
  const unsigned char *bytes;
  uint64_t length;
  struct handle *handles;
  uint32_t count;
};

/* Memory of the listener in which blocks lie. */
struct segment {
  struct segment *next;
  uint32_t id, slots;
  uint64_t slot_bytes, bytes;
  bool shared;
  const unsigned char *memory;
  uint32_t *held; /* how often we hold each slot */
  uint32_t held_in_all;
};

static int sock = -1;
static bool closed_by_peer = false;
/* The lane `main`, and the bulk lane. */
static struct ring in, out, bulk_in, bulk_out;
/* Bytes of the listener's segments together: what was agreed, and what there is. */
static uint64_t bulk_limit, bulk_bytes;
static struct segment *segments;
/* Descriptors that came over the socket and belong to segments that we have not looked at yet, the oldest first. */
static int passed[MOST_PASSED];
static size_t passed_count;

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

/* As recv. A descriptor that comes along is put into `descriptor`; a read brings one at most, as each is sent with a byte. */
static ssize_t receive_bytes(void *into, size_t length, int flags, int *descriptor) {
  union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int))];
  } control;
  struct iovec part = {into, length};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  ssize_t got;
  do got = recvmsg(sock, &message, flags | MSG_CMSG_CLOEXEC);
  while (got < 0 && errno == EINTR);
  if (got < 0) return got;
  /* Lost, if we had too many files open: what is in it can't be had again. */
  if ((message.msg_flags & MSG_CTRUNC) != 0) die("a descriptor was lost");
  const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
    if (*descriptor >= 0) close(*descriptor);
    memcpy(descriptor, CMSG_DATA(header), sizeof *descriptor);
  }
  return got;
}

/* Reads exactly so many bytes, for what follows the last frame is not JSON any more. */
static void read_exactly(char *into, size_t length, int *descriptor) {
  while (length > 0) {
    const ssize_t got = receive_bytes(into, length, 0, descriptor);
    if (got < 0) die_errno("recvmsg");
    if (got == 0) die("the listener hung up during the handshake");
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

/* The codec, text or json, is the same both ways. `bulk`: bytes that the blocks of one side may take; 0: no blocks. */
static void say_hello(const char *codec, uint64_t bulk) {
  char json[1024];
  snprintf(json, sizeof json,
           "{\"t\":\"hello\",\"version\":3,\"transports\":[\"shm\"],\"backings\":[\"sealed\"],\"abi\":2,"
           "\"pid\":%ld,\"uid\":%ld,\"gid\":%ld,\"role\":\"c-example\",\"lanes\":[],\"bulk\":%llu,"
           "\"codec\":{\"send\":{\"name\":\"%s\",\"fingerprint\":\"%s\"},"
           "\"receive\":{\"name\":\"%s\",\"fingerprint\":\"%s\"}}}",
           (long)getpid(), (long)geteuid(), (long)getegid(), (unsigned long long)bulk, codec, codec, codec, codec);
  write_frame(json);
}

/* The capacity of `main`, the only lane we asked for; and the agreed limit of blocks. */
static uint64_t read_welcome(int *descriptor, uint64_t wish) {
  char *welcome = read_frame("welcome", descriptor);
  if (number(field(welcome, "version")) != 3) die("another version of the protocol");
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
  bulk_limit = number(field(welcome, "bulk"));
  if (bulk_limit > wish) die("more memory for blocks than we wanted");
  free(welcome);
  if (*descriptor < 0) die("no descriptor came along");
  return capacity;
}

/* The `index`-th ring of the region, of all lanes, whose data begin at `data`. */
static struct ring make_ring(unsigned char *memory, unsigned index, uint64_t data, uint64_t capacity) {
  unsigned char *control = memory + 128 + 256 * index;
  return (struct ring){
      .consumed = (_Atomic uint64_t *)control,
      .consumer_state = (_Atomic uint32_t *)(control + 8),
      .producer_state = (_Atomic uint32_t *)(control + 128),
      .data = memory + data,
      .capacity = capacity,
  };
}

/* Maps a file of the listener's that is to have these seals, or NULL if it can't be trusted; closes it. */
static unsigned char *map_memory(int descriptor, uint64_t bytes, int seals, int protection, int flags) {
  /* Without seals the listener could shrink it under us, and our next access would be a SIGBUS. So it would on huge pages. */
  const int has = fcntl(descriptor, F_GET_SEALS);
  struct stat status;
  struct statfs file_system;
  void *memory = MAP_FAILED;
  if (has >= 0 && (has & seals) == seals && fstatfs(descriptor, &file_system) == 0 &&
      file_system.f_type == TMPFS_MAGIC && fstat(descriptor, &status) == 0 && (uint64_t)status.st_size >= bytes) {
    memory = mmap(NULL, bytes, protection, flags, descriptor, 0);
  }
  close(descriptor);
  return memory == MAP_FAILED ? NULL : memory;
}

static unsigned char *map_region(int descriptor, uint64_t bytes) {
  unsigned char *memory =
      map_memory(descriptor, bytes, F_SEAL_SHRINK | F_SEAL_GROW, PROT_READ | PROT_WRITE, MAP_SHARED);
  if (memory == NULL) die("the region can't be mapped, or not be trusted");
  uint32_t version, lanes;
  uint64_t told;
  memcpy(&version, memory + 8, 4);
  memcpy(&lanes, memory + 12, 4);
  memcpy(&told, memory + 16, 8);
  if (memcmp(memory, "ringbell", 8) != 0 || version != 2 || lanes != 2 || told != bytes) die("not the region agreed on");
  return memory;
}

static void join(const char *path, const char *codec, uint64_t bulk) {
  open_socket(path);
  say_hello(codec, bulk);
  int descriptor = -1;
  const uint64_t capacity = read_welcome(&descriptor, bulk);
  /* Behind `main` there is the bulk lane, whatever was agreed on blocks. */
  const uint64_t bulk_data = 4096 + 2 * capacity;
  unsigned char *memory = map_region(descriptor, bulk_data + 2 * BULK_CAPACITY);

  char ready[128] = "{\"t\":\"ready\",\"nonce\":\"";
  for (int i = 0; i < 16; ++i) sprintf(ready + strlen(ready), "%02x", memory[24 + i]);
  strcat(ready, "\"}");
  write_frame(ready);

  int unexpected = -1;
  char *go = read_frame("go", &unexpected);
  if (unexpected >= 0) close(unexpected);
  if (!is_string(field(go, "transport"), "shm")) die("the listener did not go on with shared memory");
  free(go);
  /* Of each lane, ring 0 carries what the listener sends, ring 1 what we send. */
  in = make_ring(memory, 0, 4096, capacity);
  out = make_ring(memory, 1, 4096 + capacity, capacity);
  bulk_in = make_ring(memory, 2, bulk_data, BULK_CAPACITY);
  bulk_out = make_ring(memory, 3, bulk_data + BULK_CAPACITY, BULK_CAPACITY);
}

/* ---- Bells ---- */

static void wake_futex(_Atomic uint32_t *state) {
  syscall(SYS_futex, (uint32_t *)state, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* Wakes the other side if it sleeps on `state`. Comes after the seq_cst store of what it waits for. */
static void wake(_Atomic uint32_t *state) {
  if (atomic_load(state) == AWAKE) return;
  const uint32_t was = atomic_exchange(state, AWAKE);
  if (was == AWAKE) return;
  if (was == ON_FUTEX) wake_futex(state);
  else tell(BELL);
}

/* What came in one read: `descriptor` is -1 unless one came along, which is with its byte. */
static void understand(const unsigned char *bytes, ssize_t count, int descriptor) {
  for (ssize_t i = 0; i < count && !closed_by_peer; ++i) {
    if (bytes[i] == CLOSING) {
      closed_by_peer = true;
    } else if (bytes[i] == ACCUSATION) {
      die("the listener says that we broke the protocol");
    } else if (bytes[i] == SEGMENT && descriptor >= 0 && passed_count < MOST_PASSED) {
      passed[passed_count++] = descriptor;
      descriptor = -1;
    } else if (bytes[i] != BELL) {
      accuse();
    }
  }
  if (descriptor < 0) return;
  close(descriptor);
  if (!closed_by_peer) accuse();
}

/* Reads what the other side rang, and the descriptors that it passed; waits for something if told to. */
static void listen_to_bells(bool wait) {
  while (!closed_by_peer) {
    struct pollfd entry = {.fd = sock, .events = POLLIN};
    if (wait && poll(&entry, 1, -1) < 0 && errno != EINTR) die_errno("poll");
    unsigned char bytes[64];
    int descriptor = -1;
    const ssize_t got = receive_bytes(bytes, sizeof bytes, MSG_DONTWAIT, &descriptor);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (got <= 0) {
      fprintf(stderr, "peer: the listener died\n");
      exit(3);
    }
    understand(bytes, got, descriptor);
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

/* The next record, copied; false if there is none. */
static bool take(struct ring *ring, struct record *record) {
  for (;;) {
    const uint64_t header = atomic_load_explicit(header_at(ring, ring->position), memory_order_acquire);
    if ((header & PUBLISHED) == 0) return false;
    const uint64_t length = header & (PUBLISHED - 1);
    const uint64_t size = record_bytes(length);
    const uint64_t rest = ring->capacity - (ring->position & (ring->capacity - 1));
    const uint64_t kind = header >> 32;
    if (kind == PADDING) {
      if (size != rest || rest == ring->capacity) accuse();
      ring->position += size;
      continue;
    }
    if (kind > IN_BLOCK || size > rest || length > ring->capacity / 2 - 8) accuse();
    /* Copied once; only the copy is looked at, for the other side may go on writing in the ring. */
    *record = (struct record){.kind = kind, .payload = malloc(length + 1), .length = length};
    if (record->payload == NULL) die("no memory");
    memcpy(record->payload, ring->data + (ring->position & (ring->capacity - 1)) + 8, length);
    ring->position += size;
    if (ring->position - ring->theirs >= ring->capacity / 8) report(ring);
    return true;
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

static void look_at_bulk_lane(void);

/* Sends a record, waiting for room. False once the listener has closed. */
static bool transmit(struct ring *ring, uint64_t kind, const void *payload, uint64_t length) {
  if (length > ring->capacity / 2 - 8) die("the message is too long for the ring");
  const uint64_t size = record_bytes(length);
  const uint64_t rest = ring->capacity - (ring->position & (ring->capacity - 1));
  const uint64_t padding = size > rest ? rest : 0;
  const uint64_t start = ring->position + padding;
  const uint64_t end = start + size;

  while (!has_room(ring, end)) {
    if (closed_by_peer) return false;
    /* It may wait for us to take what it has to say about blocks. */
    look_at_bulk_lane();
    atomic_store(ring->producer_state, IN_POLL);
    /* It may have taken all there is without telling, and have no reason to look again: the bell is one. Nor does it look at
     * the bulk lane by itself. */
    if (ring == &bulk_out || ring->position - ring->theirs <= ring->capacity / 8) tell(BELL);
    listen_to_bells(!has_room(ring, end));
    atomic_store_explicit(ring->producer_state, AWAKE, memory_order_relaxed);
  }
  if (closed_by_peer) return false;

  atomic_store_explicit(header_at(ring, end), 0, memory_order_relaxed);
  if (length > 0) memcpy(ring->data + (start & (ring->capacity - 1)) + 8, payload, length);
  const uint64_t header = kind << 32 | PUBLISHED | length;
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

/* ---- Blocks ---- */

static uint32_t word_at(const unsigned char *bytes, uint64_t offset) {
  uint32_t word;
  memcpy(&word, bytes + offset, sizeof word);
  return word;
}

static uint64_t long_at(const unsigned char *bytes, uint64_t offset) {
  uint64_t word;
  memcpy(&word, bytes + offset, sizeof word);
  return word;
}

static struct segment *find_segment(uint32_t id) {
  struct segment *segment = segments;
  while (segment != NULL && segment->id != id) segment = segment->next;
  return segment;
}

/* The listener has made memory; its descriptor is the oldest that was passed and not taken. */
static void add_segment(uint32_t id, uint32_t slots, uint32_t flags, uint64_t slot_bytes) {
  const uint64_t limit = (bulk_limit + PAGE - 1) / PAGE * PAGE;
  if (find_segment(id) != NULL || flags > (IMMUTABLE | SHARED)) accuse();
  if (slots == 0 || slot_bytes == 0 || slot_bytes % 64 != 0 || slot_bytes > limit || slots > limit / slot_bytes) accuse();
  if (slots > MOST_SLOTS || (flags != 0 && slots != 1)) accuse();
  const uint64_t bytes = (slots * slot_bytes + PAGE - 1) / PAGE * PAGE;
  if (bytes > limit - bulk_bytes) accuse();
  /* It was sent before the announcement, so it is in the socket if it is not here. */
  if (passed_count == 0) listen_to_bells(false);
  if (passed_count == 0) accuse();
  const int descriptor = passed[0];
  memmove(passed, passed + 1, --passed_count * sizeof *passed);

  struct segment *segment = calloc(1, sizeof *segment);
  uint32_t *held = calloc(slots, sizeof *held);
  if (segment == NULL || held == NULL) die("no memory");
  /* We only read. What nobody can write to is mapped privately. */
  const bool immutable = (flags & IMMUTABLE) != 0;
  const int seals = F_SEAL_SHRINK | F_SEAL_GROW | (immutable ? F_SEAL_WRITE : 0);
  const unsigned char *memory = map_memory(descriptor, bytes, seals, PROT_READ, immutable ? MAP_PRIVATE : MAP_SHARED);
  if (memory == NULL) die("a segment can't be mapped, or not be trusted");
  *segment = (struct segment){.next = segments,
                              .id = id,
                              .slots = slots,
                              .slot_bytes = slot_bytes,
                              .bytes = bytes,
                              .shared = (flags & SHARED) != 0,
                              .memory = memory,
                              .held = held};
  segments = segment;
  bulk_bytes += bytes;
}

static void remove_segment(uint32_t id) {
  struct segment **link = &segments;
  while (*link != NULL && (*link)->id != id) link = &(*link)->next;
  struct segment *segment = *link;
  if (segment == NULL || segment->held_in_all > 0) accuse();
  *link = segment->next;
  bulk_bytes -= segment->bytes;
  munmap((void *)(uintptr_t)segment->memory, segment->bytes);
  free(segment->held);
  free(segment);
}

/* What the listener says about its memory. Nobody wakes us for it: we look when we meet a segment that we do not know, and
 * before we sleep. */
static void look_at_bulk_lane(void) {
  struct record record;
  while (take(&bulk_in, &record)) {
    if (record.kind != MESSAGE || record.length < 8) accuse();
    const uint32_t type = word_at(record.payload, 0);
    const uint32_t id = word_at(record.payload, 4);
    if (type == ANNOUNCE && record.length == 24) {
      add_segment(id, word_at(record.payload, 8), word_at(record.payload, 12), long_at(record.payload, 16));
    } else if (type == RETIRE && record.length == 8) {
      remove_segment(id);
    } else {
      accuse(); /* also for a RETURN: we have lent nothing */
    }
    free(record.payload);
  }
  report(&bulk_in);
}

/* The block is ours from now on, until we let go. */
static void claim(const struct handle *handle) {
  if (handle->flags != 0 || handle->zero != 0) accuse(); /* none of our own can come home */
  if (find_segment(handle->segment) == NULL) look_at_bulk_lane();
  struct segment *segment = find_segment(handle->segment);
  if (segment == NULL || handle->slot >= segment->slots || handle->length > segment->slot_bytes) accuse();
  if (segment->held[handle->slot] > 0 && !segment->shared) accuse();
  ++segment->held[handle->slot];
  ++segment->held_in_all;
}

static void let_go(const struct handle *handle) {
  struct segment *segment = find_segment(handle->segment);
  --segment->held[handle->slot];
  --segment->held_in_all;
}

static const unsigned char *memory_of(const struct handle *handle) {
  const struct segment *segment = find_segment(handle->segment);
  return segment->memory + handle->slot * segment->slot_bytes;
}

/* ---- Messages ---- */

/* Reads the table at the end of the record, and takes the blocks. */
static void read_table(struct message *message) {
  const struct record *record = &message->record;
  if (record->length < 32 || record->length % 8 != 0) accuse();
  const uint64_t end = record->length - 8;
  const uint64_t count = word_at(record->payload, end);
  const uint64_t length = word_at(record->payload, end + 4);
  if (count == 0 || (length + 7) / 8 * 8 + count * sizeof(struct handle) != end) accuse();
  message->handles = (struct handle *)(void *)(record->payload + end - count * sizeof(struct handle));
  message->count = (uint32_t)count;
  message->length = length;
  for (uint32_t i = 0; i < message->count; ++i) claim(&message->handles[i]);
  if (record->kind != IN_BLOCK) return;
  /* The payload says how many bytes of the first block are the message. */
  if (length != 8) accuse();
  message->length = long_at(record->payload, 0);
  if (message->length > message->handles[0].length) accuse();
  message->bytes = memory_of(&message->handles[0]);
}

/* The next message; false when the listener has closed and all it sent was taken. */
static bool receive(struct message *message) {
  for (;;) {
    struct record record;
    if (take(&in, &record)) {
      *message = (struct message){.record = record, .bytes = record.payload, .length = record.length};
      if (record.kind == WITH_BLOCKS || record.kind == IN_BLOCK) read_table(message);
      return true;
    }
    if (closed_by_peer) return false;
    look_at_bulk_lane();
    /* Nothing to do: tell all that we took, say that we sleep, look once more, sleep. Woken for nothing, say it again. */
    report(&in);
    atomic_store(in.consumer_state, IN_POLL);
    const bool there = (atomic_load(header_at(&in, in.position)) & PUBLISHED) != 0;
    listen_to_bells(!there);
    atomic_store_explicit(in.consumer_state, AWAKE, memory_order_relaxed);
    /* What was sent before the listener closed has arrived by now. */
  }
}

/* Gives the blocks back, and frees the rest. */
static void release(struct message *message) {
  for (uint32_t i = 0; i < message->count; ++i) {
    const struct handle *handle = &message->handles[i];
    let_go(handle);
    const uint32_t words[] = {RETURN, handle->segment, handle->slot};
    transmit(&bulk_out, MESSAGE, words, sizeof words);
  }
  free(message->record.payload);
}

/* Sends a message back as it came, its blocks with it: the record is the same but for a flag. False once the listener has closed. */
static bool send_home(struct message *message) {
  for (uint32_t i = 0; i < message->count; ++i) {
    message->handles[i].flags = COMES_HOME;
    let_go(&message->handles[i]);
  }
  const bool sent = transmit(&out, message->record.kind, message->record.payload, message->record.length);
  free(message->record.payload);
  return sent;
}

static void close_in_order(void) {
  tell(CLOSING);
  /* Whom we leave asleep on a futex would notice only later. */
  _Atomic uint32_t *const states[] = {out.consumer_state, in.producer_state, bulk_out.consumer_state,
                                      bulk_in.producer_state};
  for (size_t i = 0; i < sizeof states / sizeof *states; ++i) {
    if (atomic_exchange(states[i], AWAKE) == ON_FUTEX) wake_futex(states[i]);
  }
  close(sock);
}

static void echo(void) {
  for (struct message message; receive(&message);) {
    if (!send_home(&message)) return;
  }
}

static void ask(char **texts) {
  for (; *texts != NULL; ++texts) {
    struct message answer;
    if (!transmit(&out, MESSAGE, *texts, strlen(*texts))) die("the listener has closed");
    if (!receive(&answer)) die("the listener closed without an answer");
    fwrite(answer.bytes, 1, answer.length, stdout);
    putchar('\n');
    release(&answer);
  }
}

static void sum(void) {
  for (struct message message; receive(&message); release(&message)) {
    uint64_t blocks = 0, bytes = 0, total = 0;
    /* The first block may be the message itself. */
    for (uint32_t i = message.record.kind == IN_BLOCK ? 1 : 0; i < message.count; ++i) {
      const unsigned char *memory = memory_of(&message.handles[i]);
      for (uint64_t at = 0; at < message.handles[i].length; ++at) total += memory[at];
      bytes += message.handles[i].length;
      ++blocks;
    }
    char json[128];
    const int length = snprintf(json, sizeof json, "{\"blocks\":%llu,\"bytes\":%llu,\"sum\":%llu}",
                                (unsigned long long)blocks, (unsigned long long)bytes, (unsigned long long)total);
    if (!transmit(&out, MESSAGE, json, (uint64_t)length)) return;
  }
}

int main(int argc, char **argv) {
  const char *mode = argc > 2 ? argv[2] : "";
  const uint64_t gigabyte = 1u << 30;
  if (argc == 3 && strcmp(mode, "echo") == 0) {
    join(argv[1], "text", gigabyte);
    echo();
  } else if (argc == 3 && strcmp(mode, "sum") == 0) {
    join(argv[1], "json", gigabyte);
    sum();
  } else if (argc > 3 && strcmp(mode, "ask") == 0) {
    join(argv[1], "text", 0);
    ask(argv + 3);
  } else {
    fprintf(stderr, "usage: %s SOCKET echo|sum\n       %s SOCKET ask TEXT...\n", argv[0], argv[0]);
    return 2;
  }
  close_in_order();
  return 0;
}
