// How a lane is polled by the reactor, falls asleep, and is woken; and the watchdog over all that.
#include <utility>
#include <uv.h>

#include "connection.h"
#include "lane.h"
#include "reactor.h"
#include "waiting.h"

namespace ringbell {

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

void Lane::set_active(bool active, bool parked) {
  active_ = active;
  parked_ = parked;
  set_will_note(active);
  words().watching = active || parked ? 1 : 0;
}

Lane::Poll Lane::poll() {
  ControlWords& control = words();
  if (control.demand != kDemand) {
    set_active(false, false);
    if (idle_at_ != consumer_.messages()) ask_for_note();
    return Poll::gone;
  }
  if (!consumer_.ready()) {
    if (consumer_.should_report()) report();
    return Poll::dry;
  }
  idle_from = 0;
  control.argument = kPolledRecords;
  drain();
  // Neither a record nor one that is too long: the end of the connection is on its way.
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
  note_idle(wall_clock());
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
  // Without time left, the lane is polled in the next turn.
  if (reactor.has_time(now) && poll() == Poll::gone) reactor.deactivate(this);
}

// A look at the lane of the blocks takes a page, which most channels never need. The peer sends there only after it has passed a
// descriptor, or about a segment of which this side has told.
bool Lane::may_have_records() const {
  return consumer_.is_used() || consumer_.consumed() > 0 || producer_.produced() > 0 || connection_.has_descriptors();
}

void Lane::bell() {
  // The announcement was taken back, perhaps for a record that was drained before we parked: it is made again, or the next
  // publication would ring for nobody.
  if (parked_ && !consumer_.ready()) consumer_.announce(Parked::loop);
  wake();
  if (connection_.over()) return;
  if (words().demand == kAtTheBell && may_have_records() && consumer_.ready()) {
    words().argument = kPolledRecords;
    drain();
    if (words().result != 0 || words().needed != 0) connection_.events().records(index_);
    if (connection_.over()) return;
  }
  if (consumer_.unreported() && consumer_.producer_waits()) report();
  look_for_room();
}

// ---- the watchdog

Lane::Sighting Lane::sight() {
  Sighting sighting;
  if (parked_ && consumer_.ready()) sighting.record = consumer_.messages() + 1;
  if (want_room_ && producer_.refresh() && producer_.consumed() != room_mark_) sighting.room = room_mark_ + 1;
  return sighting;
}

void Lane::rescue() {
  const Sighting before = std::exchange(sighting_, sight());
  const bool same_record = sighting_.record != 0 && sighting_.record == before.record;
  const bool same_room = sighting_.room != 0 && sighting_.room == before.room;
  if (!same_record && !same_room) return;
  // A bell that has come and waits to be read is no lost one: the loop was kept busy.
  connection_.read_socket();
  if (connection_.has_news()) return;
  sighting_ = {};
  ++connection_.rescues;
  connection_.post_bell();
}

}  // namespace ringbell
