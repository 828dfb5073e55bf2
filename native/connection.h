// One side of a connection: the socket that rings and tells of death, and the lanes over the shared region. Everything here runs on
// the thread of one event loop.
#pragma once

#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "lane.h"
#include "region.h"

typedef struct uv_poll_s uv_poll_t;

namespace ringbell {

class Reactor;

// Why a connection has ended. `accused`: the peer says that we broke the protocol. `failed`: the kernel refuses this side a system call
// on the socket, as a sandbox may.
enum class End : int32_t { none = 0, peer_closed = 1, peer_died = 2, corrupt = 3, accused = 4, failed = 5 };

// The bytes on the socket.
inline constexpr std::byte kBell{1};
inline constexpr std::byte kClosing{2};
inline constexpr std::byte kAccusation{3};
// This byte comes with the descriptor of a segment.
inline constexpr std::byte kSegment{4};

// Told from the event loop. An implementation may close the connection within.
class Events {
 public:
  virtual ~Events() = default;
  virtual void records(uint32_t lane) = 0;
  virtual void room(uint32_t lane) = 0;
  virtual void taken(uint32_t lane) = 0;
  // The lane has had no traffic for some seconds, and has a large inbox, which may be given back (Lane::give_back_inbox).
  virtual void quiet(uint32_t lane) = 0;
  virtual void ended(End why) = 0;
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // Owns the socket from now on. `spin`: nanoseconds, or negative for adaptive.
  Connection(Reactor& reactor, int socket, std::shared_ptr<Region> region, bool listener, int64_t spin,
             std::unique_ptr<Events> events);
  ~Connection();

  // Begins to listen for bells. `pending`: bytes that the handshake has read too far; `passed`: the descriptor that came with the
  // last of them, or -1. Returns 0 or a libuv error.
  int start(std::span<const std::byte> pending, int passed);
  // Tells the peer (closed, corrupt), or nothing (none: as if we had died), and frees everything. Idempotent.
  void close(End why);
  // Unmaps the region, and lets go of the events, whose references keep the JavaScript side alive, which keeps us alive. To be
  // called after `close`, when nothing on the stack refers to region or events any more.
  void release();
  void set_ref(bool ref);

  std::vector<std::unique_ptr<Lane>>& lanes() { return lanes_; }
  const Region& region() const { return *region_; }
  // Null after `release`.
  const std::shared_ptr<Region>& shared_region() const { return region_; }
  Reactor& reactor() { return reactor_; }
  Events& events() { return *events_; }
  // Nothing can be sent any more.
  bool over() const { return end_ != End::none || closed_; }
  bool closed() const { return closed_; }
  End end() const { return end_; }
  // The system call that failed, after End::failed.
  const Failure& failure() const { return failure_; }
  // Nothing can be received any more either: the memory has gone, or is not trusted.
  bool unreadable() const { return closed_ || end_ == End::corrupt || end_ == End::accused; }

  void ring();
  // The peer broke the protocol.
  void fail();
  // Takes what has come over the socket. Calls nobody; what follows from it is done by `process`. Returns whether anything came.
  bool read_socket();
  // Does what the loop does, for a thread that does not come to its loop: reads the socket, and notes what was taken.
  void look();
  // Passes the descriptor of a segment. Returns 0 or an errno. EAGAIN where the socket is full, because the peer has not read it for
  // long: `room` of the last lane, the lane of the blocks, is told when the socket takes bytes again. EAGAIN also where too many
  // descriptors are on their way; nobody tells when they have arrived.
  int pass(int descriptor);
  // The oldest descriptor that was passed to us and not taken; the caller owns it. -1 if none has come, kLost (socket.h) in place
  // of one that this process had no room for.
  int take_descriptor();
  // Tells lanes and JavaScript of bells and of the end. To be called from the event loop.
  void process();
  // Whether descriptors were passed to us that nobody has taken yet.
  bool has_descriptors() const { return !descriptors_.empty(); }
  bool has_news() const { return belled_ || (end_ != End::none && !end_told_); }
  // As if a bell had come: what this call has found is told from the event loop, not from within.
  void post_bell();

  uint64_t bells = 0;
  uint64_t parks = 0;
  uint64_t rescues = 0;

 private:
  // Has the loop tell when the socket can be read. Returns 0 or a libuv error.
  int watch();
  // Acts on bytes that were read at once, and consumes the descriptor that came with them.
  void understand(std::span<const std::byte> bytes, int passed);
  void stop_polling();
  void set_end(End why);
  // Ends the connection for a system call that has just failed. Not for the peer's end, of which the poll tells.
  void failed(const char* syscall);

  Reactor& reactor_;
  int socket_;
  std::shared_ptr<Region> region_;
  std::unique_ptr<Events> events_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::deque<int> descriptors_;
  uv_poll_t* poll_ = nullptr;
  bool belled_ = false;
  bool want_socket_ = false;  // wait until the socket takes bytes again
  bool socket_has_room_ = false;
  bool end_told_ = false;
  bool closed_ = false;
  End end_ = End::none;
  Failure failure_;
};

}  // namespace ringbell
