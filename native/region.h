// The shared memory of a connection: made by the listener, mapped by both.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "layout.h"
#include "memory_file.h"

namespace ringbell {

class Region {
 public:
  ~Region();
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;

  // Makes a region for lanes of these capacities, with a random nonce in it. `name` as for memory_file_create.
  static std::shared_ptr<Region> create(std::span<const uint64_t> capacities, const std::string& name, Failure& failure);

  // Maps the region that the peer made: by name, or where `name` is empty by `descriptor`, which is consumed also on failure. Refuses
  // (EINVAL) a region whose size, seals or header are not as agreed.
  static std::shared_ptr<Region> open(std::span<const uint64_t> capacities, const std::string& name, int descriptor,
                                      Failure& failure);

  RingControl* control(uint32_t lane, uint32_t ring) const;
  std::byte* data(uint32_t lane, uint32_t ring) const;
  // The cells of both sides, the listener's first.
  std::span<std::byte> cells() const { return {memory_ + cells_offset(lanes_), 2 * cells_bytes(lanes_)}; }
  std::span<std::byte> memory() const { return {memory_, bytes_}; }
  // Capacities and their number were agreed in the handshake; they are never taken from shared memory.
  std::span<const uint64_t> capacities() const { return {capacities_, lanes_}; }
  uint32_t lanes() const { return lanes_; }
  uint64_t bytes() const { return bytes_; }
  std::string nonce() const;
  // Gives the whole pages of these bytes back to the system; they are zero from then on. A hint: memory with a name keeps what it has.
  void give_back(std::byte* from, std::byte* to) const;
  int descriptor() const { return descriptor_; }
  void close_descriptor();

 private:
  Region(std::span<const uint64_t> capacities, bool sealed);
  bool map(int descriptor, Failure& failure);

  uint32_t lanes_;
  uint64_t capacities_[kMaxLanes];
  uint64_t bytes_;
  [[maybe_unused]] bool sealed_;  // only Linux gives memory back
  std::byte* memory_ = nullptr;
  int descriptor_ = -1;
};

// Bytes of a region for lanes of these capacities. No overflow: 17 lanes of twice 1 GiB at most.
uint64_t region_bytes(std::span<const uint64_t> capacities);

}  // namespace ringbell
