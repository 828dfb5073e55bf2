// Files that live in memory: regions and segments are made of them.
#pragma once

#include <cstdint>
#include <string>

namespace ringbell {

// The errno and the name of a system call that failed; 0 if none has.
struct Failure {
  int error = 0;
  const char* syscall = "";
  explicit operator bool() const { return error != 0; }
};

// Notes the system call that has just failed, by errno or by `error`. Returns false, for the caller to return.
bool fail(Failure& failure, const char* syscall);
bool fail(Failure& failure, const char* syscall, int error);

// When the pages of a file are allocated: when it is made, or, where that is safe (memory_comes_on_use), each when it is touched first.
enum class Allocation { at_once, on_use };

// A new file of `bytes` bytes. Allocated at once, a full file system is an error here (ENOSPC) and not a SIGBUS later. More than the machine
// has is an error in any case, and not the end of some process. `name` empty: a memfd sealed against resizing (Linux); else shm_open of a
// new name, 0600, which the caller unlinks; that one is always allocated at once. Returns -1 on failure, with nothing left behind.
int memory_file_create(uint64_t bytes, const std::string& name, Allocation allocation, Failure& failure);

// Whether the kernel lets a page of a memfd be touched that it has not allocated. Under strict accounting (vm.overcommit_memory = 2) that
// may end in SIGBUS: a memfd counts towards the limit page by page. False also where the kernel does not tell, and elsewhere than on Linux.
bool memory_comes_on_use();

// Whether nobody can resize the file (nor, if `immutable`, write to it), and its memory is of the ordinary kind. A file that came
// from a peer must be so, or a later access could be a SIGBUS. EINVAL for another file; any other errno is our own trouble.
bool memory_file_is_safe(int descriptor, bool immutable, Failure& failure);

// The length in bytes; 0 if the descriptor is of no file.
uint64_t memory_file_bytes(int descriptor);

// Seals the file against writing, for good. Fails (EBUSY) while anyone has it mapped for writing.
bool memory_file_make_immutable(int descriptor, Failure& failure);

// Seals the file against further seals.
void memory_file_close_seals(int descriptor);

}  // namespace ringbell
