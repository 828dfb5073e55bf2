import { Duplex } from "node:stream";
import { checkInteger, checkOptions, checkSignal } from "../check.js";
import { nextTick } from "../clock.js";
import { bytes } from "../codec/bytes.js";
import { ClosedError, InvalidArgumentError } from "../errors.js";
import { raise } from "../raise.js";
import { offAbort, onAbort } from "../signal.js";
import { resumeInTurn, turnIsOver } from "../transport/loop-turn.js";
import type { Endable, LaneCore, LaneEnd } from "./lane-core.js";

/** The options of `toDuplex`. */
export interface LaneDuplexOptions {
  /**
   * Whether this side may go on writing after the other side has ended its direction. Default false: this
   * side is ended too, as soon as its reader has got everything.
   */
  readonly allowHalfOpen?: boolean | undefined;
  /** The stream reads ahead until this many bytes wait for the reader. Default 65536. */
  readonly readableHighWaterMark?: number | undefined;
  /** `write` returns false while this many bytes wait for room. Default 65536. */
  readonly writableHighWaterMark?: number | undefined;
  /** Destroys the stream when the signal is aborted. */
  readonly signal?: AbortSignal | undefined;
}

const OPTIONS = ["allowHalfOpen", "readableHighWaterMark", "writableHighWaterMark", "signal"];
const HIGH_WATER_MARK = 64 * 1024;
/**
 * The longest piece of a chunk that is sent as one message, so that the reader gets a steady flow. A piece
 * that is too long for the ring goes by a block.
 */
const LONGEST_PIECE = 256 * 1024;
/** Chunks that wait together are joined up to this length, because copying them costs less than a message for each. */
const JOINED = 64 * 1024;
/** The message that ends one direction. */
const END_MARK = new Uint8Array(0);
/** A peer reports what it has taken when that reaches this part of the capacity, or when it is asked. */
const REPORT_PART = 8;

/**
 * Makes a byte stream over a lane. Throws an InvalidArgumentError unless the lane's codec is `bytes()`, and a
 * ConsumerBusyError if the lane has a consumer already.
 */
export function duplexOf(
  core: LaneCore<Uint8Array, Uint8Array>,
  channel: Endable | undefined,
  options: LaneDuplexOptions,
): Duplex {
  checkOptions(options, OPTIONS, "options");
  const { allowHalfOpen = false, readableHighWaterMark, writableHighWaterMark } = options;
  if (typeof allowHalfOpen !== "boolean") {
    throw new InvalidArgumentError("options.allowHalfOpen", "true or false", allowHalfOpen);
  }
  const settings = {
    allowHalfOpen,
    readableHighWaterMark: markOf(readableHighWaterMark, "options.readableHighWaterMark"),
    writableHighWaterMark: markOf(writableHighWaterMark, "options.writableHighWaterMark"),
  };
  const signal = checkSignal(options.signal, "options.signal");
  for (const [direction, codec] of Object.entries(core.codecs)) {
    if (codec.name === "bytes" && codec.fingerprint === bytes().fingerprint) continue;
    const argument = `codec.${direction} of the lane ${core.transport.name}`;
    throw new InvalidArgumentError(argument, "bytes(), in both directions, for toDuplex()", codec.name);
  }
  const duplex = new LaneDuplex(core, channel, settings);
  if (signal !== undefined) destroyOnAbort(duplex, signal);
  return duplex;
}

/** Like `addAbortSignal` of node:stream, but any number of streams add one listener to their signal. */
function destroyOnAbort(duplex: Duplex, signal: AbortSignal): void {
  const destroy = () => {
    const error = new Error("The operation was aborted", { cause: signal.reason });
    duplex.destroy(Object.assign(error, { name: "AbortError", code: "ABORT_ERR" }));
  };
  if (signal.aborted) {
    destroy();
    return;
  }
  onAbort(signal, destroy);
  duplex.once("close", () => offAbort(signal, destroy));
}

function markOf(value: number | undefined, argument: string): number {
  return checkInteger(value ?? HIGH_WATER_MARK, argument, 0, Number.MAX_SAFE_INTEGER);
}

interface Settings {
  readonly allowHalfOpen: boolean;
  readonly readableHighWaterMark: number;
  readonly writableHighWaterMark: number;
}

type Done = (error?: Error | null) => void;

/**
 * A byte stream in both directions. The boundaries of its messages mean nothing, except that the empty
 * message ends its direction. On the lane `main`, the channel is closed when both directions have ended and
 * all was taken.
 */
class LaneDuplex extends Duplex {
  readonly #core: LaneCore<Uint8Array, Uint8Array>;
  readonly #channel: Endable | undefined;
  readonly #messages: AsyncIterableIterator<Uint8Array>;
  /** Whether each message that arrives has memory of its own. */
  readonly #private: boolean;
  /** Messages that `#endIsNear` read before the stream asked for them. */
  readonly #ahead: Promise<IteratorResult<Uint8Array>>[] = [];
  #pulling = false;
  /** The peer has ended its direction, and the stream has read the end mark. */
  #peerEnded = false;
  /** Takes back the sends that wait for room when the stream is destroyed. */
  readonly #sending = new AbortController();
  /** This side is ending its direction; all its data has been sent. */
  #ending = false;
  #end: LaneEnd | undefined;
  readonly #ignoreEnd: () => void;

  constructor(core: LaneCore<Uint8Array, Uint8Array>, channel: Endable | undefined, settings: Settings) {
    super(settings);
    this.#core = core;
    this.#channel = channel;
    this.#private = core.codecs.receive === bytes();
    this.#messages = core.receiver.iterate();
    this.#ignoreEnd = core.whenEnded((end) => this.#onEnd(end));
    // Reading begins now: the peer's end must be noticed even if the program never reads.
    this.read(0);
  }

  override _read(): void {
    if (this.#pulling || this.#peerEnded) return;
    this.#pulling = true;
    const next = this.#ahead.shift() ?? this.#messages.next();
    void next.then(
      (result) => this.#take(result),
      (error: Error) => this.#fail(error),
    );
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Done): void {
    this.#settle(this.#send([chunk]), done);
  }

  override _writev(writes: readonly { readonly chunk: Buffer }[], done: Done): void {
    this.#settle(this.#send(writes.map(({ chunk }) => chunk)), done);
  }

  override _final(done: Done): void {
    this.#ending = true;
    this.#settle(this.#sendEnd(), done);
  }

  override _destroy(error: Error | null, done: Done): void {
    this.#ignoreEnd();
    void this.#messages.return?.();
    const channel = this.#channel;
    // The mark of our end still goes out in two cases. `for await` destroys the stream after it has read to
    // the end. `pipeline` destroys, with an error, a stream whose "finish" was the last thing that it waited
    // for.
    if (this.readableEnded && (this.writableFinished || (error === null && this.#ending))) {
      if (channel === undefined) done();
      else channel.close().then(() => done(), done);
      return;
    }
    this.#sending.abort();
    channel?.destroy(error ?? undefined);
    done(error);
  }

  #take({ done, value }: IteratorResult<Uint8Array>): void {
    if (this.destroyed) return;
    if (done === true) {
      this.#cutOff();
      return;
    }
    // `push` may call `_read` at once, so the flag is cleared first.
    this.#pulling = false;
    if (value.length > 0) {
      const chunk = this.#private
        ? Buffer.from(value.buffer, value.byteOffset, value.length)
        : Buffer.from(value);
      try {
        this.push(chunk);
      } catch (error) {
        // A "data" listener threw, and the stream asks for no more by itself.
        raise(error);
        this._read();
      }
      return;
    }
    this.#peerEnded = true;
    this.push(null);
    // This read makes "end" come even without a reader, provided that nothing was left to read.
    this.read(0);
  }

  /** Called when the channel ends before the peer's direction did. */
  #cutOff(): void {
    if (this.#end?.byPeer === true) {
      this.#fail(new ClosedError("the peer has closed the channel before the end of its data"));
    }
  }

  #fail(error: Error): void {
    // A program that only writes, and knows that all was taken, is not told that there was something to read.
    const unread = this.readableFlowing === null && this.listenerCount("readable") === 0;
    this.destroy(unread && this.writableFinished ? undefined : error);
  }

  #onEnd(end: LaneEnd): void {
    this.#end = end;
    // The reader first gets what arrived before the peer went, and then learns of the end by `_read`.
    if (end.byPeer && !(this.readableEnded && !this.writableEnded)) return;
    void this.#core.whyEnded().then((why) => {
      this.destroy(!end.byPeer && why instanceof ClosedError ? undefined : (why as Error));
    });
  }

  async #send(chunks: readonly Buffer[]): Promise<void> {
    const { sender } = this.#core;
    const { signal } = this.#sending;
    for (const piece of pieces(chunks, Math.min(sender.limit, LONGEST_PIECE))) {
      await sender.send(piece, signal);
    }
  }

  #settle(work: Promise<void>, done: Done): void {
    work.then(
      () => {
        if (turnIsOver()) resumeInTurn(done);
        else nextTick(done);
      },
      (error: Error) => {
        if (this.destroyed) done();
        // This side has ended the channel, and `#onEnd` says with which error the stream ends, if with any.
        else if (this.#end?.byPeer === false) this.once("close", () => done());
        else done(error);
      },
    );
  }

  async #sendEnd(): Promise<void> {
    const { sender } = this.#core;
    const { signal } = this.#sending;
    try {
      await sender.send(END_MARK, signal);
      await sender.flush(signal);
    } catch (error) {
      if (!(await this.#nothingLost())) throw error;
    }
  }

  /**
   * Called when the peer has gone before it could report what it took. Returns whether the peer had ended its
   * direction and had taken ours.
   */
  async #nothingLost(): Promise<boolean> {
    const end = this.#end;
    if (end === undefined || !end.byPeer) return false;
    // If our end only answered the peer's, the program did not ask whether all has arrived. It is then not
    // told of the last part, which the peer may have taken without a report.
    const answers = this.readableEnded && !this.allowHalfOpen;
    const lazy = end.inOrder || answers ? this.#core.transport.capacity / REPORT_PART : 0;
    return end.unreported <= lazy && (this.#peerEnded || (await this.#endIsNear()));
  }

  /**
   * Returns whether the mark of the peer's end is among what has arrived. The channel has ended, so no more
   * will come, and all of it is in memory.
   */
  async #endIsNear(): Promise<boolean> {
    try {
      for (;;) {
        const next = this.#messages.next();
        this.#ahead.push(next);
        const { done, value } = await next;
        if (done === true) return this.#peerEnded;
        if (value.length === 0) return true;
      }
    } catch {
      return this.#peerEnded;
    }
  }
}

/** Yields the bytes of the chunks in pieces of at most `most` bytes: short chunks joined, long ones cut, none empty. */
function* pieces(chunks: readonly Buffer[], most: number): Generator<Buffer> {
  const joined = Math.min(most, JOINED);
  let short: Buffer[] = [];
  let length = 0;
  for (const chunk of chunks) {
    if (length > 0 && length + chunk.length > joined) {
      yield short.length === 1 ? short[0]! : Buffer.concat(short, length);
      short = [];
      length = 0;
    }
    if (chunk.length > joined) {
      for (let at = 0; at < chunk.length; at += most) yield chunk.subarray(at, at + most);
    } else if (chunk.length > 0) {
      short.push(chunk);
      length += chunk.length;
    }
  }
  if (length > 0) yield short.length === 1 ? short[0]! : Buffer.concat(short, length);
}
