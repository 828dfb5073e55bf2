import type { EventEmitter } from "node:events";
import { nextTick, setImmediate } from "../clock.js";
import type { Ending } from "../ending.js";
import type { CloseInfo } from "../port.js";
import { guarded } from "../raise.js";

/** The part of a lane that has messages left after the end. */
interface Rest {
  /** Whether messages are left that were not taken. */
  readonly hasRest: boolean;
  /** Whether a listener is getting them. */
  readonly isDelivering: boolean;
}

/** A lane as it reports the end of its channel. */
export interface TellingLane {
  readonly emitter: EventEmitter;
  readonly receiver: Rest;
}

/**
 * Reports the end of a channel: by a close event of each lane once all have finished, by the promise
 * `closed`, and to "close" listeners that are added later.
 */
export class CloseNews {
  readonly #ending: Ending;
  readonly #lanes: readonly TellingLane[];
  readonly #whenOver: (() => void) | undefined;
  /** The number of lanes whose listener has not yet got all that had arrived. */
  #unfinished: number;
  /** The reason and error of the close event, once it was emitted. */
  #told: CloseInfo | undefined;
  readonly #over: Promise<void>;
  #settle: () => void = () => {};
  #closed: Promise<CloseInfo> | undefined;
  #resolve: ((info: CloseInfo) => void) | undefined;
  /** Calls for listeners and promises that asked after the close event. */
  readonly #late: (() => void)[] = [];

  /** `whenOver` is called right before the close events. */
  constructor(ending: Ending, lanes: readonly TellingLane[], whenOver: (() => void) | undefined) {
    this.#ending = ending;
    this.#lanes = lanes;
    this.#whenOver = whenOver;
    this.#unfinished = lanes.length;
    this.#over = new Promise((resolve) => {
      this.#settle = resolve;
    });
    for (const { emitter } of lanes) {
      emitter.on("newListener", (event, listener) => {
        if (event === "close" && this.#told !== undefined)
          this.#tellLate(() => this.#call(emitter, listener));
      });
    }
  }

  /** Resolves once the close events of all lanes were emitted. */
  get told(): Promise<unknown> {
    return this.#over;
  }

  get closed(): Promise<CloseInfo> {
    this.#closed ??= new Promise((resolve) => {
      this.#resolve = resolve;
      const told = this.#told;
      if (told === undefined) return;
      if (this.#hasRest()) this.#tellLate(() => resolve(told));
      else resolve(told);
    });
    return this.#closed;
  }

  /** Called when a lane has ended and its listener has got everything. */
  laneFinished(): void {
    this.#unfinished--;
    if (this.#unfinished > 0) return;
    // The event comes in a later tick: the caller of close() or destroy() may not have added its listeners
    // yet.
    nextTick(() => {
      const { reason, fault } = this.#ending;
      this.#told = { reason: reason!, error: fault };
      this.#whenOver?.();
      this.#resolve?.(this.#told);
      for (const { emitter } of this.#lanes) guarded(() => emitter.emit("close", reason, fault));
      this.#settle();
    });
  }

  /**
   * Reports the end to a caller that asks after the close event, in the order of asking. A listener for
   * messages that is attached in the same turn gets what is left first.
   */
  #tellLate(tell: () => void): void {
    this.#late.push(tell);
    if (this.#late.length > 1) return;
    const look = () => {
      if (this.#lanes.some((lane) => lane.receiver.isDelivering)) setImmediate(look);
      else for (const next of this.#late.splice(0)) guarded(next);
    };
    // The tick gives the caller of `on` time to attach a listener for messages.
    nextTick(() => (this.#hasRest() ? setImmediate(look) : look()));
  }

  #call(emitter: EventEmitter, listener: (...args: unknown[]) => void): void {
    // The program may have removed the listener meanwhile.
    if (!emitter.listeners("close").includes(listener)) return;
    const { reason, error } = this.#told!;
    emitter.removeListener("close", listener);
    listener.call(emitter, reason, error);
  }

  #hasRest(): boolean {
    return this.#lanes.some((lane) => lane.receiver.hasRest);
  }
}
