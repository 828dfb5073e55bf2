// Random operations on a ring, against a queue and exact arithmetic. One thread.
#include <deque>

#include "bench.h"

namespace test {

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
