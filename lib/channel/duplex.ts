import { addAbortSignal, Duplex } from "node:stream";
import { checkInteger, checkOptions, checkSignal } from "../check.js";
import { bytes } from "../codec/bytes.js";
import { ClosedError, InvalidArgumentError } from "../errors.js";
import { resumeInTurn, turnIsOver } from "../transport/loop-turn.js";
import type { Endable, LaneCore, LaneEnd } from "./lane-core.js";

/** What `toDuplex` takes. */
export interface LaneDuplexOptions {
  /**
   * Whether this side may go on writing when the other has ended its direction. Default false: it is ended too, as soon as the reader
   * has got everything.
   */
  readonly allowHalfOpen?: boolean | undefined;
  /** Reads ahead until so many bytes wait for the reader. Default 65536. */
  readonly readableHighWaterMark?: number | undefined;
  /** `write` returns false while so many bytes wait for room. Default 65536. */
  readonly writableHighWaterMark?: number | undefined;
  /** Destroys the stream when it is aborted. */
  readonly signal?: AbortSignal | undefined;
}

const OPTIONS = ["allowHalfOpen", "readableHighWaterMark", "writableHighWaterMark", "signal"];
const HIGH_WATER_MARK = 64 * 1024;
/** The longest piece of a chunk that is sent as one message: the reader gets a steady flow. What the ring does not carry goes by a block. */
const LONGEST_PIECE = 256 * 1024;
/** Chunks that wait together are joined up to this length: copying them costs less than a message each. */
const JOINED = 64 * 1024;
/** The end of one direction. */
const END_MARK = new Uint8Array(0);
/** A peer reports what it has taken when it is this part of the capacity, or when it is asked. */
const REPORT_PART = 8;

/** A byte stream over a lane. Throws an InvalidArgumentError unless its codec is `bytes()`, and a ConsumerBusyError. */
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
  return signal === undefined ? duplex : addAbortSignal(signal, duplex);
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
 * Bytes both ways, in messages that mean nothing by themselves, but for the empty one: it ends its direction. When both have
 * ended, and all was taken, the channel is closed, where the lane is `main`.
 */
class LaneDuplex extends Duplex {
  readonly #core: LaneCore<Uint8Array, Uint8Array>;
  readonly #channel: Endable | undefined;
  readonly #messages: AsyncIterableIterator<Uint8Array>;
  /** Whether what arrives is memory of its own. */
  readonly #private: boolean;
  /** Messages that were looked at before their turn: see `#endIsNear`. */
  readonly #ahead: Promise<IteratorResult<Uint8Array>>[] = [];
  #pulling = false;
  /** The peer has ended its direction, and the mark of it was read. */
  #peerEnded = false;
  /** Takes back what waits for room when the stream is destroyed. */
  readonly #sending = new AbortController();
  /** This side ends its direction: all else has been sent. */
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
    // Also where nobody reads, the peer's end must be heard of.
    this.read(0);
  }

  override _read(): void {
    if (this.#pulling || this.#peerEnded) return;
    this.#pulling = true;
    const next = this.#ahead.shift() ?? this.#messages.next();
    // What a listener for "data" throws is not caught here.
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
    // Also where `for await` has read to the end, after which it destroys the stream: the mark of our end still goes out. And where
    // `pipeline` destroys with an error a stream whose "finish" is the last thing that it waited for.
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
    // `push` may ask for more at once.
    this.#pulling = false;
    if (value.length > 0) {
      this.push(
        this.#private ? Buffer.from(value.buffer, value.byteOffset, value.length) : Buffer.from(value),
      );
      return;
    }
    this.#peerEnded = true;
    this.push(null);
    // "end" comes also where nobody reads, if there was nothing to be read.
    this.read(0);
  }

  /** The channel has ended, and the peer's direction had not. */
  #cutOff(): void {
    if (this.#end?.byPeer === true) {
      this.#fail(new ClosedError("the peer has closed the channel before the end of its data"));
    }
  }

  #fail(error: Error): void {
    // Who only writes, and knows that all was taken, need not hear that there would have been something to read.
    const unread = this.readableFlowing === null && this.listenerCount("readable") === 0;
    this.destroy(unread && this.writableFinished ? undefined : error);
  }

  #onEnd(end: LaneEnd): void {
    this.#end = end;
    // The reader gets what has arrived before the peer went, and then hears of it by `_read`.
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
        else process.nextTick(done);
      },
      // What was taken back because the stream is destroyed is no error of its own.
      (error: Error) => done(this.destroyed ? null : error),
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

  /** The peer has gone before it could report what it took. Whether it had ended its direction, and had taken ours. */
  async #nothingLost(): Promise<boolean> {
    const end = this.#end;
    if (end === undefined || !end.byPeer) return false;
    // Who was only answered by an end, and not asked whether all has arrived, is not told that it may not have.
    const answers = this.readableEnded && !this.allowHalfOpen;
    const lazy = end.inOrder || answers ? this.#core.transport.capacity / REPORT_PART : 0;
    return end.unreported <= lazy && (this.#peerEnded || (await this.#endIsNear()));
  }

  /** Whether the mark of the peer's end is among what has arrived. The channel has ended: there is no more, and all of it is in memory. */
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

/** The bytes of the chunks in pieces of `most` bytes at most: short chunks joined, long ones cut, none empty. */
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
