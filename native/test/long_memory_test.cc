// Long private memory: what glibc does with it after it was told, and which pages are advised. Sanitizers have allocators of their own.
#include "../long_memory.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <sys/mman.h>
#include <vector>

#include "check.h"

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#include <malloc.h>
#endif

namespace test {

using ringbell::advise_huge_pages;
using ringbell::keep_freed_memory;

constexpr size_t kMiB = size_t{1} << 20;

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
// Bytes of glibc's heap when 32 MiB of it were freed, a MiB each.
size_t heap_after_32_mib() {
  std::vector<void*> pieces;
  for (int i = 0; i < 32; ++i) {
    pieces.push_back(std::malloc(kMiB));
    std::memset(pieces.back(), 1, kMiB);
  }
  for (void* piece : pieces) std::free(piece);
  return mallinfo2().arena;
}

const Case kept{"what is freed, 32 MiB in pieces, stays in the heap for the next time", [] {
  heap_after_32_mib();
  check(heap_after_32_mib() < 16 * kMiB, "glibc gives it back by itself");
  keep_freed_memory();
  const size_t heap = heap_after_32_mib();
  check(heap >= 32 * kMiB, "the heap keeps it");
  check_equal(heap_after_32_mib(), heap, "the heap serves the next ones");
}};

const Case unmapped{"long memory comes from the heap, not from a mapping of its own", [] {
  keep_freed_memory();
  const size_t mapped = mallinfo2().hblks;
  void* memory = std::malloc(24 * kMiB);
  check_equal(mallinfo2().hblks, mapped, "mappings");
  std::free(memory);
}};
#else
const Case twice{"it can be said again and again", [] {
  keep_freed_memory();
  keep_freed_memory();
}};
#endif

#ifdef MADV_HUGEPAGE
// Of the mapping that begins at `address`, as /proc says: its end, and whether it is advised.
bool advised(const std::byte* address, const std::byte*& end) {
  char wanted[32];
  std::snprintf(wanted, sizeof wanted, "%lx-", reinterpret_cast<unsigned long>(address));
  std::ifstream maps("/proc/self/smaps");
  std::string line;
  bool here = false;
  while (std::getline(maps, line)) {
    if (line.rfind(wanted, 0) == 0) {
      here = true;
      end = reinterpret_cast<const std::byte*>(std::stoul(line.substr(line.find('-') + 1), nullptr, 16));
    }
    if (here && line.rfind("VmFlags:", 0) == 0) return line.find(" hg") != std::string::npos;
  }
  fail("no mapping begins there");
}

const Case inside{"only the huge pages that are all inside are advised", [] {
  if (emulated()) return note("not run: /proc tells of the emulator's mappings");
  constexpr size_t kHuge = 2 * kMiB;
  auto* mapping = static_cast<std::byte*>(
      mmap(nullptr, 5 * kHuge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  check(mapping != MAP_FAILED, "mmap");
  auto* first = reinterpret_cast<std::byte*>((reinterpret_cast<uintptr_t>(mapping) + kHuge - 1) & ~(kHuge - 1));
  // From within the first huge page to within the fourth.
  if (madvise(first, kHuge, MADV_HUGEPAGE) != 0) {
    note("this kernel has no huge pages");
    return;
  }
  madvise(first, kHuge, MADV_NOHUGEPAGE);
  advise_huge_pages({first + 4096, 3 * kHuge});
  const std::byte* end = nullptr;
  check(!advised(first, end), "the page that the memory begins in");
  check(end == first + kHuge, "where the advice begins");
  check(advised(first + kHuge, end), "the pages inside");
  check(end == first + 3 * kHuge, "where the advice ends");
  munmap(mapping, 5 * kHuge);
}};

const Case short_memory{"memory without a huge page inside is left alone", [] {
  std::byte bytes[4096];
  advise_huge_pages(bytes);
  advise_huge_pages({});
}};
#endif

}  // namespace test
