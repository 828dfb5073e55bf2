// Kills a forked child before its first, second, third ... machine instruction of a path, and lets the survivor look each time.
//
// The first child is stepped by ptrace through the whole path, one instruction a step, which gives the addresses of all instructions in
// their order. Each later child runs to a breakpoint at the place of its death. So n deaths take some n steps and not n²/2. A system
// call is one instruction: the kernel has done it, or has not begun it.
#pragma once

#include <cerrno>
#include <csignal>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unordered_map>

#if defined(__linux__)
#include <elf.h>
#include <sched.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#endif

#include "rig.h"

namespace test {

// Where a child is, in memory that the survivor sees.
struct Progress {
  std::atomic<uint32_t> begun;
  std::atomic<uint32_t> done;
};

// What a child calls around the path that is stepped: what comes before `begin` runs at full speed.
class Stage {
 public:
  explicit Stage(Progress* progress) : progress_(progress) {}

  [[gnu::noinline]] void begin() {
#if defined(__linux__)
    if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) _exit(kRefused);
#endif
    raise(SIGSTOP);
    progress_->begun.store(1);
  }
  [[gnu::noinline]] [[noreturn]] void end() {
    progress_->done.store(1);
    for (;;) raise(SIGSTOP);
  }

  static constexpr int kRefused = 3;

 private:
  Progress* progress_;
};

enum class Death { midway, at_the_end, refused };

#if defined(__linux__)

#if defined(__x86_64__)
inline constexpr uint64_t kBreakpoint = 0xcc;
inline constexpr uint64_t kBreakpointMask = 0xff;
inline uint64_t program_counter(const user_regs_struct& registers) { return registers.rip; }
#elif defined(__aarch64__)
inline constexpr uint64_t kBreakpoint = 0xd4200000;
inline constexpr uint64_t kBreakpointMask = 0xffffffff;
inline uint64_t program_counter(const user_regs_struct& registers) { return registers.pc; }
#else
#error "the program counter of this processor is not known here"
#endif

// A child that stands at the beginning of its path.
class Victim {
 public:
  template <typename Child>
  explicit Victim(Child child) {
    static Progress* const shared = [] {
      void* page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
      check(page != MAP_FAILED, "mmap");
      return static_cast<Progress*>(page);
    }();
    progress_ = shared;
    progress_->begun = 0;
    progress_->done = 0;
    pid_ = fork();
    check(pid_ >= 0, "fork");
    if (pid_ == 0) {
      die_with_the_parent();
      child(Stage(progress_));
      _exit(1);
    }
    wait();
    if (WIFEXITED(status_) && WEXITSTATUS(status_) == Stage::kRefused) {
      pid_ = -1;
      return;
    }
    check(WIFSTOPPED(status_) && WSTOPSIG(status_) == SIGSTOP, "the child failed before its path");
  }
  ~Victim() {
    if (pid_ < 0) return;
    kill(pid_, SIGKILL);
    wait();
  }
  Victim(const Victim&) = delete;
  Victim& operator=(const Victim&) = delete;

  bool refused() const { return pid_ < 0; }
  bool begun() const { return progress_->begun.load() != 0; }
  bool done() const { return progress_->done.load() != 0; }
  uint64_t at() const {
    user_regs_struct registers{};
    iovec into{&registers, sizeof registers};
    check(ptrace(PTRACE_GETREGSET, pid_, NT_PRSTATUS, &into) == 0, "PTRACE_GETREGSET");
    return program_counter(registers);
  }
  bool step() {
    if (ptrace(PTRACE_SINGLESTEP, pid_, nullptr, nullptr) != 0) return false;
    wait();
    check(WIFSTOPPED(status_) && WSTOPSIG(status_) == SIGTRAP, "the child failed on its path");
    return true;
  }
  // Runs until it has come to an address for the `visits`th time. False if the path has ended before that.
  bool run_to(uint64_t address, uint64_t visits) {
    auto* const place = reinterpret_cast<void*>(address);
    errno = 0;
    const auto word = static_cast<uint64_t>(ptrace(PTRACE_PEEKTEXT, pid_, place, nullptr));
    if (errno != 0) return false;
    const auto broken = (word & ~kBreakpointMask) | kBreakpoint;
    for (;;) {
      if (ptrace(PTRACE_POKETEXT, pid_, place, reinterpret_cast<void*>(broken)) != 0) return false;
      check(ptrace(PTRACE_CONT, pid_, nullptr, nullptr) == 0, "PTRACE_CONT");
      wait();
      if (WIFSTOPPED(status_) && WSTOPSIG(status_) == SIGSTOP) return false;
      check(WIFSTOPPED(status_) && WSTOPSIG(status_) == SIGTRAP, "the child failed on its path");
      check(ptrace(PTRACE_POKETEXT, pid_, place, reinterpret_cast<void*>(word)) == 0, "PTRACE_POKETEXT");
      go_back_to(address);
      if (--visits == 0) return true;
      check(step(), "PTRACE_SINGLESTEP");
    }
  }

 private:
  void wait() { check_equal(waitpid(pid_, &status_, 0), pid_, "waitpid"); }
  // On x86-64 a breakpoint is behind its instruction when it is told.
  void go_back_to([[maybe_unused]] uint64_t address) {
#if defined(__x86_64__)
    check(ptrace(PTRACE_POKEUSER, pid_, offsetof(user_regs_struct, rip), address) == 0, "PTRACE_POKEUSER");
#endif
  }

  Progress* progress_;
  pid_t pid_ = -1;
  int status_ = 0;
};

#endif

// A path: the addresses of its instructions in their order, from the one in `Stage::begin` at which each child is stopped.
class Path {
 public:
  // Kills a child before instruction `n` of what it does between `begin` and `end`. `meanwhile` runs in the survivor while the child
  // stands at the beginning. The first death must be at the end: it finds out how long the path is.
  template <typename Child, typename Meanwhile>
  Death kill_before(uint64_t n, Child child, Meanwhile meanwhile) {
#if defined(__linux__)
    Victim victim(child);
    if (victim.refused()) return Death::refused;
    meanwhile();
    if (addresses_.empty()) return record(victim) ? Death::at_the_end : Death::refused;
    const uint64_t target = first_ + n;
    uint64_t at = 0;
    // Nearer by a breakpoint. A child that comes another way than the first did may be at the end then.
    if (const uint64_t near = nearest_[target]; near > 0 && victim.run_to(addresses_[near], visits_[near])) at = near;
    for (; at < target && !victim.done(); ++at) {
      if (!victim.step()) return Death::refused;
    }
    return victim.done() ? Death::at_the_end : Death::midway;
#else
    (void)n, (void)child, (void)meanwhile;
    return Death::refused;
#endif
  }
  // 0 before the first death.
  uint64_t length() const { return addresses_.size() - first_; }

 private:
#if defined(__linux__)
  bool record(Victim& victim) {
    std::unordered_map<uint64_t, uint64_t> visits;
    while (!victim.done()) {
      addresses_.push_back(victim.at());
      const uint64_t index = addresses_.size() - 1;
      visits_.push_back(++visits[addresses_.back()]);
      nearest_.push_back(visits_.back() <= kVisits ? index : nearest_.back());
      if (!victim.begun()) first_ = index + 1;
      if (!victim.step()) return false;
    }
    return true;
  }
  // A breakpoint in a loop stops in every round, which costs as much as some steps.
  static constexpr uint64_t kVisits = 16;
  // How often each address has been met, this time included.
  std::vector<uint64_t> visits_;
  // For each instruction, the last one up to it whose address was met a few times at most.
  std::vector<uint64_t> nearest_;
#endif
  std::vector<uint64_t> addresses_;
  uint64_t first_ = 0;
};

// The two processes take turns, and never run at once: on one core a turn costs less.
inline void stay_on_one_core() {
#if defined(__linux__)
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(sched_getcpu(), &one);
  (void)sched_setaffinity(0, sizeof one, &one);
#endif
}

// Calls `die(path, n)` for a death at the end, and then for one before each instruction. It kills a child by `path.kill_before(n, …)`,
// looks at what the child left, and returns how it died.
template <typename Die>
void at_every_instruction(const char* what, Die die) {
  stay_on_one_core();
  Path path;
  if (die(path, 0) == Death::refused) {
    note("not run: processes can't be stepped here");
    return;
  }
  uint64_t other_ways = 0;
  for (uint64_t n = 0; n < path.length(); ++n) {
    if (die(path, n) != Death::midway) ++other_ways;
  }
  note("%-52s killed before each of %" PRIu64 " instructions", what, path.length());
  if (other_ways > 0) note("%" PRIu64 " of them ended sooner than the first", other_ways);
}

}  // namespace test
