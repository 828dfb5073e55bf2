import type { Duplex, Readable, Writable } from "node:stream";
import { checkBoolean, checkInteger, checkOneOf, checkOptions } from "../check.js";
import { clearTimeout, setTimeout, type Timer } from "../clock.js";
import { ClosedError } from "../errors.js";
import type { CloseOptions, Peer } from "../port.js";
import { EventPort, textOf } from "./event-port.js";
import { type Deframer, deframer, type Framing, framed } from "./framing.js";

/** How long (ms) the other side may take what was sent, when the port is closed. As long as a channel gives its peer. */
const CLOSE_TIMEOUT = 5000;

export interface DuplexPortOptions {
  /**
   * Whether answers go out after the other side has ended its writing, as `nc` does at the end of its input. The port then closes when all
   * calls are answered. Default false: the end of what comes is the end of the port.
   */
  readonly halfOpen?: boolean | undefined;
  /** How messages follow one another. Default `lines`. */
  readonly framing?: Framing | undefined;
  /** The longest message to receive, in bytes, 1 to 1 GiB. A longer one ends the port. Default 16 MiB. */
  readonly maxMessageBytes?: number | undefined;
}

/** Two streams, such as those of a child process: what it writes, and what it reads. */
export interface StreamPair {
  readonly readable: Readable;
  readonly writable: Writable;
}

/**
 * Makes a port of a stream of bytes: a socket, a pipe, or the standard streams of a process. Messages are JSON. Blocks can't be sent.
 * The port ends with the stream, and destroys it when it is closed.
 */
export function duplexPort(stream: Duplex | StreamPair, options: DuplexPortOptions = {}): EventPort {
  checkOptions(options, ["framing", "maxMessageBytes", "halfOpen"], "options");
  const { framing = "lines", maxMessageBytes = 16 * 1024 * 1024, halfOpen = false } = options;
  checkBoolean(halfOpen, "options.halfOpen");
  checkOneOf(framing, "options.framing", ["lines", "length", "content-length"]);
  checkInteger(maxMessageBytes, "options.maxMessageBytes", 1, 1024 ** 3);
  const pair =
    "readable" in stream && typeof stream.readable === "object"
      ? stream
      : { readable: stream as Duplex, writable: stream as Duplex };
  return new DuplexPort(pair, framing, maxMessageBytes, halfOpen);
}

/** Makes a port of a socket on which a peer speaks lines, and may end its writing before it has its answers. */
export function linesPort(socket: Duplex, peer: Peer, maxMessageBytes: number): EventPort {
  const pair = { readable: socket, writable: socket };
  return new DuplexPort(pair, "lines", maxMessageBytes, true, peer);
}

class DuplexPort extends EventPort {
  readonly peer: Peer | undefined;
  readonly #readable: Readable;
  readonly #writable: Writable;
  readonly #framing: Framing;
  readonly #deframer: Deframer;
  /** Resolves when the writable takes more; sends wait for it, in order. */
  #room: Promise<void> | undefined;
  /** What fails the sends that are being written. A stream that is destroyed need not call back. */
  readonly #writing = new Set<(cause?: Error) => void>();
  readonly readingEnded: Promise<void> | undefined;

  constructor(
    { readable, writable }: StreamPair,
    framing: Framing,
    maxMessageBytes: number,
    halfOpen: boolean,
    peer?: Peer,
  ) {
    super();
    this.peer = peer;
    this.#readable = readable;
    this.#writable = writable;
    this.#framing = framing;
    this.#deframer = deframer(framing, maxMessageBytes, (text) => this.deliverText(text));
    readable.on("data", (chunk: Uint8Array | string) => this.#read(chunk));
    if (halfOpen) this.readingEnded = new Promise((resolve) => readable.once("end", () => resolve()));
    else readable.on("end", () => this.#finish("peer-closed"));
    for (const each of new Set([readable, writable])) {
      each.on("error", (error) => this.#finish("peer-died", error));
      each.on("close", () => this.#finish("peer-closed"));
    }
  }

  override get pauses(): boolean {
    return true;
  }

  protected override reading(on: boolean): void {
    if (this.isOver) return;
    if (on) this.#readable.resume();
    else this.#readable.pause();
  }

  trySend(message: unknown): boolean {
    this.mustBeOpen();
    if (this.#room !== undefined) return false;
    if (this.#writable.writableNeedDrain) return false;
    this.#write(message);
    return true;
  }

  /** Resolves when the stream has written the message: a program that ends then loses nothing. */
  send(message: unknown): Promise<void> {
    const sending: Promise<void> = this.#send(message).catch((error) => {
      // A peer that goes must not bring down a program that does not wait for its sends.
      if (error instanceof ClosedError) sending.catch(() => {});
      throw error;
    });
    return sending;
  }

  async #send(message: unknown): Promise<void> {
    this.mustBeOpen();
    // The text is made now: the program may change the message meanwhile.
    const bytes = framed(this.#framing, textOf(message));
    const before = this.#room;
    if (before === undefined && !this.#writable.writableNeedDrain) return this.#written(bytes);
    const turn = (before ?? Promise.resolve())
      .then(() => this.#drained())
      // The next message does not wait until this one is written.
      .then(() => ({ written: this.#written(bytes) }));
    const room = turn.then(({ written }) => {
      written.catch(() => {});
      if (this.#room === room) this.#room = undefined;
    });
    room.catch(() => {});
    this.#room = room;
    await (await turn).written;
  }

  #written(bytes: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const fail = (cause?: Error) =>
        reject(new ClosedError("the stream ended before the message was written", { cause }));
      this.#writing.add(fail);
      this.#writable.write(bytes, (error) => {
        this.#writing.delete(fail);
        if (error) fail(error);
        else resolve();
      });
    });
  }

  /** Ends the writable when it has taken all, or after the time of the options, and lets the stream go. */
  async close({ timeout = CLOSE_TIMEOUT }: CloseOptions = {}): Promise<void> {
    if (this.isOver) return;
    let timer: Timer | undefined;
    const late = new Promise<void>((resolve) => {
      if (timeout < Number.POSITIVE_INFINITY) timer = setTimeout(resolve, timeout);
    });
    await Promise.race([this.#ended(), late]);
    clearTimeout(timer);
    this.#finish("ended");
  }

  /** Resolves when the writable has taken all, or is gone. */
  async #ended(): Promise<void> {
    await this.#room?.catch(() => {});
    await new Promise<void>((resolve) => {
      this.#writable.once("close", resolve);
      this.#writable.end(() => resolve());
    });
  }

  destroy(error?: Error): void {
    this.#finish("ended", error);
  }

  #write(message: unknown): void {
    this.#writable.write(framed(this.#framing, textOf(message)));
  }

  #read(chunk: Uint8Array | string): void {
    if (this.isOver) return;
    try {
      this.#deframer.push(typeof chunk === "string" ? Buffer.from(chunk) : chunk);
    } catch (error) {
      // Where the next message begins is not known any more.
      this.bad(error as Error);
      this.#finish("protocol-error", error as Error);
    }
  }

  async #drained(): Promise<void> {
    while (this.#writable.writableNeedDrain) {
      this.mustBeOpen();
      await new Promise<void>((resolve) => {
        const go = () => {
          this.#writable.off("drain", go);
          this.#writable.off("close", go);
          resolve();
        };
        this.#writable.on("drain", go);
        this.#writable.on("close", go);
      });
    }
    this.mustBeOpen();
  }

  #finish(reason: "ended" | "peer-closed" | "peer-died" | "protocol-error", error?: Error): void {
    if (this.isOver) return;
    this.over(reason, error);
    for (const fail of this.#writing) fail(error);
    this.#writing.clear();
    // It may tell of errors still, which nobody waits for.
    for (const each of new Set([this.#readable, this.#writable])) {
      each.on("error", () => {});
      each.destroy();
    }
  }
}
