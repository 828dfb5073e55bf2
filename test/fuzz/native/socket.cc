// One side of a connection whose peer does what the input says: bytes on the socket, with descriptors of many kinds or without, rubbish in
// the shared region, a hang-up at any moment. What the peer passes is mapped, as far as it is allowed to be.
//
// The connection may end. It must never touch memory that is not there (a SIGBUS is a finding), and all descriptors must be closed.
#include <cerrno>
#include <fcntl.h>
#include <linux/memfd.h>
#include <memory>
#include <sys/mman.h>
#include <sys/socket.h>

#include "../../../native/connection.h"
#include "../../../native/reactor.h"
#include "../../../native/segment.h"
#include "../../../native/socket.h"
#include "../../../native/test/fake_loop.h"
#include "../../../native/test/rig.h"
#include "input.h"

namespace test {

constexpr uint64_t kSegmentBytes = 8192;
constexpr uint64_t kLanes[] = {kMinCapacity, kMinCapacity};

int lowest_free_descriptor() {
  const int descriptor = dup(STDERR_FILENO);
  check(descriptor >= 0, "dup");
  close(descriptor);
  return descriptor;
}

struct Heard final : Events {
  void records(uint32_t lane) override { check(lane < std::size(kLanes), "lane"); }
  void room(uint32_t lane) override { check(lane < std::size(kLanes), "lane"); }
  void taken(uint32_t lane) override { check(lane < std::size(kLanes), "lane"); }
  void quiet(uint32_t lane) override { check(lane < std::size(kLanes), "lane"); }
  void ended(End) override { check(++ends == 1, "the end was told twice"); }
  unsigned ends = 0;
};

// A file as a peer may pass it.
int strange_file(Input& input) {
  switch (input.below(6)) {
    case 0: return open("/dev/null", O_RDWR | O_CLOEXEC);
    case 1: return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    case 2: return memfd_create("fuzz", MFD_CLOEXEC);
    default: {
      const int descriptor = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);
      if (descriptor < 0) return descriptor;
      const uint64_t bytes = input.below(4) == 0 ? input.below(4 * kSegmentBytes) : kSegmentBytes;
      check(ftruncate(descriptor, static_cast<off_t>(bytes)) == 0, "ftruncate");
      // Any set of the seals: against further seals, shrinking, growing, writing, and writing in future.
      (void)fcntl(descriptor, F_ADD_SEALS, static_cast<int>(input.below(32)));
      return descriptor;
    }
  }
}

class Peer {
 public:
  explicit Peer(int socket) : socket_(socket) {}
  ~Peer() { hang_up(); }

  void say(Input& input) {
    std::byte bytes[8];
    const size_t count = 1 + input.below(sizeof bytes);
    for (size_t i = 0; i < count; ++i) {
      // 1 to 4 mean something.
      bytes[i] = static_cast<std::byte>(input.below(4) == 0 ? input.byte() : 1 + input.below(4));
    }
    int passed[10];
    const size_t files = input.below(3) == 0 ? input.below(std::size(passed) + 1) : input.below(2);
    for (size_t i = 0; i < files; ++i) passed[i] = strange_file(input);
    send(bytes, count, passed, files);
    for (size_t i = 0; i < files; ++i) {
      if (passed[i] >= 0) close(passed[i]);
    }
  }
  void pass_segment() {
    const int descriptor = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    check(descriptor >= 0 && ftruncate(descriptor, kSegmentBytes) == 0, "memfd_create");
    check(fcntl(descriptor, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0, "fcntl");
    send(&kSegment, 1, &descriptor, 1);
    close(descriptor);
  }
  void listen_to() {
    std::byte bytes[64];
    while (socket_ >= 0 && recv(socket_, bytes, sizeof bytes, MSG_DONTWAIT) > 0) {
    }
  }
  void hang_up() {
    if (socket_ >= 0) close(socket_);
    socket_ = -1;
  }

 private:
  void send(const std::byte* bytes, size_t count, const int* passed, size_t files) {
    if (socket_ < 0) return;
    iovec part{const_cast<std::byte*>(bytes), count};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * 10)];
    if (files > 0) {
      message.msg_control = control;
      message.msg_controllen = CMSG_SPACE(sizeof(int) * files);
      cmsghdr* header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(sizeof(int) * files);
      std::memcpy(CMSG_DATA(header), passed, sizeof(int) * files);
    }
    (void)sendmsg(socket_, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  }

  int socket_;
};

// Maps what the peer passed, and touches its first and last byte.
void map_passed(Input& input, Connection& connection) {
  const int descriptor = connection.take_descriptor();
  if (descriptor < 0) return;
  const uint64_t bytes = input.below(3) == 0 ? input.below(4 * kSegmentBytes) : kSegmentBytes;
  Failure failure;
  const bool immutable = input.below(2) != 0;
  const auto segment = Segment::open(descriptor, bytes, false, immutable, failure);
  check((segment == nullptr) == static_cast<bool>(failure), "a failure without a reason");
  if (segment == nullptr) return;
  volatile std::byte* memory = segment->memory();
  memory[0] = std::byte{1};
  memory[bytes - 1] = memory[0];
  if (immutable) segment->discard();
}

// The peer writes into the region: into control words, cells, and rings, but not into the header, which nobody reads again.
void scribble(Input& input, const Region& region) {
  const auto lane = static_cast<uint32_t>(input.below(std::size(kLanes)));
  const auto side = static_cast<uint32_t>(input.below(2));
  switch (input.below(4)) {
    case 0: {
      auto* words = reinterpret_cast<std::atomic<uint64_t>*>(region.control(lane, side));
      words[input.below(sizeof(RingControl) / 8)].store(input.take<uint64_t>());
      break;
    }
    case 1: region.control(lane, side)->consumed.store(input.below(2 * kMinCapacity)); break;
    case 2: {
      auto* words = reinterpret_cast<std::atomic<uint64_t>*>(region.data(lane, side));
      words[input.below(16)].store(make_header(input.below(256), static_cast<uint32_t>(input.below(5))));
      break;
    }
    default: region.data(lane, side)[input.below(kMinCapacity)] = static_cast<std::byte>(input.byte());
  }
}

// The program does something with a lane.
void use(Input& input, Lane& lane) {
  auto& words = *reinterpret_cast<ControlWords*>(lane.control()->bytes);
  switch (input.below(5)) {
    case 0:
      words.argument = static_cast<int32_t>(input.below(kMinCapacity / 2 - 8));
      lane.send();
      break;
    case 1:
      words.argument = static_cast<int32_t>(1 + input.below(100));
      lane.drain();
      break;
    case 2:
      words.demand = static_cast<int32_t>(input.below(3));
      lane.watch();
      break;
    case 3: lane.want_room(); break;
    default: (void)lane.received();
  }
}

void converse(Input& input) {
  int ends[2];
  check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "socketpair");
  check(fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0, "fcntl");
  Peer peer(ends[1]);
  Failure failure;
  const auto region = Region::create(kLanes, "", failure);
  check(region != nullptr, failure.syscall);
  FakeLoop loop;
  Reactor reactor(loop.handle(), true);
  auto connection =
      std::make_shared<Connection>(reactor, ends[0], region, input.below(2) != 0, 0, std::make_unique<Heard>());
  // The handshake may have read too far, and got a descriptor with it.
  std::byte early[4];
  const size_t count = input.below(sizeof early + 1);
  for (size_t i = 0; i < count; ++i) early[i] = static_cast<std::byte>(input.below(6));
  const int passed = count > 0 && input.below(2) != 0 ? strange_file(input) : -1;
  check(connection->start({early, count}, passed) == 0, "start");
  while (input.more()) {
    switch (input.below(12)) {
      case 0: case 1: peer.say(input); break;
      case 2: peer.pass_segment(); break;
      case 3: scribble(input, *region); break;
      case 4: loop.poll(); break;
      case 5: loop.prepare(); break;
      case 6: loop.fire_timers(); break;
      case 7: map_passed(input, *connection); break;
      case 8: if (!connection->closed()) use(input, *connection->lanes()[input.below(std::size(kLanes))]); break;
      case 9: peer.listen_to(); break;
      case 10: if (!connection->closed()) connection->look(); break;
      default:
        if (input.below(4) == 0) peer.hang_up();
        else if (input.below(8) == 0) connection->close(static_cast<End>(input.below(4)));
        else (void)connection->pass(STDERR_FILENO);
    }
  }
  connection->close(End::none);
  reactor.shut_down([](void*) {}, nullptr);
  loop.close_handles();
}

}  // namespace test

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t length) {
  using namespace test;
  Input input(bytes, length);
  const int before = lowest_free_descriptor();
  converse(input);
  check_equal(lowest_free_descriptor(), before, "a descriptor was left open");
  return 0;
}
