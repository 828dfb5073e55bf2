// Sleeping on a 32-bit word in shared memory, and waking the sleeper.
//
// Linux: futex(2), without FUTEX_PRIVATE_FLAG since the word is in two processes. macOS: os_sync_wait_on_address (14.4 and
// later), looked up at run time, else __ulock_wait, which libc++ uses, too.
#pragma once

#include <atomic>
#include <cstdint>

#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#elif defined(__APPLE__)
#include <dlfcn.h>
extern "C" int __ulock_wait(uint32_t operation, void* address, uint64_t value, uint32_t microseconds);
extern "C" int __ulock_wake(uint32_t operation, void* address, uint64_t wake_value);
#else
#error "ringbell needs Linux or macOS"
#endif

namespace ringbell {

#if defined(__linux__)

// Sleeps while the word is `expected`, at most `nanoseconds`. Returns early on any wake-up or signal; the caller looks.
inline void futex_wait(std::atomic<uint32_t>& word, uint32_t expected, uint64_t nanoseconds) {
  timespec timeout{};
  timeout.tv_sec = static_cast<time_t>(nanoseconds / 1'000'000'000);
  timeout.tv_nsec = static_cast<long>(nanoseconds % 1'000'000'000);
  syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), FUTEX_WAIT, expected, &timeout, nullptr, 0);
}

inline void futex_wake(std::atomic<uint32_t>& word) {
  syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), FUTEX_WAKE, 1, nullptr, nullptr, 0);
}

#else

namespace darwin {
// Values of os/os_sync_wait_on_address.h and of xnu's sys/ulock.h.
inline constexpr uint32_t kSyncShared = 1;
inline constexpr uint32_t kClockMachAbsolute = 32;
inline constexpr uint32_t kCompareAndWaitShared = 3;
using WaitOnAddress = int (*)(void*, uint64_t, size_t, uint32_t, uint32_t, uint64_t);
using WakeByAddress = int (*)(void*, size_t, uint32_t);
inline WaitOnAddress wait_on_address() {
  static const auto function =
      reinterpret_cast<WaitOnAddress>(dlsym(RTLD_DEFAULT, "os_sync_wait_on_address_with_timeout"));
  return function;
}
inline WakeByAddress wake_by_address() {
  static const auto function = reinterpret_cast<WakeByAddress>(dlsym(RTLD_DEFAULT, "os_sync_wake_by_address_any"));
  return function;
}
}  // namespace darwin

inline void futex_wait(std::atomic<uint32_t>& word, uint32_t expected, uint64_t nanoseconds) {
  if (const auto wait = darwin::wait_on_address(); wait != nullptr) {
    wait(&word, expected, sizeof(uint32_t), darwin::kSyncShared, darwin::kClockMachAbsolute, nanoseconds);
    return;
  }
  const uint64_t microseconds = nanoseconds / 1000;
  __ulock_wait(darwin::kCompareAndWaitShared, &word, expected,
               microseconds == 0 ? 1 : static_cast<uint32_t>(microseconds > 1'000'000 ? 1'000'000 : microseconds));
}

inline void futex_wake(std::atomic<uint32_t>& word) {
  if (const auto wake = darwin::wake_by_address(); wake != nullptr) {
    wake(&word, sizeof(uint32_t), darwin::kSyncShared);
    return;
  }
  __ulock_wake(darwin::kCompareAndWaitShared, &word, 0);
}

#endif

}  // namespace ringbell
