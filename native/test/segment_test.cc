// Memory for blocks: made, passed and mapped by the other side; and no room for it.
#include <cerrno>
#include <csignal>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "../socket.h"
#include "segment_rig.h"

namespace test {

const Case made{"what one side writes the other reads, by a descriptor and without a name, from the first byte to the last", [] {
  for (const bool named : kWays) {
    const auto before = shared_names();
    const auto segment = make(kBytes, named);
    check(shared_names() == before, "a name was left in /dev/shm");
    for (uint64_t i = 0; i < kBytes; ++i) check(segment->memory()[i] == std::byte{0}, "fresh memory is zero");
    const auto other = open_copy(*segment, named);
    check(other->memory() != segment->memory(), "the same mapping");
    fill(*segment, 1);
    check(is_filled(*other, 1), "what was written");
    fill(*other, 2);
    check(is_filled(*segment, 2), "what was written back");
  }
}};

const Case owned{"a mapping keeps the memory when the descriptor, and the maker's mapping, have gone; then nothing is left", [] {
  const int before = open_descriptors();
  {
    auto segment = make();
    auto other = open_copy(*segment);
    check_equal(other->descriptor(), -1, "the other side has no use for its descriptor");
    fill(*segment, 3);
    segment->close_descriptor();
    segment->close_descriptor();
    check_equal(segment->descriptor(), -1);
    check_equal(open_descriptors(), before, "open descriptors");
    check(is_filled(*segment, 3), "without a descriptor");
    segment.reset();
    check(is_filled(*other, 3), "without the maker");
  }
  check_equal(open_descriptors(), before, "open descriptors");
}};

const Case longer{"a file that is longer than agreed will do: macOS rounds it up", [] {
  const auto segment = make(2 * kBytes);
  Failure failure;
  const auto other = Segment::open(copy_of(segment->descriptor()), kBytes, kNamed, false, failure);
  check(other != nullptr && other->bytes() == kBytes, "opened");
}};

const Case name_taken{"a name that is taken is left to whom it belongs", [] {
  const std::string name = fresh_name();
  const int theirs = shm_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600);
  check(theirs >= 0, "shm_open");
  const int before = open_descriptors();
  Failure failure;
  check(Segment::create(kBytes, name, failure) == nullptr, "made");
  check_equal(failure.error, EEXIST, failure.syscall);
  check_equal(open_descriptors(), before, "open descriptors");
  check(shm_unlink(name.c_str()) == 0, "the name is still there");
  close(theirs);
}};

const Case signalled{"signals that keep coming do not keep a large one from being made", [] {
  struct sigaction action {};
  action.sa_handler = [](int) {};
  action.sa_flags = SA_RESTART;
  check(sigaction(SIGALRM, &action, nullptr) == 0, "sigaction");
  itimerval timer{{0, 1000}, {0, 1000}};
  check(setitimer(ITIMER_REAL, &timer, nullptr) == 0, "setitimer");
  make(uint64_t{256} << 20);
  timer = {};
  setitimer(ITIMER_REAL, &timer, nullptr);
}};

const Case owner_killed{"when its maker is killed, who has mapped it still reads it", [] {
  int ends[2];
  check(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "socketpair");
  const pid_t child = fork();
  check(child >= 0, "fork");
  if (child == 0) {
    die_with_the_parent();
    const auto segment = make();
    fill(*segment, 13);
    const std::byte one{1};
    check(socket_send(ends[1], &one, 1, segment->descriptor()) == 1, "socket_send");
    for (;;) pause();
  }
  std::byte byte;
  int passed = -1;
  check(socket_receive(ends[0], &byte, 1, passed) == 1 && passed >= 0, "socket_receive");
  Failure failure;
  const auto segment = Segment::open(passed, kBytes, kNamed, false, failure);
  check(segment != nullptr, failure.syscall);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  check(is_filled(*segment, 13), "content");
  fill(*segment, 14);
  check(is_filled(*segment, 14), "content");
  close(ends[0]);
  close(ends[1]);
}};

#if defined(__linux__)

const Case no_room{"more than there is is an error at once, which leaves neither descriptor nor name nor memory behind", [] {
  const int descriptors = open_descriptors();
  const auto names = shared_names();
  // The last are no lengths that a file can have.
  for (const uint64_t bytes : {uint64_t{1} << 45, uint64_t{1} << 52, uint64_t{1} << 62, uint64_t{1} << 63, ~uint64_t{0}}) {
    for (const bool named : {false, true}) {
      const uint64_t start = now_ns();
      Failure failure;
      check(Segment::create(bytes, named ? fresh_name() : "", failure) == nullptr, "made");
      check_equal(failure.error, ENOSPC, failure.syscall);
      // Nothing was got and given back.
      check(now_ns() - start < 1'000'000'000, "it took long");
      check_equal(open_descriptors(), descriptors, "open descriptors");
      check(shared_names() == names, "a name was left in /dev/shm");
    }
  }
}};

const Case forbidden{"a limit on the length of files is an error, too", [] {
  // The limit holds for the whole process, so in one of its own.
  const pid_t child = fork();
  check(child >= 0, "fork");
  if (child == 0) {
    die_with_the_parent();
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{kBytes - 1, kBytes - 1};
    check(setrlimit(RLIMIT_FSIZE, &limit) == 0, "setrlimit");
    const int descriptors = open_descriptors();
    const auto names = shared_names();
    for (const bool named : {false, true}) {
      Failure failure;
      check(Segment::create(kBytes, named ? fresh_name() : "", failure) == nullptr, "made");
      check_equal(failure.error, EFBIG, failure.syscall);
    }
    check_equal(open_descriptors(), descriptors, "open descriptors");
    check(shared_names() == names, "a name was left in /dev/shm");
    _exit(0);
  }
  int status = -1;
  check(waitpid(child, &status, 0) == child && status == 0, "the child failed");
}};

#endif

}  // namespace test
