// operator new and delete of a macOS binary that carries the C++ library within itself.
//
// The linker exports the library's own ones, and dyld would bind other images to them, or us to theirs. Those here stay inside, by
// -fvisibility-global-new-delete=force-hidden. They end the process where there is no memory: nothing here catches std::bad_alloc.
#include <cstddef>
#include <cstdlib>
#include <new>

namespace {

void* allocate(std::size_t size) {
  if (void* bytes = std::malloc(size == 0 ? 1 : size); bytes != nullptr) return bytes;
  std::abort();
}

void* allocate(std::size_t size, std::align_val_t alignment) {
  void* bytes = nullptr;
  const std::size_t least = sizeof(void*);
  const auto wanted = static_cast<std::size_t>(alignment);
  if (posix_memalign(&bytes, wanted < least ? least : wanted, size) == 0) return bytes;
  std::abort();
}

}  // namespace

void* operator new(std::size_t size) { return allocate(size); }
void* operator new[](std::size_t size) { return allocate(size); }
void* operator new(std::size_t size, std::align_val_t alignment) { return allocate(size, alignment); }
void* operator new[](std::size_t size, std::align_val_t alignment) { return allocate(size, alignment); }
void operator delete(void* bytes) noexcept { std::free(bytes); }
void operator delete[](void* bytes) noexcept { std::free(bytes); }
void operator delete(void* bytes, std::size_t) noexcept { std::free(bytes); }
void operator delete[](void* bytes, std::size_t) noexcept { std::free(bytes); }
void operator delete(void* bytes, std::align_val_t) noexcept { std::free(bytes); }
void operator delete[](void* bytes, std::align_val_t) noexcept { std::free(bytes); }
void operator delete(void* bytes, std::size_t, std::align_val_t) noexcept { std::free(bytes); }
void operator delete[](void* bytes, std::size_t, std::align_val_t) noexcept { std::free(bytes); }
