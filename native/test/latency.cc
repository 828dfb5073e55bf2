// S0.12: how long after the begin of a push the other side sees the record. Two threads, then two processes, that poll.
//
// The clock is read before the push and when the record has been drained; both cores read the same monotonic clock. Its own
// cost is printed beside it. Run by itself for figures; as a test it fails only beyond an order of magnitude.
#include <algorithm>
#include <csignal>
#include <sched.h>
#include <sys/wait.h>
#include <thread>

#include "rig.h"

namespace test {

constexpr uint64_t kCapacity = uint64_t{1} << 16;
constexpr unsigned kSamples = 20'000;
constexpr uint64_t kPayload = 32;
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr uint64_t kLimit = 1'000'000;
#else
constexpr uint64_t kLimit = 10'000;
#endif

void pin(unsigned core) {
#if defined(__linux__)
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(core, &cores);
  // Without the right to it the figure is worse, not wrong.
  (void)sched_setaffinity(0, sizeof cores, &cores);
#else
  (void)core;
#endif
}

uint64_t quantile(std::vector<uint64_t>& samples, double q) {
  std::sort(samples.begin(), samples.end());
  return samples[static_cast<size_t>(q * static_cast<double>(samples.size() - 1))];
}

// One record at a time, so that each finds an idle, polling consumer.
void send_samples(Producer producer, std::atomic<uint64_t>& taken) {
  std::byte payload[kPayload] = {};
  for (uint64_t n = 0; n < kSamples; ++n) {
    const uint64_t start = now_ns();
    std::memcpy(payload, &start, sizeof start);
    check_equal(producer.push(payload, kPayload), Push::ok);
    producer.wake_consumer();
    for (uint64_t spins = 1; taken.load(std::memory_order_acquire) <= n; ++spins) {
      if (spins % 65536 == 0) sched_yield();
    }
  }
}

std::vector<uint64_t> take_samples(Consumer consumer, std::atomic<uint64_t>& taken) {
  std::vector<uint64_t> samples;
  std::byte inbox[256];
  for (uint64_t n = 0; n < kSamples; ++n) {
    uint32_t count = 0;
    uint64_t needed = 0;
    for (uint64_t spins = 1; consumer.drain(inbox, sizeof inbox, 1, count, needed) == Take::empty; ++spins) {
      if (spins % 65536 == 0) sched_yield();
    }
    const uint64_t end = now_ns();
    uint64_t start;
    std::memcpy(&start, inbox + kHeaderBytes, sizeof start);
    samples.push_back(end - start);
    if (consumer.should_report()) consumer.report();
    taken.store(n + 1, std::memory_order_release);
  }
  return samples;
}

void tell(const char* what, std::vector<uint64_t> samples) {
  const uint64_t start = now_ns();
  for (int i = 0; i < 1000; ++i) now_ns();
  const uint64_t clock = (now_ns() - start) / 1000;
  const uint64_t median = quantile(samples, 0.5);
  note("%s, %" PRIu64 " bytes: p50 %" PRIu64 " ns, p99 %" PRIu64 " ns; reading the clock: %" PRIu64 " ns", what, kPayload,
       median, quantile(samples, 0.99), clock);
  check(median < kLimit, "ten times slower than it should be");
}

const Case threads{"push to visible between two threads (S0.12)", [] {
  PrivateRing ring(kCapacity);
  std::atomic<uint64_t> taken{0};
  std::vector<uint64_t> samples;
  std::thread consumer([&] {
    pin(1);
    samples = take_samples(ring.consumer(), taken);
  });
  std::thread producer([&] {
    pin(0);
    send_samples(ring.producer(), taken);
  });
  producer.join();
  consumer.join();
  tell("threads", samples);
}};

const Case processes{"push to visible between two processes (S0.12)", [] {
  SharedRing ring(kCapacity);
  // The answer of the consumer in memory that both see, on a line of its own.
  SharedRing other(kMinCapacity);
  auto& taken = *reinterpret_cast<std::atomic<uint64_t>*>(other.data);
  const pid_t child = fork();
  check(child >= 0, "fork");
  if (child == 0) {
    die_with_the_parent();
    pin(0);
    send_samples(ring.producer(), taken);
    _exit(0);
  }
  pin(1);
  const std::vector<uint64_t> samples = take_samples(ring.consumer(), taken);
  int status = 0;
  check_equal(waitpid(child, &status, 0), child, "waitpid");
  tell("processes", samples);
}};

}  // namespace test
