// Memory for blocks: made by one process, mapped by those that it hands blocks to. docs/bulk.md
//
// Who may use which part of it is no business of this file: the owner's ledger says it (lib/bulk/), in private memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "memory_file.h"

namespace ringbell {

class Segment {
 public:
  // Unmaps. Whoever shows the memory to others holds a reference until they have let go.
  ~Segment();
  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;

  // Makes one of `bytes` bytes (a multiple of the page size), all allocated. `name` as for memory_file_create; the name is
  // gone when this returns.
  static std::shared_ptr<Segment> create(uint64_t bytes, const std::string& name, Failure& failure);

  // Maps what the peer made; the descriptor is consumed also on failure. Refuses (EINVAL) what is too short, what could be resized
  // under us, unless it is `resizable` by agreement (shm_open), and, if it is to be `immutable`, what can still be written;
  // that is mapped privately.
  static std::shared_ptr<Segment> open(int descriptor, uint64_t bytes, bool resizable, bool immutable, Failure& failure);

  // Nobody can write to it any more; our own mapping becomes a private one, at the same place. EBUSY: somebody else has it
  // mapped for writing; then it stays as it was.
  bool make_immutable(Failure& failure);

  // Forgets what this side has written to a private mapping.
  void discard();

  std::byte* memory() const { return memory_; }
  uint64_t bytes() const { return bytes_; }
  // To be passed on; -1 after `close_descriptor`.
  int descriptor() const { return descriptor_; }
  void close_descriptor();

 private:
  Segment(int descriptor, uint64_t bytes) : bytes_(bytes), descriptor_(descriptor) {}
  bool map(int flags, Failure& failure);

  uint64_t bytes_;
  int descriptor_;
  std::byte* memory_ = nullptr;
};

}  // namespace ringbell
