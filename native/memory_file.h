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

// A new file of `bytes` bytes, all of them allocated. So a full file system is an error here (ENOSPC) and not a SIGBUS later; more
// than the machine has is an error, too, and not the end of some process. `name` empty: a memfd sealed against resizing (Linux);
// else shm_open of a new name, 0600, which the caller unlinks. Returns -1 on failure, with nothing left behind.
int memory_file_create(uint64_t bytes, const std::string& name, Failure& failure);

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
