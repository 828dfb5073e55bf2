// What a C++ program would take: boost::lockfree::spsc_queue of fixed capacity, 8-byte elements, in shared memory.
#include <boost/lockfree/spsc_queue.hpp>

#include "duel.h"

namespace {

using Queue = boost::lockfree::spsc_queue<uint64_t, boost::lockfree::capacity<4096>>;

struct Queues {
  alignas(128) Queue there;
  alignas(128) Queue back;
};

void push(Queue& queue, uint64_t value) {
  while (!queue.push(value)) {
  }
}

uint64_t pop(Queue& queue) {
  uint64_t value;
  while (!queue.pop(value)) {
  }
  return value;
}

void expect(uint64_t got, uint64_t wanted) {
  if (got == wanted) return;
  std::fprintf(stderr, "got %llu instead of %llu\n", static_cast<unsigned long long>(got),
               static_cast<unsigned long long>(wanted));
  std::_Exit(1);
}

void round_trips(const duel::Task& task, Queues* queues) {
  const auto driver = [&] {
    duel::time_round_trips(task.count, [&](uint64_t i) {
      push(queues->there, i);
      expect(pop(queues->back), i);
    });
  };
  const auto peer = [&] {
    const uint64_t total = duel::total_round_trips(task.count);
    for (uint64_t i = 1; i <= total; i++) push(queues->back, pop(queues->there));
  };
  duel::run(task, driver, peer);
}

// The driver receives and times from the first message on.
void stream(const duel::Task& task, Queues* queues) {
  const auto driver = [&] {
    expect(pop(queues->there), 0);
    const uint64_t begin = duel::now();
    for (uint64_t i = 1; i <= task.count; i++) expect(pop(queues->there), i);
    duel::print_stream(task.count, duel::now() - begin);
  };
  const auto peer = [&] {
    for (uint64_t i = 0; i <= task.count; i++) push(queues->there, i);
  };
  duel::run(task, driver, peer);
}

}  // namespace

int main(int argc, char** argv) {
  const duel::Task task = duel::parse(argc, argv);
  Queues* queues = duel::share<Queues>();
  if (task.mode == "roundtrip") {
    round_trips(task, queues);
  } else if (task.mode == "stream") {
    stream(task, queues);
  } else {
    duel::refuse(task);
  }
}
