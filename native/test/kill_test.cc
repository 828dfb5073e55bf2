// S0.36: a producer that dies between any two instructions leaves whole records or none.
#include <csignal>
#include <sys/wait.h>

#if defined(__linux__)
#include <sys/ptrace.h>
#endif

#include "rig.h"

namespace test {

// Takes what is there and compares each record with the one of its number. Returns how many.
uint64_t take_all(Consumer& consumer, const Stream& stream, uint64_t expected, std::vector<std::byte>& inbox) {
  uint64_t taken = 0;
  for (;;) {
    uint32_t count = 0;
    uint64_t needed = 0;
    const Take take = consumer.drain(inbox.data(), inbox.size(), 64, count, needed);
    check(take == Take::ok || take == Take::empty, "not ok and not empty");
    uint64_t at = 0;
    for (uint32_t i = 0; i < count; ++i) {
      const uint64_t length = packed_length(inbox.data() + at);
      check(stream.matches(expected + taken, inbox.data() + at + kHeaderBytes, length), "a torn or wrong record");
      const uint32_t kind = packed_kind(inbox.data() + at);
      check(kind == kMessage || kind == stream.kind(expected + taken), "a wrong kind");
      at += record_bytes(length);
      ++taken;
    }
    if (take == Take::empty) return taken;
  }
}

// Sends the stream without end, single records and batches mixed.
[[noreturn]] void produce_for_ever(Producer producer, const Stream& stream, uint64_t seed) {
  Random random(seed);
  std::vector<std::byte> payload(producer.capacity());
  Packed packed;
  for (uint64_t n = 0;;) {
    if (random.one_in(4)) {
      packed.clear();
      const uint64_t many = 1 + random.below(8);
      for (uint64_t i = 0; i < many; ++i) {
        const uint64_t length = stream.length(n + i);
        stream.write(n + i, payload.data(), length);
        packed.add(payload.data(), length);
      }
      bool corrupt = false;
      n += producer.push_batch(packed.bytes.data(), packed.bytes.size(), packed.count, corrupt);
      check(!corrupt, "corrupt");
    } else {
      const uint64_t length = stream.length(n);
      stream.write(n, payload.data(), length);
      const Push result = producer.push(payload.data(), length, stream.kind(n));
      check(result == Push::ok || result == Push::full, "push");
      if (result == Push::ok) ++n;
    }
    producer.wake_consumer();
  }
}

const Case killed{"SIGKILL at any instant leaves whole records or none", [] {
  SharedRing ring(16384);
  std::vector<std::byte> inbox(ring.capacity);
  Random random(1);
  unsigned kills = 0;
  uint64_t records = 0;
  for (const uint64_t end = now_ns() + budget_ns(1200); now_ns() < end; ++kills) {
    ring.clear();
    const Stream stream(random.next(), longest_payload(ring.capacity));
    const uint64_t seed = random.next();
    const pid_t child = fork();
    check(child >= 0, "fork");
    if (child == 0) {
      die_with_the_parent();
      produce_for_ever(ring.producer(), stream, seed);
    }

    Consumer consumer = ring.consumer();
    uint64_t taken = 0;
    // From the first record on, so that it dies at work and not at its start.
    while (!consumer.ready()) {
    }
    const uint64_t until = now_ns() + random.below(300'000);
    while (now_ns() < until) {
      taken += take_all(consumer, stream, taken, inbox);
      if (consumer.should_report()) consumer.report();
    }
    kill(child, SIGKILL);
    check_equal(waitpid(child, nullptr, 0), child, "waitpid");
    taken += take_all(consumer, stream, taken, inbox);
    check(!consumer.ready(), "a header after the last record");
    records += taken;
  }
  note("%u processes killed, %" PRIu64 " records", kills, records);
}};

#if defined(__linux__)
const Case stepped{"after every single machine instruction of a producer, a reader finds whole records or none", [] {
  SharedRing ring(kMinCapacity);
  std::vector<std::byte> inbox(ring.capacity);
  const Stream stream(77, longest_payload(ring.capacity));
  const pid_t child = fork();
  check(child >= 0, "fork");
  if (child == 0) {
    if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) _exit(3);
    die_with_the_parent();
    raise(SIGSTOP);
    produce_for_ever(ring.producer(), stream, 5);
  }
  int status = 0;
  check_equal(waitpid(child, &status, 0), child, "waitpid");
  if (WIFEXITED(status)) {
    note("not run: ptrace is not allowed here");
    return;
  }
  Consumer consumer = ring.consumer();
  uint64_t taken = 0;
  uint64_t steps = 0;
  for (const uint64_t end = now_ns() + budget_ns(1200); now_ns() < end; ++steps) {
    if (ptrace(PTRACE_SINGLESTEP, child, nullptr, nullptr) != 0) {
      note("not run: no single steps here");
      break;
    }
    check_equal(waitpid(child, &status, 0), child, "waitpid");
    check(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP, "the producer failed");
    // A consumer is tried on a copy of its position, as if the producer had died here.
    Consumer now = consumer;
    const uint64_t whole = take_all(now, stream, taken, inbox);
    check(!now.ready(), "a header after the last record");
    // Taken for good only now and then, so that records also pile up and the ring fills.
    if (steps % 20'000 == 0) {
      consumer = now;
      taken += whole;
      consumer.report();
    }
  }
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  note("%" PRIu64 " instructions, %" PRIu64 " records", steps, taken);
}};
#endif

}  // namespace test
