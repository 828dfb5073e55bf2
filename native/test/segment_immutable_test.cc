// Segments that nobody can write to any more, and what keeps a segment from becoming one.
#include <atomic>
#include <cerrno>
#include <csignal>
#include <sys/wait.h>
#include <thread>
#include <utility>

#include "segment_rig.h"

namespace test {

#if defined(__linux__)

const Case sealed{"made immutable, it keeps its content and its place, and what is written to it later is seen by nobody else", [] {
  const auto segment = make();
  fill(*segment, 5);
  const std::byte* const place = segment->memory();
  Failure failure;
  check(segment->make_immutable(failure), failure.syscall);
  check(segment->memory() == place, "it moved");
  check(is_filled(*segment, 5), "content");

  const auto other = open_copy(*segment, false, true);
  const auto third = open_copy(*segment, false, true);
  fill(*segment, 6);
  check(is_filled(*other, 5), "the maker's writes got through");
  fill(*other, 7);
  check(is_filled(*segment, 6) && is_filled(*third, 5), "a receiver's writes got through");
  check(is_filled(*open_copy(*segment, false, true), 5), "the file has changed");

  const int descriptor = segment->descriptor();
  const char byte = 1;
  check(pwrite(descriptor, &byte, 1, 0) == -1 && errno == EPERM, "pwrite");
  check(ftruncate(descriptor, 0) == -1 && errno == EPERM, "ftruncate");
  check(fallocate(descriptor, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) == -1 && errno == EPERM, "fallocate");
  check(mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0) == MAP_FAILED && errno == EPERM, "mmap");
  // It is so already.
  check(!segment->make_immutable(failure) && failure.error == EPERM, "twice");
  check(is_filled(*open_copy(*segment, false, true), 5), "content after the second time");
}};

const Case busy{"while somebody else has it mapped for writing it can't be made immutable, and stays as it was", [] {
  const auto segment = make();
  auto other = open_copy(*segment);
  fill(*segment, 8);
  const std::byte* const place = segment->memory();
  Failure failure;
  for (int i = 0; i < 3; ++i) {
    check(!segment->make_immutable(failure), "made immutable");
    check_equal(failure.error, EBUSY, failure.syscall);
    check(segment->memory() == place && is_filled(*segment, 8), "content");
  }
  fill(*segment, 9);
  check(is_filled(*other, 9), "not shared any more");
  fill(*other, 10);
  check(is_filled(*segment, 10), "not shared any more");
  other.reset();
  check(segment->make_immutable(failure), "the other has gone");
  check(is_filled(*segment, 10), "content");
}};

const Case busy_elsewhere{"the same where the other is another process, dead or alive", [] {
  const auto segment = make();
  int told[2];
  check(pipe(told) == 0, "pipe");
  const pid_t child = fork();
  check(child >= 0, "fork");
  if (child == 0) {
    die_with_the_parent();
    // The child has inherited the mapping, which is as good as one of its own.
    segment->memory()[0] = std::byte{77};
    check(write(told[1], "", 1) == 1, "write");
    for (;;) pause();
  }
  char byte;
  check(read(told[0], &byte, 1) == 1, "read");
  Failure failure;
  check(!segment->make_immutable(failure) && failure.error == EBUSY, "made immutable");
  check(segment->memory()[0] == std::byte{77}, "what the other wrote");
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  check(segment->make_immutable(failure), "the other has died");
  check(segment->memory()[0] == std::byte{77}, "what the other wrote");
  close(told[0]);
  close(told[1]);
}};

const Case can_not_be{"without a descriptor, without seals, or once they are closed it can't be made immutable, and stays as it was", [] {
  const auto without = make();
  const auto other = open_copy(*without);
  without->close_descriptor();
  const auto closed = make();
  memory_file_close_seals(closed->descriptor());
  const auto named = make(kBytes, true);
  const std::pair<Segment*, int> ways[] = {{without.get(), EBADF}, {closed.get(), EPERM}, {named.get(), EPERM}};
  for (const auto& [segment, error] : ways) {
    fill(*segment, 11);
    Failure failure;
    check(!segment->make_immutable(failure), "made immutable");
    check_equal(failure.error, error, failure.syscall);
    check(is_filled(*segment, 11), "content");
  }
  check(is_filled(*other, 11), "not shared any more");
  fill(*closed, 12);
  check(is_filled(*open_copy(*closed), 12), "not shared any more");
}};

const Case in_place{"a thread that reads while it is made immutable sees the content all the time", [] {
  const auto segment = make();
  const auto* words = reinterpret_cast<const std::atomic<uint64_t>*>(segment->memory());
  const auto other = open_copy(*segment);
  std::memset(segment->memory(), 0x5a, kBytes);
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> rounds{0};
  std::thread reader([&] {
    while (!stop.load()) {
      for (uint64_t i = 0; i < kBytes / 8; i += 64) check(words[i].load() == 0x5a5a5a5a5a5a5a5a, "content");
      ++rounds;
    }
  });
  // To and fro: the other mapping makes each attempt fail.
  Failure failure;
  for (int i = 0; i < 2000 || rounds.load() < 100; ++i) check(!segment->make_immutable(failure), "made immutable");
  stop.store(true);
  reader.join();
}};

#endif

}  // namespace test
