// How a side says that it sleeps, and how the other finds out that it must wake it. No system call: the functions say what is to be
// done, the caller does it.
//
// Both directions are Dekker's pattern over the total order of sequentially consistent operations:
//
//   sleeper:  announce (store state)      waker:  change (publish a record, report a position)
//             look again (load change)            claim_wake (load state)
//
// In that order at least one of the two loads sees the other side's store: the sleeper stays awake, or the waker wakes it. With
// weaker orders a store may be delayed past the load after it on both sides, and a sleeper is lost.
//
// The waker takes the announcement back (exchange), so that each sleep costs one wake-up, which is a system call, at most.
#pragma once

#include <atomic>
#include <cstdint>

namespace ringbell {

enum class Parked : uint32_t {
  awake = 0,
  loop = 1,   // in the event loop: ring the bell, a byte on the socket
  futex = 2,  // in a synchronous wait: wake the futex, which is the state word itself
};

// Partner: claim_wake on the other side. To be followed by another look at what is waited for.
inline void announce(std::atomic<uint32_t>& state, Parked where) {
  state.store(static_cast<uint32_t>(where), std::memory_order_seq_cst);
}

// Takes the announcement back, because the sleeper is up without having been woken. A wake-up that was claimed already may still come;
// it does no harm. But a claim that is under way, for a change that was seen long ago, may take back the next announcement: a
// sleeper that is woken and finds nothing announces itself again. Relaxed: a waker that still sees the announcement rings once in
// vain.
inline void withdraw(std::atomic<uint32_t>& state) {
  state.store(static_cast<uint32_t>(Parked::awake), std::memory_order_relaxed);
}

// Partner: announce on the other side. Comes after a sequentially consistent store of the change.
inline Parked claim_wake(std::atomic<uint32_t>& state) {
  if (state.load(std::memory_order_seq_cst) == static_cast<uint32_t>(Parked::awake)) return Parked::awake;
  const uint32_t was = state.exchange(static_cast<uint32_t>(Parked::awake), std::memory_order_seq_cst);
  if (was == static_cast<uint32_t>(Parked::awake)) return Parked::awake;
  // A state that no peer should write counts as `loop`, which costs us least: a byte on the peer's own socket.
  return was == static_cast<uint32_t>(Parked::futex) ? Parked::futex : Parked::loop;
}

}  // namespace ringbell
