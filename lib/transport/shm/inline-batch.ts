import type { InlinePlace } from "../../codec/inline.js";
import type { Place } from "../records/place.js";
import { RECORD_HEADER, recordBytes } from "../records/record-layout.js";
import type { InlineProducer } from "./inline-producer.js";
import { PUBLISHED } from "./inline-words.js";
import { NO_RING } from "./ring-views.js";

/** So many bytes of records are published together at most. The receiver works on them while the next are written. */
const MOST_BYTES = 32 * 1024;

/**
 * Records that are written to the ring one behind the other, and published together: what `Producer::push_batch` of native/ring.h does.
 * The header of the first is held back, so nothing behind it can be seen. A producer that dies leaves all of them or none.
 *
 * What stands in the ring belongs to nobody until `publishAll`. Whoever sends on the lane otherwise must call it first.
 */
export class InlineBatch implements InlinePlace {
  // No #members: see "The straight line" in docs/architecture.md.

  /** Where a message goes that finds no place in the ring. */
  declare readonly place: Place;
  /** The ring. */
  view: DataView = NO_RING.data.view;
  declare private readonly out: InlineProducer;
  private words: Int32Array = NO_RING.data.words;
  /** Offsets in the ring: of the first record, of the next one, and of the end of what the batch may take. */
  private first = 0;
  private next = 0;
  private end = 0;
  /** The records that are written, the bytes of their payloads, and those of the first. */
  private count = 0;
  private bytes = 0;
  private firstBytes = 0;
  private published = 0;

  constructor(out: InlineProducer) {
    this.out = out;
    this.place = out.place;
  }

  /** Begins a batch where the ring is free. */
  begin(): void {
    this.published = 0;
    this.open();
  }

  /** Returns the place in the ring for a payload of `bytes` bytes, or -1. Hot. */
  claim(bytes: number): number {
    if (this.next + recordBytes(bytes) > this.end && !this.hasMore(bytes)) return -1;
    // Looked at for each: the message may have a getter, which sends.
    return this.out.earlier.length > 0 ? -1 : this.next + RECORD_HEADER;
  }

  /** Adds the payload of `bytes` bytes that was written at `at`, where `claim` has put it. Hot. */
  publish(at: number, bytes: number): void {
    if (this.count++ === 0) {
      this.firstBytes = bytes;
    } else {
      const { words } = this;
      const header = (at - RECORD_HEADER) >> 2;
      words[header] = bytes | PUBLISHED;
      words[header + 1] = 0;
    }
    this.bytes += bytes;
    this.next += recordBytes(bytes);
  }

  /** Publishes all records that are written. */
  publishAll(): void {
    const { count } = this;
    // The caller may send on the lane. So the next claim begins where the ring is free then.
    this.end = 0;
    this.count = 0;
    // Not if the lane has ended meanwhile, and the ring with it.
    if (count === 0 || this.words !== this.out.ringWords) return;
    this.out.publishRun(this.first, this.firstBytes, this.next, count, this.bytes);
    this.published += count;
  }

  /** Returns how many records were published since `begin`. */
  finish(): number {
    this.publishAll();
    return this.published;
  }

  /** Leaves the ring, whose memory is about to go. What was not published is dropped. */
  leave(): void {
    this.end = 0;
  }

  private open(): void {
    const { out } = this;
    this.view = out.view;
    this.words = out.ringWords;
    this.first = this.next = out.offset;
    this.end = this.first + Math.min(out.room, MOST_BYTES);
    this.bytes = 0;
  }

  /** Goes on behind what is written, if there is room. Rare. */
  private hasMore(bytes: number): boolean {
    this.publishAll();
    this.open();
    if (this.next + recordBytes(bytes) <= this.end) return true;
    if (!this.out.findRoom(bytes)) return false;
    this.open();
    return this.next + recordBytes(bytes) <= this.end;
  }
}
