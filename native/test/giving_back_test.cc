// Memory that is given back while nobody uses it: what is needed stays, watchers are told, and a loop without traffic comes to rest.
// The rings alone, and then two connections in one thread, whose event loops move only when a case says so.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "../connection.h"
#include "../reactor.h"
#include "bench.h"
#include "fake_loop.h"

namespace test {

// Zeroes all of the span, not only its whole pages.
void wipe(PrivateRing& ring, Producer::Span span) {
  for (uint64_t at = span.from; at < span.to; ++at) ring.data[at & (ring.capacity - 1)] = std::byte{0};
}

// Checks that a watcher which begins at the anchor finds all messages up to the last.
void check_past(RingControl& control, std::byte* data, uint64_t capacity, uint64_t produced, uint64_t sent, const Stream& stream) {
  uint64_t position = control.anchor.load();
  uint64_t number = control.anchor_messages.load();
  check_equal(control.anchor_limit.load(), control.limit.load(), "the anchor is whole");
  check(control.limit.load() <= position + capacity, "nothing from the anchor on is said to be overwritten");
  while (position < produced) {
    std::byte* const record = data + (position & (capacity - 1));
    uint64_t header;
    std::memcpy(&header, record, sizeof header);
    check(is_published(header), "no hole between the anchor and the last record");
    if (kind_of(header) != kPadding) check(stream.matches(number++, record + kHeaderBytes, length_of(header)), "a record of the past");
    position += record_bytes(length_of(header));
  }
  check_equal(number, sent, "messages up to the last");
}

const Case loses_nothing{"what a producer leaves may become zero at any time: no record is lost, torn or made of it", [] {
  Random random(20261130);
  for (int walk = 0; walk < 60; ++walk) {
    PrivateRing ring(kMinCapacity << random.below(3));
    Producer producer = ring.producer();
    Consumer consumer = ring.consumer();
    const Stream stream(random.next(), longest_payload(ring.capacity));
    std::vector<std::byte> payload(ring.capacity);
    std::vector<std::byte> inbox(ring.capacity);
    uint64_t sent = 0;
    uint64_t taken = 0;
    uint64_t used_from = 0;
    for (int step = 0; step < 3000; ++step) {
      switch (random.below(4)) {
        case 0: case 1: {
          const uint64_t length = stream.length(sent);
          stream.write(sent, payload.data(), length);
          if (producer.push(payload.data(), length, stream.kind(sent)) == Push::ok) ++sent;
          break;
        }
        case 2: {
          uint32_t count = 0;
          uint64_t needed = 0;
          const Take take = consumer.drain(inbox.data(), inbox.size(), static_cast<uint32_t>(random.below(8)), count, needed);
          check(take == Take::ok || take == Take::empty, "drain");
          uint64_t at = 0;
          for (uint32_t i = 0; i < count; ++i, ++taken) {
            const uint64_t length = packed_length(inbox.data() + at);
            check(taken < sent && stream.matches(taken, inbox.data() + at + kHeaderBytes, length), "a wrong record");
            at += record_bytes(length);
          }
          if (random.one_in(2)) consumer.report();
          break;
        }
        default: {
          check(producer.refresh(), "refresh");
          const Producer::Span span = producer.leave(random.one_in(2) ? producer.produced() : used_from);
          used_from = producer.produced();
          check(span.to <= producer.consumed() + ring.capacity, "not taken");
          check(span.to == 0 || ring.control->limit.load() >= span.to, "watchers were told");
          wipe(ring, span);
          if (span.to != 0) check_past(*ring.control, ring.data, ring.capacity, producer.produced(), sent, stream);
        }
      }
    }
    consumer.report();
    check(producer.refresh(), "the end");
  }
}};

const Case keeps_the_used{"nothing is left of a lap that was used since the last time, nor of what waits to be taken", [] {
  Bench bench;
  check(bench.producer.refresh(), "refresh");
  std::byte payload[100]{};
  while (bench.producer.push(payload, sizeof payload) == Push::ok) {
  }
  const Producer::Span full = bench.producer.leave(bench.producer.produced());
  check(full.to - full.from <= record_bytes(sizeof payload) + kHeaderBytes, "of a full ring");
  const Producer::Span used = bench.producer.leave(0);
  check(used.to - used.from <= record_bytes(sizeof payload) + kHeaderBytes, "of a lap that was used");
}};

struct Quiet final : Events {
  void records(uint32_t) override {}
  void room(uint32_t) override {}
  void taken(uint32_t) override {}
  void quiet(uint32_t) override { ++times; }
  void ended(End why) override { end = why; }
  unsigned times = 0;
  End end = End::none;
};

constexpr uint64_t kRing = uint64_t{1} << 18;
constexpr uint64_t kPayload = 1000;

class Side {
 public:
  Side(int socket, const std::shared_ptr<Region>& region, bool listener) {
    auto events = std::make_unique<Quiet>();
    told = events.get();
    connection = std::make_shared<Connection>(reactor_, socket, region, listener, 0, std::move(events));
    check_equal(connection->start({}, -1), 0, "start");
  }
  ~Side() {
    reactor_.shut_down([](void*) {}, nullptr);
    loop.close_handles();
  }
  Lane& lane() { return *connection->lanes()[0]; }
  ControlWords& words() { return *reinterpret_cast<ControlWords*>(lane().control()->bytes); }
  unsigned fill() {
    for (unsigned count = 0;; ++count) {
      words().argument = kPayload;
      lane().send();
      if (words().result != static_cast<int32_t>(Sent::sent)) return count;
    }
  }
  unsigned drain() {
    unsigned count = 0;
    for (;;) {
      words().argument = kMostRecords;
      lane().drain();
      if (words().needed != 0) (void)lane().grow_inbox(static_cast<size_t>(words().needed));
      else if (words().result == 0) return count;
      count += static_cast<unsigned>(words().result);
    }
  }
  // A turn of the loop, in which the timers that are due have fired.
  void turn() {
    loop.fire_timers();
    loop.prepare();
  }

  FakeLoop loop;
  Quiet* told;
  std::shared_ptr<Connection> connection;

 private:
  Reactor reactor_{loop.handle(), false};
};

struct Pair {
  Pair() : Pair(sockets()) {}
  // What the system has allocated for the region.
  uint64_t allocated() const {
    struct stat status {};
    check(fstat(region->descriptor(), &status) == 0, "fstat");
    return static_cast<uint64_t>(status.st_blocks) * 512;
  }
  const std::shared_ptr<Region> region = make_region();
  Side a;
  Side b;

 private:
  struct Ends {
    int of_a;
    int of_b;
  };
  explicit Pair(Ends ends) : a(ends.of_a, region, true), b(ends.of_b, region, false) {}
  static Ends sockets() {
    int ends[2];
    check(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "socketpair");
    for (const int end : ends) check(fcntl(end, F_SETFL, O_NONBLOCK) == 0, "fcntl");
    return {ends[0], ends[1]};
  }
  static std::shared_ptr<Region> make_region() {
    constexpr uint64_t capacities[] = {kRing, kMinCapacity};
    Failure failure;
    auto made = Region::create(capacities, "", failure);
    check(made != nullptr, failure.syscall);
    return made;
  }
};

#if defined(__linux__)

// Under strict accounting, and on other systems, rings keep their memory.
bool can_give_back() { return memory_comes_on_use() && sysconf(_SC_PAGESIZE) <= 16384 && !emulated(); }

const Case burst{"a ring that a burst has filled and the peer has taken is given back, and the loop comes to rest", [] {
  if (!can_give_back()) return;
  Pair pair;
  auto& [region, a, b] = pair;
  check(a.fill() > 200, "filled");
  check(pair.allocated() > kRing / 2, "in use");
  check(b.drain() > 200, "taken");
  for (int turns = 0; turns < 4; ++turns) a.turn(), b.turn();
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  // The last messages stay for those that watch.
  check(pair.allocated() <= kKeptForWatchers + 4 * page, "given back");
  check_equal(b.told->times, 1u, "the large inbox is told of once");
  for (int turns = 0; turns < 8; ++turns) a.turn(), b.turn();
  check(a.loop.timers.empty() && b.loop.timers.empty(), "at rest");
  check(a.fill() > 200, "filled again");
  check(b.drain() > 200, "taken again");
}};

const Case untaken{"what the peer has not taken is kept, and is whole when it comes", [] {
  if (!can_give_back()) return;
  Pair pair;
  auto& [region, a, b] = pair;
  const unsigned count = a.fill();
  for (int turns = 0; turns < 20; ++turns) a.turn();
  check(a.loop.timers.empty(), "at rest, though nobody takes it");
  check_equal(b.drain(), count, "all of it");
}};

const Case waits_for_another{"a burst is given back in time though another ring waits for its peer, and is looked at ever more rarely", [] {
  if (!can_give_back()) return;
  Pair pair;
  auto& [region, a, b] = pair;
  check(a.fill() > 200, "filled");
  // The time between two looks has doubled some times.
  for (int turns = 0; turns < 5; ++turns) a.turn();
  check(a.loop.timers.size() == 1 && a.loop.timers[0].after > 4000, "it waits long");
  check(b.drain() > 200, "taken");
  check(a.fill() > 200, "a second burst");
  check(b.drain() > 200, "taken, too");
  a.loop.prepare();
  check(a.loop.timers[0].after <= 2000, "it waits as for a first burst");
}};

const Case liar{"a peer that lies about its position has nothing given back", [] {
  if (!can_give_back()) return;
  Pair pair;
  auto& [region, a, b] = pair;
  const unsigned count = a.fill();
  region->control(0, 0)->consumed.store(uint64_t{1} << 40);
  const uint64_t before = pair.allocated();
  for (int turns = 0; turns < 4; ++turns) a.turn();
  check_equal(pair.allocated(), before, "allocated");
  region->control(0, 0)->consumed.store(0);
  check_equal(b.drain(), count, "all of it");
}};

const Case holes{"a ring is read where its memory was taken away, as if nothing was there", [] {
  if (!can_give_back()) return;
  Pair pair;
  auto& [region, a, b] = pair;
  check(a.fill() > 200, "filled");
  check(b.drain() > 200, "taken");
  // A hostile peer may take away anything.
  check(madvise(region->memory().data() + data_start(2), 2 * kRing, MADV_REMOVE) == 0, "madvise");
  check_equal(b.drain(), 0u, "nothing");
  check(a.fill() > 200, "filled again");
  check(b.drain() > 200, "taken again");
}};

#endif

}  // namespace test
