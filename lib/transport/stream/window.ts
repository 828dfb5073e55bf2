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
