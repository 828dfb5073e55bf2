// Batches: many records, one publication.
#include <algorithm>

#include "rig.h"

namespace test {

constexpr uint64_t kCapacity = kMinCapacity;

struct Ends {
  PrivateRing ring{kCapacity};
  Producer producer = ring.producer();
  Consumer consumer = ring.consumer();
  std::vector<std::byte> inbox = std::vector<std::byte>(kCapacity);
  uint32_t count = 0;
  uint64_t needed = 0;

  Take drain(uint32_t max = UINT32_MAX) { return consumer.drain(inbox.data(), inbox.size(), max, count, needed); }
  uint32_t batch(const Packed& packed) {
    bool corrupt = false;
    const uint32_t accepted = producer.push_batch(packed.bytes.data(), packed.bytes.size(), packed.count, corrupt);
    check(!corrupt, "corrupt");
    return accepted;
  }
  // Both sides at `position` (a multiple of 8, at most one lap away), empty.
  void start_at(uint64_t position) {
    const std::vector<std::byte> zeros(kCapacity);
    while (producer.produced() < position) {
      const uint64_t size = std::min(position - producer.produced(), kCapacity / 2);
      check_equal(producer.push(zeros.data(), size - kHeaderBytes), Push::ok);
      while (drain() == Take::ok) {
      }
      consumer.report();
      check(producer.refresh(), "refresh");
    }
    check_equal(producer.produced(), position);
  }
};

const Case padding_anywhere{"padding before the first, in the middle and after the last record of a batch", [] {
  // Three records of 256 bytes from every offset: the end of the data falls before, into and after each of them.
  for (uint64_t offset = 0; offset < kCapacity; offset += 8) {
    Ends ends;
    ends.start_at(offset);
    const Stream stream(offset, 248);
    std::byte payload[248];
    Packed packed;
    for (uint64_t n = 0; n < 3; ++n) {
      stream.write(n, payload, sizeof payload);
      packed.add(payload, sizeof payload);
    }
    check_equal(ends.batch(packed), 3u);
    const uint64_t rest = kCapacity - offset;
    const uint64_t padding = rest < 3 * 256 ? rest % 256 : 0;
    check_equal(ends.producer.fill(), 3 * 256 + padding, "fill");
    check_equal(ends.consumer.fill(), 3 * 256 + padding, "fill seen by the consumer");
    check_equal(ends.ring.header(offset + 3 * 256 + padding).load(), 0u, "the header after the batch");
    check_equal(ends.drain(), Take::ok);
    check_equal(ends.count, 3u);
    for (uint64_t n = 0; n < 3; ++n) {
      stream.write(n, payload, sizeof payload);
      check(std::memcmp(ends.inbox.data() + n * 256 + kHeaderBytes, payload, sizeof payload) == 0, "content");
    }
    check_equal(ends.drain(), Take::empty);
  }
}};

const Case invisible_until_published{"no record of a batch is seen before the first header is there", [] {
  Ends ends;
  Packed packed;
  for (int i = 0; i < 8; ++i) packed.add_zeros(40);
  check_equal(ends.batch(packed), 8u);
  // As it was an instant before the publication, which is the last store to the first header.
  const uint64_t header = ends.ring.header(0).exchange(0);
  check_equal(ends.drain(), Take::empty);
  check_equal(ends.consumer.fill(), 0u);
  ends.ring.header(0).store(header);
  check_equal(ends.drain(), Take::ok);
  check_equal(ends.count, 8u);
}};

const Case partly{"a batch that does not fit goes out as far as it fits, and can be continued", [] {
  Ends ends;
  Packed packed;
  for (uint64_t n = 0; n < 100; ++n) packed.add_zeros(56);
  check_equal(ends.batch(packed), 63u, "one record short of the capacity: a header must stay");
  check_equal(ends.batch(packed), 0u, "full");
  check_equal(ends.drain(10), Take::ok);
  check_equal(ends.batch(packed), 0u, "room that was not reported");
  ends.consumer.report();
  check_equal(ends.batch(packed), 10u);
  uint32_t received = 10;
  while (ends.drain() == Take::ok) received += ends.count;
  check_equal(received, 73u);
}};

const Case refused{"a batch ends before a record that is too long for the ring or for its own memory", [] {
  Ends ends;
  Packed packed;
  packed.add_zeros(8);
  packed.add_zeros(longest_payload(kCapacity) + 1);
  packed.add_zeros(8);
  check_equal(ends.batch(packed), 1u, "the first only");

  // A count above what is there, and a length that runs beyond the memory.
  Packed lying;
  lying.add_zeros(16);
  lying.add_zeros(16);
  lying.count = 1000;
  check_equal(ends.batch(lying), 2u);
  const uint32_t length = 17;
  std::memcpy(lying.bytes.data() + record_bytes(16), &length, sizeof length);
  check_equal(ends.batch(lying), 1u);
  for (const uint32_t huge : {0x7fffffffu, 0x80000000u, 0xffffffffu, 0xfffffff8u}) {
    std::memcpy(lying.bytes.data(), &huge, sizeof huge);
    check_equal(ends.batch(lying), 0u);
  }

  // The padding after the last record may be missing.
  Packed cut;
  cut.add_zeros(16);
  cut.add_zeros(13);
  cut.bytes.resize(cut.bytes.size() - 3);
  cut.bytes.shrink_to_fit();
  check_equal(ends.batch(cut), 2u);
  check_equal(ends.batch(Packed{}), 0u);
}};

const Case plain_only{"the records of a batch are plain messages, whatever stands in the second word of each", [] {
  Ends ends;
  Packed packed;
  for (int i = 0; i < 5; ++i) packed.add_zeros(16);
  uint64_t at = 0;
  for (const uint32_t word : {0xffffffffu, kPadding << 16, kWithBlocks << 16, uint32_t{kInBlock}, 0u}) {
    std::memcpy(packed.bytes.data() + at + 4, &word, sizeof word);
    at += record_bytes(16);
  }
  check_equal(ends.batch(packed), 5u);
  for (at = 0; at < 5 * record_bytes(16); at += record_bytes(16)) {
    check_equal(ends.ring.header(at).load(), make_header(16, kMessage), "header");
  }
  // Drained records can be sent as a batch, and are plain then.
  check_equal(ends.producer.push(nullptr, 0, kWithBlocks), Push::ok);
  check_equal(ends.drain(), Take::ok);
  check_equal(ends.count, 6u);
  Packed again;
  again.bytes.assign(ends.inbox.begin(), ends.inbox.begin() + static_cast<ptrdiff_t>(5 * record_bytes(16) + record_bytes(0)));
  again.count = 6;
  check_equal(packed_kind(again.bytes.data() + 5 * record_bytes(16)), kWithBlocks, "drained");
  check_equal(ends.batch(again), 6u);
  check_equal(ends.drain(), Take::ok);
  for (uint32_t i = 0; i < 6; ++i) check_equal(packed_kind(ends.inbox.data() + i * record_bytes(16)), kMessage, "drained again");
}};

const Case same_as_single{"a batch leaves the ring as single pushes do", [] {
  Random random(5);
  for (int round = 0; round < 300; ++round) {
    Ends single;
    Ends batched;
    const uint64_t offset = random.below(kCapacity / 8) * 8;
    single.start_at(offset);
    batched.start_at(offset);
    const Stream stream(random.next(), 400);
    std::byte payload[400];
    Packed packed;
    uint32_t went = 0;
    for (uint64_t n = 0; n < 12; ++n) {
      const uint64_t length = stream.length(n);
      stream.write(n, payload, length);
      packed.add(payload, length);
      if (went == n && single.producer.push(payload, length) == Push::ok) ++went;
    }
    check_equal(batched.batch(packed), went, "accepted");
    check_equal(batched.producer.produced(), single.producer.produced(), "produced");
    check_equal(batched.producer.bytes(), single.producer.bytes(), "bytes");
    check(single.drain() == batched.drain() && single.count == batched.count, "drained");
    uint64_t at = 0;
    for (uint32_t i = 0; i < single.count; ++i) {
      const uint64_t length = packed_length(single.inbox.data() + at);
      check(std::memcmp(single.inbox.data() + at, batched.inbox.data() + at, kHeaderBytes + length) == 0, "content");
      at += record_bytes(length);
    }
  }
}};

}  // namespace test
