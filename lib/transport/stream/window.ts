import { wallClock } from "../../clock.js";

/**
 * How many bytes of records a sender may send in a lane, and which `onRoom` and `onTaken` are due. Bytes include
 * headers and padding.
 */
export class SendWindow {
  /** Bytes sent that the peer has not reported as taken. */
  inFlight = 0;
  /** How often a send found no room. */
  fullCount = 0;
  /** Since when (ms since the epoch) a sender has been waiting for room. */
  blockedSince: number | undefined;
  readonly #capacity: number;
  /** The bytes in flight that are reserved for a record; none while undefined. */
  #reserved: number | undefined;
  /** All bytes that the peer has reported as taken. */
  #taken = 0;
  /** The bytes that the last send without room needs. */
  #need = 0;
  #roomAsked = false;
  #roomDue = false;
  /** The count that `#taken` must reach, for each open `wantTaken`. */
  readonly #targets: number[] = [];

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** Returns whether `bytes` more may be sent: none while a record is reserved, which goes first. */
  fits(bytes: number): boolean {
    return this.#reserved === undefined && this.inFlight + bytes <= this.#capacity;
  }

  /** A sender without room needs it for `bytes` bytes. */
  needs(bytes: number): void {
    this.#need = bytes;
  }

  get isReserved(): boolean {
    return this.#reserved !== undefined;
  }

  /** Reserves room for a record of `bytes` bytes, which fits and goes out later. */
  reserve(bytes: number): void {
    this.inFlight += bytes;
    this.#reserved = bytes;
  }

  /** The record has gone out. Returns whether `onRoom` is due. */
  unreserve(): boolean {
    this.#reserved = undefined;
    return this.#update();
  }

  /** The peer reports `bytes` bytes as taken. Returns false if they are not in flight. */
  peerTook(bytes: number): boolean {
    if (bytes === 0 || bytes > this.inFlight - (this.#reserved ?? 0)) return false;
    this.inFlight -= bytes;
    this.#taken += bytes;
    this.#update();
    return true;
  }

  /** Asks for one `onRoom`. Returns whether it is due. */
  wantRoom(): boolean {
    this.blockedSince ??= wallClock();
    this.#roomAsked = true;
    return this.#update();
  }

  /** Asks for one `onTaken`. */
  wantTaken(): void {
    this.#targets.push(this.#taken + this.inFlight);
  }

  /** Returns whether `onRoom` is due, once. */
  answersRoom(): boolean {
    if (!this.#roomDue) return false;
    this.#roomDue = this.#roomAsked = false;
    this.blockedSince = undefined;
    return true;
  }

  /** Returns whether an `onTaken` is due, once for each. */
  answersTaken(): boolean {
    if (this.#targets.length === 0 || this.#targets[0]! > this.#taken) return false;
    this.#targets.shift();
    return true;
  }

  #update(): boolean {
    if (this.#roomAsked && this.fits(this.#need)) this.#roomDue = true;
    return this.#roomDue;
  }
}
