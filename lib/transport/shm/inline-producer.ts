import type { InlinePlace } from "../../codec/inline.js";
import type { Place } from "../records/place.js";
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
  declare private words: Int32Array;
  declare private peer: Int32Array;
  /** The bytes of the ring, and the bits of a position that count within it; 0 while there is no ring. */
  private end = 0;
  private mask = 0;

  /** `control`: the lane's control words. `at`: the index of the first word of this end. */
  constructor(control: ArrayBuffer, at: number, place: Place, wakePeer: () => void) {
    this.own = new Int32Array(control, at * Int32Array.BYTES_PER_ELEMENT, END_WORDS);
    this.place = place;
    this.wakePeer = wakePeer;
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

  /** Says how many bytes each message has that is sent here. They are counted by their number. */
  expect(bytes: number): void {
    this.own[BYTES_EACH] = bytes;
  }

  /** Whether messages are sent here. Those of most codecs are not. */
  get isUsed(): boolean {
    return this.own[BYTES_EACH] !== 0;
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
    const { own, words, peer } = this;
    const size = recordBytes(bytes);
    const header = (at - RECORD_HEADER) >> 2;
    const next = header + (size >> 2);
    // The header after this record. The second word of this one is zero already: it was the header after the last.
    words[next] = 0;
    words[next + 1] = 0;
    // No carry into the upper half: the record ends within the same lap of the ring.
    own[POSITION] = own[POSITION]! + size;
    own[MESSAGES] = (own[MESSAGES]! + 1) | 0;
    // Release: pairs with the acquire load in Consumer::next, or in InlineConsumer.take; the payload and the cleared header come first.
    // Sequentially consistent: pairs with Consumer::ready after its announcement, as in Producer::publish.
    Atomics.store(words, header, bytes | PUBLISHED);
    // Sequentially consistent: pairs with `announce` of the peer's consumer (native/parking.h). The addon takes the word back.
    if ((ORDERED_LOADS ? peer[0] : Atomics.load(peer, 0)) !== AWAKE) this.wakePeer();
  }

  private lookAt({ data, peer }: RingViews): void {
    this.words = data.words;
    this.view = data.view;
    this.peer = peer;
  }
}
