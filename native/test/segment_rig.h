// Segments for tests: made, opened as the other side does, filled and compared; and what they must leave behind, which is nothing.
#pragma once

#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <set>
#include <string>
#include <sys/mman.h>

#include "../segment.h"
#include "rig.h"

#if defined(__linux__)
#include <linux/memfd.h>
#endif

namespace test {

inline constexpr uint64_t kBytes = 64 * 1024;

// Elsewhere a segment has a name for an instant, and whoever has it can resize it.
#if defined(__linux__)
inline constexpr bool kWays[] = {false, true};  // without a name, with one
#else
inline constexpr bool kWays[] = {true};
#endif
inline constexpr bool kNamed = kWays[0];

inline std::string prefix() { return "ringbell-test-" + std::to_string(getpid()) + "-"; }

inline std::string fresh_name() {
  static int count = 0;
  return "/" + prefix() + std::to_string(++count);
}

// Names of this test in /dev/shm, where that can be seen.
inline std::set<std::string> shared_names() {
  std::set<std::string> names;
  DIR* open = opendir("/dev/shm");
  if (open == nullptr) return names;
  while (const dirent* entry = readdir(open)) {
    if (std::string(entry->d_name).starts_with(prefix())) names.insert(entry->d_name);
  }
  closedir(open);
  return names;
}

inline int open_descriptors() {
  int open = 0;
  for (int descriptor = 0; descriptor < 1024; ++descriptor) {
    if (fcntl(descriptor, F_GETFD) != -1) ++open;
  }
  return open;
}

inline std::shared_ptr<Segment> make(uint64_t bytes = kBytes, bool named = kNamed) {
  Failure failure;
  std::shared_ptr<Segment> segment = Segment::create(bytes, named ? fresh_name() : "", failure);
  check(segment != nullptr, failure.syscall);
  check(!failure, "a failure without one");
  check_equal(segment->bytes(), bytes, "bytes");
  return segment;
}

inline int copy_of(int descriptor) {
  const int copy = dup(descriptor);
  check(copy >= 0, "dup");
  return copy;
}

// A segment as the other side has it, from a descriptor of its own.
inline std::shared_ptr<Segment> open_copy(const Segment& segment, bool resizable = kNamed, bool immutable = false) {
  Failure failure;
  auto opened = Segment::open(copy_of(segment.descriptor()), segment.bytes(), resizable, immutable, failure);
  check(opened != nullptr, failure.syscall);
  return opened;
}

inline void fill(const Segment& segment, unsigned seed) {
  for (uint64_t i = 0; i < segment.bytes(); ++i) segment.memory()[i] = static_cast<std::byte>(i * 7 + i / 251 + seed);
}

inline bool is_filled(const Segment& segment, unsigned seed) {
  for (uint64_t i = 0; i < segment.bytes(); ++i) {
    if (segment.memory()[i] != static_cast<std::byte>(i * 7 + i / 251 + seed)) return false;
  }
  return true;
}

#if defined(__linux__)

inline int memfd(unsigned flags, uint64_t bytes, int seals) {
  const int descriptor = memfd_create("test", flags);
  if (descriptor < 0) return -1;
  check(ftruncate(descriptor, static_cast<off_t>(bytes)) == 0, "ftruncate");
  if (seals != 0) check(fcntl(descriptor, F_ADD_SEALS, seals) == 0, "F_ADD_SEALS");
  return descriptor;
}

// Opening fails with `error`, and takes the descriptor all the same.
inline void refuse(int descriptor, uint64_t bytes, bool resizable, bool immutable, int error = EINVAL,
                   const std::source_location where = std::source_location::current()) {
  const int before = open_descriptors();
  Failure failure;
  check(Segment::open(descriptor, bytes, resizable, immutable, failure) == nullptr, "opened", where);
  check_equal(failure.error, error, failure.syscall, where);
  check_equal(open_descriptors(), before - (descriptor >= 0 ? 1 : 0), "the descriptor was left open", where);
}

inline constexpr int kFixed = F_SEAL_SHRINK | F_SEAL_GROW;

#endif

}  // namespace test
