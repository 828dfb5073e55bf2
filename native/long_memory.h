// Long private memory, such as the copies of long messages: what the C library and the kernel do with it. docs/performance.md
//
// Long memory comes from the engine, as all memory of ArrayBuffers that may be transferred must.
#pragma once

#include <cstddef>
#include <span>

namespace ringbell {

// Has glibc keep up to 64 MiB of freed memory at the top of each thread's heap, rather than give it back to the system and get it
// again page by page. Only the first call of a process has an effect; none has where another C library is, or where the user has
// set glibc's thresholds.
void keep_freed_memory();

// Asks the kernel for huge pages, where it gives them to programs that ask: all of the memory is about to be written to.
void advise_huge_pages(std::span<std::byte> memory);

}  // namespace ringbell
