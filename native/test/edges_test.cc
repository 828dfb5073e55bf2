// Where records begin and end: every length at every offset, full, empty, wrap, padding. One thread.
#include "bench.h"

namespace test {

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

      // Records that the consumer took do not count until it reports.
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

}  // namespace test
