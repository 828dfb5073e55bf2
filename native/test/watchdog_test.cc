// The watchdog: which wake-ups it finds lost, and whom it leaves alone. Two connections in one thread, whose event loops move only
// when a case says so.
//
// A case loses a wake-up by taking back an announcement behind the sleeper's back, as a peer does that was killed before it rang.
#include <fcntl.h>
#include <memory>
#include <string>
#include <sys/mman.h>
#include <sys/socket.h>

#include "../connection.h"
#include "../reactor.h"
#include "fake_loop.h"
#include "rig.h"

namespace test {

constexpr uint64_t kPayload = 100;

struct Told final : Events {
  void records(uint32_t) override { ++batches; }
  void room(uint32_t) override { ++rooms; }
  void taken(uint32_t) override {}
  void ended(End) override { check(false, "the connection has ended"); }
  void quiet(uint32_t) override {}
  unsigned batches = 0;
  unsigned rooms = 0;
};

std::shared_ptr<Region> make_region() {
  constexpr uint64_t capacities[] = {kMinCapacity};
  Failure failure;
#if defined(__linux__)
  const std::string name;
#else
  const std::string name = "/ringbell-test-" + std::to_string(getpid());
#endif
  auto region = Region::create(capacities, name, failure);
  check(region != nullptr, failure.syscall);
  if (!name.empty()) shm_unlink(name.c_str());
  return region;
}

// One side, with an event loop of its own. Polling stops at the first look that finds nothing.
class Side {
 public:
  Side(int socket, const std::shared_ptr<Region>& region, bool listener) {
    auto events = std::make_unique<Told>();
    told = events.get();
    connection = std::make_shared<Connection>(reactor_, socket, region, listener, 0, std::move(events));
    check_equal(connection->start({}, -1), 0, "start");
    // All that a ring holds comes at once.
    (void)lane().grow_inbox(kMinCapacity);
  }
  ~Side() {
    reactor_.shut_down([](void*) {}, nullptr);
    loop.close_handles();
  }

  Lane& lane() { return *connection->lanes()[0]; }
  ControlWords& words() { return *reinterpret_cast<ControlWords*>(lane().control()->bytes); }
  uint64_t rescues() const { return connection->rescues; }

  Sent send(uint64_t bytes = kPayload) {
    words().argument = static_cast<int32_t>(bytes);
    lane().send();
    return static_cast<Sent>(words().result);
  }
  void fill() {
    while (send() == Sent::sent) {
    }
    check_equal(words().result, Sent::full, "filled");
  }
  int32_t drain() {
    words().argument = kMostRecords;
    lane().drain();
    return words().result;
  }
  // Wants records, and falls asleep since there are none.
  void fall_asleep() {
    words().demand = kDemand;
    lane().watch();
    loop.prepare();
    check_equal(words().watching, 1, "it sleeps");
  }

  FakeLoop loop;
  Told* told;
  std::shared_ptr<Connection> connection;

 private:
  Reactor reactor_{loop.handle(), true};
};

struct Pair {
  Pair() : Pair(sockets()) {}

  // The words on which a sleeps until there is room, and b until there is a record.
  std::atomic<uint32_t>& room_state() { return region->control(0, 0)->producer_state; }
  std::atomic<uint32_t>& record_state() { return region->control(0, 0)->consumer_state; }

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
};

void lose_the_wake_up(std::atomic<uint32_t>& state) {
  check_equal(state.exchange(static_cast<uint32_t>(Parked::awake)), Parked::loop, "announced");
}

const Case record_forgotten{"a record whose bell never came is found at the second look, delivered and counted once", [] {
  Pair pair;
  auto& [region, a, b] = pair;
  b.fall_asleep();
  lose_the_wake_up(pair.record_state());
  check_equal(a.send(), Sent::sent);
  check_equal(a.connection->bells, 0u, "no bell");
  b.loop.poll();
  b.loop.fire_timers();
  b.loop.prepare();
  check_equal(b.rescues(), 0u, "at the first look");
  check_equal(b.told->batches, 0u, "still forgotten");
  b.loop.fire_timers();
  check_equal(b.rescues(), 1u, "at the second look");
  b.loop.prepare();
  check_equal(b.told->batches, 1u, "delivered");
  check_equal(b.lane().received(), 1u, "received");
  for (int look = 0; look < 3; ++look) b.loop.fire_timers();
  check_equal(b.rescues(), 1u, "nothing is forgotten any more");
}};

const Case room_forgotten{"room of which no bell told is found at the second look, told and counted once", [] {
  Pair pair;
  auto& [region, a, b] = pair;
  a.fill();
  a.lane().want_room();
  lose_the_wake_up(pair.room_state());
  check(b.drain() > 0, "drained");
  check_equal(b.connection->bells, 0u, "no bell");
  a.loop.poll();
  a.loop.fire_timers();
  a.loop.prepare();
  check_equal(a.rescues(), 0u, "at the first look");
  check_equal(a.told->rooms, 0u, "still forgotten");
  a.loop.fire_timers();
  check_equal(a.rescues(), 1u, "at the second look");
  a.loop.prepare();
  check_equal(a.told->rooms, 1u, "told");
  check_equal(a.send(), Sent::sent, "there is room");
  for (int look = 0; look < 3; ++look) a.loop.fire_timers();
  check_equal(a.rescues(), 1u, "nothing is forgotten any more");
}};

const Case other_record{"another record at each look is no rescue: something else serves the lane", [] {
  Pair pair;
  auto& [region, a, b] = pair;
  b.fall_asleep();
  lose_the_wake_up(pair.record_state());
  for (int look = 0; look < 5; ++look) {
    check_equal(a.send(), Sent::sent);
    b.loop.fire_timers();
    b.loop.prepare();
    check_equal(b.drain(), 1, "taken by a call of the program");
  }
  check_equal(b.rescues(), 0u, "accused");
  // The same lane, from here on forgotten.
  check_equal(a.send(), Sent::sent);
  b.loop.fire_timers();
  check_equal(b.rescues(), 0u, "at the first look");
  b.loop.fire_timers();
  check_equal(b.rescues(), 1u, "at the second look");
}};

const Case other_room{"another wish for room at each look is no rescue: each was granted", [] {
  Pair pair;
  auto& [region, a, b] = pair;
  for (unsigned look = 0; look < 5; ++look) {
    a.fill();
    a.lane().want_room();
    check(b.drain() > 0, "drained");
    // The bell of b is on its way when the watchdog looks.
    a.loop.fire_timers();
    a.loop.poll();
    check_equal(a.told->rooms, look + 1, "told");
  }
  check_equal(a.rescues(), 0u, "accused");
  a.fill();
  a.lane().want_room();
  lose_the_wake_up(pair.room_state());
  check(b.drain() > 0, "drained");
  a.loop.fire_timers();
  check_equal(a.rescues(), 0u, "at the first look");
  a.loop.fire_timers();
  check_equal(a.rescues(), 1u, "at the second look");
}};

const Case unread_bell{"a bell that has come and was not read yet is no rescue, however often the watchdog looks", [] {
  Pair pair;
  auto& [region, a, b] = pair;
  b.fall_asleep();
  check_equal(a.send(), Sent::sent);
  check_equal(a.connection->bells, 1u, "the bell");
  for (int look = 0; look < 5; ++look) b.loop.fire_timers();
  check_equal(b.rescues(), 0u, "accused");
  b.loop.prepare();
  check_equal(b.told->batches, 1u, "delivered");
}};

const Case asleep{"a lane that sleeps over an empty ring is left alone", [] {
  Pair pair;
  auto& [region, a, b] = pair;
  b.fall_asleep();
  a.fill();
  a.lane().want_room();
  b.loop.poll();
  b.fall_asleep();
  a.loop.poll();
  for (int look = 0; look < 5; ++look) {
    a.loop.fire_timers();
    b.loop.fire_timers();
  }
  check_equal(a.rescues() + b.rescues(), 0u, "accused");
  check_equal(pair.record_state().load(), Parked::loop, "asleep");
}};

}  // namespace test
