/** A receiver reports what it has taken each time that it is this part of the capacity. */
const REPORT_PART = 8;

/** What a sender may still send in a lane, and who waits for what of it. Counts bytes of records, headers and padding included. */
export class SendWindow {
  readonly capacity: number;
  /** Bytes sent that the peer has not reported as taken. */
  inFlight = 0;
  /** How often a send found no room. */
  fullCount = 0;
  /** Since when (ms since the epoch) a sender has been waiting for room. */
  blockedSince: number | undefined;
  /** What may be in flight: the capacity, or -1 while the lane is taken up by a message with blocks. */
  #limit: number;
  /** Bytes in flight that are not with the wire yet. */
  #reserved = 0;
  /** All bytes that the peer has reported as taken. */
  #taken = 0;
  /** What the send that found no room needs. */
  #need = 0;
  #roomAsked = false;
  #roomDue = false;
  /** For each `wantTaken` that is open: what `#taken` must reach. */
  readonly #targets: number[] = [];

  constructor(capacity: number) {
    this.capacity = capacity;
    this.#limit = capacity;
  }

  fits(bytes: number): boolean {
    return this.inFlight + bytes <= this.#limit;
  }

  /** Whether a record is reserved for. */
  get reserved(): boolean {
    return this.#limit < 0;
  }

  /** A record of `bytes` bytes, which fit, will go out later, and nothing before it. */
  reserve(bytes: number): void {
    this.inFlight += bytes;
    this.#reserved = bytes;
    this.#limit = -1;
  }

  /** It has gone out. Whether `onRoom` is due now. */
  unreserve(): boolean {
    this.#reserved = 0;
    this.#limit = this.capacity;
    return this.#look();
  }

  /** A record of `bytes` bytes found no room, or may not have. */
  needs(bytes: number): void {
    this.#need = bytes;
  }

  /** The peer reports that it has taken so many bytes more. False if they were never sent. */
  peerTook(bytes: number): boolean {
    if (bytes === 0 || bytes > this.inFlight - this.#reserved) return false;
    this.inFlight -= bytes;
    this.#taken += bytes;
    this.#look();
    return true;
  }

  /** Someone waits for the room that was needed last. Whether it is there by now. */
  wantRoom(): boolean {
    this.blockedSince ??= Date.now();
    this.#roomAsked = true;
    return this.#look();
  }

  /** Someone waits until all that was sent before has been taken. */
  wantTaken(): void {
    this.#targets.push(this.#taken + this.inFlight);
  }

  /** Whether `onRoom` is due; asking answers it. */
  answersRoom(): boolean {
    if (!this.#roomDue) return false;
    this.#roomDue = false;
    this.#roomAsked = false;
    this.blockedSince = undefined;
    return true;
  }

  /** Whether an `onTaken` is due; asking answers it. */
  answersTaken(): boolean {
    if (this.#targets.length === 0 || this.#targets[0]! > this.#taken) return false;
    this.#targets.shift();
    return true;
  }

  #look(): boolean {
    if (this.#roomAsked && this.fits(this.#need)) this.#roomDue = true;
    return this.#roomDue;
  }
}

/** What a receiver has taken, and when the sender is to hear of it. */
export class ReceiveWindow {
  readonly #capacity: number;
  /** Bytes taken that the sender does not know of. */
  #unreported = 0;
  /** The sender has asked, and so many bytes were before its question and are not taken yet; -1 if it has not. */
  #asked = -1;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** Bytes that the sender may still send while `fill` bytes wait to be taken. */
  left(fill: number): number {
    return this.#capacity - fill - this.#unreported;
  }

  /** The sender wants a report when the `fill` bytes that wait now have been taken. */
  asks(fill: number): void {
    this.#asked = fill;
  }

  took(bytes: number): void {
    this.#unreported += bytes;
    if (this.#asked > 0) this.#asked = Math.max(0, this.#asked - bytes);
  }

  /** Whether a report is due: much was taken, or the sender's question is to be answered. */
  get isDue(): boolean {
    return this.#asked === 0 || this.#unreported >= this.#capacity / REPORT_PART;
  }

  /** Bytes to be reported, now. A report because much was taken does not answer a question about the records behind as well. */
  report(): number {
    const bytes = this.#unreported;
    this.#unreported = 0;
    if (this.#asked === 0) this.#asked = -1;
    return bytes;
  }
}
