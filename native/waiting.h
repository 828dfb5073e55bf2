// Waiting within a call of a program that blocks: clocks, deadlines, and polling before the thread sleeps.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <uv.h>

#include "spin.h"

namespace ringbell {

// How often a thread that sleeps on a futex looks whether the peer is still there, should its caller wait for longer. The peer's
// orderly end wakes the thread at once; this bounds how late a kill is noticed. JavaScript waits in slices as long as this
// (lib/transport/shm/ring-lane.ts), because a thread can be terminated only when it is back in JavaScript.
inline constexpr uint64_t kLookAround = 5'000'000;
// Polls without a pause: about a microsecond, in which most answers come.
inline constexpr unsigned kHotPolls = 1024;
inline constexpr unsigned kPollsAClock = 64;

// Milliseconds since the epoch.
inline double wall_clock() {
  using namespace std::chrono;
  return static_cast<double>(duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count());
}

// Milliseconds of the clock that never goes backwards.
inline uint64_t loop_clock() { return uv_hrtime() / 1'000'000; }

inline uint64_t deadline_after(double milliseconds) {
  // A million seconds and more, and NaN, are no limit.
  return milliseconds < 1e9 ? uv_hrtime() + static_cast<uint64_t>(milliseconds * 1e6) : UINT64_MAX;
}

// Calls `found` for the policy's window or until the deadline. True if it has returned true.
template <typename Found>
bool spin_until(SpinPolicy& spin, uint64_t deadline, Found found) {
  const uint64_t window = spin.window();
  if (window == 0) return false;
  uint64_t end = 0;
  for (unsigned polls = 1;; ++polls) {
    if (found()) {
      spin.hit();
      return true;
    }
    if (polls % kPollsAClock == 0) {
      const uint64_t now = uv_hrtime();
      if (end == 0) end = std::min(deadline, now + window);
      if (now >= end) break;
    }
    if (polls > kHotPolls) relax_cpu();
  }
  spin.miss();
  return false;
}

}  // namespace ringbell
