import { ClosedError, CorruptError, PeerDiedError, type RingbellError } from "./errors.js";

/** How a peer ends a connection: it closes it, its process ends without closing it, or it breaks the protocol. */
export type PeerEnd = "peer-closed" | "peer-died" | "protocol-error";

/**
 * Why a channel has ended. `ended`: this side called `close` or `destroy`. `peer-closed`: the peer did.
 * `peer-died`: the peer's process ended without closing the channel. `protocol-error`: the peer broke the
 * protocol, or says that this side did.
 */
export type CloseReason = "ended" | PeerEnd;

/**
 * How one connection ends; the only place that knows. The connection and its channel set it, and the first to
 * do so decides. Lanes, senders, receivers and waiting allocations read it.
 */
export class Ending {
  /** The reason of the end; undefined while the connection is open. */
  reason: CloseReason | undefined;
  /** The error that calls throw after the end, or after `close` was called. */
  error: RingbellError | undefined;
  readonly #pid: number | undefined;
  /** The error that was given to `destroy`. */
  #given: Error | undefined;
  /** Whether this side could not go on, for a reason that is not the peer's. */
  #failed = false;

  /** `pid`: the peer's process, for the texts of errors. */
  constructor(pid?: number) {
    this.#pid = pid;
  }

  /** The failure of either side; undefined for an end in order: a loop over the channel then ends without an error. */
  get failure(): RingbellError | undefined {
    const failed = this.reason === "peer-died" || this.reason === "protocol-error" || this.#failed;
    return failed ? this.error : undefined;
  }

  /** The error of either side that the close event reports. */
  get fault(): Error | undefined {
    return this.failure ?? this.#given;
  }

  /** Whether the peer ended the connection. */
  get byPeer(): boolean {
    return this.reason !== undefined && this.reason !== "ended";
  }

  /** Called when this side begins to close: new calls throw, but waiting sends still go out. */
  closing(): void {
    this.error ??= new ClosedError("the channel was closed by this side");
  }

  /** Called when this side has ended the connection. `error`: what calls throw from now on, if the program gave an error. */
  byUs(error?: Error): void {
    if (this.reason !== undefined) return;
    this.#given = error;
    if (error !== undefined) this.error = error as RingbellError;
    this.closing();
    this.reason = "ended";
  }

  /** Called when this side can't go on, because the system refuses it something. The peer is told only that this side closes. */
  weFailed(error: RingbellError): void {
    if (this.reason !== undefined) return;
    this.#failed = true;
    this.error = error;
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

  /** Called when the peer broke the protocol; `how` says it in words. */
  peerBroke(how: string): void {
    this.#set("protocol-error", () => new CorruptError(`the peer broke the protocol: ${how}`));
  }

  /** Called when the peer has closed because, in its view, this side broke the protocol. */
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
