// Files that live in memory, the stuff of regions and segments.
#pragma once

#include <cstdint>
#include <string>

namespace ringbell {

// What went wrong in a system call, or 0.
struct Failure {
  int error = 0;
  const char* syscall = "";
  explicit operator bool() const { return error != 0; }
};

// Notes what has just failed; returns false, for the caller to return.
bool fail(Failure& failure, const char* syscall);
bool fail(Failure& failure, const char* syscall, int error);

// A new file of `bytes` bytes, all of them allocated, so that a full file system is an error here and not a SIGBUS later, and
// more than the machine has is one, too (ENOSPC), and not the end of some process.
// `name` empty: a memfd that can't be resized any more (Linux); else shm_open of a new name, 0600, which is the caller's to
// unlink. -1 on failure, with nothing left behind.
int memory_file_create(uint64_t bytes, const std::string& name, Failure& failure);

// Whether nobody can resize the file, and its memory is of the ordinary kind: what came from a peer must be so, or a later access
// could be a SIGBUS. `immutable`: nor write to it.
bool memory_file_is_safe(int descriptor, bool immutable);

// The file's length, or 0 if it is none.
uint64_t memory_file_bytes(int descriptor);

// Nobody can write to the file any more, or open the question again. Fails (EBUSY) while it is mapped for writing by anyone.
bool memory_file_make_immutable(int descriptor, Failure& failure);

// No further seals.
void memory_file_close_seals(int descriptor);

}  // namespace ringbell
