// One side of a lane: a ring to send on, a ring to receive from, the scratches beside them, and what this side waits for.
//
// JavaScript passes and gets numbers through ControlWords, so that the frequent calls have no arguments to convert. It finds the
// words, and the numbers that stand in them, by `layout` (js/layout.cc).
#pragma once

#include <memory>

#include "ring.h"
#include "spin.h"

namespace ringbell {

class Connection;

// The outcome of a send.
enum class Sent : int32_t { sent = 0, full = 1, ended = 2, too_large = 3 };

// Zeroed private memory, shared with the ArrayBuffer that JavaScript sees. It lives until the last of both lets go. A page of it that was
// never touched takes nothing.
struct Memory {
  explicit Memory(size_t size);
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  // Copies the memory to what somebody else owns, takes that in its place, and frees its own.
  void lend(std::byte* other);
  // Forgets what stands in whole pages from `at` on; they are zero again, and take nothing. A hint: some memory takes none.
  void give_back(size_t at);
  std::byte* bytes;
  size_t size;
  bool owned = true;

 private:
  void release();
};

// A part of such memory: where records are encoded, or drained to.
struct Scratch {
  std::byte* bytes() const { return memory->bytes + at; }
  std::shared_ptr<Memory> memory;
  size_t at = 0;
  size_t size = 0;
};

// Values of `demand`: whether records are looked for, or only a look is wanted whenever the bell rings.
inline constexpr int32_t kNoDemand = 0;
inline constexpr int32_t kDemand = 1;
inline constexpr int32_t kAtTheBell = 2;

// The most records that JavaScript can ask for at once, and how many the reactor asks for.
inline constexpr int32_t kMostRecords = INT32_MAX;
inline constexpr int32_t kPolledRecords = 4096;

struct ControlWords {
  int32_t argument;
  int32_t result;
  int32_t demand;
  int32_t needed;
  int32_t watching;
  int32_t kind;    // of what is sent one by one: kMessage, unless it comes with blocks
  double timeout;  // milliseconds; infinite for no limit
  EndWords producer;
  EndWords consumer;
};

struct LaneStats {
  uint64_t sent_messages, sent_bytes, received_messages, received_bytes, send_fill, receive_fill, full_count;
  double blocked_since, idle_since;  // milliseconds since the epoch, 0 for "not now"
};

class Lane {
 public:
  Lane(Connection& connection, uint32_t index, bool listener, int64_t spin, unsigned cores);

  // Sends the payload of `argument` bytes that stands behind a header's place in the outbox. `result`: a Sent.
  void send();
  // Sends up to `argument` records packed in the outbox. `result`: how many.
  void send_batch();
  // Drains up to `argument` records into the inbox. `result`: how many; `needed`: bytes, if the inbox is too small for one.
  void drain();
  // Drains after some polling for an answer, if something was sent since the last time: an answer is on its way for about half a
  // microsecond.
  void drain_more();
  // Send and drain, but block the thread up to `timeout`.
  void send_wait();
  void drain_wait();
  // Wakes the consumer where it sleeps, after JavaScript has published.
  void wake_peer();

  // `demand` has become kDemand.
  void watch();
  // Asks for one `room`, or `taken`, from the event loop.
  void want_room();
  void want_taken();

  const std::shared_ptr<Memory>& grow_outbox(size_t bytes);
  const std::shared_ptr<Memory>& grow_inbox(size_t bytes);
  const Scratch& outbox() const { return outbox_; }
  const Scratch& inbox() const { return inbox_; }
  // The control words. The outbox, and a small inbox, stand behind them.
  const std::shared_ptr<Memory>& control() const { return control_; }
  // The control words lie elsewhere from now on.
  void control_moved();
  LaneStats stats() const;
  // How long messages waited until they were taken: those of the peer, as this side has measured, and ours, as the peer says.
  uint32_t received_latency(unsigned bucket) const { return consumer_.latency(bucket); }
  uint32_t sent_latency(unsigned bucket) const;

  // ---- for the reactor and the connection

  // The outcome of one look at the ring. `gone`: no records are wanted, the lane is to be polled no more.
  enum class Poll { found, dry, gone };
  Poll poll();
  // The bell rang: looks after everything that it may have rung for.
  void bell();
  // A lane that sleeps and has a record gets up and delivers it.
  void wake();
  // Messages, ever.
  uint64_t received() const { return consumer_.messages(); }
  // Records that are wanted, before the end is told.
  void deliver_rest();
  // Announces that the lane sleeps; false if there is a record after all.
  bool park();
  // For the watchdog, at every of its looks. Serves, and counts, what waited unserved at two looks: the same record in a ring that
  // sleeps, or room that was asked for at the same position. Another record, or another wish for room, shows that all is well.
  void rescue();
  // Notes that messages were taken until now, unless the reactor polls the lane: then the lane's sleep notes it.
  void note_taken(double now);
  // Gives back the memory of the ring, if `rings`, that was not used since the last call. With `scratch` also that of the outbox and inbox,
  // if the lane has been quiet since then; only where no function of JavaScript is running. Returns whether there may be more to give back.
  bool give_back(bool rings, bool scratch);
  // JavaScript has taken all that is in the inbox.
  void give_back_inbox();
  // The connection is over: JavaScript touches the rings no more.
  void stop_inline();
  // When polling began to be in vain; 0 until the reactor has looked at the clock.
  uint64_t idle_from = 0;
  // How long the event loop polls for this lane. Where that adapts, one policy serves all lanes of the loop (reactor.h).
  SpinPolicy& spin();
  bool spins_with_others() const { return loop_spin_.adaptive(); }

 private:
  friend class Connection;
  // A record or a wish for room that waits unserved; 0: none.
  struct Sighting {
    uint64_t record = 0;  // the number of the next record, in a ring that sleeps
    uint64_t room = 0;    // the position at which room was asked for, plus 1
  };

  ControlWords& words() const { return *reinterpret_cast<ControlWords*>(control_->bytes); }
  void set_active(bool active, bool parked);
  void set_will_note(bool will);
  bool may_have_records() const;
  void allow_inline_receiving();
  Sighting sight();
  void report();
  void wake_consumer(Parked where);
  void wake_producer(Parked where);
  void look_for_room();
  void met_full();
  // Asks the peer to report where all that is in the ring may have been taken without a report.
  void ask_for_report();
  bool reports_may_be_held_back() const { return producer_.fill() <= producer_.capacity() / kReportShare; }
  // Notes the time, if messages were taken since the last note. A look at the clock costs as much as a short record, so nobody looks for
  // each of them: the lane does as it goes to sleep, and the reactor at the end of a turn for lanes that it does not poll.
  void note_idle(double now);
  void ask_for_note();
  void sleep_on_the_futex(uint64_t now, uint64_t deadline);
  // Bytes that this side has sent, and has seen the peer take, and messages that it has received: they all only grow.
  uint64_t traffic() const { return producer_.produced() + producer_.consumed() + consumer_.messages(); }
  // Whether nothing has happened since a wait of this thread has polled in vain. A long wait comes in slices, and polling pays in the
  // first one only.
  bool waited_in_vain() const { return vain_wait_ == traffic(); }
  void detach();

  Connection& connection_;
  uint32_t index_;
  Producer producer_;
  Consumer consumer_;
  std::shared_ptr<Memory> control_;
  Scratch outbox_;
  Scratch inbox_;
  SpinPolicy loop_spin_;
  SpinPolicy wait_spin_;
  bool active_ = false;  // in the reactor's list of rings to poll
  bool parked_ = false;  // announced as asleep in the event loop
  bool want_room_ = false;
  bool want_taken_ = false;
  Sighting sighting_;    // what the watchdog saw at its last look
  uint64_t looked_at_ = 0;           // when an attempt to send last looked at the socket, in ns
  uint64_t vain_wait_ = UINT64_MAX;  // `traffic` when a waiting thread last went to sleep
  uint64_t used_from_ = 0;         // what had been produced when memory was last given back
  uint64_t given_back_at_ = 0;     // `traffic` when the scratches were given back
  uint64_t traffic_before_ = 0;    // `traffic` at the last look for memory to give back
  bool ring_is_left_ = true;       // nothing more can be given back until more is produced
  uint64_t asked_ = 0;   // what had been produced when drain_more last looked for an answer
  uint64_t room_mark_ = 0;
  uint64_t taken_mark_ = 0;
  uint64_t full_count_ = 0;
  double blocked_since_ = 0;
  bool will_note_ = false;  // the reactor polls the lane, or has been asked for a note
  uint64_t idle_at_ = 0;    // how many messages had been received when nobody was seen to take more
  double idle_since_;       // when that was
};

}  // namespace ringbell
