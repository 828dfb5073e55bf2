#include "long_memory.h"

#include <cstdint>
#include <cstdlib>
#include <sys/mman.h>

namespace ringbell {

void keep_freed_memory() {
#ifdef __GLIBC__
  // glibc maps memory beyond a threshold by itself, and lets twice the threshold lie free at the top of the heap. It raises the
  // threshold to the longest mapping that was freed so far, up to 32 MiB. So one unused mapping, which costs two system calls, takes
  // it to where a program with such buffers gets anyway. mallopt would end that adapting, and override the user's will.
  static const bool once = [] {
    constexpr size_t kLongest = (size_t{32} << 20) - (size_t{64} << 10);
    // Volatile, or the compiler would leave both calls out.
    void* volatile unused = std::malloc(kLongest);
    std::free(unused);
    return true;
  }();
  (void)once;
#endif
}

void advise_huge_pages([[maybe_unused]] std::span<std::byte> memory) {
#ifdef MADV_HUGEPAGE
  // Huge pages of x86-64, and of arm64 with pages of 4 KiB. Only whole ones within the memory: its neighbours are others'.
  constexpr uintptr_t kHuge = uintptr_t{2} << 20;
  const auto address = reinterpret_cast<uintptr_t>(memory.data());
  const uintptr_t begin = (address + kHuge - 1) & ~(kHuge - 1);
  const uintptr_t end = (address + memory.size()) & ~(kHuge - 1);
  // A kernel without them says EINVAL.
  if (begin < end) (void)madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#endif
}

}  // namespace ringbell
