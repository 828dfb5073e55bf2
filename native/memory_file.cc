#include "memory_file.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__linux__)
#include <linux/magic.h>
#include <sys/vfs.h>
#endif

namespace ringbell {

namespace {

#if defined(__linux__)
// Allocating a piece takes the kernel a quarter of a millisecond.
constexpr uint64_t kPiece = uint64_t{1} << 20;
// Smaller files are not worth a look at how much memory the machine has left.
constexpr uint64_t kLarge = uint64_t{16} << 20;

// Bytes that programs can still have, by the kernel's own estimate; UINT64_MAX where it gives none.
uint64_t available_memory() {
  std::FILE* file = std::fopen("/proc/meminfo", "re");
  if (file == nullptr) return UINT64_MAX;
  uint64_t kilobytes = 0;
  bool found = false;
  char line[128];
  while (std::fgets(line, sizeof line, file) != nullptr) {
    unsigned long long value = 0;
    const bool memory = std::sscanf(line, "MemAvailable: %llu", &value) == 1;
    if (memory || std::sscanf(line, "SwapFree: %llu", &value) == 1) kilobytes += value;
    found = found || memory;
  }
  std::fclose(file);
  return found ? kilobytes * 1024 : UINT64_MAX;
}

// A memfd belongs to no file system that could be full: asked for more than there is, the kernel kills rather than refuses.
bool has_room(int descriptor, uint64_t bytes) {
  struct statfs file_system {};
  if (fstatfs(descriptor, &file_system) == 0 && file_system.f_blocks > 0 &&
      bytes / static_cast<uint64_t>(file_system.f_bsize) > file_system.f_bavail) {
    return false;
  }
  return bytes < kLarge || bytes <= available_memory();
}
#endif

bool allocate(int descriptor, uint64_t bytes, Allocation allocation, Failure& failure) {
#if defined(__linux__)
  if (!has_room(descriptor, bytes)) return fail(failure, "posix_fallocate", ENOSPC);
#endif
  if (ftruncate(descriptor, static_cast<off_t>(bytes)) != 0) return fail(failure, "ftruncate");
#if defined(__linux__)
  if (allocation == Allocation::on_use) return true;
  // In pieces: many kernels undo the whole call when a signal comes, so that under a profiler's timer a large one would never end.
  for (uint64_t from = 0; from < bytes; from += kPiece) {
    const auto piece = static_cast<off_t>(std::min(kPiece, bytes - from));
    int error;
    do error = posix_fallocate(descriptor, static_cast<off_t>(from), piece);
    while (error == EINTR);
    if (error != 0) return fail(failure, "posix_fallocate", error);
  }
#endif
  // macOS backs shared memory by swap and has no file system of its own that could be full.
  (void)allocation;
  return true;
}

int open_new(const std::string& name, Failure& failure) {
  if (!name.empty()) {
    const int descriptor = shm_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600);
    if (descriptor < 0) fail(failure, "shm_open");
    return descriptor;
  }
#if defined(__linux__)
  const int descriptor = memfd_create("ringbell", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (descriptor < 0) fail(failure, "memfd_create");
  return descriptor;
#else
  fail(failure, "memfd_create", ENOSYS);
  return -1;
#endif
}

}  // namespace

bool fail(Failure& failure, const char* syscall, int error) {
  failure = {error, syscall};
  return false;
}
bool fail(Failure& failure, const char* syscall) { return fail(failure, syscall, errno); }

bool memory_comes_on_use() {
#if defined(__linux__)
  const int file = ::open("/proc/sys/vm/overcommit_memory", O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  char mode = 0;
  const ssize_t got = ::read(file, &mode, 1);
  ::close(file);
  return got == 1 && (mode == '0' || mode == '1');
#else
  return false;
#endif
}

int memory_file_create(uint64_t bytes, const std::string& name, Allocation allocation, Failure& failure) {
  const int descriptor = open_new(name, failure);
  if (descriptor < 0) return -1;
  const bool later = allocation == Allocation::on_use && name.empty() && memory_comes_on_use();
  bool ok = allocate(descriptor, bytes, later ? Allocation::on_use : Allocation::at_once, failure);
#if defined(__linux__)
  if (ok && name.empty() && fcntl(descriptor, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0) ok = fail(failure, "fcntl");
#endif
  if (ok) return descriptor;
  ::close(descriptor);
  if (!name.empty()) shm_unlink(name.c_str());
  return -1;
}

bool memory_file_is_safe(int descriptor, bool immutable, Failure& failure) {
#if defined(__linux__)
  const int wanted = F_SEAL_SHRINK | F_SEAL_GROW | (immutable ? F_SEAL_WRITE : 0);
  const int seals = fcntl(descriptor, F_GET_SEALS);
  // What a sandbox refuses says nothing of the file. Any other failure does: a peer may pass a descriptor that takes no calls.
  const auto cause = [] { return errno == EPERM || errno == EACCES || errno == ENOSYS ? errno : EINVAL; };
  if (seals < 0) return fail(failure, "fcntl", cause());
  struct statfs file_system {};
  if (fstatfs(descriptor, &file_system) != 0) return fail(failure, "fstatfs", cause());
  // Huge pages are refused: where their pool is empty, an access is a SIGBUS, too.
  return ((seals & wanted) == wanted && file_system.f_type == TMPFS_MAGIC) || fail(failure, "fcntl", EINVAL);
#else
  (void)descriptor;
  (void)immutable;
  return fail(failure, "fcntl", EINVAL);
#endif
}

uint64_t memory_file_bytes(int descriptor) {
  struct stat status {};
  return fstat(descriptor, &status) == 0 && status.st_size > 0 ? static_cast<uint64_t>(status.st_size) : 0;
}

bool memory_file_make_immutable(int descriptor, Failure& failure) {
#if defined(__linux__)
  return fcntl(descriptor, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SEAL) == 0 || fail(failure, "fcntl");
#else
  (void)descriptor;
  return fail(failure, "fcntl", ENOSYS);
#endif
}

void memory_file_close_seals(int descriptor) {
#if defined(__linux__)
  // A file that takes no seals (shm_open) takes none from others either.
  (void)fcntl(descriptor, F_ADD_SEALS, F_SEAL_SEAL);
#else
  (void)descriptor;
#endif
}

}  // namespace ringbell
