import { ClosedError, CorruptError, PeerDiedError, type RingbellError } from "./errors.js";

/** How a peer ends a connection: it closes it, its process ends without closing it, or it breaks the protocol. */
export type PeerEnd = "peer-closed" | "peer-died" | "protocol-error";

/**
 * Why a channel has ended: `ended`, by this side's `close` or `destroy`; `peer-closed`, by the peer's; `peer-died`, the peer's
 * process ended without closing it; `protocol-error`, the peer broke the protocol, or says that this side did.
 */
export type CloseReason = "ended" | PeerEnd;

/**
 * How one connection ends: the only place that knows. The connection and its channel set it, and the first to do so decides; lanes, senders,
 * receivers and those who wait for memory read it.
 */
export class Ending {
  /** Why it has ended; undefined while it has not. */
  reason: CloseReason | undefined;
  /** What calls throw that come after the end, or after `close` was called. */
  error: RingbellError | undefined;
  readonly #pid: number | undefined;
  /** The error that `destroy` was given. */
  #given: Error | undefined;

  /** `pid`: the peer's process, for the words. */
  constructor(pid?: number) {
    this.#pid = pid;
  }

  /** What the peer did wrong; undefined where the end is in order: then a loop over the channel ends without an error. */
  get failure(): RingbellError | undefined {
    return this.reason === "peer-died" || this.reason === "protocol-error" ? this.error : undefined;
  }

  /** What went wrong on either side, as the close event tells it. */
  get fault(): Error | undefined {
    return this.failure ?? this.#given;
  }

  /** Whether the peer ended it. */
  get byPeer(): boolean {
    return this.reason !== undefined && this.reason !== "ended";
  }

  /** This side closes: nothing new is accepted, but what waits still goes out. */
  closing(): void {
    this.error ??= new ClosedError("the channel was closed by this side");
  }

  /** This side has ended it; `error`: what the program wants calls to throw from now on. */
  byUs(error?: Error): void {
    if (this.reason !== undefined) return;
    this.#given = error;
    if (error !== undefined) this.error = error as RingbellError;
    this.closing();
    this.reason = "ended";
  }

  peerClosed(): void {
    this.#set("peer-closed", () => new ClosedError("the peer has closed the channel"));
  }

  peerDied(cause?: unknown): void {
    const who = this.#pid === undefined ? "the peer" : `the peer, process ${this.#pid},`;
    const options = cause === undefined ? undefined : { cause };
    this.#set("peer-died", () => new PeerDiedError(`${who} ended without closing the channel`, options));
  }

  /** The peer broke the protocol; `how` in words. */
  peerBroke(how: string): void {
    this.#set("protocol-error", () => new CorruptError(`the peer broke the protocol: ${how}`));
  }

  /** The peer has closed because this side, so it says, broke the protocol. */
  peerAccuses(): void {
    const words = "the peer says that this side broke the protocol, and has closed the channel";
    this.#set("protocol-error", () => new CorruptError(words));
  }

  #set(reason: PeerEnd, makeError: () => RingbellError): void {
    if (this.reason !== undefined) return;
    this.reason = reason;
    this.error = makeError();
  }
}
