import type { Block } from "../bulk/block.js";
import type { Codec, Scratch } from "../codec/codec.js";
import { emptyList, Scratch as PrivateScratch } from "../codec/codec.js";
import { ConsumerBusyError, CorruptError, DecodeError, type RingbellError } from "../errors.js";
import type { TransportLane } from "../transport/contract.js";
import { resumeInTurn, TURN, turnIsOver } from "../transport/loop-turn.js";
import { IN_BLOCK, PLAIN, RECORD_HEADER, recordBytes } from "../transport/records/record-layout.js";
import { abortable } from "./abort.js";
import { ON_ITS_WAY } from "./sender.js";

/** The most messages between two looks at the clock; fewer after a slow one. */
const LONGEST_STRIDE = 64;

/** Records to ask the transport for at once; it returns as many as fit its scratch. */
const MOST = 0x7fff_ffff;

/** Private memory for long messages is kept for the next one up to this many bytes. */
const KEPT_BYTES = 1024 * 1024;

/** What takes the messages of a lane. One at a time. */
type Consumer = "none" | "listener" | "iterator";

interface Waiter<Receive> {
  resolve(message: Receive): void;
  reject(error: unknown): void;
  /** Called instead of `reject` when the channel ends in order. */
  end(): void;
}

/** What the receiving half tells its lane. */
export interface ReceiverEvents<Receive> {
  /** The present listener for messages. */
  listener(): ((message: Receive) => unknown) | undefined;
  /** A message could not be decoded, and nobody asked for this one in particular. */
  bad(error: unknown): void;
  /** All that had arrived before the end was given to the listener. */
  finished(): void;
  /** Why nothing comes any more, if that is so and nobody has been told yet. */
  whyEnded(): RingbellError | undefined;
}

/** The receiving half of a lane: an inbox of records, and who takes messages from it. */
export class Receiver<Receive> {
  readonly #lane: TransportLane;
  readonly #codec: Codec<never, Receive>;
  readonly #events: ReceiverEvents<Receive>;
  /** The records that are being taken: `#count` of them, the next at `#at`. */
  #inbox: Scratch;
  #count = 0;
  #at = 0;
  /** Records saved when the connection ended, after those in the inbox. */
  readonly #saved: { readonly scratch: Scratch; readonly count: number }[] = [];
  /** What was taken with them: the blocks of those that have some, in order, and the lengths of their payloads. */
  readonly #taken: { readonly payload: number; readonly blocks: (Block | undefined)[] }[] = [];
  /** Where long messages are decoded from. */
  #long: Scratch | undefined;
  /** The block of a long message that the program looks at, until the next message. */
  #lookedAtBlock: Block | undefined;
  #consumer: Consumer = "none";
  readonly #waiters: Waiter<Receive>[] = [];
  /** The listener for messages, looked up once. */
  #listener: ((message: Receive) => unknown) | undefined;
  #stride = 1;
  /** Messages that may still be taken before the next look at the clock; when the last was. */
  #left = 0;
  #lookedAt = 0;
  #resuming = false;
  #ended = false;
  /** Why no more comes; undefined where this is in order. */
  #error: RingbellError | undefined;
  /** Why no more comes, for those who ask all the same. */
  #closed: RingbellError | undefined;
  #finished = false;
  badMessages = 0;
  /** Why messages of a batch could not be decoded. */
  readonly #bad: unknown[] = [];

  constructor(lane: TransportLane, codec: Codec<never, Receive>, events: ReceiverEvents<Receive>) {
    this.#lane = lane;
    this.#codec = codec;
    this.#events = events;
    this.#inbox = lane.inbox;
  }

  tryReceive(): Receive | undefined {
    this.#mustBeFree();
    return this.#fill() ? this.#next() : undefined;
  }

  receiveMany(max: number): Receive[] {
    this.#mustBeFree();
    while (this.#fill()) {
      const messages = this.#takeMany(max);
      if (messages.length > 0) return messages;
    }
    return [];
  }

  receiveSync(timeout: number): Receive | undefined {
    this.#mustBeFree();
    if (this.#count === 0 && !this.#fillSync(timeout)) return undefined;
    return this.#next();
  }

  receiveManySync(max: number, timeout: number): Receive[] {
    this.#mustBeFree();
    const until = timeout < Number.POSITIVE_INFINITY ? performance.now() + timeout : timeout;
    for (let left = timeout; this.#fillSync(left); left = Math.max(0, until - performance.now())) {
      const messages = this.#takeMany(max);
      if (messages.length > 0) return messages;
    }
    return [];
  }

  receive(signal: AbortSignal | undefined): Promise<Receive> {
    try {
      signal?.throwIfAborted();
      if (this.#consumer !== "none") this.#busy();
      if (this.#canTakeNow()) return Promise.resolve(this.#next());
    } catch (error) {
      return Promise.reject(error);
    }
    if (this.#closed !== undefined && this.#count === 0) return Promise.reject(this.#closed);
    return abortable<Receive>(signal, (resolve, reject) => {
      const waiter = { resolve, reject, end: () => reject(this.#closed) };
      return this.#await(waiter);
    });
  }

  /** Takes every message until it is left, the channel is closed, or (throwing) the peer dies. */
  iterate(): AsyncIterableIterator<Receive> {
    if (this.#consumer !== "none" || this.#waiters.length > 0) this.#busy();
    this.#consumer = "iterator";
    let open = true;
    const leave = () => {
      if (!open) return;
      open = false;
      this.#consumer = "none";
    };
    const done = (): IteratorResult<Receive> => {
      leave();
      return { done: true, value: undefined };
    };
    return {
      next: (): Promise<IteratorResult<Receive>> => {
        while (open && this.#canTakeNow()) {
          try {
            return Promise.resolve({ done: false, value: this.#next() });
          } catch (error) {
            // The channel lives on, and so does the loop.
            this.#events.bad(error);
          }
        }
        if (!open || (this.#closed !== undefined && this.#count === 0)) {
          const error = open ? this.#error : undefined;
          const end = done();
          return error === undefined ? Promise.resolve(end) : Promise.reject(error);
        }
        return new Promise((resolve, reject) => {
          this.#await({
            resolve: (value) => resolve({ done: false, value }),
            reject: (error) => {
              leave();
              reject(error);
            },
            end: () => resolve(done()),
          });
        });
      },
      return: () => {
        // Those who wait in `next` hear of it as well.
        const waiters = open ? this.#waiters.splice(0) : [];
        if (open) this.#lane.wantRecords(false);
        leave();
        for (const waiter of waiters) waiter.end();
        return Promise.resolve({ done: true, value: undefined });
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  /** A listener takes the messages from now on. */
  attachListener(): void {
    if (this.#consumer !== "none" || this.#waiters.length > 0) this.#busy();
    this.#consumer = "listener";
    this.#listener = undefined;
    // Not from within `on`: the caller may have more to set up.
    this.#resumeSoon();
  }

  detachListener(): void {
    if (this.#consumer !== "listener") return;
    this.#consumer = "none";
    this.#listener = undefined;
    if (!this.#ended) this.#lane.wantRecords(false);
    this.#finish();
  }

  /** The transport: `count` records stand in its inbox, and ours has been emptied. */
  onRecords(count: number): boolean {
    this.#inbox = this.#lane.inbox;
    this.#count = count;
    this.#at = 0;
    if (this.#consumer === "listener") return this.#deliver();
    this.#answer();
    return false;
  }

  /**
   * No more comes over the lane. What has arrived stays until it is taken (unless `drop`); then waiting
   * receives fail with `closed`, iterators end, or throw `error` where there is one.
   */
  end(closed: RingbellError, error: RingbellError | undefined, drop: boolean): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    if (drop) this.drop();
    else this.#save();
    this.#closed = closed;
    // Who waits gets what was still there, and then the end.
    this.#answer();
    if (this.#consumer === "listener" && this.#fill()) this.#resumeSoon();
    else this.#finish();
  }

  /** What has arrived and was not taken is not wanted any more. */
  drop(): void {
    this.#lookAway();
    this.#count = 0;
    this.#saved.length = 0;
    for (const { blocks } of this.#taken.splice(0)) releaseAll(blocks);
  }

  /** Copies what the transport still has, for it is about to go. */
  #save(): void {
    if (this.#count > 0) {
      // The inbox belongs to the transport.
      this.#keep(copyOf(this.#inbox, this.#at, this.#count), this.#count);
      this.#count = 0;
    }
    for (let count = this.#lane.drain(MOST); count > 0; count = this.#lane.drain(MOST)) {
      this.#keep(copyOf(this.#lane.inbox, 0, count), count);
    }
  }

  /** The blocks are taken now, for only now the transport can make them. */
  #keep(scratch: Scratch, count: number): void {
    this.#saved.push({ scratch, count });
    for (let at = 0, left = count; left > 0; left--) {
      if (kindAt(scratch, at) !== PLAIN) {
        const payload = this.#lane.takeBlocks(scratch, at);
        this.#taken.push({ payload, blocks: scratch.blocks.splice(0) });
      }
      at += recordBytes(scratch.words[at >> 2]!);
    }
  }

  /** Whether there is a message, after a look for one. */
  #fill(): boolean {
    if (this.#count > 0) return true;
    if (this.#lookedAtBlock !== undefined) this.#lookAway();
    if (this.#ended) return this.#fillFromSaved();
    this.#at = 0;
    this.#count = this.#lane.drain(MOST);
    return this.#count > 0;
  }

  #fillSync(timeout: number): boolean {
    if (this.#count > 0) return true;
    if (this.#lookedAtBlock !== undefined) this.#lookAway();
    if (this.#ended) {
      if (this.#fillFromSaved()) return true;
      throw this.#error ?? this.#closed;
    }
    this.#at = 0;
    this.#count = this.#lane.drainWait(MOST, timeout);
    if (this.#count > 0) return true;
    const error = this.#events.whyEnded();
    if (error !== undefined) throw error;
    return false;
  }

  #fillFromSaved(): boolean {
    const saved = this.#saved.shift();
    if (saved === undefined) return false;
    this.#inbox = saved.scratch;
    this.#count = saved.count;
    this.#at = 0;
    return true;
  }

  /** The next message of the inbox, which is not empty. */
  #next(): Receive {
    const inbox = this.#inbox;
    const at = this.#at;
    const bytes = inbox.words[at >> 2]!;
    this.#at = at + recordBytes(bytes);
    this.#count--;
    if (this.#lookedAtBlock !== undefined) this.#lookAway();
    try {
      if (kindAt(inbox, at) !== PLAIN) return this.#decodeWithBlocks(inbox, at);
      return this.#codec.decode(inbox, at + RECORD_HEADER, bytes);
    } catch (error) {
      this.badMessages++;
      throw error;
    }
  }

  /** The message of the record at `at`, which comes with blocks or lies in one. Whatever happens, those that nobody got are released. */
  #decodeWithBlocks(inbox: Scratch, at: number): Receive {
    let payload: number;
    const kind = kindAt(inbox, at);
    const start = at + RECORD_HEADER;
    if (this.#ended) {
      const taken = this.#taken.shift()!;
      payload = taken.payload;
      inbox.blocks = taken.blocks;
    } else {
      payload = this.#lane.takeBlocks(inbox, at);
    }
    if (payload < 0)
      throw this.#events.whyEnded() ?? new CorruptError("a message came with blocks that can't be");
    try {
      return kind === IN_BLOCK
        ? this.#decodeLong(inbox, start, payload)
        : this.#codec.decode(inbox, start, payload);
    } finally {
      releaseAll(inbox.blocks);
    }
  }

  /** The payload is a length, and so many bytes of the first block are the message. */
  #decodeLong(inbox: Scratch, start: number, payload: number): Receive {
    const { opaque, inPlace } = this.#codec;
    const body = inbox.blocks.shift();
    if (body === undefined) throw new DecodeError("a long message came without its block", "");
    let scratch: Scratch | undefined;
    try {
      const { bytes } = body;
      const { view } = inbox;
      const length =
        payload === 8 ? view.getUint32(start + 4, true) * 2 ** 32 + view.getUint32(start, true) : -1;
      if (length < 0 || length > bytes.length)
        throw new DecodeError("a long message has an impossible length", "");
      if (opaque === true || inPlace === true) {
        scratch = new PrivateScratch(bytes.buffer as ArrayBuffer);
        scratch.blocks = inbox.blocks.splice(0);
        const message = this.#codec.decode(scratch, bytes.byteOffset, length);
        if (inPlace === true) {
          this.#lookAway();
          this.#lookedAtBlock = body;
        }
        return message;
      }
      // A copy of its own: the peer may write there while it is decoded.
      scratch = this.#longScratch(length);
      scratch.buffer.set(bytes.subarray(0, length));
      scratch.blocks = inbox.blocks.splice(0);
      return this.#codec.decode(scratch, 0, length);
    } finally {
      if (body !== this.#lookedAtBlock) body.release();
      if (scratch !== undefined) releaseAll(scratch.blocks);
    }
  }

  /** Who asks for the next message does not look at the last any more; also where the next can only come when its memory is free. */
  #lookAway(): void {
    this.#lookedAtBlock?.release();
    this.#lookedAtBlock = undefined;
  }

  #longScratch(length: number): Scratch {
    if (this.#long !== undefined && this.#long.length >= length) return this.#long;
    const scratch = new PrivateScratch(new ArrayBuffer(Math.ceil(length / 4096) * 4096));
    if (length <= KEPT_BYTES) this.#long = scratch;
    return scratch;
  }

  /** What stands in the inbox, up to `max`; possibly nothing, if all of it was bad. Hot: the fields are read once. */
  #takeMany(max: number): Receive[] {
    const inbox = this.#inbox;
    const words = inbox.words;
    const codec = this.#codec;
    const count = Math.min(this.#count, max);
    const messages = new Array<Receive>(count);
    let taken = 0;
    let at = this.#at;
    this.#count -= count;
    if (this.#lookedAtBlock !== undefined) this.#lookAway();
    for (let left = count; left > 0; left--) {
      const bytes = words[at >> 2]!;
      const record = at;
      at += recordBytes(bytes);
      try {
        messages[taken] =
          words[(record >> 2) + 1]! >>> 16 === PLAIN
            ? codec.decode(inbox, record + RECORD_HEADER, bytes)
            : this.#decodeWithBlocks(inbox, record);
        taken++;
      } catch (error) {
        this.badMessages++;
        this.#bad.push(error);
      }
    }
    this.#at = at;
    messages.length = taken;
    // Told when all is in order again: a listener may do anything, also receive.
    if (this.#bad.length > 0) for (const error of this.#bad.splice(0)) this.#events.bad(error);
    return messages;
  }

  /**
   * Gives messages to the listener, for as long as a turn allows. Returns whether the turn may go on with more: all was
   * taken, fast, and the listener has not left anything to promises.
   */
  #deliver(): boolean {
    let turnEnd = 0;
    let direct = true;
    try {
      while (this.#count > 0 && this.#consumer === "listener") {
        let message: Receive;
        try {
          message = this.#next();
        } catch (error) {
          this.#events.bad(error);
          continue;
        }
        this.#listener ??= this.#events.listener();
        const result = this.#listener?.(message);
        // A promise is one of the listener's own, unless it is what `send` returns for a message that is on its way.
        if (typeof result === "object" && result !== ON_ITS_WAY) direct = false;
        if (--this.#left > 0) continue;
        const now = this.#look();
        if (turnEnd === 0) turnEnd = now + TURN;
        if (this.#stride === 1) direct = false;
        if (now >= turnEnd) break;
      }
    } finally {
      // Also when the listener threw.
      if (this.#count > 0 && this.#consumer === "listener") this.#resumeSoon();
      // It has returned, and waits for the next: the peer may need the memory to send that.
      else if (this.#lookedAtBlock !== undefined) this.#lookAway();
    }
    return direct && this.#count === 0 && this.#consumer === "listener" && !this.#resuming;
  }

  /** Goes on with the listener in a coming turn of the event loop. */
  #resumeSoon(): void {
    if (!this.#ended) this.#lane.wantRecords(false);
    if (this.#resuming) return;
    this.#resuming = true;
    resumeInTurn(() => this.#resume());
  }

  #resume(): void {
    this.#resuming = false;
    if (this.#consumer !== "listener") return;
    this.#deliver();
    if (this.#resuming || this.#consumer !== "listener") return;
    if (!this.#ended) this.#lane.wantRecords(true);
    else if (this.#fill()) this.#resumeSoon();
    else this.#finish();
  }

  #finish(): void {
    if (!this.#ended || this.#finished) return;
    this.#finished = true;
    this.#events.finished();
  }

  /**
   * Whether a message is there, nobody was before us, and the turn of the event loop is not used up: promises that are settled already
   * run on and on without it.
   */
  #canTakeNow(): boolean {
    return this.#waiters.length === 0 && this.#fill() && !this.#turnIsOver();
  }

  #turnIsOver(): boolean {
    return --this.#left <= 0 && turnIsOver(this.#look());
  }

  /** Looks at the clock, and decides how many messages may be taken before the next look. */
  #look(): number {
    const now = performance.now();
    // Every one where they are slow to handle, seldom where they are fast.
    this.#stride = now - this.#lookedAt > TURN / 4 ? 1 : Math.min(LONGEST_STRIDE, this.#stride * 2);
    this.#lookedAt = now;
    this.#left = this.#stride;
    return now;
  }

  #await(waiter: Waiter<Receive>): () => void {
    this.#waiters.push(waiter);
    if (this.#count > 0) resumeInTurn(() => this.#waiters.length > 0 && this.#answer());
    else this.#lane.wantRecords(true);
    return () => {
      const index = this.#waiters.indexOf(waiter);
      if (index >= 0) this.#waiters.splice(index, 1);
      if (this.#waiters.length === 0 && !this.#ended) this.#lane.wantRecords(false);
    };
  }

  /** Gives messages to those who wait. */
  #answer(): void {
    while (this.#waiters.length > 0 && this.#fill()) {
      try {
        const message = this.#next();
        this.#waiters.shift()!.resolve(message);
      } catch (error) {
        if (this.#consumer === "iterator") this.#events.bad(error);
        else this.#waiters.shift()!.reject(error);
      }
    }
    if (!this.#ended) this.#lane.wantRecords(this.#waiters.length > 0);
    else this.#endWaiters();
  }

  #endWaiters(): void {
    for (const waiter of this.#waiters.splice(0)) {
      if (this.#error === undefined) waiter.end();
      else waiter.reject(this.#error);
    }
  }

  #mustBeFree(): void {
    if (this.#consumer !== "none" || this.#waiters.length > 0) this.#busy();
  }

  #busy(): never {
    const who =
      this.#consumer === "listener"
        ? 'a "message" listener'
        : this.#consumer === "iterator"
          ? "a for await loop"
          : "a receive() that is waiting";
    throw new ConsumerBusyError(`this lane has a consumer already, ${who}; one at a time`);
  }
}

/** A copy of `count` records from `at` on. */
function copyOf(scratch: Scratch, at: number, count: number): Scratch {
  let end = at;
  for (let i = 0; i < count; i++) end += recordBytes(scratch.words[end >> 2]!);
  const memory = new ArrayBuffer(end - at);
  new Uint8Array(memory).set(scratch.buffer.subarray(at, end));
  return new PrivateScratch(memory);
}

/** The kind of the record at `at`: see the contract. */
function kindAt({ words }: Scratch, at: number): number {
  return words[(at >> 2) + 1]! >>> 16;
}

function releaseAll(blocks: (Block | undefined)[]): void {
  for (const block of blocks) block?.release();
  emptyList(blocks);
}
