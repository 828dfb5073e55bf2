// S1.9: the numbers that docs/layout.md tells other languages. A change of one of them changes the ABI: raise kAbiVersion and correct
// the page and examples/c.
#include "rig.h"

namespace test {

static_assert(kAbiVersion == 2);
static_assert(kMaxLanes == 17);
static_assert(kMinCapacity == 4096 && kMaxCapacity == 1073741824);
static_assert(sizeof(RegionHeader) == 128 && offsetof(RegionHeader, magic) == 0 && offsetof(RegionHeader, version) == 8);
static_assert(offsetof(RegionHeader, lanes) == 12 && offsetof(RegionHeader, bytes) == 16 && offsetof(RegionHeader, nonce) == 24);
static_assert(sizeof(RingControl) == 256 && offsetof(RingControl, consumed) == 0);
static_assert(offsetof(RingControl, consumer_state) == 8 && offsetof(RingControl, producer_state) == 128);
static_assert(offsetof(RingControl, latency) == 16 && kLatencyBuckets == 28);
static_assert(offsetof(RingControl, limit) == 136 && offsetof(RingControl, anchor) == 144 &&
              offsetof(RingControl, anchor_messages) == 152 && offsetof(RingControl, anchor_limit) == 160 &&
              offsetof(RingControl, marked) == 168 && offsetof(RingControl, marked_at) == 176);
static_assert(latency_bucket(0) == 0 && latency_bucket(127) == 0 && latency_bucket(128) == 1 && latency_bucket(256) == 2 &&
              latency_bucket(uint64_t{1} << 33) == 27 && latency_bucket(UINT64_MAX) == 27);
static_assert(control_offset(0, 0) == 128 && control_offset(0, 1) == 384 && control_offset(1, 0) == 640);
static_assert(data_start(1) == 4096 && data_start(7) == 4096 && data_start(8) == 8192 && data_start(15) == 8192 &&
              data_start(16) == 12288 && data_start(17) == 12288);
static_assert(cells_offset(2) == 1152 && cells_bytes(2) == 1408 && cells_offset(3) == 1664 && cells_bytes(3) == 1152);
static_assert(cells_bytes(7) == 128 && cells_bytes(8) == 1920 && cells_bytes(15) == 128 && cells_bytes(17) == 1664);
static_assert(record_bytes(0) == 8 && record_bytes(1) == 16 && record_bytes(8) == 16 && record_bytes(9) == 24);
static_assert(longest_payload(262144) == 131064);
static_assert(make_header(5, kMessage) == 0x0000000080000005 && make_header(0, kPadding) == 0x0000000180000000);
static_assert(make_header(32, kWithBlocks) == 0x0000000280000020 && make_header(32, kInBlock) == 0x0000000380000020);
static_assert(static_cast<uint32_t>(Parked::awake) == 0 && static_cast<uint32_t>(Parked::loop) == 1 &&
              static_cast<uint32_t>(Parked::futex) == 2);

const Case capacities{"a capacity is a power of two from 4 KiB to 1 GiB, and nothing else", [] {
  for (unsigned bit = 0; bit < 64; ++bit) {
    const uint64_t power = uint64_t{1} << bit;
    check_equal(is_capacity(power), bit >= 12 && bit <= 30);
    if (bit > 1) check(!is_capacity(power + 1) && !is_capacity(power - 1) && !is_capacity(power + power / 2), "no power of two");
  }
  check(!is_capacity(0), "zero");
}};

const Case kinds{"messages have the kinds 0, 2 and 3, and no other", [] {
  for (uint64_t kind = 0; kind <= UINT32_MAX; kind = kind < 100 ? kind + 1 : 2 * kind - 1) {
    check_equal(is_message(static_cast<uint32_t>(kind)), kind == 0 || kind == 2 || kind == 3);
  }
  check(!is_message(UINT32_MAX), "the last");
}};

const Case lengths{"the length of a record survives its header, up to the longest of the largest ring", [] {
  for (const uint64_t length : {uint64_t{0}, uint64_t{1}, uint64_t{4095}, longest_payload(kMaxCapacity), kLengthMask}) {
    for (const uint32_t kind : {kMessage, kPadding, kWithBlocks, kInBlock, 0xffffffffu}) {
      const uint64_t header = make_header(length, kind);
      check(is_published(header), "published");
      check_equal(length_of(header), length);
      check_equal(kind_of(header), kind);
    }
  }
  check(record_bytes(kLengthMask) > kLengthMask, "no overflow");
}};

}  // namespace test
