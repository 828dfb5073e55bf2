// S0.33, S0.34, S0.36: the ring between two processes. ThreadSanitizer can't see the other process, so under it this checks
// results only, as the plain build does; torture_threads_test.cc is what it is for.
#include <csignal>
#include <sys/wait.h>

#include "torture.h"

namespace test {

const Case streams{"two processes, every way to wait: no record lost, torn or doubled, no wake-up lost (S0.33)", [] {
  for (const Plan& plan : plans()) {
    SharedRing ring(plan.capacity);
    int bells[2];
    check(socketpair(AF_UNIX, SOCK_STREAM, 0, bells) == 0, "socketpair");
    const pid_t child = fork();
    check(child >= 0, "fork");
    if (child == 0) {
      die_with_the_parent();
      const Outcome sent = produce(ring.producer(), ring.control, plan, bells[0]);
      _exit(sent.messages > 0 ? 0 : 2);
    }
    // A producer that fails must not leave its consumer waiting: closed here, its end hangs up with it.
    close(bells[0]);
    const Outcome received = consume(ring.consumer(), ring.control, plan, bells[1]);
    int status = 0;
    check_equal(waitpid(child, &status, 0), child, "waitpid");
    check(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the producer failed");
    close(bells[1]);
    note("plan %" PRIu64 ": %" PRIu64 " messages, %" PRIu64 " sleeps of the consumer", plan.seed, received.messages,
         received.sleeps);
  }
}};

const Case both_ways{"two processes answer each other through two rings, asleep in between (S0.33)", [] {
  if (emulated()) return note("not run: the emulator loses wake-ups");
  constexpr uint64_t kCapacity = kMinCapacity;
  SharedRing there(kCapacity);
  SharedRing back(kCapacity);
  const Stream stream(42, longest_payload(kCapacity));
  // Takes one record of the stream, sleeping until it comes.
  const auto receive = [&](Consumer& consumer, RingControl* control, std::vector<std::byte>& inbox, uint64_t n) {
    for (;;) {
      uint32_t count = 0;
      uint64_t needed = 0;
      if (consumer.drain(inbox.data(), inbox.size(), 1, count, needed) == Take::ok) {
        check(stream.matches(n, inbox.data() + kHeaderBytes, packed_length(inbox.data())), "a wrong record");
        return;
      }
      if (consumer.unreported() && consumer.report() == Parked::futex) futex_wake(control->producer_state);
      consumer.announce(Parked::futex);
      if (!consumer.ready()) {
        const uint64_t start = now_ns();
        futex_wait(consumer.state(), static_cast<uint32_t>(Parked::futex), kLostAfter);
        check(now_ns() - start < kLostAfter || !consumer.ready(), "a wake-up was lost");
        check(now_ns() - start < 3 * kLostAfter, "the other side is gone");
      }
      consumer.withdraw();
    }
  };
  const auto send_record = [&](Producer& producer, RingControl* control, std::vector<std::byte>& payload, uint64_t n) {
    const uint64_t length = stream.length(n);
    stream.write(n, payload.data(), length);
    for (;;) {
      const Push result = producer.push(payload.data(), length);
      if (result == Push::ok) break;
      check_equal(result, Push::full, "push");
      producer.announce(Parked::futex);
      check(producer.refresh(), "refresh");
      if (producer.fill() > 0) futex_wait(producer.state(), static_cast<uint32_t>(Parked::futex), kLostAfter);
      producer.withdraw();
    }
    if (producer.wake_consumer() == Parked::futex) futex_wake(control->consumer_state);
  };
  const pid_t child = fork();
  check(child >= 0, "fork");
  std::vector<std::byte> inbox(kCapacity);
  std::vector<std::byte> payload(kCapacity);
  if (child == 0) {
    die_with_the_parent();
    Consumer consumer = there.consumer();
    Producer producer = back.producer();
    for (uint64_t n = 0;; ++n) {
      receive(consumer, there.control, inbox, n);
      send_record(producer, back.control, payload, n);
    }
  }
  Producer producer = there.producer();
  Consumer consumer = back.consumer();
  uint64_t n = 0;
  for (const uint64_t end = now_ns() + budget_ns(700); now_ns() < end; ++n) {
    send_record(producer, there.control, payload, n);
    receive(consumer, back.control, inbox, n);
  }
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  note("%" PRIu64 " round trips", n);
}};

}  // namespace test
