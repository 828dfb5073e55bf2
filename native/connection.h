// One side of a connection: the socket that rings and tells of death, and the lanes over the shared region.
//
// Everything here runs on the thread of one event loop. JavaScript passes and gets numbers through ControlWords, so that
// the frequent calls have no arguments to convert.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "region.h"
#include "ring.h"
#include "spin.h"

typedef struct uv_poll_s uv_poll_t;

namespace ringbell {

class Connection;
class Reactor;

// Why a connection has ended. Numbers are known to lib/transport/shm.ts.
enum class End : int32_t { none = 0, peer_closed = 1, peer_died = 2, corrupt = 3, accused = 4 };
enum class Sent : int32_t { sent = 0, full = 1, ended = 2, too_large = 3 };

// The bytes on the socket.
inline constexpr std::byte kBell{1};
inline constexpr std::byte kClosing{2};
inline constexpr std::byte kAccusation{3};

// Told from the event loop. An implementation may close the connection within.
class Events {
 public:
  virtual ~Events() = default;
  virtual void records(uint32_t lane) = 0;
  virtual void room(uint32_t lane) = 0;
  virtual void taken(uint32_t lane) = 0;
  virtual void ended(End why) = 0;
};

// Zeroed private memory, shared with the ArrayBuffer that JavaScript sees. It lives until the last of both lets go.
struct Memory {
  explicit Memory(size_t size);
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  // Goes over to memory that somebody else owns.
  void lend(std::byte* other);
  std::byte* bytes;
  size_t size;
  bool owned = true;
};

struct ControlWords {
  int32_t argument;
  int32_t result;
  int32_t demand;
  int32_t needed;
  int32_t watching;
  int32_t reserved;
  double timeout;  // milliseconds; infinite for no limit
};

struct LaneStats {
  uint64_t sent_messages, sent_bytes, received_messages, received_bytes, send_fill, receive_fill, full_count;
  double blocked_since, idle_since;  // milliseconds since the epoch, 0 for "not now"
};

class Lane {
 public:
  Lane(Connection& connection, uint32_t index, bool listener, int64_t spin, unsigned cores);

  // Sends the payload of `argument` bytes that stands at 8 in the outbox. `result`: a Sent.
  void send();
  // Sends up to `argument` records packed in the outbox. `result`: how many.
  void send_batch();
  // Drains up to `argument` records into the inbox. `result`: how many; `needed`: bytes, if the inbox is too small for one.
  void drain();
  // The same, after some polling for an answer, if something was sent since the last time: it is on its way for about half a
  // microsecond.
  void drain_more();
  // The same, but they block up to `timeout`.
  void send_wait();
  void drain_wait();

  // `demand` has become 1.
  void watch();
  void want_room();
  void want_taken();

  const std::shared_ptr<Memory>& grow_outbox(size_t bytes);
  const std::shared_ptr<Memory>& grow_inbox(size_t bytes);
  const std::shared_ptr<Memory>& outbox() const { return outbox_; }
  const std::shared_ptr<Memory>& inbox() const { return inbox_; }
  const std::shared_ptr<Memory>& control() const { return control_; }
  LaneStats stats() const;

  // For the reactor. What one look at the ring came to.
  enum class Poll { found, dry, gone };
  Poll poll();
  void bell();
  // Records that are wanted, before the end is told.
  void deliver_rest();
  // Announces that the lane sleeps; false if there is something after all.
  bool park(uint64_t now);
  void rescue();
  // When polling began to be in vain; 0 until the reactor has looked at the clock.
  uint64_t idle_from = 0;
  SpinPolicy& spin() { return loop_spin_; }

 private:
  friend class Connection;
  ControlWords& words() const { return *reinterpret_cast<ControlWords*>(control_->bytes); }
  void set_active(bool active, bool parked);
  void report() { wake_producer(consumer_.report()); }
  void wake_consumer(Parked where);
  void wake_producer(Parked where);
  void look_for_room();
  void met_full();
  // The peer may hold back a position less than an eighth away. It is asked to report where only that can be missing.
  void ask_for_report();
  void detach();

  Connection& connection_;
  uint32_t index_;
  Producer producer_;
  Consumer consumer_;
  std::shared_ptr<Memory> control_;
  std::shared_ptr<Memory> outbox_;
  std::shared_ptr<Memory> inbox_;
  SpinPolicy loop_spin_;
  SpinPolicy wait_spin_;
  bool active_ = false;  // in the reactor's list of rings to poll
  bool parked_ = false;  // announced as asleep in the event loop
  bool want_room_ = false;
  bool want_taken_ = false;
  bool suspicious_ = false;  // the watchdog saw something in it, asleep, when it looked last
  uint64_t asked_ = 0;  // what had been produced when drain_more last looked for an answer
  uint64_t room_mark_ = 0;
  uint64_t taken_mark_ = 0;
  uint64_t parked_at_ = 0;
  uint64_t full_count_ = 0;
  double blocked_since_ = 0;
  double idle_since_;
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // Owns the socket from now on. `spin`: nanoseconds, or negative for adaptive.
  Connection(Reactor& reactor, int socket, std::shared_ptr<Region> region, bool listener, int64_t spin,
             std::unique_ptr<Events> events);
  ~Connection();

  // Begins to listen for bells; `pending` were received during the handshake. Returns 0 or a libuv error.
  int start(std::span<const std::byte> pending);
  // Tells the peer (closed, corrupt), or nothing (none: as if we had died), and frees everything. Idempotent.
  void close(End why);
  // After `close`, when nothing on the stack can refer to them any more: unmaps the region, and lets go of the events (whose
  // references would keep the JavaScript side alive, and that us).
  void release();
  void set_ref(bool ref);

  std::vector<std::unique_ptr<Lane>>& lanes() { return lanes_; }
  const Region& region() const { return *region_; }
  Reactor& reactor() { return reactor_; }
  Events& events() { return *events_; }
  // Nothing can be sent any more.
  bool over() const { return end_ != End::none || closed_; }
  bool closed() const { return closed_; }
  End end() const { return end_; }
  // Nothing can be received any more either: there is no memory, or no trust in it.
  bool unreadable() const { return closed_ || end_ == End::corrupt || end_ == End::accused; }

  void ring();
  // The peer broke the protocol.
  void fail();
  // Takes what has come over the socket. Calls nobody; what follows from it is done by `process`.
  void read_socket();
  // In the event loop: what bells and ends mean to the lanes and to JavaScript.
  void process();
  bool has_news() const { return belled_ || (end_ != End::none && !end_told_); }
  // For something that is to be told from the event loop, not from within this call.
  void post_bell();

  uint64_t bells = 0;
  uint64_t parks = 0;
  uint64_t rescues = 0;

 private:
  // Has the loop tell when the socket can be read. Returns 0 or a libuv error.
  int watch();
  void understand(std::span<const std::byte> bytes);
  void stop_polling();

  Reactor& reactor_;
  int socket_;
  std::shared_ptr<Region> region_;
  std::unique_ptr<Events> events_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  uv_poll_t* poll_ = nullptr;
  bool belled_ = false;
  bool end_told_ = false;
  bool closed_ = false;
  End end_ = End::none;
};

}  // namespace ringbell
