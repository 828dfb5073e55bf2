// Lane: its parts and its counters. Its work is in lane_sending.cc, lane_receiving.cc and lane_sleeping.cc.
#include "lane.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>
#include <unistd.h>
#include <uv.h>

#include "connection.h"
#include "reactor.h"
#include "waiting.h"

namespace ringbell {

namespace {

// Scratch for a batch: what the second-level cache takes easily. A scratch grows where one message needs more.
constexpr size_t kScratchBytes = 64 * 1024;

// What a lane begins with is one piece of memory: the control words, a small inbox, and the outbox. Of that a lane with short messages
// touches one page. The inbox grows when more is there than it holds.
constexpr size_t kInboxAt = 128;
constexpr size_t kOutboxAt = 2048;
// The lane of the blocks sends records of up to 24 bytes, one by one, and most channels have none. It does with less than a page.
constexpr size_t kBulkOutboxAt = 512;
constexpr size_t kBulkOutboxBytes = 128;
static_assert(sizeof(ControlWords) <= kInboxAt);

size_t within(size_t bytes, uint64_t capacity) {
  return std::clamp<size_t>(bytes, kHeaderBytes, capacity / kRecordShare);
}

// Memory of a page or more is mapped, so that each page of it comes when it is used, and can be given back.
size_t page_bytes() {
  static const auto bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}

std::byte* allocate(size_t size) {
  void* bytes = size < page_bytes()
                    ? std::calloc(size, 1)
                    : mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  // As operator new does without exceptions, and V8 where memory is out.
  if (bytes == nullptr || bytes == MAP_FAILED) std::abort();
  return static_cast<std::byte*>(bytes);
}

}  // namespace

Memory::Memory(size_t size) : bytes(allocate(size)), size(size) {}
Memory::~Memory() { release(); }
void Memory::release() {
  if (!owned) return;
  if (size < page_bytes()) std::free(bytes);
  else munmap(bytes, size);
}
void Memory::lend(std::byte* other) {
  std::memcpy(other, bytes, size);
  release();
  bytes = other;
  owned = false;
}
void Memory::give_back([[maybe_unused]] size_t at) {
#if defined(__linux__)
  const size_t first = align_up(at, page_bytes());
  if (owned && size >= page_bytes() && first < size) (void)madvise(bytes + first, size - first, MADV_DONTNEED);
#endif
}

Lane::Lane(Connection& connection, uint32_t index, bool listener, int64_t spin, unsigned cores)
    : connection_(connection),
      index_(index),
      producer_(connection.region().control(index, listener ? 0 : 1), connection.region().data(index, listener ? 0 : 1),
                connection.region().capacities()[index], uv_hrtime),
      consumer_(connection.region().control(index, listener ? 1 : 0), connection.region().data(index, listener ? 1 : 0),
                connection.region().capacities()[index]),
      loop_spin_(spin, cores),
      wait_spin_(spin, cores),
      idle_since_(wall_clock()) {
  const bool blocks = index > 0 && index + 1 == connection.region().lanes();
  const size_t out = blocks ? kBulkOutboxAt : kOutboxAt;
  const size_t out_bytes = within(blocks ? kBulkOutboxBytes : kScratchBytes, producer_.capacity());
  control_ = std::make_shared<Memory>(out + out_bytes);
  inbox_ = {control_, kInboxAt, within(out - kInboxAt, consumer_.capacity())};
  outbox_ = {control_, out, out_bytes};
  control_moved();
  producer_.stir(connection_.reactor().stirred());
}

void Lane::control_moved() {
  producer_.keep_in(words().producer);
  consumer_.keep_in(words().consumer);
}

const std::shared_ptr<Memory>& Lane::grow_outbox(size_t bytes) {
  const size_t size = within(bytes, producer_.capacity());
  outbox_ = {std::make_shared<Memory>(size), 0, size};
  return outbox_.memory;
}

const std::shared_ptr<Memory>& Lane::grow_inbox(size_t bytes) {
  const size_t size = within(std::max(bytes, kScratchBytes), consumer_.capacity());
  inbox_ = {std::make_shared<Memory>(size), 0, size};
  connection_.reactor().stir();
  return inbox_.memory;
}

bool Lane::give_back(bool rings, bool scratch) {
  if (connection_.over()) return false;
  const bool quiet = traffic_before_ == traffic();
  traffic_before_ = traffic();
  const uint64_t produced = producer_.produced();
  if (rings && (!ring_is_left_ || used_from_ != produced)) {
    // What the peer says of its position is judged where it is needed.
    if (!producer_.refresh()) return false;
    const Producer::Span span = producer_.leave(used_from_);
    const uint64_t capacity = producer_.capacity();
    std::byte* const data = producer_.data();
    const uint64_t begin = span.from & (capacity - 1);
    const uint64_t end = begin + (span.to - span.from);
    connection_.region().give_back(data + begin, data + std::min(end, capacity));
    if (end > capacity) connection_.region().give_back(data, data + (end - capacity));
    ring_is_left_ = used_from_ == produced && producer_.fill() == 0;
    used_from_ = produced;
  }
  if (scratch && quiet && given_back_at_ != traffic()) {
    given_back_at_ = traffic();
    // No message stands in the outbox when JavaScript does not run: one that waits for room has memory of its own.
    if (outbox_.memory != nullptr) outbox_.memory->give_back(outbox_.at);
    if (inbox_.memory != control_) connection_.events().quiet(index_);
  }
  return !ring_is_left_ || given_back_at_ != traffic();
}

void Lane::give_back_inbox() {
  if (inbox_.memory != control_) inbox_.memory->give_back(0);
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
