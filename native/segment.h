// Memory for blocks: made by one process, mapped by the processes that it hands blocks to. docs/bulk.md
//
// The owner's ledger (lib/bulk/), which is private, says which side may use which part of a segment. This file does not know.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "memory_file.h"

namespace ringbell {

class Segment {
 public:
  // Unmaps. A view of the memory holds a reference until it is let go.
  ~Segment();
  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;

  // Makes a segment of `bytes` bytes, a multiple of the page size. `name` as for memory_file_create; the name is gone when this
  // returns.
  static std::shared_ptr<Segment> create(uint64_t bytes, const std::string& name, Failure& failure);

  // Maps a segment that the peer made; the descriptor is consumed also on failure. Refuses (EINVAL) a file that is too short; one that
  // can be resized, unless it is `resizable` by agreement (shm_open); and one that can still be written to, if it is said to be
  // `immutable`. An immutable segment is mapped privately.
  static std::shared_ptr<Segment> open(int descriptor, uint64_t bytes, bool resizable, bool immutable, Failure& failure);

  // Seals the segment against writing; our own mapping becomes a private one, at the same place. EBUSY where somebody else has it
  // mapped for writing; then it stays as it was.
  bool make_immutable(Failure& failure);

  // Forgets what this side has written to a private mapping.
  void discard();

  // Unmaps at once, if JavaScript can look at the memory no more: finalizers of its buffers come from the event loop, to which a thread
  // that blocks does not come. A buffer that a program has taken for itself keeps the memory mapped for as long as it lives.
  void close();
  // Buffers over the memory that JavaScript has, or that it has taken; to be called on its thread.
  void view_made() { ++views_; }
  void view_detached() { --views_; }

  std::byte* memory() const { return memory_; }
  uint64_t bytes() const { return bytes_; }
  // The descriptor to pass on; -1 after `close_descriptor`.
  int descriptor() const { return descriptor_; }
  void close_descriptor();

 private:
  Segment(int descriptor, uint64_t bytes) : bytes_(bytes), descriptor_(descriptor) {}
  bool map(int flags, Failure& failure);
  void unmap();

  uint64_t bytes_;
  int descriptor_;
  std::byte* memory_ = nullptr;
  uint64_t views_ = 0;
};

}  // namespace ringbell
