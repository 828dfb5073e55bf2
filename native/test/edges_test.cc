// Where records begin and end: every length at every offset, full, empty, wrap, padding. One thread.
#include <algorithm>
#include <deque>

#include "rig.h"

namespace test {

constexpr uint64_t kCapacity = kMinCapacity;

// A ring, both its ends, and a place for what comes out of it.
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

const Case copies{"copy_bytes copies every length at every alignment and nothing beside it", [] {
  for (uint64_t shift = 0; shift < 16; ++shift) {
    for (uint64_t length = 0; length <= 200; ++length) {
      std::byte from[256];
      std::byte to[256];
      for (size_t i = 0; i < sizeof from; ++i) from[i] = static_cast<std::byte>(i);
      std::memset(to, 0xee, sizeof to);
      copy_bytes(to + shift, from + 7, length);
      for (size_t i = 0; i < sizeof to; ++i) {
        const bool inside = i >= shift && i < shift + length;
        check(to[i] == (inside ? from[i - shift + 7] : std::byte{0xee}), "a byte is wrong");
      }
    }
  }
}};

const Case every_length_everywhere{"every length 0 to 300 at every offset, in every kind, comes out as it went in (S0.36)", [] {
  Bench bench;
  const Stream stream(1, 300);
  constexpr uint32_t kinds[] = {kMessage, kWithBlocks, kInBlock};
  std::byte payload[304];
  for (uint64_t length = 0; length <= 300; ++length) {
    const uint64_t size = record_bytes(length);
    const uint32_t kind = kinds[length % 3];
    for (uint64_t offset = 0; offset < kCapacity; offset += 8) {
      bench.advance_to(offset);
      const uint64_t start = bench.producer.produced();
      stream.write(length * offset, payload, length);
      check_equal(bench.producer.push(payload, length, kind), Push::ok);

      // The record in memory: padding where it would not fit, itself, and the cleared header after it.
      const uint64_t rest = kCapacity - offset;
      uint64_t at = start;
      if (size > rest) {
        check_equal(bench.ring.header(at).load(), make_header(rest - kHeaderBytes, kPadding), "padding");
        at += rest;
      }
      check_equal(bench.ring.header(at).load(), make_header(length, kind), "header");
      check_equal(bench.ring.header(at + size).load(), 0u, "the header after it");
      check_equal(bench.producer.produced(), at + size, "produced");
      check_equal(bench.producer.fill(), at + size - start, "fill seen by the producer");
      check_equal(bench.consumer.fill(), at + size - start, "fill seen by the consumer");

      check(bench.consumer.ready(), "ready");
      check_equal(bench.drain(), Take::ok);
      check_equal(bench.count, 1u, "count");
      check_equal(packed_length(bench.inbox.data()), length, "length");
      check_equal(packed_kind(bench.inbox.data()), kind, "kind");
      check(std::memcmp(bench.inbox.data() + kHeaderBytes, payload, length) == 0, "content");
      check(!bench.consumer.ready(), "ready after the last");
      check_equal(bench.drain(), Take::empty);
      check_equal(bench.count, 0u, "count when empty");
    }
  }
}};

const Case no_message{"what is of no kind that messages have is not sent, and changes nothing", [] {
  Bench bench;
  const std::byte payload[8] = {};
  for (const uint32_t kind : {kPadding, 4u, 5u, 0xffffu, 0x10000u, 0x10002u, 0x80000000u, 0xffffffffu}) {
    check_equal(bench.producer.push(payload, sizeof payload, kind), Push::too_large);
  }
  check_equal(bench.producer.produced(), 0u, "produced");
  check_equal(bench.producer.messages(), 0u, "messages");
  check_equal(bench.ring.header(0).load(), 0u, "a header");
  check_equal(bench.drain(), Take::empty);
}};

const Case largest_everywhere{"the largest record fits an emptied ring at every offset, and one byte more never", [] {
  Bench bench;
  const uint64_t longest = longest_payload(kCapacity);
  std::vector<std::byte> payload(longest + 1);
  for (uint64_t offset = 0; offset < kCapacity; offset += 8) {
    bench.advance_to(offset);
    check_equal(bench.producer.push(payload.data(), longest + 1), Push::too_large);
    payload[0] = static_cast<std::byte>(offset / 8);
    check_equal(bench.producer.push(payload.data(), longest), Push::ok);
    check_equal(bench.drain(), Take::ok);
    check_equal(packed_length(bench.inbox.data()), longest);
    check(bench.inbox[kHeaderBytes] == payload[0], "content");
    bench.empty();
  }
}};

const Case full_everywhere{"a full ring refuses, keeps what it has, and takes again once it is told of room", [] {
  for (const uint64_t length : {0u, 1u, 8u, 24u, 32u, 100u, 1000u}) {
    Bench bench;
    const std::vector<std::byte> payload(length);
    const uint64_t size = record_bytes(length);
    for (uint64_t offset = 0; offset < kCapacity; offset += 8) {
      bench.advance_to(offset);
      uint32_t sent = 0;
      while (bench.producer.push(payload.data(), length) == Push::ok) ++sent;
      // Full means: not even one header more than this record would be left.
      const uint64_t fill = bench.producer.fill();
      const uint64_t rest = kCapacity - (bench.producer.produced() & (kCapacity - 1));
      const uint64_t more = size > rest ? rest + size : size;
      check(fill <= kCapacity - kHeaderBytes, "fill leaves a header");
      check(fill + more + kHeaderBytes > kCapacity, "refused although there was room");
      check_equal(bench.producer.push(payload.data(), length), Push::full);
      check_equal(bench.producer.fill(), fill, "a refused push changes nothing");

      // What the consumer took does not count until it says so.
      check_equal(bench.drain(1), Take::ok);
      check_equal(bench.count, 1u);
      uint32_t received = 1;
      while (bench.drain() == Take::ok) received += bench.count;
      check_equal(received, sent, "all came");
      check_equal(bench.producer.push(payload.data(), length), Push::full);
      bench.consumer.report();
      check_equal(bench.producer.push(payload.data(), length), Push::ok);
      bench.empty();
    }
  }
}};

const Case small_inbox{"drain says what a record needs that the inbox has no room for, and loses nothing", [] {
  Bench bench;
  const std::vector<std::byte> payload(100, std::byte{7});
  check_equal(bench.producer.push(payload.data(), 100), Push::ok);
  check_equal(bench.producer.push(payload.data(), 10), Push::ok);
  for (uint64_t room = 0; room < record_bytes(100); ++room) {
    check_equal(bench.consumer.drain(bench.inbox.data(), room, 9, bench.count, bench.needed), Take::too_small);
    check_equal(bench.count, 0u);
    check_equal(bench.needed, record_bytes(100));
  }
  // Room for the first only: the second is not "too small", it comes with the next call.
  check_equal(bench.consumer.drain(bench.inbox.data(), record_bytes(100) + 23, 9, bench.count, bench.needed), Take::ok);
  check_equal(bench.count, 1u);
  check_equal(bench.consumer.drain(bench.inbox.data(), 23, 9, bench.count, bench.needed), Take::too_small);
  check_equal(bench.needed, record_bytes(10));
  check_equal(bench.consumer.drain(bench.inbox.data(), 24, 9, bench.count, bench.needed), Take::ok);
  check_equal(bench.count, 1u);
  check_equal(bench.drain(), Take::empty);
}};

const Case limits{"drain takes at most what it is told to, none for none", [] {
  Bench bench;
  for (int i = 0; i < 50; ++i) check_equal(bench.producer.push(nullptr, 0), Push::ok);
  check_equal(bench.drain(0), Take::empty);
  check_equal(bench.count, 0u);
  for (uint32_t left = 50; left > 0;) {
    const uint32_t max = left > 7 ? 7 : left;
    check_equal(bench.drain(max), Take::ok);
    check_equal(bench.count, max);
    left -= max;
  }
  check_equal(bench.drain(1), Take::empty);
  check_equal(bench.consumer.messages(), 50u);
  check_equal(bench.producer.messages(), 50u);
}};

const Case against_model{"a random walk of every operation agrees with a queue and exact arithmetic", [] {
  Random random(20240607);
  for (int walk = 0; walk < 40; ++walk) {
    Bench bench(kCapacity << random.below(3));
    const uint64_t capacity = bench.ring.capacity;
    const Stream stream(random.next(), longest_payload(capacity));
    std::deque<uint64_t> queue;  // numbers of the records inside
    std::deque<uint32_t> kinds;  // and their kinds
    uint64_t next = 0;           // the next to send
    uint64_t expected = 0;       // the next to receive
    uint64_t reported = 0;
    uint64_t consumed = 0;
    uint64_t produced = 0;
    std::vector<std::byte> payload(capacity);
    Packed packed;

    const auto end_of = [&](uint64_t from, uint64_t n) {
      const uint64_t size = record_bytes(stream.length(n));
      const uint64_t rest = capacity - (from & (capacity - 1));
      return from + (size > rest ? rest : 0) + size;
    };
    const auto fits = [&](uint64_t from, uint64_t n) { return end_of(from, n) + kHeaderBytes - reported <= capacity; };

    for (int step = 0; step < 2000; ++step) {
      switch (random.below(5)) {
        case 0: case 1: {
          const uint64_t length = stream.length(next);
          stream.write(next, payload.data(), length);
          const uint32_t kind = stream.kind(next);
          const Push result = bench.producer.push(payload.data(), length, kind);
          check_equal(result, fits(produced, next) ? Push::ok : Push::full, "push");
          if (result == Push::ok) {
            produced = end_of(produced, next);
            kinds.push_back(kind);
            queue.push_back(next++);
          }
          break;
        }
        case 2: {
          packed.clear();
          const uint32_t many = static_cast<uint32_t>(random.below(20));
          for (uint32_t i = 0; i < many; ++i) {
            const uint64_t length = stream.length(next + i);
            stream.write(next + i, payload.data(), length);
            packed.add(payload.data(), length);
          }
          uint32_t fitting = 0;
          uint64_t end = produced;
          while (fitting < many && fits(end, next + fitting)) end = end_of(end, next + fitting++);
          bool corrupt = false;
          const uint32_t accepted = bench.producer.push_batch(packed.bytes.data(), packed.bytes.size(), many, corrupt);
          check(!corrupt, "corrupt");
          check_equal(accepted, fitting, "accepted");
          produced = end;
          for (uint32_t i = 0; i < accepted; ++i) {
            queue.push_back(next++);
            kinds.push_back(kMessage);
          }
          break;
        }
        case 3: {
          const uint32_t max = static_cast<uint32_t>(random.below(12));
          const uint64_t room = random.below(2 * capacity);
          const Take result = bench.consumer.drain(bench.inbox.data(), room, max, bench.count, bench.needed);
          if (result == Take::too_small) {
            check(max > 0 && !queue.empty() && record_bytes(stream.length(queue.front())) > room, "too small");
            break;
          }
          check_equal(result, bench.count > 0 ? Take::ok : Take::empty, "drain");
          check(bench.count <= max, "more than asked for");
          uint64_t at = 0;
          for (uint32_t i = 0; i < bench.count; ++i) {
            const uint64_t length = packed_length(bench.inbox.data() + at);
            check(!queue.empty() && queue.front() == expected, "a record too many");
            check(stream.matches(expected, bench.inbox.data() + at + kHeaderBytes, length), "content");
            check_equal(packed_kind(bench.inbox.data() + at), kinds.front(), "kind");
            consumed = end_of(consumed, expected);
            queue.pop_front();
            kinds.pop_front();
            ++expected;
            at += record_bytes(length);
          }
          check(at <= room, "wrote too far");
          if (bench.count < max && !queue.empty()) {
            check(record_bytes(stream.length(expected)) > room - at, "left a record that had room");
          }
          break;
        }
        default:
          if (random.one_in(2)) {
            // A padding record that was passed without a record behind it counts as taken already.
            bench.consumer.report();
            reported = bench.ring.control->consumed.load();
            check(reported >= consumed && reported <= produced, "reported");
          } else {
            check(bench.producer.refresh(), "refresh");
            check_equal(bench.producer.produced(), produced, "produced");
          }
      }
    }
    check_equal(bench.producer.messages(), next);
    check_equal(bench.consumer.messages(), expected);
  }
}};

}  // namespace test
