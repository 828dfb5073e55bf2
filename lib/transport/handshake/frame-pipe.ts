import { clearTimeout, setTimeout, type Timer } from "../../clock.js";
import { HandshakeError, HandshakeTimeoutError, type RingbellError } from "../../errors.js";
import { offAbort, onAbort } from "../../signal.js";
import { ownFailure } from "../wire/own-failure.js";
import { HungUpError } from "../wire/protocol.js";
import type { Wire } from "../wire/wire.js";
import { encodeFrame, FRAME_LIMIT, type Frame, JsonFrameReader } from "./json-frames.js";

/** The most bytes that are kept of data that comes out of turn. */
const EARLY_LIMIT = 2 * FRAME_LIMIT;

interface Waiting {
  readonly query: boolean;
  readonly lines: boolean;
  resolve(frame: Frame | "status" | "lines"): void;
  reject(error: unknown): void;
}

/**
 * Carries frames over a wire, one at a time, until a deadline. Between two reads the wire is not read. So a
 * peer can make it buffer no more than a frame and what the kernel delivers at once.
 */
export class FramePipe {
  readonly #wire: Wire;
  readonly #reader = new JsonFrameReader();
  readonly #closeDescriptor: (descriptor: number) => void;
  readonly #timer: Timer;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = () => this.#fail(this.#signal!.reason);
  #waiting: Waiting | undefined;
  #drained: (() => void) | undefined;
  /** Rejects the work that runs in `during`. */
  #interrupt: ((error: unknown) => void) | undefined;
  #descriptor: number | undefined;
  #failed = false;
  #silent = true;
  #failure: unknown;

  /** `closeDescriptor` closes descriptors that were not asked for. `timeout`: in ms, for all frames together. */
  constructor(
    wire: Wire,
    closeDescriptor: (descriptor: number) => void,
    timeout: number,
    signal?: AbortSignal,
  ) {
    this.#wire = wire;
    this.#closeDescriptor = closeDescriptor;
    this.#timer = setTimeout(() => {
      this.#fail(
        new HandshakeTimeoutError(`the other side did not finish the handshake within ${timeout} ms`),
      );
    }, timeout);
    this.#signal = signal;
    if (signal?.aborted) this.#onAbort();
    if (signal !== undefined) onAbort(signal, this.#onAbort);
  }

  /** Whether no byte has come yet. */
  get silent(): boolean {
    return this.#silent;
  }

  /**
   * Returns the next frame; or "status" for a status query, which is looked for only if `query`; or "lines" for lines of JSON, only if
   * `lines`. Rejects with a HandshakeError, a HandshakeTimeoutError, or the signal's reason.
   */
  read(query = false, lines = false): Promise<Frame | "status" | "lines"> {
    return new Promise((resolve, reject) => {
      this.#waiting = { query, lines, resolve, reject };
      if (this.#failed) this.#settle();
      else if (!this.#look()) this.#listen();
    });
  }

  /** Sends a frame, and a descriptor with it if one is given. */
  write(frame: Frame, descriptor?: number): void {
    const bytes = encodeFrame(frame);
    if (bytes === undefined)
      throw new HandshakeError(`a handshake frame of this side has more than ${FRAME_LIMIT} bytes`);
    this.#wire.write(bytes, descriptor);
  }

  /** Resolves when the kernel has all that was written. */
  async drained(): Promise<void> {
    if (this.#wire.buffered === 0) return;
    await this.during(
      new Promise<void>((resolve) => {
        this.#drained = resolve;
        this.#listen();
      }),
    );
  }

  /** Settles as the promise does, unless the deadline, an abort or the end of the wire comes first. */
  during<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#interrupt = reject;
      if (this.#failed) reject(this.#failure);
      work.then(resolve, reject).finally(() => {
        this.#interrupt = undefined;
      });
    });
  }

  /** Returns the first descriptor that came along, once. The caller owns it. */
  takeDescriptor(): number | undefined {
    const descriptor = this.#descriptor;
    this.#descriptor = undefined;
    return descriptor;
  }

  /** Leaves the wire to its next user. Returns the bytes behind the frames that were read. A descriptor that was not taken is closed. */
  finish(): Uint8Array {
    clearTimeout(this.#timer);
    if (this.#signal !== undefined) offAbort(this.#signal, this.#onAbort);
    this.#wire.setHandler(undefined);
    const descriptor = this.takeDescriptor();
    if (descriptor !== undefined) this.#closeDescriptor(descriptor);
    return this.#reader.rest();
  }

  #listen(): void {
    this.#wire.setHandler({
      onData: (chunk) => this.#onData(chunk),
      onDrain: () => this.#drained?.(),
      onEnd: (error) => this.#fail(hungUp(error)),
    });
  }

  #onData(chunk: Uint8Array): void {
    const descriptor = this.#wire.native ? this.#wire.takeDescriptor() : undefined;
    if (descriptor !== undefined) {
      if (this.#descriptor === undefined) this.#descriptor = descriptor;
      else this.#closeDescriptor(descriptor);
    }
    this.#silent = false;
    this.#reader.push(chunk);
    if (this.#waiting !== undefined) this.#look();
    else if (this.#reader.buffered > EARLY_LIMIT) {
      const bytes = this.#reader.buffered;
      this.#fail(
        new HandshakeError(
          `the other side sent ${bytes} bytes out of turn; at most ${EARLY_LIMIT} are taken`,
        ),
      );
    }
  }

  /** Gives a frame, or an error, to the waiting read. Returns whether the read has ended. */
  #look(): boolean {
    const { query, lines, resolve, reject } = this.#waiting!;
    try {
      const frame = this.#reader.next(query, lines);
      if (frame === undefined) return false;
      resolve(frame);
    } catch (error) {
      reject(error);
    }
    this.#waiting = undefined;
    this.#wire.setHandler(undefined);
    return true;
  }

  #fail(error: unknown): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#failure = error;
    this.#settle();
  }

  #settle(): void {
    this.#waiting?.reject(this.#failure);
    this.#waiting = undefined;
    this.#interrupt?.(this.#failure);
  }
}

function hungUp(cause: Error | undefined): RingbellError {
  const ours = ownFailure(cause, "the system refuses this process to use the socket");
  if (ours !== undefined) return ours;
  return new HungUpError(
    `the other side hung up during the handshake${cause === undefined ? "" : ` (${cause.message})`}`,
    cause === undefined ? undefined : { cause },
  );
}
