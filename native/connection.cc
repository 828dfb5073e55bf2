#include "connection.h"

#include <unistd.h>
#include <uv.h>

#include "futex.h"
#include "reactor.h"
#include "socket.h"

namespace ringbell {

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

int Connection::start(std::span<const std::byte> pending) {
  poll_ = new uv_poll_t;
  if (const int error = uv_poll_init(reactor_.loop(), poll_, socket_); error != 0) {
    delete poll_;
    poll_ = nullptr;
    return error;
  }
  poll_->data = this;
  if (const int error = watch(); error != 0) return error;
  reactor_.add(shared_from_this());
  understand(pending);
  if (has_news()) reactor_.post(this);
  return 0;
}

void Connection::ring() {
  if (socket_ < 0) return;
  ++bells;
  // Not sent because the socket is full: then it holds bells that the peer has not heard yet. Not sent because the peer is
  // gone: the poll tells.
  (void)socket_send(socket_, &kBell, 1, -1);
}

void Connection::post_bell() {
  belled_ = true;
  reactor_.post(this);
}

void Connection::fail() {
  if (over()) return;
  end_ = End::corrupt;
  (void)socket_send(socket_, &kAccusation, 1, -1);
  reactor_.post(this);
}

int Connection::watch() {
  return uv_poll_start(poll_, UV_READABLE | UV_DISCONNECT, [](uv_poll_t* handle, int status, int) {
    auto* connection = static_cast<Connection*>(handle->data);
    if (connection == nullptr) return;
    // libuv stops the handle when the socket has an error. There may be bells before it: the error is read after them.
    if (status < 0) (void)connection->watch();
    connection->read_socket();
    connection->process();
  });
}

void Connection::read_socket() {
  if (socket_ < 0) return;
  std::byte bytes[256];
  // Bounded, so that a peer that floods the bell does not keep us here; the rest is read in the next turn.
  for (int reads = 0; reads < 8 && end_ == End::none; ++reads) {
    const ssize_t received = socket_receive_bytes(socket_, bytes, sizeof bytes);
    if (received == kWouldBlock) break;
    if (received <= 0) {
      end_ = End::peer_died;
      break;
    }
    understand({bytes, static_cast<size_t>(received)});
    if (static_cast<size_t>(received) < sizeof bytes) break;
  }
  if (has_news()) reactor_.post(this);
}

void Connection::understand(std::span<const std::byte> bytes) {
  for (const std::byte byte : bytes) {
    if (end_ != End::none) return;
    if (byte == kBell) {
      belled_ = true;
    } else if (byte == kClosing) {
      end_ = End::peer_closed;
    } else if (byte == kAccusation) {
      end_ = End::accused;
    } else {
      fail();
    }
  }
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
  if (end_ == End::none || end_told_ || closed_) return;
  end_told_ = true;
  for (auto& lane : lanes_) {
    // What came before the end goes before it, as far as it is wanted.
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
  if (socket_ >= 0 && end_ == End::none && why != End::none) {
    const std::byte last = why == End::corrupt ? kAccusation : kClosing;
    (void)socket_send(socket_, &last, 1, -1);
    // A thread of the peer that waits synchronously looks at its socket when it wakes.
    for (auto& lane : lanes_) {
      if (lane->producer_.wake_consumer() == Parked::futex) futex_wake(lane->producer_.consumer_state());
      if (lane->consumer_.wake_producer() == Parked::futex) futex_wake(lane->consumer_.producer_state());
    }
  }
  closed_ = true;
  stop_polling();
  if (socket_ >= 0) ::close(socket_);
  socket_ = -1;
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
