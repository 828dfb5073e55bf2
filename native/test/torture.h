// Two sides of a ring that run against each other: whole streams, checked record by record, with all ways to wait.
//
// Used with two threads (torture_threads_test.cc) and two processes (torture_processes_test.cc). ThreadSanitizer sees
// only what one process does.
#pragma once

#include <cerrno>
#include <poll.h>
#include <sched.h>
#include <span>
#include <sys/socket.h>
#include <type_traits>

#include "../futex.h"
#include "rig.h"

namespace test {

// A wake-up that has not come after this long, though what was waited for is there, was lost.
inline constexpr uint64_t kLostAfter = 5'000'000'000;

enum class Waiting {
  spin,   // never sleeps
  futex,  // sleeps at once on the futex
  bell,   // sleeps at once in poll() on a socket, as an event loop does
  mixed,  // any of these, by turns
};

struct Plan {
  uint64_t capacity;
  uint64_t seed;
  uint64_t longest;
  Waiting producer;
  Waiting consumer;
  uint64_t milliseconds;
  // Stop now and then for some microseconds, so that the other side runs dry (full) and parks.
  bool pauses;
};

// How one side sleeps and is woken, and wakes the other.
class Sleeper {
 public:
  Sleeper(Waiting waiting, int bell, uint64_t seed) : waiting_(waiting), bell_(bell), random_(seed) {}

  // Sleeps unless `look` (after the announcement) finds what is waited for. `announce`, `withdraw`: of the side's own
  // state. False if the wake-up was lost.
  template <typename Side, typename Look>
  void wait(Side& side, Look look) {
    Waiting how = waiting_;
    if (how == Waiting::mixed) how = static_cast<Waiting>(random_.below(3));
    if (how == Waiting::spin) {
      // A producer says also then that it waits. A consumer that never parks would else have no reason to report less than
      // an eighth of the ring, and a record of nearly half of it might never find room.
      if constexpr (std::is_same_v<Side, Producer>) side.announce(Parked::loop);
      // Two cores, and others that want them.
      if (++spins_ % 64 == 0) sched_yield();
      return;
    }
    const Parked where = how == Waiting::futex ? Parked::futex : Parked::loop;
    side.announce(where);
    if (look()) {
      side.withdraw();
      return;
    }
    ++sleeps;
    const uint64_t start = now_ns();
    if (where == Parked::futex) {
      futex_wait(side.state(), static_cast<uint32_t>(Parked::futex), kLostAfter);
    } else {
      pollfd entry{bell_, POLLIN, 0};
      poll(&entry, 1, static_cast<int>(kLostAfter / 1'000'000));
      quiet();
    }
    if (now_ns() - start >= kLostAfter && look()) {
      // Published in this very instant? Then the waker comes for the announcement shortly.
      for (int i = 0; i < 1000 && side.state().load() != 0; ++i) usleep(1000);
      check(side.state().load() == 0, "a wake-up was lost");
    }
    side.withdraw();
  }

  // Wakes the other side, which sleeps on `state` or on the other end of the bell.
  void wake(Parked where, std::atomic<uint32_t>& state) {
    if (where == Parked::awake) return;
    ++wakes;
    if (where == Parked::futex) {
      futex_wake(state);
    } else {
      const char one = 1;
      // A full bell rings already.
      check(send(bell_, &one, 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1 || errno == EAGAIN || errno == EPIPE, "bell");
    }
  }

  uint64_t sleeps = 0;
  uint64_t wakes = 0;

 private:
  void quiet() {
    char bytes[64];
    while (recv(bell_, bytes, sizeof bytes, MSG_DONTWAIT) == static_cast<ssize_t>(sizeof bytes)) {
    }
  }

  Waiting waiting_;
  int bell_;
  Random random_;
  uint64_t spins_ = 0;
};

inline void pause_now_and_then(const Plan& plan, Random& random) {
  if (!plan.pauses || !random.one_in(16)) return;
  const uint64_t until = now_ns() + random.below(60'000);
  while (now_ns() < until) {
  }
}

// The record that ends a stream: longer than any other.
inline uint64_t last_length(const Plan& plan) { return plan.longest + 1; }

struct Outcome {
  uint64_t messages = 0;
  uint64_t sleeps = 0;
  uint64_t wakes = 0;
};

inline Outcome produce(Producer producer, RingControl* control, const Plan& plan, int bell) {
  const Stream stream(plan.seed, plan.longest);
  Random random(plan.seed * 3);
  Sleeper sleeper(plan.producer, bell, plan.seed * 5);
  std::vector<std::byte> payload(plan.longest + 1);
  Packed packed;
  uint64_t n = 0;
  const auto wait_for_room = [&] {
    // Any news of the consumer is worth another attempt.
    const uint64_t before = producer.consumed();
    sleeper.wait(producer, [&] {
      check(producer.refresh(), "refresh");
      return producer.consumed() != before;
    });
  };
  const auto push_one = [&](uint64_t length, uint32_t kind) {
    for (;;) {
      const Push result = producer.push(payload.data(), length, kind);
      if (result == Push::ok) break;
      check_equal(result, Push::full, "push");
      wait_for_room();
    }
    sleeper.wake(producer.wake_consumer(), control->consumer_state);
  };
  for (const uint64_t end = now_ns() + budget_ns(plan.milliseconds); now_ns() < end;) {
    if (random.one_in(3)) {
      packed.clear();
      const uint64_t many = 1 + random.below(40);
      for (uint64_t i = 0; i < many; ++i) {
        const uint64_t length = stream.length(n + i);
        stream.write(n + i, payload.data(), length);
        packed.add(payload.data(), length);
      }
      uint64_t sent = 0;
      for (const std::byte* from = packed.bytes.data(); sent < many;) {
        bool corrupt = false;
        const auto left = static_cast<uint64_t>(packed.bytes.data() + packed.bytes.size() - from);
        const uint32_t accepted = producer.push_batch(from, left, static_cast<uint32_t>(many - sent), corrupt);
        check(!corrupt, "corrupt");
        if (accepted > 0) sleeper.wake(producer.wake_consumer(), control->consumer_state);
        for (uint32_t i = 0; i < accepted; ++i) from += record_bytes(packed_length(from));
        sent += accepted;
        if (sent < many) wait_for_room();
      }
      n += many;
    } else {
      const uint64_t length = stream.length(n);
      stream.write(n, payload.data(), length);
      push_one(length, stream.kind(n));
      ++n;
    }
    pause_now_and_then(plan, random);
  }
  push_one(last_length(plan), kMessage);
  return {n, sleeper.sleeps, sleeper.wakes};
}

inline Outcome consume(Consumer consumer, RingControl* control, const Plan& plan, int bell) {
  const Stream stream(plan.seed, plan.longest);
  Random random(plan.seed * 7);
  Sleeper sleeper(plan.consumer, bell, plan.seed * 11);
  std::vector<std::byte> inbox(plan.capacity);
  for (uint64_t n = 0;;) {
    uint32_t count = 0;
    uint64_t needed = 0;
    const uint64_t room = random.one_in(4) ? random.below(inbox.size()) : inbox.size();
    const uint32_t max = random.one_in(4) ? static_cast<uint32_t>(random.below(10)) : 1000;
    const Take take = consumer.drain(inbox.data(), room, max, count, needed);
    check(take != Take::corrupt, "corrupt");
    uint64_t at = 0;
    for (uint32_t i = 0; i < count; ++i) {
      const uint64_t length = packed_length(inbox.data() + at);
      if (length == last_length(plan)) return {n, sleeper.sleeps, sleeper.wakes};
      check(stream.matches(n, inbox.data() + at + kHeaderBytes, length), "a wrong record");
      // Records of a batch are plain.
      const uint32_t kind = packed_kind(inbox.data() + at);
      check(kind == kMessage || kind == stream.kind(n), "a wrong kind");
      at += record_bytes(length);
      ++n;
    }
    if (consumer.should_report()) sleeper.wake(consumer.report(), control->producer_state);
    if (take == Take::empty && max > 0) {
      // A consumer that may sleep reports all that it took before: the producer can't ask a sleeper.
      if (plan.consumer != Waiting::spin && consumer.unreported()) sleeper.wake(consumer.report(), control->producer_state);
      sleeper.wait(consumer, [&] { return consumer.ready(); });
    }
    pause_now_and_then(plan, random);
  }
}

// The plans that both kinds of test go through.
inline constexpr Plan kPlans[] = {
    {4096, 1, 2039, Waiting::spin, Waiting::spin, 200, false},
    {4096, 2, 2039, Waiting::futex, Waiting::futex, 200, true},
    {4096, 3, 100, Waiting::futex, Waiting::futex, 200, false},
    {4096, 4, 2039, Waiting::bell, Waiting::bell, 200, true},
    {4096, 5, 2039, Waiting::mixed, Waiting::mixed, 300, true},
    {65536, 6, 32000, Waiting::mixed, Waiting::mixed, 200, false},
    {65536, 7, 64, Waiting::futex, Waiting::spin, 200, true},
    {65536, 8, 64, Waiting::spin, Waiting::futex, 200, true},
    {1 << 20, 9, 500000, Waiting::futex, Waiting::futex, 200, false},
};
// Under an emulator that loses wake-ups nobody sleeps: the first plan alone.
inline std::span<const Plan> plans() { return {kPlans, emulated() ? size_t{1} : std::size(kPlans)}; }

}  // namespace test
