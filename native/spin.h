// How long to go on polling before sleeping.
//
// Polling as long as a sleep and a wake-up would cost is at most twice as expensive as the best choice made with hindsight (Karlin,
// Li, Manasse, Owicki: Empirical studies of competitive spinning for a shared-memory multiprocessor, SOSP 1991). On top of
// that, adaptive polling stops where it has not paid for a while, and starts again when messages come close together.
#pragma once

#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace ringbell {

inline void relax_cpu() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("isb");
#endif
}

inline constexpr uint64_t kSpinNanoseconds = 50'000;
// Sleeping peers that answer each other are woken 20 to 100 µs apart: such gaps would have been short, had both polled.
inline constexpr uint64_t kCloseNanoseconds = 200'000;
inline constexpr unsigned kMissesAllowed = 16;

class SpinPolicy {
 public:
  // Negative: adaptive. Otherwise so many nanoseconds, always. One core: never, since the peer can't run meanwhile.
  SpinPolicy(int64_t fixed, unsigned cores)
      : adaptive_(fixed < 0), fixed_(cores < 2 ? 0 : static_cast<uint64_t>(adaptive_ ? 0 : fixed)), cores_(cores) {}

  uint64_t window() const {
    if (!adaptive_) return fixed_;
    return cores_ < 2 || misses_ >= kMissesAllowed ? 0 : kSpinNanoseconds;
  }
  // A message came while polling.
  void hit() {
    misses_ = 0;
    ++hits_total_;
  }
  // The window went by without one.
  void miss() {
    if (misses_ < kMissesAllowed) ++misses_;
    ++misses_total_;
  }
  // Woken from sleep so long after the last message.
  void woken(uint64_t gap) {
    if (gap < kCloseNanoseconds) misses_ = 0;
  }
  uint64_t hits() const { return hits_total_; }
  uint64_t misses() const { return misses_total_; }

 private:
  bool adaptive_;
  uint64_t fixed_;
  unsigned cores_;
  unsigned misses_ = 0;
  uint64_t hits_total_ = 0;
  uint64_t misses_total_ = 0;
};

}  // namespace ringbell
