import type { TransportLane } from "../transport/contract.js";
import { type Abort, abortable } from "./abort.js";

/** A flush that waits for the peer. */
interface Flush {
  done(): void;
  failed(error: unknown): void;
}

/** The flushes of one lane. The peer is asked for one position at a time; flushes that come meanwhile share the next question. */
export class Flushes {
  readonly #lane: TransportLane;
  #asked: Flush[] = [];
  #later: Flush[] = [];

  constructor(lane: TransportLane) {
    this.#lane = lane;
  }

  /** Resolves when the peer has taken all that was sent before. */
  add(abort: Abort | undefined): Promise<void> {
    return abortable<void>(abort, (resolve, reject) => {
      const flush: Flush = { done: resolve, failed: reject };
      if (this.#asked.length > 0) {
        this.#later.push(flush);
      } else {
        this.#asked.push(flush);
        this.#lane.wantTaken();
      }
      return () => {
        this.#asked = this.#asked.filter((other) => other !== flush);
        this.#later = this.#later.filter((other) => other !== flush);
      };
    });
  }

  /** Called when the peer has taken everything up to the position that it was asked for. */
  onTaken(): void {
    const done = this.#asked;
    this.#asked = this.#later;
    this.#later = [];
    if (this.#asked.length > 0) this.#lane.wantTaken();
    for (const flush of done) flush.done();
  }

  /** Fails all flushes: the peer takes nothing any more. */
  fail(error: unknown): void {
    const all = [...this.#asked, ...this.#later];
    this.#asked = [];
    this.#later = [];
    for (const flush of all) flush.failed(error);
  }
}
