// The library's own ring without Node: 32-byte messages, native/ring.h as the addon drives it.
#include "../../native/ring.h"

#include "duel.h"

namespace {

constexpr uint64_t kCapacity = 1 << 18;
constexpr uint32_t kBatch = 512;

struct Message {
  uint64_t number;
  uint64_t rest[3];
};
static_assert(sizeof(Message) == 32);

struct SharedRing {
  alignas(128) ringbell::RingControl control;
  alignas(4096) std::byte data[kCapacity];
};

struct Rings {
  SharedRing there;
  SharedRing back;
};

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "%s\n", what);
  std::_Exit(1);
}

void send(ringbell::Producer& producer, const Message& message) {
  for (;;) {
    const ringbell::Push pushed = producer.push(reinterpret_cast<const std::byte*>(&message), sizeof message);
    if (pushed == ringbell::Push::ok) break;
    if (pushed != ringbell::Push::full) fail("a push failed");
  }
  // Nobody sleeps here; it is paid all the same.
  if (producer.wake_consumer() != ringbell::Parked::awake) fail("a polling consumer is said to sleep");
}

class Receiver {
 public:
  explicit Receiver(SharedRing& ring) : consumer_(&ring.control, ring.data, kCapacity) {}

  // Takes up to `max` messages, at least one, and hands out their numbers.
  template <typename Use>
  void receive(uint32_t max, Use use) {
    uint32_t count = 0;
    uint64_t needed = 0;
    ringbell::Take taken;
    while ((taken = consumer_.drain(inbox_, sizeof inbox_, max, count, needed)) == ringbell::Take::empty) {
      if (consumer_.should_report()) consumer_.report();
    }
    if (taken != ringbell::Take::ok) fail("a drain failed");
    if (consumer_.should_report()) consumer_.report();
    for (uint32_t i = 0; i < count; i++) {
      Message message;
      std::memcpy(&message, inbox_ + i * ringbell::record_bytes(sizeof message) + ringbell::kHeaderBytes,
                  sizeof message);
      use(message);
    }
  }

 private:
  ringbell::Consumer consumer_;
  alignas(64) std::byte inbox_[kBatch * ringbell::record_bytes(sizeof(Message))];
};

void expect(uint64_t got, uint64_t wanted) {
  if (got != wanted) fail("messages are out of order");
}

void round_trips(const duel::Task& task, Rings* rings) {
  const auto driver = [&] {
    ringbell::Producer producer(&rings->there.control, rings->there.data, kCapacity);
    Receiver receiver(rings->back);
    duel::time_round_trips(task.count, [&](uint64_t i) {
      send(producer, {i, {}});
      receiver.receive(1, [&](const Message& message) { expect(message.number, i); });
    });
  };
  const auto peer = [&] {
    Receiver receiver(rings->there);
    ringbell::Producer producer(&rings->back.control, rings->back.data, kCapacity);
    const uint64_t total = duel::total_round_trips(task.count);
    for (uint64_t i = 1; i <= total; i++) {
      receiver.receive(1, [&](const Message& message) { send(producer, message); });
    }
  };
  duel::run(task, driver, peer);
}

// The driver receives and times from the first message on.
void stream(const duel::Task& task, Rings* rings) {
  const auto driver = [&] {
    Receiver receiver(rings->there);
    uint64_t next = 0;
    uint64_t begin = 0;
    while (next <= task.count) {
      receiver.receive(kBatch, [&](const Message& message) { expect(message.number, next++); });
      if (begin == 0) begin = duel::now();
    }
    duel::print_stream(task.count, duel::now() - begin);
  };
  const auto peer = [&] {
    ringbell::Producer producer(&rings->there.control, rings->there.data, kCapacity);
    for (uint64_t i = 0; i <= task.count; i++) send(producer, {i, {}});
  };
  duel::run(task, driver, peer);
}

}  // namespace

int main(int argc, char** argv) {
  const duel::Task task = duel::parse(argc, argv);
  Rings* rings = duel::share<Rings>();
  if (task.mode == "roundtrip") {
    round_trips(task, rings);
  } else if (task.mode == "stream") {
    stream(task, rings);
  } else {
    duel::refuse(task);
  }
}
