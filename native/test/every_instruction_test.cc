// A producer, or a consumer, that is killed before every single machine instruction of its path: whole records or none, in order,
// none twice, and nothing of the survivor's overwritten. The same for lanes and blocks: every_instruction_lanes_test.cc.
//
// The ring is that of native/ring.h. scripts/native-faults.mjs builds this program against copies of it with a fault each, and
// expects it to fail.
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include "../futex.h"
#include "killing.h"

namespace test {

constexpr uint64_t kCapacity = kMinCapacity;
// Records of this length come to lie at the same places in every lap, so that each finds the published header of the lap before.
constexpr uint64_t kLength = 32;
constexpr uint64_t kRecord = record_bytes(kLength);
constexpr uint64_t kLong = 900;
// Records of kLength in a lap. Behind them stands a padding record.
constexpr uint64_t kALap = kCapacity / kRecord;
static_assert(kCapacity % kRecord >= kHeaderBytes, "each lap ends with a padding record");
// How long the survivor sleeps on a futex before it looks whether its peer is still there.
constexpr uint64_t kLookAround = 200'000;

// A record of the number `n` has a content of its own.
void write(uint64_t n, std::byte* into, uint64_t length) {
  for (uint64_t i = 0; i < length; ++i) into[i] = static_cast<std::byte>(n * 31 + i * 7 + 1);
}

// Reading the real clock takes longer and longer while a process is stepped: the kernel changes it in the middle of each attempt.
uint64_t fake_clock() { return 1'000'000; }

// Two ends of a ring, the socket between them, and what the survivor knows of the stream.
class Scene {
 public:
  Scene() {
    check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, bell) == 0, "socketpair");
  }
  ~Scene() {
    for (const int end : bell) {
      if (end >= 0) close(end);
    }
  }
  Scene(const Scene&) = delete;
  Scene& operator=(const Scene&) = delete;

  // Sends and takes `laps` laps and `more` records, so that the ring is full of what former laps left.
  void age(uint64_t laps, uint64_t more) {
    for (uint64_t left = laps * kALap + more; left > 0; --left) {
      check_equal(push(kLength), Push::ok, "aged");
      check_equal(take(), uint64_t{1}, "aged");
      consumer.report();
    }
    check(producer.refresh(), "refresh");
  }
  Push push(uint64_t length, uint32_t kind = kMessage) {
    write(sent, payload, length);
    const Push result = producer.push(payload, length, kind);
    if (result == Push::ok) lengths.push_back(length), ++sent;
    return result;
  }
  // Takes all that is there, and compares it. Returns how many.
  uint64_t take() {
    uint64_t count_all = 0;
    for (;;) {
      uint32_t count = 0;
      uint64_t needed = 0;
      const Take result = consumer.drain(inbox, sizeof inbox, 64, count, needed);
      if (result == Take::empty) return count_all;
      check_equal(result, Take::ok, "drain");
      uint64_t at = 0;
      for (uint32_t i = 0; i < count; ++i, ++taken, ++count_all) {
        check(taken < lengths.size(), "a record that nobody sent");
        const uint64_t length = packed_length(inbox + at);
        check_equal(length, lengths[taken], "a wrong record");
        std::byte expected[kCapacity];
        write(taken, expected, length);
        check(std::memcmp(inbox + at + kHeaderBytes, expected, length) == 0, "a torn record");
        at += record_bytes(length);
      }
    }
  }
  void wake(Parked where, std::atomic<uint32_t>& state) {
    const char byte = 1;
    if (where == Parked::loop) (void)!::write(bell[0], &byte, 1);
    else if (where == Parked::futex) futex_wake(state);
  }

  // The child keeps bell[0], the survivor bell[1]: each closes the end of the other.
  void close_end(int which) {
    close(bell[which]);
    bell[which] = -1;
  }
  // The kernel tells of the death at once.
  void check_death_is_heard() {
    pollfd entry{bell[1], POLLIN, 0};
    check(poll(&entry, 1, 0) == 1 && (entry.revents & POLLHUP) != 0, "the death was not heard");
  }

  SharedRing ring{kCapacity};
  Producer producer = Producer(ring.control, ring.data, kCapacity, fake_clock);
  Consumer consumer = ring.consumer();
  int bell[2];
  uint64_t sent = 0;
  uint64_t taken = 0;
  std::vector<uint64_t> lengths;
  std::byte payload[kCapacity];
  std::byte inbox[kCapacity];
};

// ---- a producer dies

// What the survivor knows before a publication: how many records there are, how many will be, and where it sleeps.
struct Publication {
  uint64_t before;
  uint64_t records;
  Parked asleep = Parked::awake;
};

// Kills a producer that runs `publish` before each instruction. `prepare` makes the scene and says what is to be expected.
template <typename Prepare, typename Publish>
void kill_producer(const char* what, Prepare prepare, Publish publish) {
  // Once here: the dynamic linker looks for a function when it is called first, and a child would do so each time.
  Scene rehearsal;
  if (const Publication known = prepare(rehearsal); known.asleep != Parked::awake) rehearsal.consumer.announce(known.asleep);
  publish(rehearsal);
  at_every_instruction(what, [&](Path& path, uint64_t n) {
    Scene scene;
    const Publication expected = prepare(scene);
    if (expected.asleep != Parked::awake) scene.consumer.announce(expected.asleep);
    std::byte before[kCapacity];
    std::memcpy(before, scene.ring.data, kCapacity);
    // The survivor knows the records that the child is about to send.
    const uint64_t sent = scene.sent;
    write(sent, scene.payload, kLong);
    const Death death = path.kill_before(
        n,
        [&](Stage stage) {
          scene.close_end(1);
          stage.begin();
          publish(scene);
          stage.end();
        },
        [&] {
          scene.close_end(0);
          for (uint64_t i = 0; i < expected.records; ++i) scene.lengths.push_back(publish(scene, sent + i));
        });
    if (death == Death::refused) return death;

    scene.check_death_is_heard();
    if (expected.asleep == Parked::futex) {
      futex_wait(scene.consumer.state(), static_cast<uint32_t>(Parked::futex), kLookAround);
    }
    scene.consumer.withdraw();
    // Those that only watch rely on it: nothing was written at the limit or behind it.
    const uint64_t limit = scene.ring.control->limit.load();
    for (uint64_t at = limit; at < scene.producer.consumed() + kCapacity; ++at) {
      check(scene.ring.data[at % kCapacity] == before[at % kCapacity], "written behind the limit");
    }
    const uint64_t found = scene.take();
    check(!scene.consumer.ready(), "a header after the last record");
    check(found >= expected.before && found <= expected.before + expected.records, "records are missing");
    if (death == Death::at_the_end) check_equal(found, expected.before + expected.records, "published");
    check(found == expected.before || found == expected.before + expected.records, "a part of a batch");
    // The survivor goes on: its own words are written, and the peer's are not waited for.
    if (scene.consumer.unreported()) scene.consumer.report();
    check(!scene.consumer.unreported(), "reported");
    return death;
  });
}

// Publishes one record, and wakes. With a number: its length, for the survivor's books.
template <uint64_t length>
struct One {
  void operator()(Scene& scene) const {
    (void)scene.producer.push(scene.payload, length);
    const Parked where = scene.producer.wake_consumer();
    if (where != Parked::awake) scene.producer.mark_woken();
    scene.wake(where, scene.producer.consumer_state());
  }
  uint64_t operator()(Scene&, uint64_t) const { return length; }
};

constexpr uint64_t kBatch = 3;

struct Batch {
  void operator()(Scene& scene) const {
    bool corrupt = false;
    (void)scene.producer.push_batch(scene.inbox, kBatch * kRecord, kBatch, corrupt);
    scene.wake(scene.producer.wake_consumer(), scene.producer.consumer_state());
  }
  uint64_t operator()(Scene&, uint64_t) const { return kLength; }
};

void pack_batch(Scene& scene) {
  for (uint64_t i = 0; i < kBatch; ++i) {
    const auto length = static_cast<uint32_t>(kLength);
    std::memset(scene.inbox + i * kRecord, 0, kHeaderBytes);
    std::memcpy(scene.inbox + i * kRecord, &length, sizeof length);
    write(scene.sent + i, scene.inbox + i * kRecord + kHeaderBytes, kLength);
  }
}

const Case publishes{"a producer that dies at any instruction of a publication leaves whole records, in order, none twice (S0.36)", [] {
  kill_producer("a plain record", [](Scene& scene) { return scene.age(1, 3), Publication{0, 1}; }, One<kLength>());
  kill_producer("a record, while others wait to be taken", [](Scene& scene) {
    scene.age(2, 1);
    for (int i = 0; i < 3; ++i) scene.push(kLength);
    return Publication{3, 1};
  }, One<kLength>());
  kill_producer("a long record", [](Scene& scene) { return scene.age(1, 10), Publication{0, 1}; }, One<kLong>());
  kill_producer("an empty record", [](Scene& scene) { return scene.age(1, 10), Publication{0, 1}; }, One<0>());
  kill_producer("padding and wrap", [](Scene& scene) { return scene.age(2, 0), Publication{0, 1}; }, One<kLength>());
  kill_producer("a long record behind long padding", [](Scene& scene) { return scene.age(1, kALap - 10), Publication{0, 1}; }, One<kLong>());
  kill_producer("the limit for watchers is raised", [](Scene& scene) {
    scene.age(1, 0);
    while (scene.ring.control->limit.load() >= scene.producer.produced() + kRecord + kHeaderBytes) {
      scene.push(kLength);
      scene.take();
      scene.consumer.report();
    }
    return Publication{0, 1};
  }, One<kLength>());
}};

const Case batches{"a producer that dies at any instruction of a batch leaves all of it or nothing", [] {
  kill_producer("a batch", [](Scene& scene) { return scene.age(1, 3), pack_batch(scene), Publication{0, kBatch}; }, Batch());
  kill_producer("a batch over the end of the ring", [](Scene& scene) {
    return scene.age(1, kALap - 1), pack_batch(scene), Publication{0, kBatch};
  }, Batch());
  kill_producer("a batch that begins with padding", [](Scene& scene) {
    return scene.age(2, 0), pack_batch(scene), Publication{0, kBatch};
  }, Batch());
}};

// Leaves what it does not need, and zeroes the edges of that, as giving it back does with all of it.
struct Leave {
  void operator()(Scene& scene) const {
    if (!scene.producer.refresh()) return;
    const Producer::Span span = scene.producer.leave(scene.producer.produced());
    for (const uint64_t at : {span.from, span.from + kHeaderBytes, span.to - 2 * kHeaderBytes, span.to - kHeaderBytes}) {
      scene.ring.header(at).store(0, std::memory_order_relaxed);
    }
  }
  uint64_t operator()(Scene&, uint64_t) const { return 0; }
};

const Case leaving{"a producer that dies at any instruction of giving memory back has told watchers before, and took no record away", [] {
  kill_producer("memory is left, and all was taken", [](Scene& scene) { return scene.age(1, 3), Publication{0, 0}; }, Leave());
  kill_producer("memory is left, while records wait to be taken", [](Scene& scene) {
    scene.age(2, 1);
    for (int i = 0; i < 100; ++i) scene.push(kLength);
    return Publication{100, 0};
  }, Leave());
}};

const Case full{"a producer that dies at any instruction at a full ring overwrites nothing", [] {
  // All but one place is taken, and the one is free.
  const auto nearly = [](Scene& scene) {
    scene.age(1, 7);
    uint64_t count = 0;
    while (scene.push(kLength) == Push::ok) ++count;
    return count;
  };
  kill_producer("the ring is full", [&](Scene& scene) { return Publication{nearly(scene), 0}; }, One<kLength>());
  kill_producer("the last place, which the consumer has just freed", [&](Scene& scene) {
    const uint64_t count = nearly(scene);
    const uint64_t before = scene.taken;
    uint32_t one = 0;
    uint64_t needed = 0;
    check_equal(scene.consumer.drain(scene.inbox, sizeof scene.inbox, 1, one, needed), Take::ok, "drain");
    scene.taken = before + 1;
    scene.consumer.report();
    return Publication{count - 1, 1};
  }, One<kLength>());
  kill_producer("a batch of which nothing fits", [&](Scene& scene) {
    const uint64_t count = nearly(scene);
    return pack_batch(scene), Publication{count, 0};
  }, Batch());
  kill_producer("the producer goes to sleep, and looks again", [&](Scene& scene) { return Publication{nearly(scene), 0}; },
                [](Scene& scene, auto...) -> uint64_t {
                  scene.producer.announce(Parked::loop);
                  (void)scene.producer.refresh();
                  scene.producer.withdraw();
                  return 0;
                });
}};

const Case sleeping{"a producer that dies at any instruction while it wakes a sleeper is heard by the sleeper, who finds whole records", [] {
  kill_producer("a record for a sleeping event loop", [](Scene& scene) {
    return scene.age(1, 3), Publication{0, 1, Parked::loop};
  }, One<kLength>());
  kill_producer("a record for a thread on the futex", [](Scene& scene) {
    return scene.age(1, 3), Publication{0, 1, Parked::futex};
  }, One<kLength>());
  kill_producer("a batch for a sleeping event loop", [](Scene& scene) {
    return scene.age(2, 0), pack_batch(scene), Publication{0, kBatch, Parked::loop};
  }, Batch());
}};

// ---- a consumer dies

void drain(Scene& scene, uint32_t most) {
  uint32_t count = 0;
  uint64_t needed = 0;
  (void)scene.consumer.drain(scene.inbox, sizeof scene.inbox, most, count, needed);
}

// Kills a consumer that runs `take` before each instruction, with `waiting` records before it and a producer that sleeps or does not.
// It has taken `before` of them already, and not reported.
template <typename TakeThem>
void kill_consumer(const char* what, uint64_t aged, uint64_t waiting, Parked asleep, TakeThem take, uint32_t before = 0) {
  Scene rehearsal;
  rehearsal.age(1, aged);
  rehearsal.push(kLength);
  rehearsal.wake(asleep, rehearsal.producer.state());
  take(rehearsal);
  at_every_instruction(what, [&](Path& path, uint64_t n) {
    Scene scene;
    scene.age(1, aged);
    const uint64_t base = scene.producer.produced();
    std::vector<uint64_t> boundaries{base};
    for (uint64_t i = 0; i < waiting && scene.push(kLength) == Push::ok; ++i) {
      // Padding may stand before the record: its end is a boundary as well.
      boundaries.push_back(scene.producer.produced() - kRecord);
      boundaries.push_back(scene.producer.produced());
    }
    if (asleep != Parked::awake) scene.producer.announce(asleep);
    const Death death = path.kill_before(
        n,
        [&](Stage stage) {
          scene.close_end(1);
          if (before > 0) drain(scene, before);
          stage.begin();
          take(scene);
          stage.end();
        },
        [&] { scene.close_end(0); });
    if (death == Death::refused) return death;

    scene.check_death_is_heard();
    if (asleep == Parked::futex) futex_wait(scene.producer.state(), static_cast<uint32_t>(Parked::futex), kLookAround);
    scene.producer.withdraw();
    check(scene.producer.refresh(), "an impossible position");
    bool is_boundary = false;
    for (const uint64_t boundary : boundaries) is_boundary = is_boundary || scene.producer.consumed() == boundary;
    check(is_boundary, "a position within a record");
    // Nothing in the ring has changed: a reader at the former place finds every record.
    const uint64_t left = scene.sent - scene.taken;
    check_equal(scene.take(), left, "records");
    // The producer goes on until the ring is full: it takes the room that was reported, and no more.
    uint64_t more = 0;
    while (scene.push(kLength) == Push::ok) ++more;
    check(scene.producer.fill() <= kCapacity, "more than there is room for");
    check_equal(scene.take(), more, "records after the death");
    return death;
  });
}

template <uint32_t most>
void drain_and_report(Scene& scene) {
  drain(scene, most);
  if (scene.consumer.should_report()) scene.wake(scene.consumer.report(), scene.consumer.producer_state());
}

const Case takes{"a consumer that dies at any instruction leaves a position that a producer can go on from", [] {
  kill_consumer("one record is taken", 3, 1, Parked::awake, drain_and_report<1>);
  kill_consumer("three records are taken", 3, 5, Parked::awake, drain_and_report<3>);
  kill_consumer("records around the end of the ring are taken", kALap - 2, 4, Parked::awake, drain_and_report<4>);
  kill_consumer("an eighth of the ring is taken and reported", 3, 16, Parked::awake, drain_and_report<2>, 12);
  kill_consumer("room is reported to a sleeping event loop", 3, 2, Parked::loop, drain_and_report<2>);
  kill_consumer("room is reported to a thread on the futex", 3, 2, Parked::futex, drain_and_report<2>);
  kill_consumer("a full ring is emptied by a part for a sleeping producer", 7, kALap, Parked::loop, drain_and_report<2>, 12);
  kill_consumer("the consumer reports, goes to sleep, and looks again", 3, 2, Parked::awake, [](Scene& scene) {
    drain(scene, 2);
    if (scene.consumer.unreported()) scene.wake(scene.consumer.report(), scene.consumer.producer_state());
    scene.consumer.announce(Parked::loop);
    if (scene.consumer.ready()) scene.consumer.withdraw();
  });
}};

}  // namespace test
