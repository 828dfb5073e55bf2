// Lane: its parts and its counters. Its work is in lane_sending.cc, lane_receiving.cc and lane_sleeping.cc.
#include "lane.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <uv.h>

#include "connection.h"
#include "reactor.h"
#include "waiting.h"

namespace ringbell {

namespace {

// Scratch for a batch: what the second-level cache takes easily. A scratch grows where one message needs more.
constexpr size_t kScratchBytes = 64 * 1024;

std::shared_ptr<Memory> make_scratch(size_t bytes, uint64_t capacity) {
  return std::make_shared<Memory>(std::clamp<size_t>(bytes, kHeaderBytes, capacity / kRecordShare));
}

}  // namespace

Memory::Memory(size_t size) : bytes(static_cast<std::byte*>(std::calloc(size, 1))), size(size) {
  // As operator new does without exceptions, and V8 where memory is out.
  if (bytes == nullptr) std::abort();
}
Memory::~Memory() {
  if (owned) std::free(bytes);
}
void Memory::lend(std::byte* other) {
  std::memcpy(other, bytes, size);
  if (owned) std::free(bytes);
  bytes = other;
  owned = false;
}

Lane::Lane(Connection& connection, uint32_t index, bool listener, int64_t spin, unsigned cores)
    : connection_(connection),
      index_(index),
      producer_(connection.region().control(index, listener ? 0 : 1), connection.region().data(index, listener ? 0 : 1),
                connection.region().capacities()[index], uv_hrtime),
      consumer_(connection.region().control(index, listener ? 1 : 0), connection.region().data(index, listener ? 1 : 0),
                connection.region().capacities()[index]),
      control_(std::make_shared<Memory>(sizeof(ControlWords))),
      outbox_(make_scratch(kScratchBytes, producer_.capacity())),
      inbox_(make_scratch(kScratchBytes, consumer_.capacity())),
      loop_spin_(spin, cores),
      wait_spin_(spin, cores),
      idle_since_(wall_clock()) {
  control_moved();
}

void Lane::control_moved() {
  producer_.keep_in(words().producer);
  consumer_.keep_in(words().consumer);
}

const std::shared_ptr<Memory>& Lane::grow_outbox(size_t bytes) {
  outbox_ = make_scratch(bytes, producer_.capacity());
  return outbox_;
}

const std::shared_ptr<Memory>& Lane::grow_inbox(size_t bytes) {
  inbox_ = make_scratch(bytes, consumer_.capacity());
  return inbox_;
}

SpinPolicy& Lane::spin() { return loop_spin_.adaptive() ? connection_.reactor().spin() : loop_spin_; }

void Lane::note_idle(double now) {
  if (idle_at_ == consumer_.messages()) return;
  idle_at_ = consumer_.messages();
  idle_since_ = now;
}

void Lane::note_taken(double now) {
  if (active_) return;
  set_will_note(false);
  note_idle(now);
}

void Lane::ask_for_note() {
  set_will_note(true);
  connection_.reactor().note(this);
}

void Lane::set_will_note(bool will) {
  will_note_ = will;
  allow_inline_receiving();
}

// Not where nobody would note that messages were taken.
void Lane::allow_inline_receiving() { consumer_.allow_inline(will_note_ && !connection_.over()); }

void Lane::stop_inline() {
  producer_.stop_inline();
  allow_inline_receiving();
}

LaneStats Lane::stats() const {
  LaneStats stats{};
  stats.sent_messages = producer_.messages();
  stats.sent_bytes = producer_.bytes();
  stats.received_messages = consumer_.messages();
  stats.received_bytes = consumer_.bytes();
  stats.full_count = full_count_;
  stats.blocked_since = blocked_since_;
  // While the loop polls the lane, and has found something, somebody is at work on it. Otherwise what has no note yet was taken in this
  // turn of the loop.
  if (idle_at_ == consumer_.messages()) {
    stats.idle_since = idle_since_;
  } else if (!active_ || words().demand != kDemand) {
    stats.idle_since = wall_clock();
  }
  if (!connection_.closed()) {
    stats.send_fill = producer_.latest_fill();
    stats.receive_fill = consumer_.fill();
  }
  return stats;
}

uint32_t Lane::sent_latency(unsigned bucket) const { return connection_.closed() ? 0 : producer_.latency(bucket); }

void Lane::detach() {
  connection_.reactor().forget(this);
  set_active(false, false);
  want_room_ = want_taken_ = false;
}

}  // namespace ringbell
