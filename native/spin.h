// How long to go on polling before sleeping.
//
// Polling as long as a sleep and a wake-up would cost is at most twice as expensive as the best choice made with hindsight
// (Karlin, Li, Manasse, Owicki: Empirical studies of competitive spinning for a shared-memory multiprocessor, SOSP 1991).
//
// On top of that, adaptive polling stops where it has not paid for a while: because messages are far apart, or because the peer
// wants the very core that we poll on, and can answer only once we sleep. Wake-ups soon after falling asleep come from that, and
// from peers that are slow to wake; which of the two, only a trial tells. So trials are made now and then, longer than a
// wake-up takes, and less and less often where they fail.
#pragma once

#include <algorithm>
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
inline constexpr unsigned kMissesAllowed = 16;
inline constexpr uint64_t kTrialNanoseconds = 200'000;
inline constexpr unsigned kTrialMisses = 2;
// Wake-ups soon after falling asleep before the first trial, and at most.
inline constexpr unsigned kPatience = 64;
inline constexpr unsigned kMostPatience = 8192;

class SpinPolicy {
 public:
  // Negative: adaptive. Otherwise so many nanoseconds, always. One core: never, since the peer can't run meanwhile.
  SpinPolicy(int64_t fixed, unsigned cores)
      : adaptive_(fixed < 0 && cores > 1), fixed_(fixed < 0 || cores < 2 ? 0 : static_cast<uint64_t>(fixed)) {}

  bool adaptive() const { return adaptive_; }
  uint64_t window() const {
    if (!adaptive_) return fixed_;
    if (misses_ < kMissesAllowed) return kSpinNanoseconds;
    return trial_ > 0 ? kTrialNanoseconds : 0;
  }
  // A message came while polling.
  void hit() {
    misses_ = 0;
    trial_ = 0;
    patience_ = kPatience;
  }
  // The window went by without one.
  void miss() {
    if (trial_ > 0) {
      if (--trial_ == 0) patience_ = std::min(patience_ * 2, kMostPatience);
    } else if (misses_ < kMissesAllowed && ++misses_ == kMissesAllowed) {
      early_ = 0;
    }
  }
  // Woken by a message so long after falling asleep.
  void woken(uint64_t slept) {
    if (misses_ < kMissesAllowed || trial_ > 0 || slept >= kTrialNanoseconds) return;
    if (++early_ < patience_) return;
    early_ = 0;
    trial_ = kTrialMisses;
  }

 private:
  bool adaptive_;
  uint64_t fixed_;
  unsigned misses_ = 0;  // in a row
  unsigned trial_ = 0;   // misses that the present trial may still have
  unsigned early_ = 0;   // wake-ups soon after falling asleep since polling stopped, or since the last trial
  unsigned patience_ = kPatience;
};

}  // namespace ringbell
