// The layout of the shared region: the ABI between two processes. docs/layout.md says the same for other languages.
//
//   0                 RegionHeader                                  128 bytes
//   128               RingControl of lane 0, ring 0                 256 bytes
//   384               RingControl of lane 0, ring 1                 256 bytes
//   640               RingControl of lane 1, ring 0                 ...
//   behind the last   cells that the listener writes                128 bytes or more
//   behind these      cells that the connector writes               as many
//   next 4096         data of lane 0, ring 0                        capacity of lane 0
//                     data of lane 0, ring 1                        capacity of lane 0
//                     data of lane 1, ring 0                        ...
//
// Ring 0 of a lane carries what the listener sends, ring 1 what the connector sends.
//
// A record, at a position that is a multiple of 8:
//
//   0        4        8                    8 + length    next multiple of 8
//   +--------+--------+--------------------+-------------+
//   | length |  kind  | payload            | unused      |
//   | +state |        |                    |             |
//   +--------+--------+--------------------+-------------+
//
// Both words are one 64-bit atomic: bit 31 of the first says "published". A record never wraps; a padding record
// fills what is left at the end of the data. The header after the last published record is always zero.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace ringbell {

// The version of all this, which two peers compare when they connect.
inline constexpr uint32_t kAbiVersion = 2;
inline constexpr char kMagic[8] = {'r', 'i', 'n', 'g', 'b', 'e', 'l', 'l'};
// Sixteen lanes of the user's, and the lane of the blocks, which is the last.
inline constexpr uint32_t kMaxLanes = 17;
inline constexpr uint32_t kRingsALane = 2;
inline constexpr uint64_t kMinCapacity = uint64_t{1} << 12;
inline constexpr uint64_t kMaxCapacity = uint64_t{1} << 30;
inline constexpr size_t kNonceBytes = 16;
// The data of the first ring begins at a multiple of this, a page.
inline constexpr uint64_t kDataAlignment = 4096;

// Latencies are counted in buckets: below 128 ns, below 256 ns, and so on. The last one has all from 8.6 s on.
inline constexpr unsigned kLatencyBuckets = 28;
inline constexpr unsigned kFirstLatencyBits = 7;
constexpr unsigned latency_bucket(uint64_t nanoseconds) {
  const auto bits = static_cast<unsigned>(std::bit_width(nanoseconds));
  return bits <= kFirstLatencyBits ? 0 : std::min(bits - kFirstLatencyBits, kLatencyBuckets - 1);
}

// Written once by the listener before the peer sees the region.
struct RegionHeader {
  char magic[8];
  uint32_t version;
  uint32_t lanes;
  uint64_t bytes;
  uint8_t nonce[kNonceBytes];
  uint8_t reserved[88];
};

// Words that are written by different sides never share a cache line. 128 bytes: x86-64 prefetches the adjacent line, and Apple's
// cores have lines of that size.
struct RingControl {
  // How far the consumer has taken records, in bytes since the beginning. Written by the consumer, lazily; read by the
  // producer, which checks it against its own position.
  alignas(128) std::atomic<uint64_t> consumed;
  // Whether the consumer sleeps, and where (Parked in parking.h). Written by the consumer; set back to awake by the
  // producer that wakes it.
  std::atomic<uint32_t> consumer_state;
  // How long marked messages have waited for the consumer: counts, by powers of two (latency_bucket). Written by the consumer, for people.
  alignas(16) std::atomic<uint32_t> latency[kLatencyBuckets];
  // Whether a producer that waits for room sleeps, and where. Written by the producer; set back by the consumer that wakes it.
  alignas(128) std::atomic<uint32_t> producer_state;
  // For those that only watch (docs/layout.md, "Watching"); written by the producer, rarely. `limit`: nothing is written at this
  // position or behind it. Then a place where a record begins, the number of messages before it, and the limit at that time.
  alignas(8) std::atomic<uint64_t> limit;
  std::atomic<uint64_t> anchor;
  std::atomic<uint64_t> anchor_messages;
  std::atomic<uint64_t> anchor_limit;
  // A message by its number, from 1 on, and when it was published, in ns of the monotonic clock.
  std::atomic<uint64_t> marked;
  std::atomic<uint64_t> marked_at;
};

static_assert(sizeof(RegionHeader) == 128);
static_assert(offsetof(RegionHeader, version) == 8);
static_assert(offsetof(RegionHeader, lanes) == 12);
static_assert(offsetof(RegionHeader, bytes) == 16);
static_assert(offsetof(RegionHeader, nonce) == 24);
static_assert(sizeof(RingControl) == 256);
static_assert(offsetof(RingControl, consumed) == 0);
static_assert(offsetof(RingControl, consumer_state) == 8);
static_assert(offsetof(RingControl, latency) == 16);
static_assert(offsetof(RingControl, producer_state) == 128);
static_assert(offsetof(RingControl, limit) == 136);
static_assert(offsetof(RingControl, anchor) == 144);
static_assert(offsetof(RingControl, marked) == 168);
static_assert(std::atomic<uint64_t>::is_always_lock_free);
static_assert(std::atomic<uint32_t>::is_always_lock_free);
static_assert(sizeof(std::atomic<uint32_t>) == 4, "a futex word");

inline constexpr uint64_t kHeaderBytes = 8;
inline constexpr uint64_t kAlignment = 8;
inline constexpr uint64_t kPublished = uint64_t{1} << 31;
inline constexpr uint64_t kLengthMask = kPublished - 1;
inline constexpr unsigned kKindShift = 32;
// Kinds of records. A consumer refuses any other as corrupt.
inline constexpr uint32_t kMessage = 0;
inline constexpr uint32_t kPadding = 1;
// A message, with a table of handles of blocks behind it.
inline constexpr uint32_t kWithBlocks = 2;
// A message that lies in the first of its blocks: the payload is its length, and the table follows.
inline constexpr uint32_t kInBlock = 3;
constexpr bool is_message(uint32_t kind) { return kind != kPadding && kind <= kInBlock; }

constexpr uint64_t make_header(uint64_t length, uint32_t kind) {
  return (uint64_t{kind} << kKindShift) | kPublished | length;
}
constexpr bool is_published(uint64_t header) { return (header & kPublished) != 0; }
constexpr uint32_t length_of(uint64_t header) { return static_cast<uint32_t>(header & kLengthMask); }
constexpr uint32_t kind_of(uint64_t header) { return static_cast<uint32_t>(header >> kKindShift); }

// `offset` or the next multiple of `alignment`, a power of two.
constexpr uint64_t align_up(uint64_t offset, uint64_t alignment) { return (offset + alignment - 1) & ~(alignment - 1); }

// Bytes that a record with a payload of `length` bytes takes. No overflow: length is below 2^31.
constexpr uint64_t record_bytes(uint64_t length) { return kHeaderBytes + align_up(length, kAlignment); }

// A record takes at most half of the ring, so that even with padding before it and the cleared header after it, it fits a ring
// that has been emptied.
inline constexpr uint64_t kRecordShare = 2;
constexpr uint64_t longest_payload(uint64_t capacity) { return capacity / kRecordShare - kHeaderBytes; }

constexpr bool is_capacity(uint64_t capacity) {
  return capacity >= kMinCapacity && capacity <= kMaxCapacity && (capacity & (capacity - 1)) == 0;
}

constexpr uint64_t control_offset(uint32_t lane, uint32_t ring) {
  return sizeof(RegionHeader) + sizeof(RingControl) * (uint64_t{lane} * kRingsALane + ring);
}
constexpr uint64_t data_start(uint32_t lanes) { return align_up(control_offset(lanes, 0), kDataAlignment); }

// Cells: 32-bit words for news that must not wait until the peer's event loop runs. They fill what the control words leave of their
// page: each side writes one half, in cache lines of its own, and reads the other. They begin as zero, and an older peer leaves them so.
inline constexpr uint64_t kCellsAlignment = 128;
constexpr uint64_t cells_offset(uint32_t lanes) { return control_offset(lanes, 0); }
// The bytes of one side's cells: 128 at least, since the control words of any number of lanes leave 384 of the page.
constexpr uint64_t cells_bytes(uint32_t lanes) {
  return (data_start(lanes) - cells_offset(lanes)) / 2 / kCellsAlignment * kCellsAlignment;
}

}  // namespace ringbell
