// Two processes pinned to two cores, sharing memory that has no name, and the clock that times them.
#pragma once

#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#endif

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <vector>

namespace duel {

/// What the command line asks for: MODE COUNT DRIVER_CORE PEER_CORE (a core of -1: not pinned).
struct Task {
  std::string mode;
  uint64_t count;
  int driver_core;
  int peer_core;
};

inline Task parse(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "usage: %s roundtrip|stream COUNT DRIVER_CORE PEER_CORE\n", argv[0]);
    std::exit(2);
  }
  return {argv[1], std::strtoull(argv[2], nullptr, 10), std::atoi(argv[3]), std::atoi(argv[4])};
}

inline void pin(int core) {
#ifdef __linux__
  if (core < 0) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<size_t>(core), &set);
  if (sched_setaffinity(0, sizeof set, &set) != 0) {
    std::perror("sched_setaffinity");
    std::exit(1);
  }
#else
  (void)core;
#endif
}

inline uint64_t now() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(t.tv_nsec);
}

/// A T in memory that is shared with the processes forked from now on, and gone with the last of them.
template <typename T>
T* share() {
  void* memory = mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    std::perror("mmap");
    std::exit(1);
  }
  std::memset(memory, 0, sizeof(T));  // so that no page fault falls into the timed part
  return new (memory) T;
}

/// Runs `peer` in a child process on its core and `driver` in this one on its own, and waits for the child.
template <typename Driver, typename Peer>
void run(const Task& task, Driver driver, Peer peer) {
  const pid_t child = fork();
  if (child < 0) {
    std::perror("fork");
    std::exit(1);
  }
  if (child == 0) {
#ifdef __linux__
    prctl(PR_SET_PDEATHSIG, SIGKILL);  // an endless poll must not outlive a driver that was killed
#endif
    pin(task.peer_core);
    peer();
    _exit(0);
  }
  pin(task.driver_core);
  driver();
  int status = 0;
  waitpid(child, &status, 0);
  if (status != 0) {
    std::fprintf(stderr, "the peer ended with status %d\n", status);
    std::exit(1);
  }
}

/// How many of the round trips are timed one by one, after the others were timed as a whole: reading the clock costs
/// a tenth of what is measured.
inline uint64_t timed_part(uint64_t count) { return std::max<uint64_t>(count / 4, 1); }

/// Times `trip(i)` for i = 1 … count + timed_part(count) and prints one line of JSON.
template <typename Trip>
void time_round_trips(uint64_t count, Trip trip) {
  for (uint64_t i = 1; i <= count / 10; i++) trip(i);  // warm-up
  const uint64_t warm = count / 10;
  const uint64_t begin = now();
  for (uint64_t i = warm + 1; i <= warm + count; i++) trip(i);
  const uint64_t elapsed = now() - begin;

  std::vector<uint32_t> each(timed_part(count));
  uint64_t last = now();
  for (size_t i = 0; i < each.size(); i++) {
    trip(warm + count + 1 + i);
    const uint64_t t = now();
    each[i] = static_cast<uint32_t>(std::min<uint64_t>(t - last, UINT32_MAX));
    last = t;
  }
  std::sort(each.begin(), each.end());
  std::printf("{\"ns\":%.2f,\"p50\":%u,\"p99\":%u,\"seconds\":%.6f}\n",
              static_cast<double>(elapsed) / static_cast<double>(count), each[each.size() / 2],
              each[each.size() * 99 / 100], static_cast<double>(elapsed) / 1e9);
}

/// All round trips that `time_round_trips(count, …)` makes.
inline uint64_t total_round_trips(uint64_t count) { return count / 10 + count + timed_part(count); }

/// Prints what `count` messages one way took.
inline void print_stream(uint64_t count, uint64_t elapsed) {
  const double ns = static_cast<double>(elapsed) / static_cast<double>(count);
  std::printf("{\"ns\":%.3f,\"perSecond\":%.0f,\"seconds\":%.6f}\n", ns, 1e9 / ns,
              static_cast<double>(elapsed) / 1e9);
}

}  // namespace duel
