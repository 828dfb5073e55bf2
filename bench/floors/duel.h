// Two processes pinned to two cores, sharing memory that has no name, and the clock that times them.
#pragma once

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sched.h>
#include <sys/prctl.h>
#endif

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <vector>

namespace duel {

/// What the command line asks for: MODE COUNT DRIVER_CORE PEER_CORE [BYTES]. A core of -1: not pinned. BYTES: where the
/// length matters.
struct Task {
  std::string mode;
  uint64_t count;
  int driver_core;
  int peer_core;
  size_t bytes;
};

inline Task parse(int argc, char** argv) {
  if (argc != 5 && argc != 6) {
    std::fprintf(stderr, "usage: %s MODE COUNT DRIVER_CORE PEER_CORE [BYTES]\n", argv[0]);
    std::exit(2);
  }
  return {argv[1], std::strtoull(argv[2], nullptr, 10), std::atoi(argv[3]), std::atoi(argv[4]),
          argc == 6 ? static_cast<size_t>(std::strtoull(argv[5], nullptr, 10)) : 0};
}

/// Ends the program: it was asked for a mode that it does not have.
[[noreturn]] inline void refuse(const Task& task) {
  std::fprintf(stderr, "no such mode: %s\n", task.mode.c_str());
  std::exit(2);
}

/// So that an endless poll does not outlive whoever started it, however that ended.
inline void die_with_parent() {
#ifdef __linux__
  prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
}

/// Ends the program when its child fails: nobody would answer any more.
inline void die_with_child() {
  struct sigaction action {};
  action.sa_flags = SA_SIGINFO | SA_RESTART | SA_NOCLDSTOP;
  action.sa_sigaction = [](int, siginfo_t* info, void*) {
    if (info->si_code == CLD_EXITED && info->si_status == 0) return;
    constexpr char kMessage[] = "the peer failed\n";
    [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, kMessage, sizeof kMessage - 1);
    _exit(1);
  };
  sigaction(SIGCHLD, &action, nullptr);
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
  die_with_parent();
  die_with_child();
  const pid_t self = getpid();
  const pid_t child = fork();
  if (child < 0) {
    std::perror("fork");
    std::exit(1);
  }
  if (child == 0) {
    die_with_parent();
    if (getppid() != self) _exit(1);  // it has gone already
    pin(task.peer_core);
    peer();
    _exit(0);
  }
  pin(task.driver_core);
  driver();
  waitpid(child, nullptr, 0);
}

/// How many of the round trips are timed one by one, after the others were timed as a whole: reading the clock costs
/// a tenth of what is measured.
inline uint64_t timed_part(uint64_t count) { return std::max<uint64_t>(count / 4, 1); }

/// A bound for a part of all times, %, and its name in the JSON: those of lib/percentiles.mjs.
struct Percentile {
  const char* name;
  double percent;
};
constexpr Percentile kPercentiles[] = {{"p1", 1},   {"p10", 10}, {"p25", 25}, {"p50", 50},     {"p75", 75},
                                       {"p90", 90}, {"p95", 95}, {"p99", 99}, {"p99.9", 99.9}, {"p99.99", 99.99}};

/// The percentiles of these times, and how many they are, as members of JSON: the least of them that is not below so
/// many of all.
inline void print_distribution(std::vector<uint32_t>& times) {
  std::sort(times.begin(), times.end());
  for (const auto& [name, percent] : kPercentiles) {
    const double rank = std::ceil(static_cast<double>(times.size()) * percent / 100);
    const size_t index = std::clamp<size_t>(static_cast<size_t>(rank), 1, times.size()) - 1;
    std::printf("\"%s\":%u,", name, times[index]);
  }
  std::printf("\"max\":%u,\"samples\":%zu,", times.back(), times.size());
}

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
  std::printf("{\"ns\":%.2f,", static_cast<double>(elapsed) / static_cast<double>(count));
  print_distribution(each);
  std::printf("\"seconds\":%.6f}\n", static_cast<double>(elapsed) / 1e9);
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
