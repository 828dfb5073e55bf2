// How long to go on polling before sleeping.
//
// Polling as long as a sleep and a wake-up would cost is at most twice as expensive as the best choice made with hindsight
// (Karlin, Li, Manasse, Owicki: Empirical studies of competitive spinning for a shared-memory multiprocessor, SOSP 1991).
//
// Adaptive polling stops where it has not paid for a while: because messages are far apart, or because the peer wants the very core
// that we poll on, and can answer only once we sleep. A wake-up soon after falling asleep may come from that, or from a peer that is
// slow to wake; only a trial tells which. So trials are made now and then, longer than a wake-up takes, and ever more rarely where
// they fail.
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
// Wake-ups soon after falling asleep before the first trial, and before any trial at most.
inline constexpr unsigned kPatience = 64;
inline constexpr unsigned kMostPatience = 8192;

class SpinPolicy {
 public:
  // `fixed`: nanoseconds to poll, always; negative: adaptive. On one core there is no polling: the peer could not run meanwhile.
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
  // A message has woken us, `slept` nanoseconds after we fell asleep.
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
  unsigned early_ = 0;   // wake-ups soon after falling asleep, since polling stopped or since the last trial
  unsigned patience_ = kPatience;
};

}  // namespace ringbell
