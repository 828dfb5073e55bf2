import type { Scratch } from "../../codec/codec.js";
import { RECORD_HEADER, recordBytes } from "../records/record-layout.js";
import {
  AWAKE,
  BYTES,
  BYTES_EACH,
  END_WORDS,
  LENGTH,
  LIMIT,
  LONGEST_COPY,
  MESSAGES,
  ORDERED_LOADS,
  POSITION,
  PUBLISHED,
} from "./inline-words.js";
import { NO_RING, type RingViews } from "./ring-views.js";

/** No record is there. */
export const NOTHING = 0;
/** The addon must look. */
export const NOT_INLINE = -1;
/** The addon must take the record, which is too long to be copied here. */
export const TOO_LONG = -2;

/**
 * Takes plain short records that are published, without a call of the addon: what `Consumer::drain` of native/ring.h does with such a
 * record. Both share the position and its limit, so either may be called at any time. The limit is where a report to the producer is due
 * at the latest. The addon lowers it to the position where nobody may take: when the lane has ended.
 *
 * The peer may write anything at any time. Each word is loaded once, and checked against what is private here.
 */
export class InlineConsumer {
  // No #members: see "The straight line" in docs/architecture.md.

  /** The ring. */
  declare data: Scratch;
  declare private readonly own: Int32Array;
  declare private words: Int32Array;
  declare private peer: Int32Array;
  private marked = 0;
  /** The bytes of the ring, and the bits of a position that count within it; 0 while there is no ring. */
  private end = 0;
  private mask = 0;

  /** `control`: the lane's control words. `at`: the index of the first word of this end. */
  constructor(control: ArrayBuffer, at: number) {
    this.own = new Int32Array(control, at * Int32Array.BYTES_PER_ELEMENT, END_WORDS);
    this.lookAt(NO_RING);
  }

  open(views: RingViews): void {
    this.lookAt(views);
    this.end = views.data.length;
    this.mask = views.data.length - 1;
  }

  /** Leaves the ring, whose memory is about to go. */
  leave(): void {
    this.end = this.mask = 0;
    this.lookAt(NO_RING);
  }

  /** Says that all messages have so many bytes: then they are counted by their number. */
  expect(bytes: number): void {
    this.own[BYTES_EACH] = bytes;
  }

  /**
   * Takes the next record, whose payload has `bytes` bytes. Returns where the payload stands in the ring. It stays there until the next call of
   * the lane, which may report that it was taken; but the peer could change it. Returns NOTHING or NOT_INLINE if none was taken. Hot.
   */
  take(bytes: number): number {
    const { own, words } = this;
    const position = own[POSITION]!;
    const at = position & this.mask;
    const word = at >> 2;
    // Acquire: pairs with Producer::publish, or InlineProducer.publish; the payload is there if the header is.
    const header = ORDERED_LOADS ? words[word]! : Atomics.load(words, word);
    if (header !== (bytes | PUBLISHED)) return header >= 0 ? this.nothing() : NOT_INLINE;
    const size = recordBytes(bytes);
    const messages = (own[MESSAGES]! + 1) | 0;
    // The second word has the kind of the record: 0 is a plain one. A producer that waits must hear that its record was taken; the addon
    // tells it, and measures the message that the producer has marked. Both are hints: relaxed, as in Consumer::should_report.
    if (
      words[word + 1] !== 0 ||
      at + size >= this.end ||
      ((own[LIMIT]! - position) | 0) <= size ||
      this.peer[0] !== AWAKE ||
      this.peer[this.marked] === messages
    ) {
      return NOT_INLINE;
    }
    // No carry into the upper half: the record ends within the same lap of the ring.
    own[POSITION] = position + size;
    own[MESSAGES] = messages;
    if (own[BYTES_EACH] === 0) own[BYTES] = (own[BYTES]! + bytes) | 0;
    return at + RECORD_HEADER;
  }

  // ---- for batches

  /**
   * Returns how many of the next records have payloads of `bytes` bytes and can be read where they are, at most `most`; `at` is the first. They
   * are not taken. Returns NOT_INLINE if there is none but the addon must look. Hot.
   */
  ready(bytes: number, most: number): number {
    const { own, words, mask } = this;
    const position = own[POSITION]!;
    const first = position & mask;
    const size = recordBytes(bytes);
    // The bounds are those of `take`. The comparison with 0 is for lower halves.
    const room = Math.min(this.end - first, (own[LIMIT]! - position) | 0) - 1;
    const marked = (this.peer[this.marked]! - own[MESSAGES]!) | 0;
    let count = room < size ? 0 : Math.min(most, Math.floor(room / size));
    if (marked > 0 && marked <= count) count = marked - 1;
    const step = size >> 2;
    let word = first >> 2;
    let ready = 0;
    // Acquire: as in `take`.
    for (; ready < count; ready++, word += step) {
      const header = ORDERED_LOADS ? words[word]! : Atomics.load(words, word);
      if (header !== (bytes | PUBLISHED) || words[word + 1] !== 0) break;
    }
    if (ready > 0) return this.peer[0] === AWAKE ? ready : NOT_INLINE;
    const header = ORDERED_LOADS ? words[first >> 2]! : Atomics.load(words, first >> 2);
    return header >= 0 ? this.nothing() : NOT_INLINE;
  }

  /** Where the payload of the next record stands in the ring. */
  get at(): number {
    return (this.own[POSITION]! & this.mask) + RECORD_HEADER;
  }

  /** Takes records that were `ready`. */
  pass(count: number, bytes: number): void {
    const { own } = this;
    own[POSITION] = own[POSITION]! + count * recordBytes(bytes);
    own[MESSAGES] = (own[MESSAGES]! + count) | 0;
    if (own[BYTES_EACH] === 0) own[BYTES] = (own[BYTES]! + count * bytes) | 0;
  }

  // ---- one by one

  /** Takes the next record as the only one of a scratch. Returns 1, NOTHING, NOT_INLINE or TOO_LONG. Hot. */
  copy(scratch: Scratch): number {
    const { own, words } = this;
    const word = (own[POSITION]! & this.mask) >> 2;
    const header = ORDERED_LOADS ? words[word]! : Atomics.load(words, word);
    if (header >= 0) return this.nothing();
    const bytes = header & LENGTH;
    if (bytes > LONGEST_COPY) return TOO_LONG;
    const each = own[BYTES_EACH];
    if (each !== 0 && each !== bytes) return NOT_INLINE;
    const at = this.take(bytes);
    if (at < 0) return at;
    const to = scratch.words;
    to[0] = bytes;
    to[1] = 0;
    const ahead = (RECORD_HEADER - at) >> 2;
    const end = (at + bytes) >> 2;
    for (let i = at >> 2; i < end; i++) to[i + ahead] = words[i]!;
    if ((bytes & 3) !== 0) this.copyRest(scratch, at, bytes);
    return 1;
  }

  /** Not while the producer waits: it must hear how far this end has come. */
  private nothing(): number {
    return this.peer[0] === AWAKE ? NOTHING : NOT_INLINE;
  }

  private copyRest(scratch: Scratch, at: number, bytes: number): void {
    const from = this.data.buffer;
    for (let i = bytes & ~3; i < bytes; i++) scratch.buffer[RECORD_HEADER + i] = from[at + i]!;
  }

  private lookAt({ data, peer, marked }: RingViews): void {
    this.data = data;
    this.words = data.words;
    this.peer = peer;
    this.marked = marked;
  }
}
