// A test program's needs: named cases, checks that say where they failed, and a main that runs them.
//
// A failed check ends the program at once: after it nothing about the shared state can be relied on, and it also works
// from a thread or a forked child. Linked without a framework so that the same files build under every sanitizer.
#pragma once

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <source_location>
#include <time.h>
#include <unistd.h>

namespace test {

inline uint64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

class Case;
inline Case* first_case = nullptr;
inline Case** last_case = &first_case;
inline const char* running = "";

// A case registers itself: `const test::Case c{"what holds", [] { ... }};` at namespace scope.
class Case {
 public:
  Case(const char* title, void (*run)()) : title_(title), run_(run) {
    *last_case = this;
    last_case = &next_;
  }
  Case(const Case&) = delete;
  Case& operator=(const Case&) = delete;

  void operator()() const {
    running = title_;
    const uint64_t start = now_ns();
    run_();
    std::printf("  %6.2f s  %s\n", static_cast<double>(now_ns() - start) / 1e9, title_);
    std::fflush(stdout);
  }
  const char* title() const { return title_; }
  Case* next() const { return next_; }

 private:
  const char* title_;
  void (*run_)();
  Case* next_ = nullptr;
};

// How a failed check ends the program. A fuzzer sets another way, in which the input is kept.
inline void (*give_up)() = [] {
  // Without destructors and exit handlers: another thread may be in the middle of anything.
  _exit(1);
};

// Under qemu's emulation of another processor. There a sequentially consistent load passes the store before it (QEMU 7.2), so wake-ups are
// lost that no arm64 machine loses; and hints about memory are ignored.
inline bool emulated() { return std::getenv("RINGBELL_TEST_EMULATED") != nullptr; }

[[noreturn]] inline void fail(const char* what, const std::source_location where = std::source_location::current()) {
  std::fprintf(stderr, "%s:%u: in \"%s\": %s\n", where.file_name(), static_cast<unsigned>(where.line()), running, what);
  std::fflush(stderr);
  give_up();
  std::abort();
}

inline void check(bool holds, const char* what = "check failed",
                  const std::source_location where = std::source_location::current()) {
  if (!holds) [[unlikely]] fail(what, where);
}

// Integers and enumerations.
template <typename A, typename B>
void check_equal(A actual, B expected, const char* what = "",
                 const std::source_location where = std::source_location::current()) {
  const auto a = static_cast<uint64_t>(actual);
  const auto b = static_cast<uint64_t>(expected);
  if (a == b) [[likely]] return;
  char text[256];
  std::snprintf(text, sizeof text, "%s%sgot %" PRIu64 ", expected %" PRIu64, what, *what == '\0' ? "" : ": ", a, b);
  fail(text, where);
}

// Something worth a line in the output of a passing run: a count, a figure, a case that could not run here.
template <typename... Values>
void note(const char* format, Values... values) {
  std::printf("           ");
  if constexpr (sizeof...(values) == 0) std::fputs(format, stdout);
  else std::printf(format, values...);
  std::printf("\n");
}

// Tests that torture for a while take this as "a while": RINGBELL_TEST_MS, else what they ask for.
inline uint64_t budget_ns(uint64_t milliseconds) {
  const char* text = std::getenv("RINGBELL_TEST_MS");
  if (text != nullptr && *text != 0) milliseconds = std::strtoull(text, nullptr, 10);
  return milliseconds * 1'000'000;
}

// Runs the cases whose title contains the first argument, or all.
inline int run_all(int argc, char** argv) {
  unsigned count = 0;
  for (Case* one = first_case; one != nullptr; one = one->next()) {
    if (argc > 1 && std::strstr(one->title(), argv[1]) == nullptr) continue;
    (*one)();
    ++count;
  }
  std::printf("%u tests\n", count);
  return 0;
}

}  // namespace test

int main(int argc, char** argv) { return test::run_all(argc, argv); }
