// Both ends of a ring, over memory that the input changes between their steps, and in the middle of some.
//
// An end may say that the ring is corrupt, or take rubbish for records. It must never touch a byte outside, never write beyond the place
// that it was given, never take a record that no ring can hold, and never run for ever.
#include "../../../native/test/rig.h"
#include "input.h"

namespace test {

constexpr uint64_t kCapacity = kMinCapacity;

Input* input = nullptr;
PrivateRing* ring = nullptr;

// A header that often passes some of the checks, or anything at all.
uint64_t header() {
  switch (input->below(6)) {
    case 0: return input->take<uint64_t>();
    case 1: return make_header(input->below(kCapacity), kPadding);
    case 2: return make_header(input->below(64), kMessage);
    case 3: return make_header(input->below(kCapacity), static_cast<uint32_t>(input->below(5)));
    case 4: return input->below(4 * kCapacity);
    default: return 0;
  }
}

// The peer does something to the memory.
void scribble() {
  switch (input->below(6)) {
    case 0: ring->header(input->below(kCapacity / 8) * 8).store(header()); break;
    case 1: ring->data[input->below(kCapacity)] = static_cast<std::byte>(input->byte()); break;
    case 2: ring->control->consumed.store(input->take<uint64_t>()); break;
    case 3: ring->control->consumed.store(input->below(2 * kCapacity)); break;
    case 4: {
      auto* control = reinterpret_cast<std::atomic<uint64_t>*>(ring->control);
      control[input->below(sizeof(RingControl) / 8)].store(input->take<uint64_t>());
      break;
    }
    default: {
      const uint64_t word = header();
      const uint64_t to = input->below(kCapacity / 8);
      for (uint64_t at = input->below(kCapacity / 8); at < to; ++at) ring->header(at * 8).store(word);
      break;
    }
  }
}

// The producer looks at the clock in the middle of a step.
uint64_t clock_of_input() {
  if (input->below(4) == 0) scribble();
  return input->take<uint32_t>();
}

void send(Producer& producer, std::vector<std::byte>& memory) {
  const uint64_t before = producer.produced();
  const Push result = producer.push(memory.data(), input->below(kCapacity), static_cast<uint32_t>(input->below(5)));
  check(result == Push::ok ? producer.produced() > before : producer.produced() == before, "produced");
}

void send_batch(Producer& producer, std::vector<std::byte>& memory) {
  const uint64_t available = input->below(memory.size());
  const auto count = static_cast<uint32_t>(input->below(50));
  for (uint64_t at = 0, i = 0; i < count && at + kHeaderBytes <= available; ++i) {
    const auto length = input->below(3) == 0 ? input->take<uint32_t>() : static_cast<uint32_t>(input->below(100));
    std::memcpy(memory.data() + at, &length, sizeof length);
    at += record_bytes(length);
  }
  bool corrupt = false;
  const uint64_t before = producer.messages();
  const uint32_t accepted = producer.push_batch(memory.data(), available, count, corrupt);
  check(accepted <= count && producer.messages() == before + accepted, "accepted");
}

void take(Consumer& consumer, std::vector<std::byte>& memory) {
  uint32_t count = 0;
  uint64_t needed = 0;
  const uint64_t room = input->below(memory.size());
  const auto most = static_cast<uint32_t>(input->below(100));
  std::memset(memory.data(), 0xa5, memory.size());
  const Take result = consumer.drain(memory.data(), room, most, count, needed);
  check(count <= most, "count");
  if (result == Take::too_small) check(needed > room && needed <= kCapacity / 2, "needed");
  uint64_t at = 0;
  for (uint32_t i = 0; i < count; ++i) {
    check(packed_length(memory.data() + at) <= longest_payload(kCapacity), "length");
    check(is_message(packed_kind(memory.data() + at)), "kind");
    at += record_bytes(packed_length(memory.data() + at));
  }
  check(at <= room, "wrote beyond the room");
  for (uint64_t i = at; i < memory.size(); ++i) check(memory[i] == std::byte{0xa5}, "wrote behind the records");
  if (consumer.found_mark(count)) consumer.count_latency(input->take<uint32_t>());
}

void sleep_and_wake(Producer& producer, Consumer& consumer) {
  switch (input->below(6)) {
    case 0: producer.announce(static_cast<Parked>(input->below(4))); break;
    case 1: producer.withdraw(); break;
    case 2: check(producer.wake_consumer() <= Parked::futex, "parked"); break;
    case 3: consumer.announce(static_cast<Parked>(input->below(4))); break;
    case 4: consumer.withdraw(); break;
    default: check(consumer.wake_producer() <= Parked::futex, "parked");
  }
}

void look(Producer& producer, Consumer& consumer) {
  check(consumer.fill() <= kCapacity, "fill");
  check(producer.latest_fill() <= kCapacity, "latest fill");
  (void)consumer.ready();
  if (producer.refresh()) check(producer.fill() <= kCapacity, "fill of the producer");
}

}  // namespace test

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t length) {
  using namespace test;
  Input from(bytes, length);
  input = &from;
  static PrivateRing memory_of_ring(kCapacity);
  ring = &memory_of_ring;
  ring->clear();
  static std::vector<std::byte> memory(kCapacity + 256);
  Producer producer(ring->control, ring->data, kCapacity, clock_of_input);
  Consumer consumer = ring->consumer();
  while (from.more()) {
    switch (from.below(8)) {
      case 0: send(producer, memory); break;
      case 1: send_batch(producer, memory); break;
      case 2: case 3: take(consumer, memory); break;
      case 4: sleep_and_wake(producer, consumer); break;
      case 5: look(producer, consumer); break;
      case 6:
        if (consumer.should_report() || consumer.unreported()) check(consumer.report() <= Parked::futex, "parked");
        break;
      default: scribble();
    }
  }
  return 0;
}
