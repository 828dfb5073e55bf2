// How a lane receives: at once, after a short look for an answer, or blocking the thread.
#include <algorithm>
#include <uv.h>

#include "connection.h"
#include "futex.h"
#include "lane.h"
#include "reactor.h"
#include "waiting.h"

namespace ringbell {

namespace {

// Looks without a pause for an answer, within one call from the event loop: about a microsecond.
constexpr unsigned kLooksForMore = 512;

}  // namespace

void Lane::drain() {
  ControlWords& control = words();
  control.needed = 0;
  control.result = 0;
  if (connection_.unreadable()) return;
  uint32_t count = 0;
  uint64_t needed = 0;
  // The first inbox is small. What does not fit there waits for a larger one, which JavaScript makes: no batch is cut short for it.
  const bool whole = inbox_.memory == control_;
  switch (consumer_.drain(inbox_.bytes(), inbox_.size, static_cast<uint32_t>(control.argument), count, needed, whole)) {
    case Take::ok:
      control.result = static_cast<int32_t>(count);
      if (consumer_.found_mark(count)) [[unlikely]] consumer_.count_latency(uv_hrtime());
      if (!will_note_) ask_for_note();
      if (consumer_.at_the_limit()) allow_inline_receiving();
      break;
    case Take::too_small:
      control.needed = static_cast<int32_t>(needed);
      break;
    case Take::empty:
      break;
    case Take::corrupt:
      // Messages before the lie, if any, were whole; but a peer that lies once is not believed.
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
    const bool fresh = !waited_in_vain();
    if (fresh && spin_until(wait_spin_, deadline, found)) {
      drain();
      if (is_done()) return;
      continue;
    }
    vain_wait_ = traffic();
    connection_.read_socket();
    if (connection_.over()) return drain();
    const uint64_t now = uv_hrtime();
    sleep_on_the_futex(now, deadline);
    const uint64_t then = uv_hrtime();
    if (fresh && consumer_.ready()) wait_spin_.woken(then - now);
    drain();
    if (is_done() || then >= deadline) return;
  }
}

void Lane::sleep_on_the_futex(uint64_t now, uint64_t deadline) {
  // Asleep, our position is exact: nobody waits for what is free already.
  if (consumer_.unreported()) report();
  consumer_.announce(Parked::futex);
  if (!consumer_.ready() && now < deadline) {
    note_idle(wall_clock());
    ++connection_.parks;
    futex_wait(consumer_.state(), static_cast<uint32_t>(Parked::futex), std::min(deadline - now, kLookAround));
  }
  consumer_.withdraw();
}

void Lane::report() {
  wake_producer(consumer_.report());
  allow_inline_receiving();
}

void Lane::wake_producer(Parked where) {
  if (where == Parked::awake) return;
  if (where == Parked::loop) return connection_.ring();
  futex_wake(consumer_.producer_state());
}

}  // namespace ringbell
