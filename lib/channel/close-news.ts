import type { EventEmitter } from "node:events";
import type { CloseReason, Ending } from "../ending.js";
import { raise } from "../raise.js";

export interface CloseInfo {
  readonly reason: CloseReason;
  /** The error that ended the channel; undefined for an end in order. */
  readonly error: Error | undefined;
}

/** The part of a lane that has messages left after the end. */
export interface Rest {
  /** Whether messages are left that were not taken. */
  readonly hasRest: boolean;
  /** Whether a listener is getting them. */
  readonly isDelivering: boolean;
}

/**
 * Reports the end of a channel: by the close event once all lanes have finished, by the promise `closed`, and
 * to "close" listeners that are added later.
 */
export class CloseNews {
  readonly #channel: EventEmitter;
  readonly #ending: Ending;
  readonly #lanes: readonly Rest[];
  readonly #whenOver: (() => void) | undefined;
  /** The number of lanes whose listener has not yet got all that had arrived. */
  #unfinished: number;
  /** The reason and error of the close event, once it was emitted. */
  #told: CloseInfo | undefined;
  #closed: Promise<CloseInfo> | undefined;
  #resolve: ((info: CloseInfo) => void) | undefined;
  /** Calls for listeners and promises that asked after the close event. */
  readonly #late: (() => void)[] = [];

  /** `whenOver` is called right before the close event. */
  constructor(
    channel: EventEmitter,
    ending: Ending,
    lanes: readonly Rest[],
    whenOver: (() => void) | undefined,
  ) {
    this.#channel = channel;
    this.#ending = ending;
    this.#lanes = lanes;
    this.#whenOver = whenOver;
    this.#unfinished = lanes.length;
    channel.on("newListener", (event, listener) => {
      if (event === "close" && this.#told !== undefined) this.#tellLate(() => this.#call(listener));
    });
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
    process.nextTick(() => {
      const { reason, fault } = this.#ending;
      this.#told = { reason: reason!, error: fault };
      this.#whenOver?.();
      this.#resolve?.(this.#told);
      this.#channel.emit("close", reason, fault);
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
      if (this.#lanes.some((lane) => lane.isDelivering)) setImmediate(look);
      else for (const next of this.#late.splice(0)) guarded(next);
    };
    // The tick gives the caller of `on` time to attach a listener for messages.
    process.nextTick(() => (this.#hasRest() ? setImmediate(look) : look()));
  }

  #call(listener: (...args: unknown[]) => void): void {
    // The program may have taken the listener off meanwhile.
    if (!this.#channel.listeners("close").includes(listener)) return;
    const { reason, error } = this.#told!;
    this.#channel.removeListener("close", listener);
    listener.call(this.#channel, reason, error);
  }

  #hasRest(): boolean {
    return this.#lanes.some((lane) => lane.hasRest);
  }
}

/** Calls a function. An error that it throws becomes an uncaught exception, and the caller goes on. */
function guarded(call: () => void): void {
  try {
    call();
  } catch (error) {
    raise(error);
  }
}
