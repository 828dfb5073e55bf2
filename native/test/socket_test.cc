// Descriptors that are passed over a socket: which byte they come with, and what is left where they can't be had.
#include <cerrno>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "../socket.h"
#include "rig.h"

namespace test {

struct Pair {
  Pair() {
    check(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "socketpair");
    for (const int end : ends) check(fcntl(end, F_SETFL, O_NONBLOCK) == 0, "fcntl");
  }
  ~Pair() {
    for (const int end : ends) close(end);
  }
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;

  void send(int byte, int passed = -1) {
    const auto one = static_cast<std::byte>(byte);
    check(socket_send(ends[0], &one, 1, passed) == 1, "socket_send");
  }
  // The bytes as a number in decimal, 0 where there are none; `passed` is closed.
  int receive(int& passed) {
    std::byte bytes[256];
    const ssize_t received = socket_receive(ends[1], bytes, sizeof bytes, passed);
    if (received == kWouldBlock) return 0;
    check(received > 0, "socket_receive");
    int number = 0;
    for (ssize_t i = 0; i < received; ++i) number = number * 10 + static_cast<int>(bytes[i]);
    return number;
  }

  int ends[2];
};

ino_t inode(int descriptor) {
  struct stat status {};
  check(fstat(descriptor, &status) == 0, "fstat");
  return status.st_ino;
}

// A file that is like no other.
int some_file() {
  int ends[2];
  check(pipe(ends) == 0, "pipe");
  close(ends[1]);
  return ends[0];
}

const Case one_a_read{"a read brings one descriptor at most, and the byte that it was sent with", [] {
  Pair pair;
  const int files[] = {some_file(), some_file(), some_file()};
  pair.send(1);
  pair.send(1);
  pair.send(4, files[0]);
  pair.send(4, files[1]);
  pair.send(1);
  pair.send(4, files[2]);
  pair.send(1);
  int fours = 0;
  int others = 0;
  for (;;) {
    int passed = -1;
    int number = pair.receive(passed);
    if (number == 0) break;
    int here = 0;
    for (; number > 0; number /= 10) {
      if (number % 10 == 4) ++here;
      else ++others;
    }
    check_equal(here, passed >= 0 ? 1 : 0, "fours in a read");
    if (passed < 0) continue;
    check_equal(inode(passed), inode(files[fours]), "another file");
    check((fcntl(passed, F_GETFD) & FD_CLOEXEC) != 0, "it would outlive an exec");
    close(passed);
    ++fours;
  }
  check_equal(fours, 3);
  check_equal(others, 4);
  for (const int file : files) close(file);
}};

#if defined(__linux__)

const Case lost{"one that this process has no room for is told as lost, and does not shift the next", [] {
  Pair pair;
  const int files[] = {some_file(), some_file()};
  pair.send(4, files[0]);
  pair.send(4, files[1]);
  pair.send(1);
  rlimit before{};
  check(getrlimit(RLIMIT_NOFILE, &before) == 0, "getrlimit");
  // The lowest that is free is the first that there can't be.
  const int lowest = dup(files[0]);
  close(lowest);
  const rlimit none{static_cast<rlim_t>(lowest), before.rlim_max};
  check(setrlimit(RLIMIT_NOFILE, &none) == 0, "setrlimit");
  int passed = -1;
  check_equal(pair.receive(passed), 4);
  check_equal(passed, kLost);
  check(setrlimit(RLIMIT_NOFILE, &before) == 0, "setrlimit");
  check_equal(pair.receive(passed), 4);
  check(passed >= 0 && inode(passed) == inode(files[1]), "the next");
  close(passed);
  check_equal(pair.receive(passed), 1);
  check_equal(passed, -1);
  for (const int file : files) close(file);
}};

const Case many{"of many in one message the first is kept and the rest closed", [] {
  Pair pair;
  const int file = some_file();
  constexpr size_t kMany = 20;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMany)] = {};
  char byte = 4;
  iovec part{&byte, 1};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int) * kMany);
  for (size_t i = 0; i < kMany; ++i) std::memcpy(CMSG_DATA(header) + i * sizeof(int), &file, sizeof(int));
  check(sendmsg(pair.ends[0], &message, 0) == 1, "sendmsg");
  int passed = -1;
  check_equal(pair.receive(passed), 4);
  check(passed >= 0, "the first");
  // All others are closed: the next that is opened follows at once.
  const int next = dup(file);
  check_equal(next, passed + 1, "descriptors left open");
  close(next);
  close(passed);
  close(file);
}};

#endif

}  // namespace test
