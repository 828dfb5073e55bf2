// How long the adaptive policy polls, by what it has been told.
#include "../spin.h"

#include <vector>

#include "check.h"

namespace test {

using namespace ringbell;

constexpr uint64_t kSoon = 20'000;
constexpr uint64_t kLate = 5'000'000;

void stop_by_misses(SpinPolicy& spin) {
  for (unsigned i = 0; i < kMissesAllowed; ++i) spin.miss();
}

const Case fixed{"a fixed window stays, whatever happens; on one core there is none", [] {
  SpinPolicy spin(7'000, 2);
  stop_by_misses(spin);
  check_equal(spin.window(), uint64_t{7'000});
  check_equal(SpinPolicy(7'000, 1).window(), uint64_t{0});
  check_equal(SpinPolicy(0, 2).window(), uint64_t{0});
  check_equal(SpinPolicy(-1, 1).window(), uint64_t{0});
}};

const Case adaptive{"adaptive polling begins at once, and stops after misses in a row", [] {
  SpinPolicy spin(-1, 2);
  check_equal(spin.window(), kSpinNanoseconds);
  for (unsigned i = 1; i < kMissesAllowed; ++i) spin.miss();
  check_equal(spin.window(), kSpinNanoseconds);
  spin.hit();
  for (unsigned i = 1; i < kMissesAllowed; ++i) spin.miss();
  check_equal(spin.window(), kSpinNanoseconds, "a hit forgives them all");
  spin.miss();
  check_equal(spin.window(), uint64_t{0});
}};

const Case rare{"messages that are far apart never start it again", [] {
  SpinPolicy spin(-1, 2);
  stop_by_misses(spin);
  for (unsigned i = 0; i < 100'000; ++i) spin.woken(kLate);
  check_equal(spin.window(), uint64_t{0});
}};

const Case trial{"wake-ups soon after falling asleep earn a trial, and a hit in it starts polling again", [] {
  SpinPolicy spin(-1, 2);
  stop_by_misses(spin);
  for (unsigned i = 1; i < kPatience; ++i) spin.woken(kSoon);
  check_equal(spin.window(), uint64_t{0});
  spin.woken(kSoon);
  check_equal(spin.window(), kTrialNanoseconds);
  spin.miss();
  check_equal(spin.window(), kTrialNanoseconds);
  spin.hit();
  check_equal(spin.window(), kSpinNanoseconds);
}};

// A reactor's lanes share a policy. More of them than misses are allowed, so that who counts a miss for each would stop at once.
constexpr unsigned kLanes = 2 * kMissesAllowed;

const Case in_turn{"lanes that hear something in turn keep the policy that they share polling, and none would by its own", [] {
  SpinPolicy shared(-1, 2);
  std::vector<SpinPolicy> own(kLanes, SpinPolicy(-1, 2));
  for (unsigned turn = 0; turn < 10 * kLanes; ++turn) {
    // The window of each but one goes by; that of all together does not.
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      if (lane == turn % kLanes) {
        own[lane].hit();
        shared.hit();
      } else {
        own[lane].miss();
      }
    }
    check_equal(shared.window(), kSpinNanoseconds);
  }
  // But for the lanes that were heard last.
  unsigned polling = 0;
  for (const SpinPolicy& spin : own) polling += spin.window() > 0 ? 1 : 0;
  check_equal(polling, kMissesAllowed);
}};

const Case together{"a window in which none of them hears anything is one miss, however many they are", [] {
  SpinPolicy shared(-1, 2);
  for (unsigned window = 1; window < kMissesAllowed; ++window) shared.miss();
  check_equal(shared.window(), kSpinNanoseconds);
  // A hit of any forgives what all of them missed.
  shared.hit();
  stop_by_misses(shared);
  check_equal(shared.window(), uint64_t{0});
  // Wake-ups of any of them count together, as do the misses of their trial.
  for (unsigned wake = 0; wake < kPatience; ++wake) shared.woken(kSoon);
  check_equal(shared.window(), kTrialNanoseconds);
  for (unsigned i = 0; i < kTrialMisses; ++i) shared.miss();
  check_equal(shared.window(), uint64_t{0});
  // Twice the patience after a trial in vain, until a hit.
  for (unsigned wake = 0; wake < kPatience; ++wake) shared.woken(kSoon);
  check_equal(shared.window(), uint64_t{0});
  for (unsigned wake = 0; wake < kPatience; ++wake) shared.woken(kSoon);
  check_equal(shared.window(), kTrialNanoseconds);
}};

const Case same_core{"a peer on our own core costs less and less polling", [] {
  SpinPolicy spin(-1, 2);
  uint64_t polled = 0;
  uint64_t rounds = 0;
  // Nothing ever comes while we poll, and always right after.
  for (; rounds < 1'000'000; ++rounds) {
    if (spin.window() > 0) {
      polled += spin.window();
      spin.miss();
    }
    spin.woken(kSoon);
  }
  // 16 windows, then two of 200 µs in 64, 128, ... 8192 wake-ups.
  const uint64_t per_round = polled / rounds;
  check(per_round < 100, "less than 100 ns a wake-up, where one costs some 10 µs");
}};

}  // namespace test
