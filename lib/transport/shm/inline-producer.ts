import type { Scratch } from "../../codec/codec.js";
import type { InlinePlace } from "../../codec/inline.js";
import type { Place } from "../records/place.js";
import { RECORD_HEADER, recordBytes } from "../records/record-layout.js";
import {
  AWAKE,
  BYTES,
  BYTES_EACH,
  END_WORDS,
  LIMIT,
  LONGEST_COPY,
  MESSAGES,
  ORDERED_LOADS,
  POSITION,
  PUBLISHED,
} from "./inline-words.js";
import { NO_RING, type RingViews } from "./ring-views.js";

/**
 * Sends plain short records that find room and do not wrap, without a call of the addon: what `Producer::push` of native/ring.h does with
 * such records. Both share the position and its limit, so either may be called at any time. The limit is within the room that is known
 * and within what watchers were told. The addon lowers it to the position wherever the next record must come by itself: when the lane
 * has ended, and after an attempt that found the ring full.
 *
 * No field of the shared memory is believed here: the position and the limit are private.
 */
export class InlineProducer implements InlinePlace {
  // No #members: see "The straight line" in docs/architecture.md.

  /** Where a message goes that finds no place in the ring. */
  declare readonly place: Place;
  /** The ring. */
  declare view: DataView;
  /** Messages that wait for room. None may overtake them. */
  earlier: { readonly length: number } = [];
  declare private readonly own: Int32Array;
  declare private readonly wakePeer: () => void;
  declare private readonly roomFor: (bytes: number) => boolean;
  declare private data: Scratch;
  declare private words: Int32Array;
  declare private peer: Int32Array;
  /** The bytes of the ring, and the bits of a position that count within it; 0 while there is no ring. */
  private end = 0;
  private mask = 0;

  /**
   * `control`: the lane's control words. `at`: the index of the first word of this end. `roomFor` asks the addon to look for room for a
   * record, and to raise the limit.
   */
  constructor(
    control: ArrayBuffer,
    at: number,
    place: Place,
    wakePeer: () => void,
    roomFor: (bytes: number) => boolean,
  ) {
    this.own = new Int32Array(control, at * Int32Array.BYTES_PER_ELEMENT, END_WORDS);
    this.place = place;
    this.wakePeer = wakePeer;
    this.roomFor = roomFor;
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

  /** Returns the place in the ring for a payload of `bytes` bytes, or -1. Hot. */
  claim(bytes: number): number {
    const { own } = this;
    const position = own[POSITION]!;
    const at = position & this.mask;
    const size = recordBytes(bytes);
    // Not up to the end of the ring: the header behind the record would stand at its beginning. The difference is right for lower
    // halves, too, since the room is never more than a ring.
    if (at + size >= this.end || ((own[LIMIT]! - position) | 0) < size + RECORD_HEADER) return -1;
    return this.earlier.length > 0 ? -1 : at + RECORD_HEADER;
  }

  /** Publishes the payload of `bytes` bytes that was written at `at`, where `claim` has put it. Hot. */
  publish(at: number, bytes: number): void {
    const { own, words } = this;
    const size = recordBytes(bytes);
    const header = (at - RECORD_HEADER) >> 2;
    const next = header + (size >> 2);
    // The header after this record. The second word of this one is zero already: it was the header after the last.
    words[next] = 0;
    words[next + 1] = 0;
    // No carry into the upper half: the record ends within the same lap of the ring.
    own[POSITION] = own[POSITION]! + size;
    own[MESSAGES] = (own[MESSAGES]! + 1) | 0;
    if (own[BYTES_EACH] === 0) own[BYTES] = (own[BYTES]! + bytes) | 0;
    this.release(header, bytes);
  }

  private release(header: number, bytes: number): void {
    const { peer } = this;
    // Release: pairs with the acquire load in Consumer::next, or in InlineConsumer.take; the payload and the cleared header come first.
    // Sequentially consistent: pairs with Consumer::ready after its announcement, as in Producer::publish.
    Atomics.store(this.words, header, bytes | PUBLISHED);
    // Sequentially consistent: pairs with `announce` of the peer's consumer (native/parking.h). The addon takes the word back.
    if ((ORDERED_LOADS ? peer[0] : Atomics.load(peer, 0)) !== AWAKE) this.wakePeer();
  }

  // ---- for batches

  /** The words of the ring. */
  get ringWords(): Int32Array {
    return this.words;
  }

  /** Where the next record goes. */
  get offset(): number {
    return this.own[POSITION]! & this.mask;
  }

  /** The bytes of records that find room there, without the header behind them, which must not stand at the ring's beginning. */
  get room(): number {
    const { own, end } = this;
    return Math.min((own[LIMIT]! - own[POSITION]!) | 0, end - this.offset) - RECORD_HEADER;
  }

  /** Looks for room for a record that would not wrap. Returns false if there is none, and if the addon must send the record. */
  findRoom(bytes: number): boolean {
    const size = recordBytes(bytes);
    return this.offset + size < this.end && this.earlier.length === 0 && this.roomFor(size);
  }

  /**
   * Publishes records that stand from `first` to `next`, of which the first has `firstBytes` bytes. `bytes`: of all payloads.
   */
  publishRun(first: number, firstBytes: number, next: number, count: number, bytes: number): void {
    const { own, words } = this;
    words[next >> 2] = 0;
    words[(next >> 2) + 1] = 0;
    own[POSITION] = own[POSITION]! + (next - first);
    own[MESSAGES] = (own[MESSAGES]! + count) | 0;
    if (own[BYTES_EACH] === 0) own[BYTES] = (own[BYTES]! + bytes) | 0;
    this.release(first >> 2, firstBytes);
  }

  // ---- one by one

  /** Sends the message of `bytes` bytes that stands alone at the place. Returns false, and does nothing, if the addon must do it. Hot. */
  copy(bytes: number): boolean {
    const each = this.own[BYTES_EACH];
    if (bytes > LONGEST_COPY || (each !== 0 && each !== bytes)) return false;
    const to = this.claim(bytes);
    if (to < 0) return false;
    const { words, place } = this;
    const from = place.scratch.words;
    const ahead = (to - place.at) >> 2;
    const end = (place.at + bytes) >> 2;
    for (let i = place.at >> 2; i < end; i++) words[i + ahead] = from[i]!;
    if ((bytes & 3) !== 0) this.copyRest(to, bytes);
    this.publish(to, bytes);
    return true;
  }

  /** Copies the bytes behind the last whole word. Not the word: what stands behind the message is not the peer's business. */
  private copyRest(to: number, bytes: number): void {
    const { scratch, at } = this.place;
    for (let i = bytes & ~3; i < bytes; i++) this.data.buffer[to + i] = scratch.buffer[at + i]!;
  }

  private lookAt({ data, peer }: RingViews): void {
    this.data = data;
    this.words = data.words;
    this.view = data.view;
    this.peer = peer;
  }
}
