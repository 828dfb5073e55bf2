// The two sides tell each other positions, and which of them sleeps. One thread; the torture tests are about memory orders.
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
  void push(uint64_t length) { check_equal(producer.push(inbox.data(), length), Push::ok); }
};

const Case lazily{"the consumer reports after an eighth of the ring, and not before", [] {
  Ends ends;
  for (uint64_t taken = 64; taken <= 4 * kCapacity; taken += 64) {
    ends.push(56);
    check_equal(ends.drain(), Take::ok);
    check(ends.consumer.unreported(), "unreported");
    check_equal(ends.consumer.should_report(), taken % (kCapacity / 8) == 0, "should_report");
    if (ends.consumer.should_report()) {
      check_equal(ends.consumer.report(), Parked::awake);
      check(!ends.consumer.unreported() && !ends.consumer.should_report(), "after the report");
      check_equal(ends.ring.control->consumed.load(), taken, "the position in shared memory");
    }
  }
}};

const Case when_dry{"the consumer reports to a waiting producer once nothing more is there", [] {
  Ends ends;
  ends.push(0);
  ends.push(0);
  ends.producer.announce(Parked::loop);
  check(ends.consumer.producer_waits(), "waits");
  check(!ends.consumer.should_report(), "nothing was taken");
  check_equal(ends.drain(1), Take::ok);
  check(!ends.consumer.should_report(), "there is more to take");
  check_equal(ends.drain(), Take::ok);
  check(ends.consumer.should_report(), "dry, and the producer waits");
  check_equal(ends.consumer.report(), Parked::loop, "who must be woken");
  check(!ends.consumer.producer_waits(), "the report takes the announcement back");
  check(!ends.consumer.should_report(), "reported");

  // It says that it waits only after the ring ran dry: seen by the next look, without a drain.
  ends.push(0);
  check_equal(ends.drain(), Take::ok);
  check(!ends.consumer.should_report(), "nobody waits");
  ends.producer.announce(Parked::futex);
  check(ends.consumer.should_report(), "somebody waits");
  check_equal(ends.consumer.report(), Parked::futex);
}};

const Case told_of_room{"a producer that waits is told of room for the largest record before a consumer parks", [] {
  for (uint64_t offset = 0; offset < kCapacity; offset += 8) {
    Ends ends;
    for (uint64_t way = offset; way > 0;) {
      const uint64_t size = std::min(way, kCapacity / 2);
      ends.push(size - kHeaderBytes);
      check_equal(ends.drain(), Take::ok);
      ends.consumer.report();
      way -= size;
    }
    // Less than an eighth is taken and not reported: for the largest record that can be too much.
    ends.push(100);
    check_equal(ends.drain(), Take::ok);
    check(!ends.consumer.should_report(), "should_report");
    const uint64_t longest = longest_payload(kCapacity);
    if (ends.producer.push(ends.inbox.data(), longest) == Push::full) {
      ends.producer.announce(Parked::loop);
      check_equal(ends.producer.push(ends.inbox.data(), longest), Push::full);
      check(ends.consumer.should_report(), "should_report once it waits");
      check_equal(ends.consumer.report(), Parked::loop);
      check_equal(ends.producer.push(ends.inbox.data(), longest), Push::ok);
    }
    check_equal(ends.drain(), Take::ok);
  }
}};

const Case claims{"one announcement is claimed once, whoever looks how often (S0.34)", [] {
  std::atomic<uint32_t> state{0};
  check_equal(claim_wake(state), Parked::awake);
  for (const Parked where : {Parked::loop, Parked::futex}) {
    announce(state, where);
    check_equal(claim_wake(state), where);
    check_equal(state.load(), 0u, "taken back");
    check_equal(claim_wake(state), Parked::awake);
    announce(state, where);
    withdraw(state);
    check_equal(claim_wake(state), Parked::awake);
  }
  // The later announcement counts.
  announce(state, Parked::futex);
  announce(state, Parked::loop);
  check_equal(claim_wake(state), Parked::loop);
}};

const Case unknown_state{"a state that no peer should write rings the bell once and is gone (S0.35)", [] {
  std::atomic<uint32_t> state{0};
  for (const uint32_t odd : {3u, 4u, 0x80000000u, 0xffffffffu}) {
    state.store(odd);
    check_equal(claim_wake(state), Parked::loop);
    check_equal(claim_wake(state), Parked::awake);
  }
}};

const Case wakes{"a publication says whom to wake; one to an awake consumer nobody", [] {
  Ends ends;
  ends.push(8);
  check_equal(ends.producer.wake_consumer(), Parked::awake);
  ends.consumer.announce(Parked::futex);
  check(ends.consumer.ready(), "looks again, and stays awake");
  ends.consumer.withdraw();
  check_equal(ends.drain(), Take::ok);
  ends.consumer.announce(Parked::loop);
  check(!ends.consumer.ready(), "nothing there");
  ends.push(8);
  check_equal(ends.producer.wake_consumer(), Parked::loop);
  ends.push(8);
  check_equal(ends.producer.wake_consumer(), Parked::awake, "once a sleep");
}};

}  // namespace test
