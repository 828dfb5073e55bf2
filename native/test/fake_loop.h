// A stand-in for libuv: what the reactor, connections and lanes call of it. A fake loop moves only when a test says so, phase by
// phase, so that a test can stop the world between any two of them.
#pragma once

#include <algorithm>
#include <poll.h>
#include <utility>
#include <uv.h>
#include <vector>

#include "check.h"

namespace test {

class FakeLoop {
 public:
  FakeLoop() { loop_.data = this; }
  FakeLoop(const FakeLoop&) = delete;
  FakeLoop& operator=(const FakeLoop&) = delete;

  static FakeLoop& of(uv_loop_t* loop) { return *static_cast<FakeLoop*>(loop->data); }
  uv_loop_t* handle() { return &loop_; }

  // The phase in which the reactor has its turn.
  void prepare() {
    for (uv_prepare_t* handle : std::vector(prepares)) handle->prepare_cb(handle);
  }
  // The phase in which sockets are read.
  void poll() {
    for (const Poll& entry : std::vector(polls)) {
      pollfd ready{entry.descriptor, POLLIN, 0};
      if (::poll(&ready, 1, 0) > 0) entry.callback(entry.handle, 0, UV_READABLE);
    }
  }
  // The phase of timers, as if the time of each had come.
  void fire_timers() {
    for (const Timer& timer : std::exchange(timers, {})) {
      if (timer.repeats) timers.push_back(timer);
      timer.handle->timer_cb(timer.handle);
    }
  }
  // Lets go of handles that were closed.
  void close_handles() {
    for (const auto& [handle, callback] : std::exchange(closing, {})) callback(handle);
  }

  struct Timer {
    uv_timer_t* handle;
    bool repeats;
    uint64_t after;  // ms
  };
  struct Poll {
    uv_poll_t* handle;
    int descriptor;
    uv_poll_cb callback;
  };
  struct Closing {
    uv_handle_t* handle;
    uv_close_cb callback;
  };
  std::vector<uv_prepare_t*> prepares;
  std::vector<Timer> timers;
  std::vector<Poll> polls;
  std::vector<Closing> closing;

 private:
  uv_loop_t loop_{};
};

template <typename Handle>
int begin(uv_loop_t* loop, Handle* handle) {
  handle->loop = loop;
  return 0;
}

}  // namespace test

extern "C" {

uint64_t uv_hrtime() { return test::now_ns(); }
uint64_t uv_now(const uv_loop_t*) { return test::now_ns() / 1'000'000; }
unsigned uv_available_parallelism() { return 2; }
// The program always has something to do at once.
int uv_backend_timeout(const uv_loop_t*) { return 0; }
void uv_ref(uv_handle_t*) {}
void uv_unref(uv_handle_t*) {}

int uv_prepare_init(uv_loop_t* loop, uv_prepare_t* handle) { return test::begin(loop, handle); }
int uv_prepare_start(uv_prepare_t* handle, uv_prepare_cb callback) {
  handle->prepare_cb = callback;
  test::FakeLoop::of(handle->loop).prepares.push_back(handle);
  return 0;
}

int uv_idle_init(uv_loop_t* loop, uv_idle_t* handle) { return test::begin(loop, handle); }
int uv_idle_start(uv_idle_t*, uv_idle_cb) { return 0; }
int uv_idle_stop(uv_idle_t*) { return 0; }

int uv_timer_init(uv_loop_t* loop, uv_timer_t* handle) { return test::begin(loop, handle); }
int uv_timer_start(uv_timer_t* handle, uv_timer_cb callback, uint64_t after, uint64_t repeat) {
  handle->timer_cb = callback;
  auto& timers = test::FakeLoop::of(handle->loop).timers;
  std::erase_if(timers, [=](const auto& timer) { return timer.handle == handle; });
  timers.push_back({handle, repeat > 0, after});
  return 0;
}

int uv_poll_init(uv_loop_t* loop, uv_poll_t* handle, int descriptor) {
  test::FakeLoop::of(loop).polls.push_back({handle, descriptor, nullptr});
  return test::begin(loop, handle);
}
int uv_poll_start(uv_poll_t* handle, int, uv_poll_cb callback) {
  for (auto& entry : test::FakeLoop::of(handle->loop).polls) {
    if (entry.handle == handle) entry.callback = callback;
  }
  return 0;
}

void uv_close(uv_handle_t* handle, uv_close_cb callback) {
  auto& loop = test::FakeLoop::of(handle->loop);
  const auto is_same = [=](const auto* entry) { return static_cast<const void*>(entry) == handle; };
  std::erase_if(loop.prepares, is_same);
  std::erase_if(loop.timers, [&](const auto& entry) { return is_same(entry.handle); });
  std::erase_if(loop.polls, [&](const auto& entry) { return is_same(entry.handle); });
  loop.closing.push_back({handle, callback});
}

}
