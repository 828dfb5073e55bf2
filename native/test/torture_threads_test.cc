// S0.33, S0.34: the ring between two threads, which is what ThreadSanitizer can see.
#include <thread>

#include "torture.h"

namespace test {

const Case streams{"two threads, every way to wait: no record lost, torn or doubled, no wake-up lost (S0.33)", [] {
  for (const Plan& plan : plans()) {
    PrivateRing ring(plan.capacity);
    int bells[2];
    check(socketpair(AF_UNIX, SOCK_STREAM, 0, bells) == 0, "socketpair");
    Outcome sent;
    Outcome received;
    std::thread producer([&] { sent = produce(ring.producer(), ring.control, plan, bells[0]); });
    std::thread consumer([&] { received = consume(ring.consumer(), ring.control, plan, bells[1]); });
    producer.join();
    consumer.join();
    close(bells[0]);
    close(bells[1]);
    check_equal(received.messages, sent.messages, "messages");
    note("plan %" PRIu64 ": %" PRIu64 " messages, %" PRIu64 "/%" PRIu64 " sleeps, %" PRIu64 "/%" PRIu64 " wakes", plan.seed,
         sent.messages, sent.sleeps, received.sleeps, sent.wakes, received.wakes);
    // At most one system call a sleep.
    check(sent.wakes <= received.sleeps + 2 * received.messages / 100 + 1000, "woken more often than asleep");
  }
}};

// The pattern of parking.h alone, with a spin in place of the sleep: millions of chances for a store that passes a load.
const Case dekker{"no announcement and publication miss each other (S0.34)", [] {
  if (emulated()) return note("not run: the emulator loses wake-ups");
  PrivateRing ring(kMinCapacity);
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> taken{0};
  std::thread producer_thread([&] {
    Producer producer = ring.producer();
    for (uint64_t n = 0; !stop.load(std::memory_order_relaxed); ++n) {
      check_equal(producer.push(nullptr, 0), Push::ok, "push");
      producer.wake_consumer();
      // One record at a time: each is a meeting of its own.
      const uint64_t start = now_ns();
      for (uint32_t spins = 1; taken.load(std::memory_order_acquire) <= n; ++spins) {
        if (spins % 4096 == 0) {
          if (stop.load(std::memory_order_relaxed)) return;
          check(now_ns() - start < kLostAfter, "a wake-up was lost");
          sched_yield();
        }
      }
    }
  });
  Consumer consumer = ring.consumer();
  std::byte inbox[64];
  uint64_t sleeps = 0;
  uint64_t early = 0;
  uint64_t n = 0;
  Random random(9);
  for (const uint64_t end = now_ns() + budget_ns(1000); now_ns() < end;) {
    // Meets the publication at a different moment each time.
    for (uint64_t spin = random.below(64); spin > 0; --spin) std::atomic_signal_fence(std::memory_order_seq_cst);
    while (!consumer.ready()) {
      consumer.announce(Parked::futex);
      if (consumer.ready()) {
        consumer.withdraw();
        break;
      }
      ++sleeps;
      // Asleep until the waker takes the announcement back. It may do so for the record before, published when we were up: then
      // nothing is there, and what was taken back must be announced again.
      for (uint32_t spins = 1; consumer.state().load(std::memory_order_acquire) != 0; ++spins) {
        if (spins % 4096 == 0) sched_yield();
      }
      if (!consumer.ready()) ++early;
    }
    uint32_t count = 0;
    uint64_t needed = 0;
    check_equal(consumer.drain(inbox, sizeof inbox, 1, count, needed), Take::ok, "ready, and nothing there");
    if (consumer.should_report()) consumer.report();
    taken.store(++n, std::memory_order_release);
  }
  stop.store(true);
  producer_thread.join();
  note("%" PRIu64 " meetings, %" PRIu64 " sleeps, %" PRIu64 " woken for the record before", n, sleeps, early);
}};

const Case mirrored{"no announcement and report miss each other (S0.34)", [] {
  if (emulated()) return note("not run: the emulator loses wake-ups");
  PrivateRing ring(kMinCapacity);
  std::atomic<bool> stop{false};
  std::thread consumer_thread([&] {
    Consumer consumer = ring.consumer();
    std::byte inbox[64];
    for (uint32_t spins = 1; !stop.load(std::memory_order_relaxed); ++spins) {
      uint32_t count = 0;
      uint64_t needed = 0;
      if (consumer.drain(inbox, sizeof inbox, 1, count, needed) == Take::ok) {
        consumer.report();
      } else if (spins % 4096 == 0) {
        sched_yield();
      }
    }
  });
  Producer producer = ring.producer();
  uint64_t sleeps = 0;
  uint64_t n = 0;
  Random random(10);
  for (const uint64_t end = now_ns() + budget_ns(700); now_ns() < end; ++n) {
    check_equal(producer.push(nullptr, 0), Push::ok, "push");
    for (uint64_t spin = random.below(64); spin > 0; --spin) std::atomic_signal_fence(std::memory_order_seq_cst);
    const auto taken = [&] {
      check(producer.refresh(), "refresh");
      return producer.fill() == 0;
    };
    while (!taken()) {
      producer.announce(Parked::futex);
      if (taken()) {
        producer.withdraw();
        break;
      }
      ++sleeps;
      const uint64_t start = now_ns();
      for (uint32_t spins = 1; producer.state().load(std::memory_order_acquire) != 0; ++spins) {
        if (spins % 4096 != 0) continue;
        sched_yield();
        check(now_ns() - start < kLostAfter, "a wake-up was lost");
      }
    }
  }
  stop.store(true);
  consumer_thread.join();
  note("%" PRIu64 " meetings, %" PRIu64 " sleeps", n, sleeps);
}};

}  // namespace test
