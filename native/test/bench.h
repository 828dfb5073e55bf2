// One ring under test, in one thread: both its ends, and a place for what comes out of it.
#pragma once

#include <algorithm>

#include "rig.h"

namespace test {

inline constexpr uint64_t kCapacity = kMinCapacity;

struct Bench {
  explicit Bench(uint64_t capacity = kCapacity)
      : ring(capacity), producer(ring.producer()), consumer(ring.consumer()), inbox(2 * capacity) {}

  Take drain(uint32_t max = UINT32_MAX) { return consumer.drain(inbox.data(), inbox.size(), max, count, needed); }

  // Takes all there is and reports it, so that the ring is empty for both sides.
  void empty() {
    while (drain() == Take::ok) {
    }
    consumer.report();
    check(producer.refresh(), "refresh");
    check_equal(producer.fill(), 0u, "fill of an empty ring");
  }

  // Moves both sides to `offset` within the data, with an empty ring.
  void advance_to(uint64_t offset) {
    empty();
    uint64_t way = (offset - producer.produced()) & (ring.capacity - 1);
    const std::vector<std::byte> zeros(ring.capacity);
    while (way > 0) {
      const uint64_t rest = ring.capacity - (producer.produced() & (ring.capacity - 1));
      uint64_t size = std::min({way, rest, ring.capacity / 2});
      check_equal(producer.push(zeros.data(), size - kHeaderBytes), Push::ok, "filler");
      way -= size;
      empty();
    }
    check_equal(producer.produced() & (ring.capacity - 1), offset, "offset reached");
  }

  PrivateRing ring;
  Producer producer;
  Consumer consumer;
  std::vector<std::byte> inbox;
  uint32_t count = 0;
  uint64_t needed = 0;
};

}  // namespace test
