// S0.35: a peer that writes anything anywhere in the shared memory gets `corrupt` out of us, or its own rubbish back;
// never a read or write outside. AddressSanitizer and inaccessible pages watch over it.
#include <algorithm>
#include <csignal>
#include <sys/wait.h>

#include "rig.h"

namespace test {

constexpr uint64_t kCapacity = kMinCapacity;

// The answer that a consumer at `position` may give to this header, by the rules of docs/layout.md.
Take verdict(uint64_t header, uint64_t position) {
  if ((header >> 31 & 1) == 0) return Take::empty;
  const uint64_t length = header & 0x7fffffff;
  const uint64_t size = 8 + (length + 7) / 8 * 8;
  const uint64_t rest = kCapacity - position % kCapacity;
  switch (header >> 32) {
    case 0: case 2: case 3: return length <= kCapacity / 2 - 8 && size <= rest ? Take::ok : Take::corrupt;
    // Behind a valid padding record there is nothing in these tests.
    case 1: return size == rest && rest != kCapacity ? Take::empty : Take::corrupt;
    default: return Take::corrupt;
  }
}

// A consumer at `position`, brought there by records of its producer.
struct Victim {
  explicit Victim(uint64_t position) {
    while (producer.produced() < position) {
      const uint64_t size = std::min(position - producer.produced(), kCapacity / 2);
      check_equal(producer.push(inbox.data(), size - kHeaderBytes), Push::ok);
      check_equal(drain(), Take::ok);
      consumer.report();
    }
    check(producer.refresh(), "refresh");
  }
  Take drain() { return consumer.drain(inbox.data(), inbox.size(), 1, count, needed); }
  std::atomic<uint64_t>& header() { return ring.header(producer.produced()); }

  PrivateRing ring{kCapacity};
  Producer producer = ring.producer();
  Consumer consumer = ring.consumer();
  std::vector<std::byte> inbox = std::vector<std::byte>(kCapacity);
  uint32_t count = 0;
  uint64_t needed = 0;
};

void judge(uint64_t position, uint64_t header) {
  Victim victim(position);
  // Nothing that a former lap left behind a padding record.
  std::memset(victim.ring.data, 0, kCapacity);
  victim.header().store(header);
  check_equal(victim.drain(), verdict(header, position), "verdict");
  victim.consumer.fill();
  if (victim.count > 0) {
    check_equal(packed_length(victim.inbox.data()), header & 0x7fffffff, "length");
    check_equal(packed_kind(victim.inbox.data()), header >> 32, "kind");
  }
  // Once corrupt, it stays so until somebody repairs the header.
  if (verdict(header, position) == Take::corrupt) check_equal(victim.drain(), Take::corrupt);
}

constexpr uint64_t kPositions[] = {0, 8, 1000, 2048, 2056, 4000, 4080, 4088, 4096};

const Case flipped{"every bit of a header flipped, one or two at a time, is judged by the rules", [] {
  for (const uint64_t position : kPositions) {
    for (const uint64_t length : {0u, 1u, 7u, 8u, 100u, 2040u}) {
      const uint64_t header = make_header(length, length % 8 == 0 ? kMessage : kInBlock);
      for (int bit = 0; bit < 64; ++bit) {
        judge(position, header ^ uint64_t{1} << bit);
        if (length == 8) {
          for (int other = 0; other < bit; ++other) judge(position, header ^ uint64_t{1} << bit ^ uint64_t{1} << other);
        }
      }
    }
  }
}};

const Case lengths{"every length near an edge is judged by the rules, for each kind", [] {
  constexpr uint64_t edges[] = {0, kCapacity / 2 - 8, kCapacity / 2, kCapacity - 8, kCapacity, 2 * kCapacity,
                                uint64_t{1} << 16, uint64_t{1} << 30, (uint64_t{1} << 31) - 1};
  for (const uint64_t position : kPositions) {
    const uint64_t rest = kCapacity - position % kCapacity;
    for (const uint32_t kind : {kMessage, kPadding, kWithBlocks, kInBlock, 4u, 0x10000u, 0x10002u, 0x80000000u, 0xffffffffu}) {
      for (uint64_t off = 0; off <= 32; ++off) {
        for (const uint64_t edge : edges) {
          if (edge + off >= 16 && edge + off - 16 < kPublished) judge(position, make_header(edge + off - 16, kind));
        }
        if (rest + off >= 24) judge(position, make_header(rest + off - 24, kind));
      }
    }
  }
}};

const Case many_kinds{"of all kinds there may be, the three of messages are taken and the rest is corrupt", [] {
  const auto judge_kind = [](uint64_t kind) { judge(1000, make_header(100, static_cast<uint32_t>(kind))); };
  for (uint64_t kind = 0; kind < 600; ++kind) judge_kind(kind);
  // With nothing in the half that is handed on, and more in the other.
  for (uint64_t kind = 1; kind <= 0xffff; kind += 7) judge_kind(kind << 16);
  for (uint64_t kind = 1; kind <= 0xffff; kind *= 2) {
    for (const uint64_t low : {0u, 1u, 2u, 3u}) judge_kind(kind << 16 | low);
  }
}};

const Case padding_laps{"padding of a whole lap, and padding after padding, end in corrupt and not in a loop", [] {
  judge(0, make_header(kCapacity - kHeaderBytes, kPadding));
  Victim victim(4000);
  victim.header().store(make_header(96 - kHeaderBytes, kPadding));
  victim.ring.header(0).store(make_header(kCapacity - kHeaderBytes, kPadding));
  check_equal(victim.drain(), Take::corrupt);
  // Likewise for the walk that counts what is there.
  check(victim.consumer.fill() <= kCapacity, "fill");
}};

const Case endless{"a ring that is full of published headers ends by the room of the inbox", [] {
  Victim victim(0);
  for (uint64_t at = 0; at < kCapacity; at += 8) victim.ring.header(at).store(make_header(0, kMessage));
  uint32_t count = 0;
  uint64_t needed = 0;
  check_equal(victim.consumer.drain(victim.inbox.data(), victim.inbox.size(), UINT32_MAX, count, needed), Take::ok);
  check_equal(count, kCapacity / kHeaderBytes);
  check(victim.consumer.fill() <= kCapacity, "fill");
}};

const Case positions{"a consumer's position that goes backwards or ahead is corrupt, as soon as it is looked at", [] {
  for (const uint64_t lie : {uint64_t{0}, uint64_t{7999}, uint64_t{12001}, uint64_t{12008}, uint64_t{1} << 32, ~uint64_t{0},
                             ~uint64_t{0} - 4000, uint64_t{1} << 63}) {
    Victim victim(8000);
    const Stream stream(lie, 100);
    while (victim.producer.produced() < 12000) {
      check_equal(victim.producer.push(victim.inbox.data(), 12000 - victim.producer.produced() < 48 ? 8 : 24), Push::ok);
    }
    victim.ring.control->consumed.store(lie);
    const uint64_t produced = victim.producer.produced();
    check_equal(victim.producer.push(victim.inbox.data(), 500), Push::corrupt);
    bool corrupt = false;
    Packed packed;
    packed.add_zeros(500);
    check_equal(victim.producer.push_batch(packed.bytes.data(), packed.bytes.size(), 1, corrupt), 0u);
    check(corrupt, "corrupt");
    check(!victim.producer.refresh(), "refresh");
    check_equal(victim.producer.produced(), produced, "nothing was sent");
    check_equal(victim.producer.consumed(), 8000u, "the lie was not kept");
  }
}};

const Case half_batch{"a lie found in the middle of a batch lets out what was accepted before, and tells", [] {
  Victim victim(0);
  Packed packed;
  for (int i = 0; i < 5; ++i) packed.add_zeros(1000);
  victim.ring.control->consumed.store(1);
  bool corrupt = false;
  const uint32_t accepted = victim.producer.push_batch(packed.bytes.data(), packed.bytes.size(), 5, corrupt);
  check(corrupt, "corrupt");
  check_equal(accepted, 4u);
  check_equal(victim.producer.messages(), 4u);
}};

const Case own_copy{"what the consumer wrote over its own records does not reach the producer's decisions", [] {
  // The producer never reads data: with the data full of rubbish, and honest positions, it goes on as if nothing was.
  Victim victim(0);
  Random random(3);
  for (int i = 0; i < 2000; ++i) {
    for (uint64_t at = 0; at < kCapacity; at += 8) victim.ring.header(at).store(random.next(), std::memory_order_relaxed);
    check_equal(victim.producer.push(victim.inbox.data(), random.below(500)), Push::ok);
    victim.ring.control->consumed.store(victim.producer.produced());
    check(victim.producer.refresh(), "refresh");
  }
}};

// Rubbish that is not easily seen as such: often a header that passes some of the checks.
uint64_t rubbish(Random& random, uint64_t capacity) {
  switch (random.below(6)) {
    case 0: return random.next();
    case 1: return make_header(random.below(capacity), kPadding);
    case 2: return make_header(random.below(64), kMessage);
    case 3: return make_header(random.below(capacity), static_cast<uint32_t>(random.below(5)));
    case 4: return random.below(4 * capacity);
    default: return 0;
  }
}

// One turn of an endpoint that has a producer and a consumer on the same rubbish. False once either says corrupt.
bool turn(Random& random, Producer& producer, Consumer& consumer, std::byte* memory, uint64_t room) {
  switch (random.below(6)) {
    case 0: return producer.push(memory, random.below(longest_payload(producer.capacity()) + 1)) != Push::corrupt;
    case 1: {
      bool corrupt = false;
      producer.push_batch(memory, random.below(room), static_cast<uint32_t>(random.below(50)), corrupt);
      return !corrupt;
    }
    case 2:
      producer.announce(Parked::loop);
      return producer.refresh() && producer.wake_consumer() <= Parked::futex;
    case 3:
      if (consumer.should_report() || consumer.unreported()) consumer.report();
      consumer.announce(Parked::futex);
      consumer.ready();
      consumer.withdraw();
      consumer.fill();
      return true;
    default: {
      uint32_t count = 0;
      uint64_t needed = 0;
      const uint64_t limit = random.below(room);
      const Take take = consumer.drain(memory, limit, static_cast<uint32_t>(random.below(100)), count, needed);
      if (take == Take::too_small) check(needed > limit && needed <= producer.capacity() / 2, "needed");
      // Records that came out are packed as promised, whatever stands in the ring by now.
      uint64_t at = 0;
      for (uint32_t i = 0; i < count; ++i) {
        check(packed_length(memory + at) <= longest_payload(producer.capacity()), "length");
        check(is_message(packed_kind(memory + at)), "kind");
        at += record_bytes(packed_length(memory + at));
      }
      check(at <= limit, "wrote beyond the inbox");
      return take != Take::corrupt;
    }
  }
}

const Case standing{"both sides on a ring full of rubbish, a million turns", [] {
  Random random(11);
  PrivateRing ring(kCapacity);
  Producer producer = ring.producer();
  Consumer consumer = ring.consumer();
  std::vector<std::byte> memory(2 * kCapacity);
  const uint64_t end = now_ns() + budget_ns(600);
  unsigned corrupt = 0;
  for (int i = 0; i < 1'000'000 && now_ns() < end; ++i) {
    if (random.one_in(3)) ring.header(random.below(kCapacity / 8) * 8).store(rubbish(random, kCapacity));
    if (random.one_in(50)) ring.control->consumed.store(rubbish(random, kCapacity));
    if (!turn(random, producer, consumer, memory.data(), memory.size())) {
      ++corrupt;
      ring.clear();
      producer = ring.producer();
      consumer = ring.consumer();
    }
  }
  check(corrupt > 100, "the rubbish was never noticed");
}};

const Case scribbler{"another process scribbles over everything while both sides run", [] {
  SharedRing ring(kCapacity);
  const pid_t child = fork();
  check(child >= 0, "fork");
  if (child == 0) {
    Random random(now_ns());
    auto* words = reinterpret_cast<std::atomic<uint64_t>*>(ring.data);
    auto* control = reinterpret_cast<std::atomic<uint64_t>*>(ring.control);
    die_with_the_parent();
    for (unsigned i = 0;; ++i) {
      words[random.below(kCapacity / 8)].store(rubbish(random, kCapacity), std::memory_order_relaxed);
      // Not only where words belong: torn, unaligned, byte by byte.
      ring.data[random.below(kCapacity)] = static_cast<std::byte>(random.next());
      if (i % 8 == 0) control[random.below(sizeof(RingControl) / 8)].store(rubbish(random, kCapacity));
      // Every fresh pair of ends starts at the beginning: pester it there.
      words[random.below(8)].store(rubbish(random, kCapacity), std::memory_order_relaxed);
    }
  }
  Random random(12);
  std::vector<std::byte> memory(2 * kCapacity);
  unsigned corrupt = 0;
  uint64_t turns = 0;
  Producer producer = ring.producer();
  Consumer consumer = ring.consumer();
  for (const uint64_t end = now_ns() + budget_ns(1000); now_ns() < end; ++turns) {
    if (turn(random, producer, consumer, memory.data(), memory.size())) continue;
    ++corrupt;
    producer = ring.producer();
    consumer = ring.consumer();
  }
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  note("%" PRIu64 " turns, %u times corrupt", turns, corrupt);
  check(corrupt > 10, "the scribbling was never noticed");
}};

}  // namespace test
