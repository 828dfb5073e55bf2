import type { Block } from "../bulk/block.js";
import type { TransportBulk } from "../transport/contract.js";
import { type Abort, abortable } from "./abort.js";

interface Waiting {
  readonly bytes: number;
  resolve(block: Block): void;
  reject(error: unknown): void;
}

/** Allocates blocks for the program. Calls that wait for memory are served in order, so that large blocks have their turn. */
export class Allocations {
  readonly #bulk: TransportBulk;
  readonly #queue: Waiting[] = [];
  #serving = false;

  constructor(bulk: TransportBulk) {
    this.#bulk = bulk;
  }

  tryAllocate(bytes: number): Block | undefined {
    return this.#queue.length > 0 ? undefined : this.#bulk.allocate(bytes);
  }

  async allocate(bytes: number, abort: Abort | undefined): Promise<Block> {
    abort?.throwIfAborted();
    if (this.#queue.length === 0) {
      const block = await this.#bulk.allocateSoon(bytes);
      if (abort?.aborted) block?.release();
      abort?.throwIfAborted();
      if (block !== undefined) return block;
    }
    return abortable<Block>(abort, (resolve, reject) => {
      const waiting: Waiting = { bytes, resolve, reject };
      this.#queue.push(waiting);
      void this.#serve();
      return () => {
        const index = this.#queue.indexOf(waiting);
        if (index >= 0) this.#queue.splice(index, 1);
        // The next calls in the queue may need less.
        void this.#serve();
      };
    });
  }

  /** Called by the transport when there may be memory. */
  onMemory(): void {
    void this.#serve();
  }

  /** Fails the waiting calls: the channel has ended. */
  end(error: Error): void {
    for (const waiting of this.#queue.splice(0)) waiting.reject(error);
  }

  async #serve(): Promise<void> {
    if (this.#serving) return;
    this.#serving = true;
    while (this.#queue.length > 0) {
      const first = this.#queue[0]!;
      try {
        let block = await this.#bulk.allocateSoon(first.bytes);
        if (block === undefined && this.#queue[0] === first) {
          // `wantMemory` comes before the second look: memory that came back after the first look is not
          // reported again.
          this.#bulk.wantMemory();
          block = this.#bulk.allocate(first.bytes);
          if (block === undefined) break;
        }
        if (block === undefined) continue;
        // The call may have given up meanwhile.
        if (this.#queue[0] !== first) {
          block.release();
          continue;
        }
        this.#queue.shift();
        first.resolve(block);
      } catch (error) {
        if (this.#queue[0] === first) this.#queue.shift();
        first.reject(error);
      }
    }
    this.#serving = false;
  }
}
