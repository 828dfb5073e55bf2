// Memory for a ring under test, and records whose content can be told from their number.
#pragma once

#include <cstdlib>
#include <new>
#include <sys/mman.h>
#include <vector>

#if defined(__linux__)
#include <csignal>
#include <sys/prctl.h>
#endif

#include "../ring.h"
#include "check.h"

namespace test {

using namespace ringbell;

// For a forked child: a test that fails leaves no process behind that runs for ever.
inline void die_with_the_parent() {
#if defined(__linux__)
  prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
}

// A small generator with a state that can be copied, the same on every platform (splitmix64).
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  // 0 to limit - 1.
  uint64_t below(uint64_t limit) { return next() % limit; }
  bool one_in(uint64_t n) { return below(n) == 0; }

 private:
  uint64_t state_;
};

// A ring in private memory, control and data each in an allocation of its own size: AddressSanitizer sees a byte too far.
class PrivateRing {
 public:
  explicit PrivateRing(uint64_t capacity)
      : capacity(capacity),
        control(new(std::aligned_alloc(128, sizeof(RingControl))) RingControl{}),
        data(static_cast<std::byte*>(std::aligned_alloc(4096, capacity))) {
    clear();
  }
  ~PrivateRing() {
    std::free(control);
    std::free(data);
  }
  PrivateRing(const PrivateRing&) = delete;
  PrivateRing& operator=(const PrivateRing&) = delete;

  void clear() {
    std::memset(static_cast<void*>(control), 0, sizeof *control);
    std::memset(data, 0, capacity);
  }
  Producer producer() { return Producer(control, data, capacity); }
  Consumer consumer() { return Consumer(control, data, capacity); }

  std::atomic<uint64_t>& header(uint64_t position) {
    return *reinterpret_cast<std::atomic<uint64_t>*>(data + (position & (capacity - 1)));
  }

  const uint64_t capacity;
  RingControl* const control;
  std::byte* const data;
};

// A ring in memory that forked children share, with an inaccessible page on each side of control and of data.
class SharedRing {
 public:
  explicit SharedRing(uint64_t capacity)
      : capacity(capacity),
        memory_(map(capacity)),
        control(reinterpret_cast<RingControl*>(memory_ + kPage)),
        data(memory_ + 3 * kPage) {
    check(mprotect(memory_, kPage, PROT_NONE) == 0 && mprotect(memory_ + 2 * kPage, kPage, PROT_NONE) == 0 &&
              mprotect(data + capacity, kPage, PROT_NONE) == 0,
          "mprotect");
  }
  ~SharedRing() { munmap(memory_, capacity + 4 * kPage); }
  SharedRing(const SharedRing&) = delete;
  SharedRing& operator=(const SharedRing&) = delete;

  void clear() {
    std::memset(static_cast<void*>(control), 0, kPage);
    std::memset(data, 0, capacity);
  }
  Producer producer() { return Producer(control, data, capacity); }
  Consumer consumer() { return Consumer(control, data, capacity); }

  std::atomic<uint64_t>& header(uint64_t position) {
    return *reinterpret_cast<std::atomic<uint64_t>*>(data + (position & (capacity - 1)));
  }

  const uint64_t capacity;

 private:
  static constexpr uint64_t kPage = 4096;
  static std::byte* map(uint64_t capacity) {
    void* memory =
        mmap(nullptr, capacity + 4 * kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    check(memory != MAP_FAILED, "mmap");
    return static_cast<std::byte*>(memory);
  }
  std::byte* const memory_;

 public:
  RingControl* const control;
  std::byte* const data;
};

// The records of a stream: number `n` has a length and a content that follow from the seed, so that the reader can tell a
// torn, lost, doubled or misplaced record from a whole one. That is stricter than a checksum in the record.
class Stream {
 public:
  Stream(uint64_t seed, uint64_t longest) : seed_(seed), longest_(longest) {}

  // Mostly small, now and then anything up to the longest.
  uint64_t length(uint64_t n) const {
    Random random(seed_ ^ (n * 0xd6e8feb86659fd93));
    const uint64_t pick = random.below(16);
    if (pick < 10) return random.below(65) % (longest_ + 1);
    if (pick < 15) return random.below(512) % (longest_ + 1);
    return random.below(longest_ + 1);
  }
  // Most are plain.
  uint32_t kind(uint64_t n) const {
    const uint64_t pick = Random(~seed_ ^ n).below(8);
    return pick == 0 ? kWithBlocks : pick == 1 ? kInBlock : kMessage;
  }
  void write(uint64_t n, std::byte* into, uint64_t length) const {
    Random random(seed_ + n);
    for (; length >= 8; length -= 8, into += 8) {
      const uint64_t word = random.next();
      std::memcpy(into, &word, 8);
    }
    const uint64_t word = random.next();
    std::memcpy(into, &word, length);
  }
  bool matches(uint64_t n, const std::byte* from, uint64_t length) const {
    if (length != this->length(n)) return false;
    Random random(seed_ + n);
    for (; length >= 8; length -= 8, from += 8) {
      const uint64_t word = random.next();
      if (std::memcmp(from, &word, 8) != 0) return false;
    }
    const uint64_t word = random.next();
    return std::memcmp(from, &word, length) == 0;
  }

 private:
  uint64_t seed_;
  uint64_t longest_;
};

// Records packed as Producer::push_batch reads them and Consumer::drain writes them.
class Packed {
 public:
  void add(const std::byte* payload, uint64_t length) {
    const size_t at = bytes.size();
    bytes.resize(at + record_bytes(length));
    const auto word = static_cast<uint32_t>(length);
    std::memcpy(bytes.data() + at, &word, sizeof word);
    if (length > 0) std::memcpy(bytes.data() + at + kHeaderBytes, payload, length);
    ++count;
  }
  void add_zeros(uint64_t length) {
    const std::vector<std::byte> zeros(length);
    add(zeros.data(), length);
  }
  void clear() {
    bytes.clear();
    count = 0;
  }

  std::vector<std::byte> bytes;
  uint32_t count = 0;
};

inline uint64_t packed_length(const std::byte* record) {
  uint32_t length;
  std::memcpy(&length, record, sizeof length);
  return length;
}

// The second word of a record that was drained: the kind in its upper half, and nothing of the peer's in the lower.
inline uint32_t packed_kind(const std::byte* record) {
  uint32_t word;
  std::memcpy(&word, record + 4, sizeof word);
  check((word & 0xffff) == 0 && is_message(word >> 16), "the second word of a drained record");
  return word >> 16;
}

}  // namespace test
