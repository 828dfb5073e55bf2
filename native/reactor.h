// One reactor an event loop: polls the rings where traffic flows, parks them when it stops, and lets the loop sleep.
//
// A ring that is in use is looked at again and again in the loop's prepare phase, without leaving native code until there is a
// message. Such a turn is bounded, so that timers and sockets have their time. A ring without traffic is parked: nobody looks at it
// any more, and its producer rings the bell. So a thousand idle rings cost nothing, and do not slow the busy one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <sys/types.h>
#include <vector>

#include "spin.h"

typedef struct uv_loop_s uv_loop_t;
typedef struct uv_prepare_s uv_prepare_t;
typedef struct uv_idle_s uv_idle_t;
typedef struct uv_timer_s uv_timer_t;

namespace ringbell {

class Connection;
class Lane;

class Reactor {
 public:
  // `watchdog`: has Lane::rescue called for each lane every tenth of a second.
  Reactor(uv_loop_t* loop, bool watchdog);
  ~Reactor() = default;
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;

  // Closes all connections as if the process had died, and the handles; calls `done` when libuv has let go of them.
  void shut_down(void (*done)(void*), void* argument);

  void add(std::shared_ptr<Connection> connection);
  // The connection is closed; it stays in memory until nothing on the stack can refer to it.
  void remove(Connection* connection);
  void activate(Lane* lane);
  void deactivate(Lane* lane);
  // Has Lane::note_taken called at the end of the next turn, which the loop has before it sleeps.
  void note(Lane* lane) { taken_.push_back(lane); }
  // The lane is about to go.
  void forget(Lane* lane);
  // Has Connection::process called soon.
  void post(Connection* connection);

  // The policy of all lanes that adapt. They share one, because a process that hears of many peers in turn hears of each rarely, and
  // of one or another all the time.
  SpinPolicy& spin() { return spin_; }
  // A lane that slept was woken by a record.
  void woken(uint64_t now) { spin_.woken(now - slept_from_); }

  // Whether one more lane that was woken may deliver in this turn of the loop: all lanes that are woken at once may together take as
  // long as one turn of polling.
  bool has_time(uint64_t now);

  uv_loop_t* loop() { return loop_; }

  // Lanes have used memory that they may give back when it is not used any more. This is looked at after some seconds, and then again,
  // until no lane has more. A loop without traffic is woken by it a few times, and then no more.
  void stir() { stirred_ = true; }
  bool& stirred() { return stirred_; }
  // The same for a thread that does not come to its loop.
  void give_back_if_due(uint64_t now);

 private:
  void turn();
  void poll_active();
  void park_idle(uint64_t now);
  void process_posted();
  void note_taken();
  void release_removed();
  void schedule();
  // Whether the program itself has something to do at once: an immediate, most likely, or a handle that closes. libuv judges timers by
  // the time of its last look, so a timer that fell due since then waits for the end of the turn.
  bool others_wait();
  void check_parked();
  void plan_giving_back();
  void start_giving_back();
  void give_back(bool scratch);

  uv_loop_t* loop_;
  uv_prepare_t* prepare_;
  uv_idle_t* idle_;
  uv_timer_t* giving_back_;
  uv_timer_t* watchdog_ = nullptr;
  bool stirred_ = false;
  uint64_t give_back_after_ = 0;  // how long until the next look, in ms; 0: none is planned
  uint64_t give_back_due_ = 0;    // when that is, in ns; 0 until a thread that does not come to its loop asks
  bool idling_ = false;
  bool stopping_ = false;
  std::vector<std::shared_ptr<Connection>> connections_;
  std::vector<std::shared_ptr<Connection>> removed_;
  std::vector<Lane*> active_;  // null where a lane was taken out during a pass
  std::vector<Lane*> taken_;   // lanes of which messages were taken
  std::vector<Connection*> posted_;
  SpinPolicy spin_{-1, 2};   // as if there were two cores: each lane knows whether it may adapt at all
  uint64_t idle_from_ = 0;   // since when no lane had anything; 0 until the clock was looked at
  uint64_t woken_from_ = 0;  // when the first lane was woken, before or after the polling of this turn; 0 until then
  uint64_t slept_from_ = 0;  // when the last lane that adapts was put to sleep
};

// The cores that this thread, or the process `peer` (0: none), may run on.
unsigned usable_cores(pid_t peer = 0);

}  // namespace ringbell
