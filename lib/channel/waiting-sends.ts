import { type Block, moveBack, moveOut } from "../bulk/block.js";
import type { BlockingLane, TransportLane } from "../transport/contract.js";
import { NO_MEMORY, SENT, type SendStatus } from "../transport/records/send-status.js";
import { type Abort, abortable } from "./abort.js";
import type { Encoder } from "./encoder.js";
import type { Parcel } from "./parcel.js";

/** An encoded message that waits for room. */
interface Waiting {
  /** The message in private memory. Undefined once it lies in the body of the parcel. */
  bytes: Uint8Array | undefined;
  readonly parcel: Parcel;
  /** The program's blocks. The blocks of the parcel were moved out of them, and move back if the message is not sent. */
  readonly originals: readonly Block[];
  sent(written: Promise<void> | undefined): void;
  failed(error: unknown): void;
}

/** Sends that wait for room, the oldest first. */
export class WaitingSends<Send> {
  readonly #lane: TransportLane;
  readonly #encoder: Encoder<Send>;
  readonly #queue: Waiting[] = [];
  readonly #firstLeft: () => void;
  #idle: (() => void)[] = [];

  /** `firstLeft`: called when the first send gave up and others wait behind it, which may be content with less. */
  constructor(lane: TransportLane, encoder: Encoder<Send>, firstLeft: () => void) {
    this.#lane = lane;
    this.#encoder = encoder;
    this.#firstLeft = firstLeft;
  }

  get length(): number {
    return this.#queue.length;
  }

  /** Takes over what `Encoder.encode` returned for a message. The promise resolves when the message has gone out. */
  add(message: Send, encoded: number | Parcel | undefined, abort: Abort | undefined): Promise<void> {
    const { bytes, parcel } = this.#keep(message, encoded);
    const originals = parcel.blocks;
    const moved: Parcel = { ...parcel, blocks: originals.map(moveOut) };
    return abortable<void>(abort, (resolve, reject) => {
      const waiting: Waiting = {
        bytes,
        parcel: moved,
        originals,
        sent: (written) => resolve(written),
        failed: reject,
      };
      this.#queue.push(waiting);
      return () => {
        const index = this.#queue.indexOf(waiting);
        if (index >= 0) this.#fail(this.#queue.splice(index, 1)[0]!, undefined);
        if (this.#queue.length === 0) this.#settleIdle();
        else if (index === 0) this.#firstLeft();
      };
    });
  }

  /** Sends as many as there is room for. Returns SENT, or why the first one that is left waits. */
  advance(): SendStatus {
    const lane = this.#lane;
    let done = 0;
    let status: SendStatus = SENT;
    while (done < this.#queue.length) {
      const waiting = this.#queue[done]!;
      try {
        status = this.#attempt(waiting, 0);
        if (status !== SENT) break;
        waiting.sent(lane.written?.());
      } catch (error) {
        this.#fail(waiting, error);
      }
      done++;
    }
    this.#queue.splice(0, done);
    if (this.#queue.length === 0) this.#settleIdle();
    return this.#queue.length === 0 ? SENT : status;
  }

  /** Blocks the thread for up to `timeout` ms until the first one has gone out. Returns SENT, even if no send waits. */
  advanceSync(lane: BlockingLane, timeout: number): SendStatus {
    const first = this.#queue[0];
    if (first === undefined) return SENT;
    const status = this.#attempt(first, timeout, lane);
    if (status !== SENT) return status;
    this.#queue.shift();
    first.sent(lane.written?.());
    if (this.#queue.length === 0) this.#settleIdle();
    return SENT;
  }

  /** Fails all waiting sends. */
  fail(error: unknown): void {
    for (const waiting of this.#queue.splice(0)) this.#fail(waiting, error);
    this.#settleIdle();
  }

  /** Resolves when no send waits any more, because all went out or failed. */
  idle(abort?: Abort): Promise<void> {
    if (this.#queue.length === 0) return Promise.resolve();
    return abortable<void>(abort, (resolve) => {
      this.#idle.push(resolve);
      return () => {
        this.#idle = this.#idle.filter((other) => other !== resolve);
      };
    });
  }

  /** Keeps the message in memory that the next message does not overwrite. */
  #keep(
    message: Send,
    encoded: number | Parcel | undefined,
  ): { readonly bytes: Uint8Array | undefined; readonly parcel: Parcel } {
    if (encoded === undefined) {
      const { bytes, blocks } = this.#encoder.encodePrivately(message);
      return { bytes, parcel: { body: undefined, bytes: bytes.length, blocks } };
    }
    const parcel = typeof encoded === "number" ? { body: undefined, bytes: encoded, blocks: [] } : encoded;
    if (parcel.body !== undefined) return { bytes: undefined, parcel };
    const { scratch, at } = this.#lane.place;
    return { bytes: Uint8Array.prototype.slice.call(scratch.buffer, at, at + parcel.bytes), parcel };
  }

  /** Attempts once more to send a message. */
  #attempt(waiting: Waiting, timeout: number, blocking?: BlockingLane): SendStatus {
    const { parcel } = waiting;
    const { bytes, blocks } = parcel;
    const lane = this.#lane;
    this.#encoder.freePlace();
    if (waiting.bytes === undefined) return this.#encoder.send(parcel, timeout);
    if (bytes > this.#encoder.inRing || (blocks.length > 0 && !lane.fits(bytes, blocks.length))) {
      if (!this.#encoder.putIntoBlock(parcel, waiting.bytes)) return NO_MEMORY;
      waiting.bytes = undefined;
      return this.#encoder.send(parcel, timeout);
    }
    lane.grow(bytes);
    const { scratch, at } = lane.place;
    scratch.buffer.set(waiting.bytes, at);
    if (blocks.length > 0) return lane.sendWithBlocks(bytes, blocks, timeout);
    return blocking === undefined ? lane.send(bytes) : blocking.sendWait(bytes, timeout);
  }

  /** Gives the blocks of a message that is not sent back to the program. */
  #fail({ parcel, originals, failed }: Waiting, error: unknown): void {
    parcel.body?.release();
    for (const [i, block] of parcel.blocks.entries()) moveBack(originals[i]!, block);
    if (error !== undefined) failed(error);
  }

  #settleIdle(): void {
    for (const resolve of this.#idle.splice(0)) resolve();
  }
}
