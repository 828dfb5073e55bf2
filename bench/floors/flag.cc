// The floor: a flag in one cache line each way. No queue can be faster between two polling processes.
#include <atomic>

#include "duel.h"

namespace {

struct Flags {
  alignas(128) std::atomic<uint64_t> ping{0};  // written by the driver
  alignas(128) std::atomic<uint64_t> pong{0};  // written by the peer
};

}  // namespace

int main(int argc, char** argv) {
  const duel::Task task = duel::parse(argc, argv);
  if (task.mode != "roundtrip") duel::refuse(task);
  Flags* flags = duel::share<Flags>();
  const auto driver = [&] {
    duel::time_round_trips(task.count, [&](uint64_t i) {
      flags->ping.store(i, std::memory_order_release);
      while (flags->pong.load(std::memory_order_acquire) != i) {
      }
    });
  };
  const auto peer = [&] {
    const uint64_t total = duel::total_round_trips(task.count);
    for (uint64_t i = 1; i <= total; i++) {
      while (flags->ping.load(std::memory_order_acquire) != i) {
      }
      flags->pong.store(i, std::memory_order_release);
    }
  };
  duel::run(task, driver, peer);
}
