import type { EventEmitter } from "node:events";
import type { Ending } from "../ending.js";
import type { CloseInfo } from "../port.js";
import { raise } from "../raise.js";

/** What a lane has left after the end. */
interface Rest {
  /** Whether messages are left that nobody has taken. */
  readonly hasRest: boolean;
  /** Whether a listener is getting them. */
  readonly isDelivering: boolean;
}

/** A lane, which tells the end of its channel, too. */
export interface TellingLane {
  readonly emitter: EventEmitter;
  readonly receiver: Rest;
}

/** Tells the end of a channel: by a close event of each lane once all have finished, by the promise `closed`, and to listeners that come later. */
export class CloseNews {
  readonly #ending: Ending;
  readonly #lanes: readonly TellingLane[];
  readonly #whenOver: (() => void) | undefined;
  /** Lanes whose listener has not yet got all that had arrived. */
  #unfinished: number;
  /** What the close event said, once it was emitted. */
  #told: CloseInfo | undefined;
  #closed: Promise<CloseInfo> | undefined;
  #resolve: ((info: CloseInfo) => void) | undefined;
  /** Calls for those that asked after the close event. */
  readonly #late: (() => void)[] = [];

  /** `whenOver` is called right before the close events. */
  constructor(ending: Ending, lanes: readonly TellingLane[], whenOver: (() => void) | undefined) {
    this.#ending = ending;
    this.#lanes = lanes;
    this.#whenOver = whenOver;
    this.#unfinished = lanes.length;
    for (const { emitter } of lanes) {
      emitter.on("newListener", (event, listener) => {
        if (event === "close" && this.#told !== undefined)
          this.#tellLate(() => this.#call(emitter, listener));
      });
    }
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

  /** A lane has ended, and its listener has got everything. */
  laneFinished(): void {
    this.#unfinished--;
    if (this.#unfinished > 0) return;
    // Not from within close() or destroy(): the caller may not have set up its listeners yet.
    process.nextTick(() => {
      const { reason, fault } = this.#ending;
      this.#told = { reason: reason!, error: fault };
      this.#whenOver?.();
      this.#resolve?.(this.#told);
      for (const { emitter } of this.#lanes) guarded(() => emitter.emit("close", reason, fault));
    });
  }

  /**
   * Tells the end to a caller that asks after the close event, in the order of asking. A listener for messages that is attached in the same
   * turn gets what is left before.
   */
  #tellLate(tell: () => void): void {
    this.#late.push(tell);
    if (this.#late.length > 1) return;
    const look = () => {
      if (this.#lanes.some((lane) => lane.receiver.isDelivering)) setImmediate(look);
      else for (const next of this.#late.splice(0)) guarded(next);
    };
    // Not from within `on`: the caller may attach a listener for messages next.
    process.nextTick(() => (this.#hasRest() ? setImmediate(look) : look()));
  }

  #call(emitter: EventEmitter, listener: (...args: unknown[]) => void): void {
    // The program may have taken the listener off meanwhile.
    if (!emitter.listeners("close").includes(listener)) return;
    const { reason, error } = this.#told!;
    emitter.removeListener("close", listener);
    listener.call(emitter, reason, error);
  }

  #hasRest(): boolean {
    return this.#lanes.some((lane) => lane.receiver.hasRest);
  }
}

/** Calls a function; what it throws is an uncaught exception, and the caller goes on. */
function guarded(call: () => void): void {
  try {
    call();
  } catch (error) {
    raise(error);
  }
}
