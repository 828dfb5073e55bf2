// A single-producer single-consumer ring of variable-size records, where the record's header publishes it. No system
// call, no Node.
//
// The header word, not a separate index, tells the consumer that a record is there: for a small message one cache line
// travels. The idea of records that carry their own state is Aeron's (Agrona's ManyToOneRingBuffer); private cached
// copies of the other side's position are from rigtorp/SPSCQueue.
//
// The other process may write anything into the shared words at any time. Each is loaded once into a local, and checked
// against what this side knows for itself, before it is used.
//
// Both ends stand in this one file, though it is long: each atomic operation names its partner at the other end.
#pragma once

#include <algorithm>
#include <cstring>

#include "layout.h"
#include "parking.h"

namespace ringbell {

// memcpy whose common short case is inlined.
inline void copy_bytes(std::byte* to, const std::byte* from, uint64_t bytes) {
  if (bytes > 64) {
    std::memcpy(to, from, bytes);
    return;
  }
  for (; bytes >= 16; bytes -= 16, to += 16, from += 16) std::memcpy(to, from, 16);
  if ((bytes & 8) != 0) {
    std::memcpy(to, from, 8);
    to += 8;
    from += 8;
  }
  if ((bytes & 4) != 0) {
    std::memcpy(to, from, 4);
    to += 4;
    from += 4;
  }
  for (bytes &= 3; bytes > 0; --bytes) *to++ = *from++;
}

// A load that the compiler does not join with its neighbours.
inline uint32_t load_word(const std::byte* from) {
  uint32_t word;
  std::memcpy(&word, from, sizeof word);
  asm volatile("" : "+r"(word));
  return word;
}

// As copy_bytes, for what was stored just now, field by field: in words of 4 bytes. A wider load that needs more than one store can't be
// served from the store buffer. It waits until these stores are in the cache, and thus for the lines that the stores before them
// have asked the peer's core for.
inline void copy_fields(std::byte* to, const std::byte* from, uint64_t bytes) {
  if (bytes > 64) {
    std::memcpy(to, from, bytes);
    return;
  }
  for (; bytes >= 8; bytes -= 8, to += 8, from += 8) {
    const uint32_t words[] = {load_word(from), load_word(from + 4)};
    std::memcpy(to, words, sizeof words);
  }
  copy_bytes(to, from, bytes);
}

// Where the kind of a record stands in private memory: in the upper half of the header's second word.
inline constexpr unsigned kScratchKindShift = 16;
// A consumer reports its position once it has taken this part of the ring: an eighth.
inline constexpr uint64_t kReportShare = 8;
// A quiet ring keeps the last messages for those that watch, if they are no longer than this: the eighth of a ring of the default size.
inline constexpr uint64_t kKeptForWatchers = 32 * 1024;
// The inline way takes at most so many bytes before a visit to native code.
inline constexpr uint64_t kInlineStretch = 32 * 1024;

// An end shares these words with the inline way (lib/transport/shm/inline-producer.ts, inline-consumer.ts): JavaScript that sends and
// takes plain short records without coming here. The words lie in memory of this side alone. Both ways may be taken in any order.
struct EndWords {
  uint64_t position;  // how far this end has come
  // The inline way goes as far as this, and nowhere from a position that is not below it.
  uint64_t limit;
  uint32_t messages;    // the lower half of their number
  uint32_t bytes_each;  // of the payloads that go the inline way
};

// The position of an end, and how much has passed it.
class Progress {
 public:
  Progress() = default;
  Progress(const Progress& other) : Progress() { *this = other; }
  Progress& operator=(const Progress& other) {
    *words_ = *other.words_;
    messages_ = other.messages_;
    bytes_ = other.bytes_;
    return *this;
  }
  // The words there have the same values already.
  void move_to(EndWords& words) { words_ = &words; }

  uint64_t position() const { return words_->position; }
  void go_to(uint64_t position) { words_->position = position; }
  uint64_t limit() const { return words_->limit; }
  void set_limit(uint64_t limit) { words_->limit = limit; }
  uint64_t messages() const { return messages_ + inline_messages(); }
  uint64_t bytes() const { return bytes_ + inline_bytes(); }
  void count(uint64_t messages, uint64_t bytes) {
    if (inline_messages() != 0) [[unlikely]] take_over();
    messages_ += messages;
    bytes_ += bytes;
    words_->messages = static_cast<uint32_t>(messages_);
  }

 private:
  // Of the inline way, since the last count. Between two calls it goes less far than a ring is long, so its halves never come round unseen.
  uint32_t inline_messages() const { return words_->messages - static_cast<uint32_t>(messages_); }
  uint64_t inline_bytes() const { return uint64_t{inline_messages()} * words_->bytes_each; }
  void take_over() {
    bytes_ += inline_bytes();
    messages_ += inline_messages();
  }

  EndWords own_{};
  EndWords* words_ = &own_;
  uint64_t messages_ = 0;
  uint64_t bytes_ = 0;
};

enum class Push { ok, full, too_large, corrupt };
enum class Take { ok, empty, too_small, corrupt };

// Where a ring lies: private to each end.
class Ring {
 protected:
  Ring(RingControl* control, std::byte* data, uint64_t capacity)
      : control_(control), data_(data), mask_(capacity - 1) {}

  std::atomic<uint64_t>& header_at(uint64_t position) const {
    return *reinterpret_cast<std::atomic<uint64_t>*>(data_ + (position & mask_));
  }
  std::byte* payload_at(uint64_t position) const { return data_ + (position & mask_) + kHeaderBytes; }
  uint64_t to_the_end(uint64_t position) const { return capacity() - (position & mask_); }

  RingControl* control_;
  std::byte* data_;
  uint64_t mask_;

 public:
  uint64_t capacity() const { return mask_ + 1; }
  std::byte* data() const { return data_; }
};

class Producer : public Ring {
 public:
  // `clock`: the monotonic one, in ns; without one, no message is measured.
  Producer(RingControl* control, std::byte* data, uint64_t capacity, uint64_t (*clock)() = nullptr)
      : Ring(control, data, capacity), clock_(clock) {}

  // Publishes one record, or does nothing. `too_large` also for a kind that no message has. After `ok` the caller passes
  // `wake_consumer()`.
  Push push(const std::byte* payload, uint64_t length, uint32_t kind = kMessage) {
    if (length > longest_payload(capacity()) || !is_message(kind)) return Push::too_large;
    const uint64_t produced = this->produced();
    const Place place = place_at(produced, record_bytes(length));
    if (const Push room = make_room(place.end); room != Push::ok) return room;

    // The header after this record, so that the consumer, done with this one, does not take what a former lap left there.
    // Relaxed: the publication below orders it, and the payload, before what the consumer can see.
    header_at(place.end).store(0, std::memory_order_relaxed);
    copy_fields(payload_at(place.start), payload, length);
    if (place.padding != 0) {
      header_at(place.start).store(make_header(length, kind), std::memory_order_relaxed);
      publish(produced, make_header(place.padding - kHeaderBytes, kPadding));
    } else {
      publish(produced, make_header(length, kind));
    }
    progress_.go_to(place.end);
    progress_.count(1, length);
    return Push::ok;
  }

  // Publishes as many as fit of `count` records that stand packed in private memory of `available` bytes (each an 8-byte header whose
  // first word is the length, then the payload, padded to 8), all at once. Returns how many. `corrupt` tells whether the
  // peer's position was impossible. After a count above 0 the caller passes `wake_consumer()`.
  uint32_t push_batch(const std::byte* packed, uint64_t available, uint32_t count, bool& corrupt) {
    corrupt = false;
    const uint64_t produced = this->produced();
    uint64_t position = produced;
    uint64_t payload = 0;
    uint64_t first_header = 0;
    uint64_t read = 0;
    uint32_t accepted = 0;
    for (; accepted < count && available - read >= kHeaderBytes; ++accepted) {
      uint32_t length;
      std::memcpy(&length, packed + read, sizeof length);
      if (length > longest_payload(capacity()) || length > available - read - kHeaderBytes) break;
      const Place place = place_at(position, record_bytes(length));
      if (const Push room = make_room(place.end); room != Push::ok) {
        corrupt = room == Push::corrupt;
        break;
      }
      copy_bytes(payload_at(place.start), packed + read + kHeaderBytes, length);
      const uint64_t header = make_header(length, kMessage);
      const uint64_t padding = make_header(place.padding - kHeaderBytes, kPadding);
      if (position == produced) {
        // The first header is held back: nothing behind it can be seen before it is published.
        first_header = place.padding != 0 ? padding : header;
      } else if (place.padding != 0) {
        header_at(position).store(padding, std::memory_order_relaxed);
      }
      if (place.start != produced) header_at(place.start).store(header, std::memory_order_relaxed);
      position = place.end;
      read += record_bytes(length);
      // The padding after the last record may be missing in private memory.
      if (read > available) read = available;
      payload += length;
    }
    if (accepted == 0) return 0;
    header_at(position).store(0, std::memory_order_relaxed);
    publish(produced, first_header);
    progress_.go_to(position);
    progress_.count(accepted, payload);
    return accepted;
  }

  // Notes that what was published last wakes the consumer now. A system call follows: beside it the clock costs nothing.
  void mark_woken() {
    if (clock_ != nullptr) mark(messages(), produced());
  }
  // How long the consumer says that marked messages took.
  uint32_t latency(unsigned bucket) const { return control_->latency[bucket].load(std::memory_order_relaxed); }

  // Whether the consumer must be woken after a publication, and where. parking.h has the partner.
  Parked wake_consumer() { return claim_wake(control_->consumer_state); }

  // Looks how far the peer has come. False if what it says is impossible.
  bool refresh() {
    // Acquire: pairs with the store in Consumer::report. The consumer's reads of records that it reported are over before we write
    // there again. Sequentially consistent, because a producer that has announced that it sleeps must not read a
    // position from before its announcement (parking.h).
    const uint64_t consumed = control_->consumed.load(std::memory_order_seq_cst);
    if (consumed < consumed_ || consumed > produced()) return false;
    consumed_ = consumed;
    return true;
  }

  // A producer that is about to sleep says so, then looks again with `refresh`.
  void announce(Parked where) { ringbell::announce(control_->producer_state, where); }
  void withdraw() { ringbell::withdraw(control_->producer_state); }
  // The word that this side sleeps on, and the one that the peer does.
  std::atomic<uint32_t>& state() { return control_->producer_state; }
  std::atomic<uint32_t>& consumer_state() { return control_->consumer_state; }

  uint64_t produced() const { return progress_.position(); }
  // As of the last look.
  uint64_t consumed() const { return consumed_; }
  uint64_t fill() const { return produced() - consumed_; }
  // As of now, for people; what the peer says is not checked but bounded.
  uint64_t latest_fill() const {
    const uint64_t fill = produced() - control_->consumed.load(std::memory_order_relaxed);
    return fill <= capacity() ? fill : capacity();
  }
  uint64_t messages() const { return progress_.messages(); }
  uint64_t bytes() const { return progress_.bytes(); }

  void keep_in(EndWords& words) { progress_.move_to(words); }
  // `flag` becomes true whenever an eighth of the ring was used, about.
  void stir(bool& flag) { stirred_ = &flag; }

  // Positions, none of them twice in the ring.
  struct Span {
    uint64_t from;
    uint64_t to;
  };
  // Where nothing lies that anybody needs: behind the header after the last record, up to where the consumer is one lap earlier, or
  // `used_from`, where this side was some time ago, or what watchers find of the past. What stands there may become zero, which is no record.
  // Watchers are told first, as if it were written to.
  Span leave(uint64_t used_from) {
    if (produced() - anchor_ > kKeptForWatchers) note_anchor();
    const Span span{produced() + kHeaderBytes, std::min({used_from, consumed_, anchor_}) + capacity()};
    if (span.to <= span.from) return {0, 0};
    left_ = std::max(left_, span.to);
    say_limit();
    return span;
  }

  // The next record comes here, and not the inline way. One that finds room opens that again.
  void stop_inline() { progress_.set_limit(produced()); }

 private:
  struct Place {
    uint64_t padding;  // bytes of the padding record before it, or 0
    uint64_t start;
    uint64_t end;
  };

  Place place_at(uint64_t position, uint64_t size) const {
    const uint64_t rest = to_the_end(position);
    const uint64_t padding = size > rest ? rest : 0;
    return {padding, position + padding, position + padding + size};
  }

  // Room up to `end` and for the cleared header after it.
  Push make_room(uint64_t end) {
    if (end + kHeaderBytes <= progress_.limit()) return Push::ok;
    return make_more_room(end + kHeaderBytes);
  }

  Push make_more_room(uint64_t end) {
    if (end - consumed_ > capacity()) {
      if (!refresh()) return Push::corrupt;
      if (end - consumed_ > capacity()) return Push::full;
    }
    if (end > limit_) raise_limit(end);
    progress_.set_limit(std::min(consumed_ + capacity(), limit_));
    return Push::ok;
  }

  // Says how far we may write, an eighth of the ring ahead, so that this line is left alone for most messages. Whoever has copied
  // bytes, and then finds the limit at most a lap ahead of them, knows that they were not overwritten.
  void raise_limit(uint64_t end) {
    limit_ = std::min(end + capacity() / kReportShare, consumed_ + capacity());
    note_anchor();
    say_limit();
    if (stirred_ != nullptr) *stirred_ = true;
    // Here the clock is looked at for none but this message. A mark stays until it is taken: with much in the ring, later ones would
    // replace each before the consumer comes to it.
    if (clock_ != nullptr && control_->consumed.load(std::memory_order_relaxed) >= marked_end_) {
      mark(messages() + 1, produced() + kHeaderBytes);
    }
  }

  void note_anchor() {
    anchor_ = produced();
    anchor_messages_ = messages();
  }

  // To those that watch: the limit, which never falls, and where they find a record that is not overwritten below it.
  void say_limit() {
    const uint64_t limit = std::max(limit_, left_);
    // Until the anchor is whole: the limit alone does not show it, since it may be what it was.
    control_->anchor_limit.store(0, std::memory_order_relaxed);
    control_->limit.store(limit, std::memory_order_relaxed);
    // A full barrier: no byte that is written from here on may be seen before the limit. (A fence of <atomic> would do; with it, GCC
    // refuses to compile for ThreadSanitizer.)
    __sync_synchronize();
    control_->anchor.store(anchor_, std::memory_order_relaxed);
    control_->anchor_messages.store(anchor_messages_, std::memory_order_relaxed);
    control_->anchor_limit.store(limit, std::memory_order_release);
  }

  // Notes when the message of this number is published, for the consumer to see how long it took. Once it has been taken, the consumer
  // has come to `end` at least.
  void mark(uint64_t number, uint64_t end) {
    marked_end_ = end;
    control_->marked_at.store(clock_(), std::memory_order_relaxed);
    // Release: pairs with Consumer::found_mark.
    control_->marked.store(number, std::memory_order_release);
  }

  void publish(uint64_t position, uint64_t header) {
    // Release: pairs with the acquire load in Consumer::next; the payload and the cleared header come first.
    // Sequentially consistent: pairs with Consumer::ready after its announcement. The load of the consumer's
    // state that follows (wake_consumer) must not pass this store, or both would see the other asleep-to-be and nobody rings.
    header_at(position).store(header, std::memory_order_seq_cst);
  }

  // The limit of the inline way: up to there is room, and it is within what was said in `limit`.
  Progress progress_;
  uint64_t consumed_ = 0;
  // How far the ring may be written to before `limit` is said again. What was said is more where memory was left (`leave`).
  uint64_t limit_ = 0;
  uint64_t left_ = 0;
  // Where watchers begin to read.
  uint64_t anchor_ = 0;
  uint64_t anchor_messages_ = 0;
  uint64_t marked_end_ = 0;
  bool* stirred_ = nullptr;
  uint64_t (*clock_)();
};

class Consumer : public Ring {
 public:
  Consumer(RingControl* control, std::byte* data, uint64_t capacity) : Ring(control, data, capacity) {}

  // Copies up to `max` records into private memory of `room` bytes, packed as Producer::push_batch reads them, the kind in the
  // upper half of the header's second word. `count` is how many. `too_small`: the next one needs `needed` bytes, and there is
  // none before it, or if `whole` is set: then all are taken, or none. The positions of what was copied are taken; the producer learns of
  // them by `report`.
  Take drain(std::byte* into, uint64_t room, uint32_t max, uint32_t& count, uint64_t& needed, bool whole = false) {
    uint64_t written = 0;
    uint64_t payload = 0;
    uint64_t position = consumed();
    count = 0;
    while (count < max) {
      uint64_t header;
      const Take next = this->next(position, header);
      if (next == Take::corrupt) {
        progress_.go_to(position);
        progress_.count(count, payload);
        return Take::corrupt;
      }
      if (next == Take::empty) break;
      const uint32_t length = length_of(header);
      const uint64_t size = record_bytes(length);
      if (size > room - written) {
        if (count > 0 && !whole) break;
        needed = size;
        if (count == 0) progress_.go_to(position);
        count = 0;
        return Take::too_small;
      }
      std::memcpy(into + written, &length, sizeof length);
      const uint32_t word = kind_of(header) << kScratchKindShift;
      std::memcpy(into + written + sizeof length, &word, sizeof word);
      // The producer may go on writing here if it is hostile; we copy once and look at the copy only.
      copy_bytes(into + written + kHeaderBytes, payload_at(position), length);
      written += size;
      position += size;
      payload += length;
      ++count;
    }
    progress_.go_to(position);
    if (count == 0) return Take::empty;
    progress_.count(count, payload);
    return Take::ok;
  }

  // Whether a record (or padding, or rubbish) is there.
  bool ready() const {
    // Sequentially consistent: pairs with Producer::publish; a consumer that has announced that it sleeps must not see
    // the header from before its announcement. On x86-64 and ARM64 it costs no more than the acquire.
    return is_published(header_at(consumed()).load(std::memory_order_seq_cst));
  }

  // Whether the producer says that it has written anything. A producer may leave it unsaid. Unlike `ready` it touches no memory of records.
  bool is_used() const { return control_->limit.load(std::memory_order_relaxed) != 0; }

  // Whether the producer should hear of our position now: an eighth of the ring was taken since, or it waits and there is
  // nothing more to take. Laziness keeps the line with the position out of the way of small messages.
  bool should_report() const {
    const uint64_t unreported = consumed() - reported_;
    if (unreported >= capacity() / kReportShare) return true;
    return unreported > 0 && producer_waits() && !ready();
  }

  // Tells the producer how far we are, and returns whether it must be woken.
  Parked report() {
    // Release: pairs with Producer::refresh; our reads of the records end before the producer reuses them. Sequentially
    // consistent: the load of the producer's state in claim_wake must not pass it, or a producer about to sleep reads the old
    // position while we read that it is awake.
    control_->consumed.store(consumed(), std::memory_order_seq_cst);
    reported_ = consumed();
    return claim_wake(control_->producer_state);
  }
  bool unreported() const { return consumed() != reported_; }
  // Relaxed: a hint. A producer that announces itself right after rings, or looks again after our next report.
  bool producer_waits() const { return control_->producer_state.load(std::memory_order_relaxed) != 0; }

  // A consumer that is about to sleep says so, then looks again with `ready`.
  void announce(Parked where) { ringbell::announce(control_->consumer_state, where); }
  void withdraw() { ringbell::withdraw(control_->consumer_state); }
  // The word that this side sleeps on, and the one that the peer does.
  std::atomic<uint32_t>& state() { return control_->consumer_state; }
  std::atomic<uint32_t>& producer_state() { return control_->producer_state; }
  // Whether the producer must be woken when the consumer goes for good, and where.
  Parked wake_producer() { return claim_wake(control_->producer_state); }

  // Bytes of published records that have not been taken, for people: walks at most `limit` headers and trusts none.
  uint64_t fill(unsigned limit = 65536) const {
    uint64_t position = consumed();
    for (; limit > 0; --limit) {
      const uint64_t header = header_at(position).load(std::memory_order_acquire);
      const uint64_t size = record_bytes(length_of(header));
      if (!is_published(header) || size > to_the_end(position) || position + size - consumed() > capacity()) break;
      position += size;
    }
    return position - consumed();
  }
  uint64_t consumed() const { return progress_.position(); }
  uint64_t messages() const { return progress_.messages(); }
  uint64_t bytes() const { return progress_.bytes(); }

  void keep_in(EndWords& words) { progress_.move_to(words); }
  // Whether the inline way has come to its end, or is past it.
  bool at_the_limit() const { return consumed() >= progress_.limit(); }
  // Whether records may be taken the inline way: until a report is due, and not for long without a visit here.
  void allow_inline(bool allow) {
    progress_.set_limit(allow ? std::min(reported_ + capacity() / kReportShare, consumed() + kInlineStretch) : consumed());
  }

  // Whether the message that the producer has marked last is among the `count` that were drained last. The line is in the cache:
  // should_report looks at it as well.
  bool found_mark(uint32_t count) const {
    // Acquire: pairs with Producer::mark.
    return messages() - control_->marked.load(std::memory_order_acquire) < count;
  }
  // Counts how long the marked message has waited. The time is the producer's claim: one in the future is left out.
  void count_latency(uint64_t now) {
    const uint64_t then = control_->marked_at.load(std::memory_order_relaxed);
    if (then > now) return;
    const unsigned bucket = latency_bucket(now - then);
    control_->latency[bucket].store(++latency_[bucket], std::memory_order_relaxed);
  }
  uint32_t latency(unsigned bucket) const { return latency_[bucket]; }

 private:
  // The header of the next record that is no padding, checked. `position` goes past the padding.
  Take next(uint64_t& position, uint64_t& header) const {
    for (;;) {
      // Acquire: pairs with Producer::publish; the payload is there if the header is.
      header = header_at(position).load(std::memory_order_acquire);
      if (!is_published(header)) return Take::empty;
      const uint64_t size = record_bytes(length_of(header));
      const uint64_t rest = to_the_end(position);
      if (kind_of(header) == kPadding) {
        // Ends exactly at the end, and never fills a whole lap: so this loop ends.
        if (size != rest || rest == capacity()) return Take::corrupt;
        position += size;
        continue;
      }
      if (!is_message(kind_of(header)) || size > rest || length_of(header) > longest_payload(capacity())) return Take::corrupt;
      return Take::ok;
    }
  }

  Progress progress_;
  uint64_t reported_ = 0;
  uint32_t latency_[kLatencyBuckets]{};
};

}  // namespace ringbell
