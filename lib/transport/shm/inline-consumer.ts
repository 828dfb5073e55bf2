import type { Scratch } from "../../codec/codec.js";
import { RECORD_HEADER, recordBytes } from "../records/record-layout.js";
import {
  AWAKE,
  BYTES_EACH,
  END_WORDS,
  LIMIT,
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

  /** Says how many bytes each message has that is taken here. They are counted by their number. */
  expect(bytes: number): void {
    this.own[BYTES_EACH] = bytes;
  }

  /** Whether messages are taken here. Most codecs have them drained. */
  get isUsed(): boolean {
    return this.own[BYTES_EACH] !== 0;
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
    return at + RECORD_HEADER;
  }

  /** Not while the producer waits: it must hear how far this end has come. */
  private nothing(): number {
    return this.peer[0] === AWAKE ? NOTHING : NOT_INLINE;
  }

  private lookAt({ data, peer, marked }: RingViews): void {
    this.data = data;
    this.words = data.words;
    this.peer = peer;
    this.marked = marked;
  }
}
