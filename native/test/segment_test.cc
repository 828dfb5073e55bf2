// Memory for blocks: made, passed, mapped by the other side, made immutable; and what must be refused of what a peer passes.
#include <atomic>
#include <cerrno>
#include <csignal>
#include <dirent.h>
#include <fcntl.h>
#include <set>
#include <string>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <thread>
#include <utility>

#include "../segment.h"
#include "../socket.h"
#include "rig.h"

#if defined(__linux__)
#include <linux/memfd.h>
#endif

namespace test {

constexpr uint64_t kBytes = 64 * 1024;

// Elsewhere a segment has a name for an instant, and whoever has it can resize it.
#if defined(__linux__)
constexpr bool kWays[] = {false, true};  // without a name, with one
#else
constexpr bool kWays[] = {true};
#endif
constexpr bool kNamed = kWays[0];

std::string prefix() { return "ringbell-test-" + std::to_string(getpid()) + "-"; }

std::string fresh_name() {
  static int count = 0;
  return "/" + prefix() + std::to_string(++count);
}

// Those of our names that are in /dev/shm, where that can be seen.
std::set<std::string> shared_names() {
  std::set<std::string> names;
  DIR* open = opendir("/dev/shm");
  if (open == nullptr) return names;
  while (const dirent* entry = readdir(open)) {
    if (std::string(entry->d_name).starts_with(prefix())) names.insert(entry->d_name);
  }
  closedir(open);
  return names;
}

int open_descriptors() {
  int open = 0;
  for (int descriptor = 0; descriptor < 1024; ++descriptor) {
    if (fcntl(descriptor, F_GETFD) != -1) ++open;
  }
  return open;
}

std::shared_ptr<Segment> make(uint64_t bytes = kBytes, bool named = kNamed) {
  Failure failure;
  std::shared_ptr<Segment> segment = Segment::create(bytes, named ? fresh_name() : "", failure);
  check(segment != nullptr, failure.syscall);
  check(!failure, "a failure without one");
  check_equal(segment->bytes(), bytes, "bytes");
  return segment;
}

int copy_of(int descriptor) {
  const int copy = dup(descriptor);
  check(copy >= 0, "dup");
  return copy;
}

// As the other side has it, from a descriptor of its own.
std::shared_ptr<Segment> open_copy(const Segment& segment, bool resizable = kNamed, bool immutable = false) {
  Failure failure;
  auto opened = Segment::open(copy_of(segment.descriptor()), segment.bytes(), resizable, immutable, failure);
  check(opened != nullptr, failure.syscall);
  return opened;
}

void fill(const Segment& segment, unsigned seed) {
  for (uint64_t i = 0; i < segment.bytes(); ++i) segment.memory()[i] = static_cast<std::byte>(i * 7 + i / 251 + seed);
}

bool is_filled(const Segment& segment, unsigned seed) {
  for (uint64_t i = 0; i < segment.bytes(); ++i) {
    if (segment.memory()[i] != static_cast<std::byte>(i * 7 + i / 251 + seed)) return false;
  }
  return true;
}

// ---- making and mapping

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

#if defined(__linux__)

// ---- no room

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

// ---- what a peer passes

int memfd(unsigned flags, uint64_t bytes, int seals) {
  const int descriptor = memfd_create("test", flags);
  if (descriptor < 0) return -1;
  check(ftruncate(descriptor, static_cast<off_t>(bytes)) == 0, "ftruncate");
  if (seals != 0) check(fcntl(descriptor, F_ADD_SEALS, seals) == 0, "F_ADD_SEALS");
  return descriptor;
}

// Opening fails so, and takes the descriptor all the same.
void refuse(int descriptor, uint64_t bytes, bool resizable, bool immutable, int error = EINVAL,
            const std::source_location where = std::source_location::current()) {
  const int before = open_descriptors();
  Failure failure;
  check(Segment::open(descriptor, bytes, resizable, immutable, failure) == nullptr, "opened", where);
  check_equal(failure.error, error, failure.syscall, where);
  check_equal(open_descriptors(), before - (descriptor >= 0 ? 1 : 0), "the descriptor was left open", where);
}

constexpr int kFixed = F_SEAL_SHRINK | F_SEAL_GROW;

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

const Case closed_seals{"once it has been passed nobody can seal it: a peer could shut others out", [] {
  const auto segment = make();
  const auto try_all = [&](int descriptor, bool works) {
    for (const int seal : {F_SEAL_FUTURE_WRITE, F_SEAL_SEAL}) {
      const int result = fcntl(descriptor, F_ADD_SEALS, seal);
      if (works) return check(result == 0, "the test tries what can't be");
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
  // What takes no seals anyway is no error.
  memory_file_close_seals(make(kBytes, true)->descriptor());
  memory_file_close_seals(-1);
}};

// ---- immutable

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

}  // namespace test
