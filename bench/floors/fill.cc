// The floor of handing over 64 MiB that are filled in one process and read through in the other: memory, and a flag. What this takes
// longer than one process by itself, the caches take.
#include <atomic>

#include "duel.h"

namespace {

constexpr size_t kBytes = size_t{64} << 20;
/// A byte that is never written.
constexpr int kAbsent = 255;
/// Before the timed laps.
constexpr uint64_t kWarmLaps = 2;

struct Memory {
  alignas(128) std::atomic<uint64_t> filled{0};  // written by the driver
  alignas(128) std::atomic<uint64_t> read{0};    // written by the peer
  alignas(4096) unsigned char bytes[kBytes];
};

}  // namespace

int main(int argc, char** argv) {
  const duel::Task task = duel::parse(argc, argv);
  if (task.mode != "stream") duel::refuse(task);
  auto* memory = duel::share<Memory>();
  const uint64_t total = task.count + kWarmLaps;
  const auto driver = [&] {
    uint64_t begin = 0;
    for (uint64_t i = 1; i <= total; i++) {
      if (i == kWarmLaps + 1) begin = duel::now();
      std::memset(memory->bytes, static_cast<int>(i % kAbsent), kBytes);
      memory->filled.store(i, std::memory_order_release);
      while (memory->read.load(std::memory_order_acquire) != i) {
      }
    }
    duel::print_stream(task.count, duel::now() - begin);
  };
  const auto peer = [&] {
    for (uint64_t i = 1; i <= total; i++) {
      while (memory->filled.load(std::memory_order_acquire) != i) {
      }
      if (std::memchr(memory->bytes, kAbsent, kBytes) != nullptr) _exit(1);
      memory->read.store(i, std::memory_order_release);
    }
  };
  duel::run(task, driver, peer);
}
