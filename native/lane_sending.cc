// How a lane sends, and how its producer waits for room and for the peer to have taken what was sent.
#include <algorithm>

#include "connection.h"
#include "futex.h"
#include "lane.h"
#include "reactor.h"
#include "waiting.h"

namespace ringbell {

namespace {

// One attempt in so many that find the ring full looks at the clock, and once in kLookAround at the socket.
constexpr uint64_t kFullsAClock = 1024;
// Of a ring that nobody gives back, at most so many bytes are in use behind the last record.
constexpr uint64_t kQuietBytes = 4096;

}  // namespace

void Lane::send() {
  ControlWords& control = words();
  const auto length = static_cast<uint32_t>(control.argument);
  Sent result = Sent::ended;
  if (!connection_.over()) {
    if (length > outbox_.size - kHeaderBytes) {
      result = Sent::too_large;
    } else {
      switch (producer_.push(outbox_.bytes() + kHeaderBytes, length, static_cast<uint32_t>(control.kind))) {
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
  const uint32_t accepted = producer_.push_batch(outbox_.bytes(), outbox_.size, count, corrupt);
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

void Lane::wake_peer() {
  if (!connection_.over()) wake_consumer(producer_.wake_consumer());
}

void Lane::wake_consumer(Parked where) {
  if (where == Parked::awake) return;
  producer_.mark_woken();
  // Beside the system call that follows, this costs nothing.
  if (producer_.produced() - used_from_ > kQuietBytes) connection_.reactor().stir();
  if (where == Parked::loop) return connection_.ring();
  futex_wake(producer_.consumer_state());
}

// ---- waiting for the peer

void Lane::met_full() {
  ++full_count_;
  // A shorter record may still fit. It comes here, to be seen to end the blocking.
  producer_.stop_inline();
  if (blocked_since_ == 0) blocked_since_ = wall_clock();
  // The same caller would never hear that the peer has gone.
  if (full_count_ % kFullsAClock == 0) {
    const uint64_t now = uv_hrtime();
    if (now - looked_at_ >= kLookAround) {
      looked_at_ = now;
      connection_.read_socket();
    }
  }
  // A caller that tries again and again without its event loop would never ask for the little that the peer may have taken
  // without a report, and a long record may need just that. An announcement that stands is left as it is.
  if (reports_may_be_held_back() && producer_.state().load(std::memory_order_relaxed) == static_cast<uint32_t>(Parked::awake)) {
    producer_.announce(Parked::loop);
    connection_.ring();
  }
}

void Lane::ask_for_report() {
  if (reports_may_be_held_back()) connection_.ring();
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
    const bool fresh = !waited_in_vain();
    if (fresh && spin_until(wait_spin_, deadline, found)) {
      send();
      continue;
    }
    vain_wait_ = traffic();
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
    if (fresh) wait_spin_.woken(uv_hrtime() - now);
    send();
  }
  full_count_ = full_before;
  if (!connection_.over()) producer_.withdraw();
  // The announcement for the event loop was overwritten, if there was one.
  if (want_room_ || want_taken_) connection_.post_bell();
}

void Lane::want_room() {
  if (connection_.over()) return;
  room_mark_ = producer_.consumed();
  want_room_ = true;
  producer_.announce(Parked::loop);
  ask_for_report();
  // Another look after the announcement (parking.h). Room that it finds is told from the loop.
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
  // Twice: the peer has taken the announcement back, so a wish that the first look does not grant is announced again.
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

}  // namespace ringbell
