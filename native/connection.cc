#include "connection.h"

#include <cerrno>
#include <unistd.h>
#include <utility>
#include <uv.h>

#include "futex.h"
#include "reactor.h"
#include "socket.h"
#include "waiting.h"

namespace ringbell {

namespace {

// Descriptors of segments that nobody has asked for yet, at most. A peer announces each in a ring that holds fewer announcements.
constexpr size_t kMostDescriptors = 1024;
// What the kernel says of a socket whose peer has gone.
bool is_hang_up(int error) {
  return error == EPIPE || error == ECONNRESET || error == ENOTCONN || error == ECONNABORTED || error == ETIMEDOUT;
}

// Reads of the socket to find a descriptor that was sent already: more than a socket's buffer can hold.
constexpr int kMostLooks = 1024;

}  // namespace

Connection::Connection(Reactor& reactor, int socket, std::shared_ptr<Region> region, bool listener, int64_t spin,
                       std::unique_ptr<Events> events)
    : reactor_(reactor), socket_(socket), region_(std::move(region)), events_(std::move(events)) {
  Credentials peer{};
  const unsigned cores = usable_cores(socket_credentials(socket, peer) ? peer.pid : 0);
  for (uint32_t i = 0; i < region_->lanes(); ++i) {
    lanes_.push_back(std::make_unique<Lane>(*this, i, listener, spin, cores));
  }
}

Connection::~Connection() { close(End::none); }

int Connection::start(std::span<const std::byte> pending, int passed) {
  understand(pending, passed);
  poll_ = new uv_poll_t;
  if (const int error = uv_poll_init(reactor_.loop(), poll_, socket_); error != 0) {
    delete poll_;
    poll_ = nullptr;
    return error;
  }
  poll_->data = this;
  if (const int error = watch(); error != 0) return error;
  reactor_.add(shared_from_this());
  if (has_news()) reactor_.post(this);
  return 0;
}

void Connection::ring() {
  if (socket_ < 0) return;
  ++bells;
  // A full socket holds bells that the peer has not heard yet, so one more is not needed. Of a peer that has gone the poll tells.
  // A peer that can't be woken would sleep for ever beside what it is sent.
  if (socket_send(socket_, &kBell, 1, -1) == -1 && !is_hang_up(errno)) failed("sendmsg");
}

void Connection::failed(const char* syscall) {
  if (over()) return;
  failure_ = {errno, syscall};
  set_end(End::failed);
  reactor_.post(this);
}

void Connection::set_end(End why) {
  end_ = why;
  for (auto& lane : lanes_) lane->stop_inline();
}

void Connection::post_bell() {
  belled_ = true;
  reactor_.post(this);
}

void Connection::fail() {
  if (over()) return;
  set_end(End::corrupt);
  (void)socket_send(socket_, &kAccusation, 1, -1);
  reactor_.post(this);
}

int Connection::watch() {
  const int events = UV_READABLE | UV_DISCONNECT | (want_socket_ ? UV_WRITABLE : 0);
  return uv_poll_start(poll_, events, [](uv_poll_t* handle, int status, int found) {
    auto* connection = static_cast<Connection*>(handle->data);
    if (connection == nullptr) return;
    if ((found & UV_WRITABLE) != 0) {
      connection->want_socket_ = false;
      connection->socket_has_room_ = true;
      (void)connection->watch();
    }
    // libuv stops the handle when the socket has an error. Bells may stand before the error, which is read after them.
    if (status < 0) (void)connection->watch();
    // A bell, most likely. The records that it rings for come first: a peer that waits for the answer need not wait for our reading
    // of the byte as well.
    for (auto& lane : connection->lanes_) {
      if (connection->over()) break;
      lane->wake();
    }
    connection->read_socket();
    connection->process();
  });
}

bool Connection::read_socket() {
  if (socket_ < 0) return false;
  std::byte bytes[256];
  bool any = false;
  // Reads are bounded, so that a peer that floods the bell does not keep us here; the rest is read in the next turn.
  for (int reads = 0; reads < 8 && end_ == End::none; ++reads) {
    int passed = -1;
    const ssize_t received = socket_receive(socket_, bytes, sizeof bytes, passed);
    if (received == kWouldBlock) break;
    any = true;
    if (received < 0 && !is_hang_up(errno)) {
      failed("recvmsg");
      break;
    }
    if (received <= 0) {
      set_end(End::peer_died);
      break;
    }
    understand({bytes, static_cast<size_t>(received)}, passed);
    // A read ends at a descriptor, even if more bytes are there.
    if (static_cast<size_t>(received) < sizeof bytes && passed == -1) break;
  }
  if (has_news()) reactor_.post(this);
  return any;
}

void Connection::look() {
  read_socket();
  const double now = wall_clock();
  for (auto& lane : lanes_) lane->note_taken(now);
  reactor_.give_back_if_due(uv_hrtime());
}

int Connection::pass(int descriptor) {
  if (over()) return EPIPE;
  const ssize_t sent = socket_send(socket_, &kSegment, 1, descriptor);
  if (sent == 1) return 0;
  // The kernel limits the descriptors that are on their way, over all sockets, as it limits open ones.
  if (sent != kWouldBlock) return errno == ETOOMANYREFS ? EAGAIN : errno;
  want_socket_ = true;
  if (poll_ != nullptr) (void)watch();
  return EAGAIN;
}

int Connection::take_descriptor() {
  // Looks are bounded, so that a peer that floods the bell does not keep us here.
  for (int looks = 0; descriptors_.empty() && looks < kMostLooks; ++looks) {
    if (!read_socket()) break;
  }
  if (descriptors_.empty()) return -1;
  const int descriptor = descriptors_.front();
  descriptors_.pop_front();
  return descriptor;
}

void Connection::understand(std::span<const std::byte> bytes, int passed) {
  for (const std::byte byte : bytes) {
    if (end_ != End::none) break;
    if (byte == kBell) {
      belled_ = true;
    } else if (byte == kClosing) {
      set_end(End::peer_closed);
    } else if (byte == kAccusation) {
      set_end(End::accused);
    } else if (byte == kSegment && passed != -1 && descriptors_.size() < kMostDescriptors) {
      // The ring of the blocks says which segment the descriptor is of, by order: so a lost descriptor keeps its place.
      descriptors_.push_back(std::exchange(passed, -1));
    } else {
      fail();
    }
  }
  if (passed == -1) return;
  // A descriptor without a byte for it is a breach of the protocol.
  if (passed >= 0) ::close(passed);
  fail();
}

void Connection::process() {
  if (closed_) return;
  if (belled_) {
    belled_ = false;
    for (auto& lane : lanes_) {
      if (over()) break;
      lane->bell();
    }
  }
  if (socket_has_room_) {
    socket_has_room_ = false;
    if (!over()) events_->room(region_->lanes() - 1);
  }
  if (end_ == End::none || end_told_ || closed_) return;
  end_told_ = true;
  for (auto& lane : lanes_) {
    // Records that came before the end are delivered before it is told, as far as they are wanted.
    if (!unreadable()) lane->deliver_rest();
    lane->detach();
  }
  if (closed_) return;
  stop_polling();
  events_->ended(end_);
}

void Connection::stop_polling() {
  if (poll_ == nullptr) return;
  poll_->data = nullptr;
  uv_close(reinterpret_cast<uv_handle_t*>(poll_),
           [](uv_handle_t* handle) { delete reinterpret_cast<uv_poll_t*>(handle); });
  poll_ = nullptr;
}

void Connection::close(End why) {
  if (closed_) return;
  for (auto& lane : lanes_) lane->detach();
  if (socket_ >= 0 && (end_ == End::none || end_ == End::failed) && why != End::none) {
    const std::byte last = why == End::corrupt ? kAccusation : kClosing;
    (void)socket_send(socket_, &last, 1, -1);
    // A thread of the peer that waits synchronously looks at its socket when it wakes.
    for (auto& lane : lanes_) {
      if (lane->producer_.wake_consumer() == Parked::futex) futex_wake(lane->producer_.consumer_state());
      if (lane->consumer_.wake_producer() == Parked::futex) futex_wake(lane->consumer_.producer_state());
    }
  }
  closed_ = true;
  for (auto& lane : lanes_) lane->stop_inline();
  stop_polling();
  if (socket_ >= 0) ::close(socket_);
  socket_ = -1;
  for (const int descriptor : descriptors_) {
    if (descriptor >= 0) ::close(descriptor);
  }
  descriptors_.clear();
  reactor_.remove(this);
}

void Connection::release() {
  region_.reset();
  events_.reset();
}

void Connection::set_ref(bool ref) {
  if (poll_ == nullptr) return;
  auto* handle = reinterpret_cast<uv_handle_t*>(poll_);
  ref ? uv_ref(handle) : uv_unref(handle);
}

}  // namespace ringbell
