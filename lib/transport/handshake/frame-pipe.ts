import { HandshakeError, HandshakeTimeoutError, type RingbellError } from "../../errors.js";
import { HungUpError } from "../wire/protocol.js";
import type { Wire } from "../wire/wire.js";
import { encodeFrame, FRAME_LIMIT, type Frame, JsonFrameReader } from "./json-frames.js";

/** The most bytes that are kept of what comes before its turn. */
const EARLY_LIMIT = 2 * FRAME_LIMIT;

interface Waiting {
  readonly query: boolean;
  resolve(frame: Frame | "status"): void;
  reject(error: unknown): void;
}

/**
 * Frames over a wire, one at a time, until a deadline. Between two reads the wire is not read, so that nobody can make
 * it buffer more than a frame and what the kernel delivers at once.
 */
export class FramePipe {
  readonly #wire: Wire;
  readonly #reader = new JsonFrameReader();
  readonly #closeDescriptor: (descriptor: number) => void;
  readonly #timer: NodeJS.Timeout;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = () => this.#fail(this.#signal!.reason);
  #waiting: Waiting | undefined;
  #drained: (() => void) | undefined;
  /** Rejects whatever is under way beside a read. */
  #interrupt: ((error: unknown) => void) | undefined;
  #descriptor: number | undefined;
  #failed = false;
  #silent = true;
  #failure: unknown;

  /** `closeDescriptor` closes descriptors that nobody asked for; `timeout` in ms, for all frames together. */
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
    signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** Whether not a byte has come. */
  get silent(): boolean {
    return this.#silent;
  }

  /**
   * The next frame; "status" for a status query, which is looked for only if `query`. Rejects with a HandshakeError, a
   * HandshakeTimeoutError, or the signal's reason.
   */
  read(query = false): Promise<Frame | "status"> {
    return new Promise((resolve, reject) => {
      this.#waiting = { query, resolve, reject };
      if (this.#failed) this.#settle();
      else if (!this.#look()) this.#listen();
    });
  }

  /** Sends a frame, if need be with a descriptor. */
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

  /** As the promise, unless the deadline or the end comes first. */
  during<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#interrupt = reject;
      if (this.#failed) reject(this.#failure);
      work.then(resolve, reject).finally(() => {
        this.#interrupt = undefined;
      });
    });
  }

  /** The first descriptor that came along, once; the caller owns it. */
  takeDescriptor(): number | undefined {
    const descriptor = this.#descriptor;
    this.#descriptor = undefined;
    return descriptor;
  }

  /** Takes the hands off the wire; returns the bytes that were read too far. A descriptor that nobody took is closed. */
  finish(): Uint8Array {
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener("abort", this.#onAbort);
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

  /** Whether whoever waits for a frame has got one, or an error. */
  #look(): boolean {
    const { query, resolve, reject } = this.#waiting!;
    try {
      const frame = this.#reader.next(query);
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
  return new HungUpError(
    `the other side hung up during the handshake${cause === undefined ? "" : ` (${cause.message})`}`,
    cause === undefined ? undefined : { cause },
  );
}
