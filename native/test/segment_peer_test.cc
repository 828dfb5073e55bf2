// Segments that a peer passes and that must be refused.
#include <cerrno>
#include <sys/socket.h>

#include "segment_rig.h"

namespace test {

#if defined(__linux__)

const Case too_short{"a file that is too short is refused, were it by a byte; also a length of nothing, or one beyond all memory", [] {
  const auto segment = make();
  for (const uint64_t bytes : {kBytes + 1, kBytes + 4096, 2 * kBytes, uint64_t{1} << 53, ~uint64_t{0}, uint64_t{0}}) {
    for (const bool resizable : {false, true}) refuse(copy_of(segment->descriptor()), bytes, resizable, false);
  }
  refuse(memfd(MFD_ALLOW_SEALING, 0, kFixed), kBytes, false, false);
  // As long as it says, and sealed; but nothing that could be mapped.
  refuse(memfd(MFD_ALLOW_SEALING, uint64_t{1} << 60, kFixed), uint64_t{1} << 60, false, false, ENOMEM);
}};

const Case unsealed{"what can be resized is refused, unless that is agreed", [] {
  for (const int seals : {0, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_SEAL, F_SEAL_WRITE, F_SEAL_GROW | F_SEAL_WRITE}) {
    refuse(memfd(MFD_ALLOW_SEALING, kBytes, seals), kBytes, false, false);
  }
  refuse(memfd(0, kBytes, 0), kBytes, false, false);
  Failure failure;
  check(Segment::open(memfd(0, kBytes, 0), kBytes, true, false, failure) != nullptr, "agreed");
}};

const Case other_files{"what is no memory of the ordinary kind is refused", [] {
  const char* temporary = std::getenv("TMPDIR");
  const auto ordinary = [](std::string path) {
    path += "/ringbell-test-XXXXXX";
    const int descriptor = mkstemp(path.data());
    check(descriptor >= 0 && unlink(path.c_str()) == 0 && ftruncate(descriptor, kBytes) == 0, "mkstemp");
    return descriptor;
  };
  refuse(ordinary(temporary != nullptr && *temporary != '\0' ? temporary : "/tmp"), kBytes, false, false);
  // The same file system as a memfd's, but one that takes no seals.
  refuse(ordinary("/dev/shm"), kBytes, false, false);
  int ends[2];
  check(pipe(ends) == 0, "pipe");
  for (const int descriptor : {ends[0], ends[1], socket(AF_UNIX, SOCK_STREAM, 0), open("/dev/zero", O_RDWR),
                               open("/", O_RDONLY | O_DIRECTORY), -1}) {
    if (descriptor < 0) {
      refuse(descriptor, kBytes, false, false);
      continue;
    }
    for (const bool immutable : {false, true}) refuse(copy_of(descriptor), kBytes, false, immutable);
    close(descriptor);
  }
  // Huge pages can be sealed; where their pool is empty, an access is a SIGBUS.
  constexpr uint64_t huge = uint64_t{2} << 20;
  const int pages = memfd(MFD_ALLOW_SEALING | MFD_HUGETLB, huge, kFixed);
  if (pages < 0) {
    note("huge pages can't be had here");
    return;
  }
  for (const bool immutable : {false, true}) refuse(copy_of(pages), huge, false, immutable);
  check(fcntl(pages, F_ADD_SEALS, F_SEAL_WRITE) == 0, "F_ADD_SEALS");
  refuse(pages, huge, false, true);
}};

const Case read_only{"a descriptor that was opened for reading only is refused, unless it is immutable", [] {
  const auto segment = make();
  const std::string path = "/proc/self/fd/" + std::to_string(segment->descriptor());
  refuse(open(path.c_str(), O_RDONLY | O_CLOEXEC), kBytes, false, false, EACCES);
  refuse(open(path.c_str(), O_PATH | O_CLOEXEC), kBytes, false, false);
  Failure failure;
  check(segment->make_immutable(failure), failure.syscall);
  check(Segment::open(open(path.c_str(), O_RDONLY | O_CLOEXEC), kBytes, false, true, failure) != nullptr, "immutable");
}};

const Case not_immutable{"what is said to be immutable and can be written to is refused", [] {
  const auto segment = make();
  for (const bool resizable : {false, true}) {
    refuse(copy_of(segment->descriptor()), kBytes, resizable, true);
    refuse(memfd(0, kBytes, 0), kBytes, resizable, true);
    // Not in future, but whoever has it mapped already can.
    refuse(memfd(MFD_ALLOW_SEALING, kBytes, kFixed | F_SEAL_FUTURE_WRITE), kBytes, resizable, true);
    refuse(memfd(MFD_ALLOW_SEALING, kBytes, F_SEAL_WRITE | F_SEAL_SHRINK), kBytes, resizable, true);
  }
  Failure failure;
  check(Segment::open(memfd(MFD_ALLOW_SEALING, kBytes, kFixed | F_SEAL_WRITE), kBytes, false, true, failure) != nullptr, "sealed");
  // And the other way round: nobody could fill it.
  refuse(memfd(MFD_ALLOW_SEALING, kBytes, kFixed | F_SEAL_WRITE), kBytes, false, false, EPERM);
}};

const Case closed_seals{"once it has been passed nobody can seal it: a peer could shut others out", [] {
  const auto segment = make();
  const auto try_all = [&](int descriptor, bool works) {
    for (const int seal : {F_SEAL_FUTURE_WRITE, F_SEAL_SEAL}) {
      const int result = fcntl(descriptor, F_ADD_SEALS, seal);
      if (works) return check(result == 0, "the test expects a call to work that the peer refuses");
      check(result == -1 && errno == EPERM, "a seal more");
    }
  };
  memory_file_close_seals(segment->descriptor());
  const std::string path = "/proc/self/fd/" + std::to_string(segment->descriptor());
  const int theirs = open(path.c_str(), O_RDWR | O_CLOEXEC);
  try_all(segment->descriptor(), false);
  try_all(theirs, false);
  close(theirs);
  const auto third = open_copy(*segment);
  fill(*third, 4);
  check(is_filled(*segment, 4), "still shared");
  try_all(make()->descriptor(), true);
  // A file that takes no seals anyway is no error.
  memory_file_close_seals(make(kBytes, true)->descriptor());
  memory_file_close_seals(-1);
}};

#endif

}  // namespace test
