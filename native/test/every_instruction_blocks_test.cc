// A process that is killed before every single machine instruction while it makes memory for blocks, hands a block over, or gives one
// back. The survivor finds whole messages whose blocks are there, or none; the kernel has taken back all that the dead process had.
//
// The ledger of blocks is private and in TypeScript (lib/bulk/); test/bulk/death.test.ts kills processes over it.
#include <fcntl.h>
#include <fstream>
#include <sys/socket.h>

#include "../socket.h"
#include "killing.h"
#include "segment_rig.h"

namespace test {

#if defined(__linux__)

// As on a real connection: the byte that comes with the descriptor of a segment, and a record of one handle.
constexpr std::byte kSegmentByte{4};
constexpr uint64_t kBlockAt = 4096;
constexpr uint64_t kBlockBytes = 64;

struct Handle {
  uint32_t segment;
  uint32_t slot;
  uint64_t bytes;
};
constexpr Handle kBlock{7, 1, kBlockBytes};

// Mappings of segments.
unsigned mappings() {
  std::ifstream maps("/proc/self/maps");
  unsigned count = 0;
  for (std::string line; std::getline(maps, line);) count += line.find("memfd:") != std::string::npos ? 1 : 0;
  return count;
}

// One lane for messages, and the lane on which segments are announced and blocks come back, between an owner and a holder.
struct Bench {
  Bench() {
    int pair[2];
    check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0, "socketpair");
    ours = pair[0];
    childs = pair[1];
  }
  ~Bench() {
    close(ours);
    if (childs >= 0) close(childs);
  }
  void leave_to_child() {
    close(childs);
    childs = -1;
  }

  SharedRing messages{kMinCapacity};
  SharedRing announcements{kMinCapacity};
  SharedRing returns{kMinCapacity};
  int ours;
  int childs;
};

Push push(Producer& producer, const Handle& handle, uint32_t kind) {
  std::byte bytes[sizeof handle];
  std::memcpy(bytes, &handle, sizeof handle);
  return producer.push(bytes, sizeof bytes, kind);
}

// Takes all records of a ring: none or one, which is the handle.
bool take_handle(Consumer& consumer) {
  std::byte inbox[256];
  uint32_t count = 0;
  uint64_t needed = 0;
  const Take take = consumer.drain(inbox, sizeof inbox, 8, count, needed);
  if (take == Take::empty) return false;
  check_equal(take, Take::ok, "drain");
  check_equal(count, 1u, "records");
  check_equal(packed_length(inbox), sizeof(Handle), "a torn record");
  check(std::memcmp(inbox + kHeaderBytes, &kBlock, sizeof kBlock) == 0, "a torn handle");
  return true;
}

void fill_block(const Segment& segment) {
  for (uint64_t i = 0; i < kBlockBytes; ++i) segment.memory()[kBlockAt + i] = static_cast<std::byte>(i * 5 + 3);
}
bool is_block(const Segment& segment) {
  for (uint64_t i = 0; i < kBlockBytes; ++i) {
    if (segment.memory()[kBlockAt + i] != static_cast<std::byte>(i * 5 + 3)) return false;
  }
  return true;
}

// Reads the socket to its end, which is the death of the other side. Returns the descriptor that came, or -1.
int read_to_the_end(int socket) {
  int descriptor = -1;
  for (;;) {
    std::byte bytes[16];
    int passed = -1;
    const ssize_t received = socket_receive(socket, bytes, sizeof bytes, passed);
    check(received != kWouldBlock, "the death was not heard");
    if (received <= 0) return descriptor;
    if (passed == -1) continue;
    check(descriptor == -1, "a descriptor came twice");
    descriptor = passed;
  }
}

// The kernel seals a file only if nobody has it mapped for writing: nothing of the dead process is left.
void check_nobody_maps(int descriptor) {
  Failure failure;
  check(memory_file_make_immutable(descriptor, failure), "the dead process still has the memory");
}

void hand_over(Bench& bench, const Segment& segment) {
  Producer announcements = bench.announcements.producer();
  Producer messages = bench.messages.producer();
  (void)socket_send(bench.childs, &kSegmentByte, 1, segment.descriptor());
  (void)push(announcements, kBlock, kMessage);
  fill_block(segment);
  (void)push(messages, kBlock, kWithBlocks);
}

const Case handing_over{"a process that dies at any instruction of handing a block over leaves a message with a whole block, or none", [] {
  {
    Bench rehearsal;
    hand_over(rehearsal, *make());
  }
  const int descriptors = open_descriptors();
  const unsigned mapped = mappings();
  at_every_instruction("a block is handed over in a new segment", [&](Path& path, uint64_t n) {
    Bench bench;
    const Death death = path.kill_before(
        n,
        [&](Stage stage) {
          close(bench.ours);
          const auto segment = make();
          stage.begin();
          hand_over(bench, *segment);
          stage.end();
        },
        [&] { bench.leave_to_child(); });
    if (death == Death::refused) return death;
    const int descriptor = read_to_the_end(bench.ours);
    Consumer announcements = bench.announcements.consumer();
    Consumer messages = bench.messages.consumer();
    // In the order of a receiver: a message that is there needs the announcement, and that needs the descriptor.
    const bool came = take_handle(messages);
    const bool announced = take_handle(announcements);
    check(!came || announced, "a message without the announcement of its segment");
    check(!announced || descriptor >= 0, "an announcement without a descriptor");
    if (death == Death::at_the_end) check(came, "handed over");
    if (descriptor < 0) return death;
    const int copy = copy_of(descriptor);
    Failure failure;
    auto segment = Segment::open(descriptor, kBytes, false, false, failure);
    check(segment != nullptr, failure.syscall);
    if (came) check(is_block(*segment), "a torn block");
    segment.reset();
    check_nobody_maps(copy);
    close(copy);
    return death;
  });
  check_equal(open_descriptors(), descriptors, "descriptors");
  check_equal(mappings(), mapped, "mappings");
}};

// The path of a receiver: it maps a block, reads it, gives it back, and unmaps it.
void take_and_return(Bench& bench) {
  Consumer messages = bench.messages.consumer();
  Consumer announcements = bench.announcements.consumer();
  Producer returns = bench.returns.producer();
  std::byte inbox[256];
  uint32_t count = 0;
  uint64_t needed = 0;
  (void)messages.drain(inbox, sizeof inbox, 1, count, needed);
  (void)announcements.drain(inbox, sizeof inbox, 1, count, needed);
  std::byte byte;
  int passed = -1;
  (void)socket_receive(bench.childs, &byte, 1, passed);
  Failure failure;
  const auto segment = Segment::open(passed, kBytes, false, false, failure);
  if (segment == nullptr || !is_block(*segment)) _exit(2);
  (void)push(returns, kBlock, kMessage);
}

const Case giving_back{"a process that dies at any instruction of taking a block and giving it back gives it back once, or the death does", [] {
  const auto lend = [](Bench& bench, const Segment& segment) {
    Producer announcements = bench.announcements.producer();
    Producer messages = bench.messages.producer();
    check(socket_send(bench.ours, &kSegmentByte, 1, segment.descriptor()) == 1, "pass");
    fill_block(segment);
    check(push(announcements, kBlock, kMessage) == Push::ok && push(messages, kBlock, kWithBlocks) == Push::ok, "push");
  };
  {
    Bench rehearsal;
    const auto segment = make();
    lend(rehearsal, *segment);
    take_and_return(rehearsal);
  }
  const int descriptors = open_descriptors();
  const unsigned mapped = mappings();
  at_every_instruction("a block is taken, read and given back", [&](Path& path, uint64_t n) {
    Bench bench;
    // Made after the fork: the child has the memory by the descriptor alone.
    std::shared_ptr<Segment> segment;
    const Death death = path.kill_before(
        n,
        [&](Stage stage) {
          close(bench.ours);
          stage.begin();
          take_and_return(bench);
          stage.end();
        },
        [&] {
          bench.leave_to_child();
          segment = make();
          lend(bench, *segment);
        });
    if (death == Death::refused) return death;
    // A hang-up before everything was read is a reset, and no less an end.
    check(read_to_the_end(bench.ours) == -1, "a descriptor came back");
    Consumer returns = bench.returns.consumer();
    const bool came_back = take_handle(returns);
    if (death == Death::at_the_end) check(came_back, "given back");
    check(is_block(*segment), "the owner's memory has changed");
    Failure failure;
    check(segment->make_immutable(failure), "the dead process still has the memory");
    return death;
  });
  check_equal(open_descriptors(), descriptors, "descriptors");
  check_equal(mappings(), mapped, "mappings");
}};

const Case making{"a process that dies at any instruction of making a segment leaves nothing, or one name for the next sweep", [] {
  for (const bool named : kWays) {
    (void)make(kBytes, named);
    const int descriptors = open_descriptors();
    unsigned left = 0;
    at_every_instruction(named ? "a segment with a name is made" : "a sealed segment is made", [&](Path& path, uint64_t n) {
      const std::string name = named ? fresh_name() : "";
      const Death death = path.kill_before(
          n,
          [&](Stage stage) {
            stage.begin();
            Failure failure;
            const auto segment = Segment::create(kBytes, name, failure);
            if (segment == nullptr) _exit(2);
            stage.end();
          },
          [] {});
      if (death == Death::refused) return death;
      const auto names = shared_names();
      if (names.empty()) return death;
      check(named && names.size() == 1 && "/" + *names.begin() == name, "another name than the one that was given");
      check(shm_unlink(name.c_str()) == 0, "shm_unlink");
      ++left;
      return death;
    });
    check(shared_names().empty(), "names");
    check_equal(open_descriptors(), descriptors, "descriptors");
    if (named) note("a name was left by %u of them", left);
  }
}};

#endif

}  // namespace test
