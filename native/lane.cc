#include "lane.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <uv.h>

#include "connection.h"
#include "futex.h"
#include "reactor.h"

namespace ringbell {

namespace {

// Scratch for a batch: what the second-level cache takes easily. Grows where one message needs more.
constexpr size_t kScratchBytes = 64 * 1024;
constexpr int32_t kBatch = 4096;
// How often a thread that sleeps on a futex looks whether the peer is still there. The peer's orderly end wakes it at once; this
// bounds how late a kill is noticed.
constexpr uint64_t kLookAround = 50'000'000;
// Polls without a pause in a synchronous wait: about a microsecond, in which most answers come.
constexpr unsigned kHotPolls = 1024;
constexpr unsigned kPollsAClock = 64;
// Looks without a pause for an answer, within one call from the event loop: about a microsecond.
constexpr unsigned kLooksForMore = 512;

double wall_clock() {
  using namespace std::chrono;
  return static_cast<double>(duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count());
}

uint64_t deadline_after(double milliseconds) {
  // A million seconds and more is no limit; nor is what is no number.
  return milliseconds < 1e9 ? uv_hrtime() + static_cast<uint64_t>(milliseconds * 1e6) : UINT64_MAX;
}

// Polls `found` for the policy's window or until the deadline. True if it was found.
template <typename Found>
bool spin_until(SpinPolicy& spin, uint64_t deadline, Found found) {
  const uint64_t window = spin.window();
  if (window == 0) return false;
  uint64_t end = 0;
  for (unsigned polls = 1;; ++polls) {
    if (found()) {
      spin.hit();
      return true;
    }
    if (polls % kPollsAClock == 0) {
      const uint64_t now = uv_hrtime();
      if (end == 0) end = std::min(deadline, now + window);
      if (now >= end) break;
    }
    if (polls > kHotPolls) relax_cpu();
  }
  spin.miss();
  return false;
}

}  // namespace

Memory::Memory(size_t size) : bytes(static_cast<std::byte*>(std::calloc(size, 1))), size(size) {
  // As operator new does without exceptions, and V8 where memory is out.
  if (bytes == nullptr) std::abort();
}
Memory::~Memory() {
  if (owned) std::free(bytes);
}
void Memory::lend(std::byte* other) {
  if (owned) std::free(bytes);
  bytes = other;
  owned = false;
}

// ---- Lane: sending

Lane::Lane(Connection& connection, uint32_t index, bool listener, int64_t spin, unsigned cores)
    : connection_(connection),
      index_(index),
      producer_(connection.region().control(index, listener ? 0 : 1), connection.region().data(index, listener ? 0 : 1),
                connection.region().capacities()[index]),
      consumer_(connection.region().control(index, listener ? 1 : 0), connection.region().data(index, listener ? 1 : 0),
                connection.region().capacities()[index]),
      control_(std::make_shared<Memory>(sizeof(ControlWords))),
      outbox_(std::make_shared<Memory>(std::min<size_t>(kScratchBytes, producer_.capacity() / 2))),
      inbox_(std::make_shared<Memory>(std::min<size_t>(kScratchBytes, consumer_.capacity() / 2))),
      loop_spin_(spin, cores),
      wait_spin_(spin, cores),
      idle_since_(wall_clock()) {}

void Lane::send() {
  ControlWords& control = words();
  const auto length = static_cast<uint32_t>(control.argument);
  Sent result = Sent::ended;
  if (!connection_.over()) {
    if (length > outbox_->size - kHeaderBytes) {
      result = Sent::too_large;
    } else {
      switch (producer_.push(outbox_->bytes + kHeaderBytes, length, static_cast<uint32_t>(control.kind))) {
        case Push::ok:
          result = Sent::sent;
          blocked_since_ = 0;
          wake_consumer(producer_.wake_consumer());
          break;
        case Push::full:
          result = Sent::full;
          met_full();
          break;
        case Push::too_large:
          result = Sent::too_large;
          break;
        case Push::corrupt:
          connection_.fail();
          break;
      }
    }
  }
  control.result = static_cast<int32_t>(result);
}

void Lane::send_batch() {
  ControlWords& control = words();
  const auto count = static_cast<uint32_t>(control.argument);
  control.result = 0;
  if (connection_.over()) return;
  bool corrupt = false;
  const uint32_t accepted = producer_.push_batch(outbox_->bytes, outbox_->size, count, corrupt);
  if (accepted > 0) {
    blocked_since_ = 0;
    wake_consumer(producer_.wake_consumer());
  }
  if (corrupt) {
    connection_.fail();
  } else if (accepted < count) {
    met_full();
  }
  control.result = static_cast<int32_t>(accepted);
}

void Lane::met_full() {
  ++full_count_;
  if (blocked_since_ == 0) blocked_since_ = wall_clock();
  // A caller that tries again and again without its event loop would never ask for the little that the peer may have taken
  // without a report, and a long record may need just that. Not over an announcement that is made already.
  if (producer_.fill() <= producer_.capacity() / 8 &&
      producer_.state().load(std::memory_order_relaxed) == static_cast<uint32_t>(Parked::awake)) {
    producer_.announce(Parked::loop);
    connection_.ring();
  }
}

void Lane::send_wait() {
  const auto is_done = [this] { return words().result != static_cast<int32_t>(Sent::full); };
  send();
  const double timeout = words().timeout;
  if (is_done() || timeout <= 0) return;
  const uint64_t full_before = full_count_;
  const uint64_t deadline = deadline_after(timeout);
  const auto found = [&] {
    const uint64_t consumed = producer_.consumed();
    return !producer_.refresh() || producer_.consumed() != consumed;
  };
  while (!is_done()) {
    if (spin_until(wait_spin_, deadline, found)) {
      send();
      continue;
    }
    connection_.read_socket();
    producer_.announce(Parked::futex);
    ask_for_report();
    // The look after the announcement is the attempt itself: it loads the position.
    send();
    if (is_done()) break;
    const uint64_t now = uv_hrtime();
    if (now >= deadline) break;
    futex_wait(producer_.state(), static_cast<uint32_t>(Parked::futex), std::min(deadline - now, kLookAround));
    producer_.withdraw();
    wait_spin_.woken(uv_hrtime() - now);
    send();
  }
  full_count_ = full_before;
  if (!connection_.over()) producer_.withdraw();
  // The announcement for the event loop was overwritten, if there was one.
  if (want_room_ || want_taken_) connection_.post_bell();
}

void Lane::ask_for_report() {
  if (producer_.fill() <= producer_.capacity() / 8) connection_.ring();
}

void Lane::want_room() {
  if (connection_.over()) return;
  room_mark_ = producer_.consumed();
  want_room_ = true;
  producer_.announce(Parked::loop);
  ask_for_report();
  // Another look after the announcement (parking.h). What it finds is told from the loop.
  if (!producer_.refresh()) {
    connection_.fail();
  } else if (producer_.consumed() != room_mark_) {
    connection_.post_bell();
  }
}

void Lane::want_taken() {
  if (connection_.over()) return;
  taken_mark_ = producer_.produced();
  want_taken_ = true;
  producer_.announce(Parked::loop);
  if (!producer_.refresh()) {
    connection_.fail();
  } else if (producer_.consumed() == taken_mark_) {
    connection_.post_bell();
  } else {
    // A peer that has taken everything may not have reported it, and may not come back to look soon.
    connection_.ring();
  }
}

void Lane::look_for_room() {
  if (!want_room_ && !want_taken_) return;
  bool room = false;
  bool taken = false;
  // Twice: what is still missing after the first look is announced again, for the peer took the announcement back.
  for (int look = 0; look < 2; ++look) {
    if (!producer_.refresh()) return connection_.fail();
    room = want_room_ && producer_.consumed() != room_mark_;
    taken = want_taken_ && producer_.consumed() >= taken_mark_;
    if (room == want_room_ && taken == want_taken_) break;
    if (look == 0) producer_.announce(Parked::loop);
  }
  // The rest may have been taken without a report before we announced ourselves again.
  if (room != want_room_ || taken != want_taken_) ask_for_report();
  if (room) want_room_ = false;
  if (taken) want_taken_ = false;
  if (room) connection_.events().room(index_);
  if (taken && !connection_.over()) connection_.events().taken(index_);
}

void Lane::wake_consumer(Parked where) {
  if (where == Parked::awake) return;
  if (where == Parked::loop) return connection_.ring();
  futex_wake(producer_.consumer_state());
}

const std::shared_ptr<Memory>& Lane::grow_outbox(size_t bytes) {
  outbox_ = std::make_shared<Memory>(std::clamp<size_t>(bytes, kHeaderBytes, producer_.capacity() / 2));
  return outbox_;
}

// ---- Lane: receiving

void Lane::drain() {
  ControlWords& control = words();
  control.needed = 0;
  control.result = 0;
  if (connection_.unreadable()) return;
  uint32_t count = 0;
  uint64_t needed = 0;
  switch (consumer_.drain(inbox_->bytes, inbox_->size, static_cast<uint32_t>(control.argument), count, needed)) {
    case Take::ok:
      control.result = static_cast<int32_t>(count);
      idle_since_ = 0;
      break;
    case Take::too_small:
      control.needed = static_cast<int32_t>(needed);
      break;
    case Take::empty:
      break;
    case Take::corrupt:
      // The message before it, if any, was whole; but a peer that lies once is not believed.
      return connection_.fail();
  }
  if (consumer_.should_report() && !connection_.over()) report();
}

void Lane::drain_more() {
  words().result = 0;
  words().needed = 0;
  // Only for an answer: a stream without one is better left to gather while we go round the loop. Taking each record as it is
  // published would make both sides fight for its cache line.
  const uint64_t asked = producer_.produced();
  if (asked == asked_ || spin().window() == 0 || connection_.over()) return;
  asked_ = asked;
  if (consumer_.should_report()) report();
  for (unsigned looks = 0; looks < kLooksForMore; ++looks) {
    if (!consumer_.ready()) continue;
    if (looks > 0) spin().hit();
    idle_from = 0;
    return drain();
  }
}

void Lane::drain_wait() {
  const auto is_done = [this] { return words().result != 0 || words().needed != 0 || connection_.unreadable(); };
  drain();
  const double timeout = words().timeout;
  if (is_done() || timeout <= 0 || connection_.over()) return;
  const uint64_t deadline = deadline_after(timeout);
  // The announcement for the event loop is about to be overwritten.
  if (parked_) set_active(active_, false);
  const auto found = [this] {
    if (consumer_.should_report()) report();
    return consumer_.ready();
  };
  for (;;) {
    if (spin_until(wait_spin_, deadline, found)) {
      drain();
      if (is_done()) return;
      continue;
    }
    connection_.read_socket();
    if (connection_.over()) return drain();
    // Asleep, our position is exact: nobody waits for what is free already.
    if (consumer_.unreported()) report();
    consumer_.announce(Parked::futex);
    const uint64_t now = uv_hrtime();
    if (!consumer_.ready() && now < deadline) {
      idle_since_ = idle_since_ == 0 ? wall_clock() : idle_since_;
      ++connection_.parks;
      futex_wait(consumer_.state(), static_cast<uint32_t>(Parked::futex), std::min(deadline - now, kLookAround));
    }
    consumer_.withdraw();
    const uint64_t then = uv_hrtime();
    if (consumer_.ready()) wait_spin_.woken(then - now);
    drain();
    if (is_done() || then >= deadline) return;
  }
}

void Lane::watch() {
  if (connection_.over() || active_) return;
  if (parked_) {
    parked_ = false;
    consumer_.withdraw();
  }
  idle_from = 0;
  connection_.reactor().activate(this);
  set_active(true, false);
}

Lane::Poll Lane::poll() {
  ControlWords& control = words();
  if (control.demand != kDemand) {
    set_active(false, false);
    return Poll::gone;
  }
  if (!consumer_.ready()) {
    if (consumer_.should_report()) report();
    return Poll::dry;
  }
  idle_from = 0;
  control.argument = kBatch;
  drain();
  // Neither: what stands there is no record, and the end is on its way.
  if (control.result == 0 && control.needed == 0) return Poll::dry;
  connection_.events().records(index_);
  return Poll::found;
}

void Lane::deliver_rest() {
  // No more than a ring holds, should the peer go on writing after it has said that it ends.
  const uint64_t most = consumer_.messages() + consumer_.capacity() / kHeaderBytes;
  while (words().demand == kDemand && !connection_.unreadable() && consumer_.messages() < most) {
    if (poll() != Poll::found) break;
  }
}

bool Lane::park() {
  if (consumer_.unreported()) report();
  consumer_.announce(Parked::loop);
  if (consumer_.ready()) {
    consumer_.withdraw();
    return false;
  }
  set_active(false, true);
  idle_since_ = wall_clock();
  suspicious_ = false;
  ++connection_.parks;
  return true;
}

void Lane::wake() {
  if (!parked_ || !consumer_.ready()) return;
  consumer_.withdraw();
  Reactor& reactor = connection_.reactor();
  const uint64_t now = uv_hrtime();
  if (spins_with_others()) reactor.woken(now);
  set_active(false, false);
  if (words().demand != kDemand) return;
  reactor.activate(this);
  set_active(true, false);
  // Otherwise it is polled in the next turn.
  if (reactor.has_time(now) && poll() == Poll::gone) reactor.deactivate(this);
}

void Lane::bell() {
  // The announcement was taken back, perhaps for a record that was drained before we parked: it is made again, or the next
  // publication would ring for nobody.
  if (parked_ && !consumer_.ready()) consumer_.announce(Parked::loop);
  wake();
  if (connection_.over()) return;
  if (words().demand == kAtTheBell && consumer_.ready()) {
    words().argument = kBatch;
    drain();
    if (words().result != 0 || words().needed != 0) connection_.events().records(index_);
    if (connection_.over()) return;
  }
  if (consumer_.unreported() && consumer_.producer_waits()) report();
  look_for_room();
}

void Lane::rescue() {
  const bool forgotten = (parked_ && consumer_.ready()) ||
                         (want_room_ && producer_.refresh() && producer_.consumed() != room_mark_);
  if (forgotten && suspicious_) {
    suspicious_ = false;
    ++connection_.rescues;
    connection_.post_bell();
    return;
  }
  suspicious_ = forgotten;
}

SpinPolicy& Lane::spin() { return loop_spin_.adaptive() ? connection_.reactor().spin() : loop_spin_; }

void Lane::set_active(bool active, bool parked) {
  active_ = active;
  parked_ = parked;
  words().watching = active || parked ? 1 : 0;
}

void Lane::wake_producer(Parked where) {
  if (where == Parked::awake) return;
  if (where == Parked::loop) return connection_.ring();
  futex_wake(consumer_.producer_state());
}

const std::shared_ptr<Memory>& Lane::grow_inbox(size_t bytes) {
  inbox_ = std::make_shared<Memory>(std::clamp<size_t>(bytes, kHeaderBytes, consumer_.capacity() / 2));
  return inbox_;
}

LaneStats Lane::stats() const {
  LaneStats stats{};
  stats.sent_messages = producer_.messages();
  stats.sent_bytes = producer_.bytes();
  stats.received_messages = consumer_.messages();
  stats.received_bytes = consumer_.bytes();
  stats.full_count = full_count_;
  stats.blocked_since = blocked_since_;
  stats.idle_since = idle_since_;
  if (!connection_.closed()) {
    stats.send_fill = producer_.latest_fill();
    stats.receive_fill = consumer_.fill();
  }
  return stats;
}

void Lane::detach() {
  connection_.reactor().deactivate(this);
  set_active(false, false);
  want_room_ = want_taken_ = false;
}

}  // namespace ringbell
