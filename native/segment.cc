#include "segment.h"

#include <cerrno>
#include <sys/mman.h>
#include <unistd.h>

namespace ringbell {

Segment::~Segment() {
  close_descriptor();
  unmap();
}

void Segment::unmap() {
  if (memory_ != nullptr) munmap(memory_, bytes_);
  memory_ = nullptr;
}

void Segment::close() {
  close_descriptor();
  if (views_ == 0) unmap();
}

void Segment::close_descriptor() {
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
}

bool Segment::map(int flags, Failure& failure) {
  void* memory = mmap(memory_, bytes_, PROT_READ | PROT_WRITE, flags, descriptor_, 0);
  if (memory == MAP_FAILED) return fail(failure, "mmap");
  memory_ = static_cast<std::byte*>(memory);
  return true;
}

std::shared_ptr<Segment> Segment::create(uint64_t bytes, const std::string& name, Failure& failure) {
  const int descriptor = memory_file_create(bytes, name, Allocation::at_once, failure);
  if (descriptor < 0) return nullptr;
  // A segment is passed by its descriptor.
  if (!name.empty()) shm_unlink(name.c_str());
  std::shared_ptr<Segment> segment(new Segment(descriptor, bytes));
  return segment->map(MAP_SHARED, failure) ? segment : nullptr;
}

std::shared_ptr<Segment> Segment::open(int descriptor, uint64_t bytes, bool resizable, bool immutable,
                                       Failure& failure) {
  std::shared_ptr<Segment> segment(new Segment(descriptor, bytes));
  // macOS rounds shared memory up to its page of 16 KiB.
  if (bytes == 0 || memory_file_bytes(descriptor) < bytes) {
    fail(failure, "fstat", EINVAL);
    return nullptr;
  }
  if ((immutable || !resizable) && !memory_file_is_safe(descriptor, immutable, failure)) return nullptr;
  if (!segment->map(immutable ? MAP_PRIVATE : MAP_SHARED, failure)) return nullptr;
  segment->close_descriptor();
  return segment;
}

void Segment::discard() {
  // The pages of a private mapping are those of the file again. madvise does not fail for a mapping that is there.
  (void)madvise(memory_, bytes_, MADV_DONTNEED);
}

bool Segment::make_immutable(Failure& failure) {
  if (descriptor_ < 0) return fail(failure, "fcntl", EBADF);
  // The new mapping replaces the old in place, so that the memory is never unmapped: views of it stay what they are.
  if (!map(MAP_PRIVATE | MAP_FIXED, failure)) return false;
  if (memory_file_make_immutable(descriptor_, failure)) return true;
  Failure ignored;
  (void)map(MAP_SHARED | MAP_FIXED, ignored);
  return false;
}

}  // namespace ringbell
