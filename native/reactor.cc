#include "reactor.h"

#include <algorithm>
#include <utility>
#include <uv.h>

#if defined(__linux__)
#include <sched.h>
#endif

#include "connection.h"
#include "memory_file.h"
#include "waiting.h"

namespace ringbell {

namespace {

// A turn that delivers messages ends after this long, so that timers and sockets have their time. A look at the clock costs about as
// much as a message, so there is one in so many messages; an entry into JavaScript counts for some.
constexpr uint64_t kBusyTurn = 500'000;
constexpr uint64_t kMessagesAClock = 64;
constexpr uint64_t kMessagesAnEntry = 4;
// A turn that finds nothing ends after this long; a turn of the rest of the loop costs about a microsecond.
constexpr uint64_t kIdleTurn = 20'000;
// Passes without a pause: an answer that is on its way is taken without delay.
constexpr unsigned kHotPasses = 256;
constexpr unsigned kPassesAClock = 32;
// So many passes that find nothing end a turn where the program itself has something to do at once.
constexpr unsigned kHurriedPasses = 16;
// A lane that has had nothing for so long is put to sleep though the loop goes on polling for others.
constexpr uint64_t kForgotten = 10'000'000;
constexpr uint64_t kWatchdogMilliseconds = 100;
// Memory that was not used for this long is given back. Where the peer has not taken what lies there the time doubles, up to the last.
constexpr uint64_t kUnusedMilliseconds = 2000;
constexpr uint64_t kLongestUnused = 64'000;

template <typename Handle>
Handle* make_handle(void* data) {
  auto* handle = new Handle;
  handle->data = data;
  return handle;
}

template <typename Handle>
uv_handle_t* as_handle(Handle* handle) {
  return reinterpret_cast<uv_handle_t*>(handle);
}

// An idle handle keeps the loop from waiting; its callback has nothing to do.
void keep_awake(uv_idle_t*) {}

struct Closing {
  int left;
  void (*done)(void*);
  void* argument;
};

template <typename Handle>
void close_handle(Handle* handle, Closing* closing) {
  ++closing->left;
  handle->data = closing;
  uv_close(as_handle(handle), [](uv_handle_t* closed) {
    auto* closing = static_cast<Closing*>(closed->data);
    delete reinterpret_cast<Handle*>(closed);
    if (--closing->left > 0) return;
    closing->done(closing->argument);
    delete closing;
  });
}

}  // namespace

unsigned usable_cores(pid_t peer) {
#if defined(__linux__)
  cpu_set_t cores;
  if (sched_getaffinity(0, sizeof cores, &cores) == 0) {
    cpu_set_t others;
    // A peer pinned to another core than ours runs beside us, though each may use but one.
    if (peer > 0 && sched_getaffinity(peer, sizeof others, &others) == 0) CPU_OR(&cores, &cores, &others);
    return static_cast<unsigned>(CPU_COUNT(&cores));
  }
#else
  (void)peer;
#endif
  return uv_available_parallelism();
}

Reactor::Reactor(uv_loop_t* loop, bool watchdog)
    : loop_(loop),
      prepare_(make_handle<uv_prepare_t>(this)),
      idle_(make_handle<uv_idle_t>(this)),
      giving_back_(make_handle<uv_timer_t>(this)) {
  uv_prepare_init(loop, prepare_);
  uv_prepare_start(prepare_, [](uv_prepare_t* handle) { static_cast<Reactor*>(handle->data)->turn(); });
  uv_unref(as_handle(prepare_));
  uv_idle_init(loop, idle_);
  uv_unref(as_handle(idle_));
  uv_timer_init(loop, giving_back_);
  uv_unref(as_handle(giving_back_));
  if (!watchdog) return;
  watchdog_ = make_handle<uv_timer_t>(this);
  uv_timer_init(loop, watchdog_);
  uv_timer_start(
      watchdog_, [](uv_timer_t* handle) { static_cast<Reactor*>(handle->data)->check_parked(); },
      kWatchdogMilliseconds, kWatchdogMilliseconds);
  uv_unref(as_handle(watchdog_));
}

void Reactor::shut_down(void (*done)(void*), void* argument) {
  stopping_ = true;
  while (!connections_.empty()) connections_.back()->close(End::none);
  release_removed();
  posted_.clear();
  active_.clear();
  taken_.clear();
  auto* closing = new Closing{0, done, argument};
  close_handle(prepare_, closing);
  close_handle(idle_, closing);
  close_handle(giving_back_, closing);
  if (watchdog_ != nullptr) close_handle(watchdog_, closing);
}

void Reactor::add(std::shared_ptr<Connection> connection) { connections_.push_back(std::move(connection)); }

void Reactor::remove(Connection* connection) {
  std::replace(posted_.begin(), posted_.end(), connection, static_cast<Connection*>(nullptr));
  const auto found = std::find_if(connections_.begin(), connections_.end(),
                                  [&](const auto& entry) { return entry.get() == connection; });
  if (found == connections_.end()) return;
  removed_.push_back(std::move(*found));
  *found = std::move(connections_.back());
  connections_.pop_back();
  // The next turn frees it.
  schedule();
}

void Reactor::activate(Lane* lane) {
  lane->idle_from = 0;
  idle_from_ = 0;
  active_.push_back(lane);
  schedule();
}

void Reactor::deactivate(Lane* lane) {
  std::replace(active_.begin(), active_.end(), lane, static_cast<Lane*>(nullptr));
}

void Reactor::forget(Lane* lane) {
  deactivate(lane);
  std::erase(taken_, lane);
}

void Reactor::post(Connection* connection) {
  if (std::find(posted_.begin(), posted_.end(), connection) == posted_.end()) posted_.push_back(connection);
  schedule();
}

// While something is left to do, an idle handle keeps the loop from sleeping.
void Reactor::schedule() {
  const bool wanted = !stopping_ && !(active_.empty() && posted_.empty() && removed_.empty());
  if (wanted == idling_) return;
  idling_ = wanted;
  if (wanted) {
    uv_idle_start(idle_, keep_awake);
  } else {
    uv_idle_stop(idle_);
  }
}

// libuv does not wait while an idle handle is started, so ours is stopped for the question.
bool Reactor::others_wait() {
  if (idling_) uv_idle_stop(idle_);
  const bool waiting = uv_backend_timeout(loop_) == 0;
  if (idling_) uv_idle_start(idle_, keep_awake);
  return waiting;
}

bool Reactor::has_time(uint64_t now) {
  if (woken_from_ == 0) woken_from_ = now;
  return now - woken_from_ <= kBusyTurn;
}

void Reactor::turn() {
  release_removed();
  // Connections that are posted have time of their own, and so have lanes that a bell wakes after this turn, however long it takes.
  woken_from_ = 0;
  process_posted();
  if (!active_.empty()) poll_active();
  woken_from_ = 0;
  note_taken();
  release_removed();
  schedule();
  if (stirred_ && give_back_after_ != kUnusedMilliseconds) [[unlikely]] plan_giving_back();
}

void Reactor::plan_giving_back() {
  give_back_after_ = kUnusedMilliseconds;
  start_giving_back();
}

void Reactor::start_giving_back() {
  give_back_due_ = 0;
  if (stopping_) return;
  uv_timer_start(
      giving_back_, [](uv_timer_t* handle) { static_cast<Reactor*>(handle->data)->give_back(true); }, give_back_after_, 0);
}

void Reactor::give_back(bool scratch) {
  const bool stirred = std::exchange(stirred_, false);
  const bool rings = memory_comes_on_use();
  bool more = false;
  // The handlers of JavaScript may close connections.
  const std::vector<std::shared_ptr<Connection>> connections = connections_;
  for (const auto& connection : connections) {
    for (auto& lane : connection->lanes()) more = lane->give_back(rings, scratch) || more;
  }
  if (!more && !stirred_) {
    give_back_after_ = 0;
    return;
  }
  give_back_after_ = stirred || stirred_ ? kUnusedMilliseconds : std::max(give_back_after_ * 2, kUnusedMilliseconds);
  if (give_back_after_ > kLongestUnused) give_back_after_ = 0;
  else start_giving_back();
}

void Reactor::give_back_if_due(uint64_t now) {
  if (!stirred_ && give_back_after_ == 0) return;
  if (give_back_due_ == 0) {
    give_back_due_ = now + kUnusedMilliseconds * 1'000'000;
  } else if (now >= give_back_due_) {
    give_back_due_ = 0;
    give_back(false);
  }
}

void Reactor::note_taken() {
  if (taken_.empty()) return;
  const double now = wall_clock();
  for (Lane* lane : taken_) lane->note_taken(now);
  taken_.clear();
}

// The loop itself has called us, so nothing further up the stack refers to connections that were closed.
void Reactor::release_removed() {
  for (const auto& connection : removed_) connection->release();
  removed_.clear();
}

void Reactor::process_posted() {
  // Connections that are posted from now on have their time in the next turn.
  std::vector<Connection*> posted;
  posted.swap(posted_);
  for (size_t i = 0; i < posted.size(); ++i) {
    // A connection that was closed by the one before it is in removed_, alive, and does nothing.
    if (posted[i] != nullptr) posted[i]->process();
  }
}

void Reactor::poll_active() {
  const uint64_t start = uv_hrtime();
  unsigned dry = 0;
  bool busy = false;
  uint64_t unclocked = 0;
  while (!active_.empty() && !stopping_) {
    bool found = false;
    // The handlers of JavaScript may add lanes and take lanes out.
    for (size_t i = 0; i < active_.size(); ++i) {
      Lane* lane = active_[i];
      if (lane == nullptr) continue;
      const uint64_t before = lane->received();
      const Lane::Poll outcome = lane->poll();
      if (outcome == Lane::Poll::gone) active_[i] = nullptr;
      if (outcome != Lane::Poll::found) continue;
      idle_from_ = 0;
      // The lane may have been taken out, and be in the list again; it stays in memory until the turn is over.
      if (active_[i] == lane && dry > 0) lane->spin().hit();
      found = true;
      unclocked += kMessagesAnEntry + lane->received() - before;
      if (unclocked < kMessagesAClock) continue;
      unclocked = 0;
      if (uv_hrtime() - start <= kBusyTurn) continue;
      // The next turn begins with the lane after it.
      std::rotate(active_.begin(), active_.begin() + static_cast<ptrdiff_t>(i) + 1, active_.end());
      std::erase(active_, nullptr);
      return;
    }
    std::erase(active_, nullptr);
    if (found) {
      dry = 0;
      busy = true;
      continue;
    }
    ++dry;
    if (dry == kHurriedPasses && others_wait()) {
      park_idle(uv_hrtime());
      break;
    }
    if (dry % kPassesAClock == 0) {
      const uint64_t now = uv_hrtime();
      park_idle(now);
      if (now - start > (busy ? kBusyTurn : kIdleTurn)) break;
    }
    if (dry > kHotPasses) relax_cpu();
    // A posted connection has something to tell from the loop, such as an end that a lane has found.
    if (!posted_.empty()) break;
  }
}

void Reactor::park_idle(uint64_t now) {
  if (idle_from_ == 0) idle_from_ = now;
  bool missed = false;
  for (Lane*& lane : active_) {
    if (lane->idle_from == 0) lane->idle_from = now;
    const uint64_t idle = now - lane->idle_from;
    const uint64_t window = lane->spin().window();
    const bool over = lane->spins_with_others() ? now - idle_from_ >= window || idle >= kForgotten : idle >= window;
    if (!over || !lane->park()) continue;
    if (lane->spins_with_others() && now - idle_from_ >= window) missed = true;
    lane = nullptr;
  }
  std::erase(active_, nullptr);
  if (!missed) return;
  slept_from_ = now;
  // One miss for all of them.
  if (spin_.window() > 0) spin_.miss();
}

void Reactor::check_parked() {
  for (const auto& connection : connections_) {
    for (auto& lane : connection->lanes()) lane->rescue();
  }
}

}  // namespace ringbell
