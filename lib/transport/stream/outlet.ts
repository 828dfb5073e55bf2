import type { Wire } from "../wire/wire.js";
import type { Outgoing } from "./outgoing.js";
import { FrameWriter } from "./writer.js";

/** So many pieces of blocks in one turn of the event loop at most, however fast the kernel takes them. */
const STEPS_A_TURN = 16;

/** What goes out of a stream: frames, gathered; messages with blocks, in turns; and the last frame behind all of them. */
export class Outlet {
  readonly writer: FrameWriter;
  /** Nothing new goes out any more: the peer is gone or going, or this side has closed. */
  ended = false;
  readonly #wire: Wire;
  readonly #report: () => void;
  /** Messages with blocks in the order of their turns; at most one of each lane. */
  readonly #messages: Outgoing[] = [];
  #resuming = false;
  /** Who holds it will flush, and so will the end of the turn. */
  #held = false;
  #flushDue = false;
  #flushedAt = 0;
  /** The type of the last frame, until it is written. */
  #last: number | undefined;
  #whenTaken: (() => void) | undefined;
  readonly #turnIsOver = (): void => {
    this.#flushDue = false;
    this.flush();
  };

  /** `report`: writes what the peer is to be told, before all that was gathered goes to the wire. */
  constructor(wire: Wire, report: () => void) {
    this.#wire = wire;
    this.writer = new FrameWriter(wire);
    this.#report = report;
  }

  /** The kernel takes no more at the moment. */
  get backlogged(): boolean {
    return this.#wire.buffered > 0;
  }

  /** Handlers are going to be called, which may write a lot: gathers, until `letGo`. */
  hold(): void {
    this.#held = true;
    this.#flushedAt = Date.now();
  }

  letGo(): void {
    this.#held = false;
    this.flush();
    this.advance(false);
  }

  /** Frames were given to the writer. */
  wrote(): void {
    // Gathered until the end of the turn; if the turn is a long one, until the next millisecond. The first of a quiet moment goes out at once.
    const gathered = this.#held || this.#flushDue;
    if (gathered && Date.now() === this.#flushedAt) return;
    this.gather();
    this.flush();
  }

  /** Something is to be reported, or was written: it goes out at the end of this turn at the latest. */
  gather(): void {
    if (this.#held || this.#flushDue || this.ended) return;
    this.#flushDue = true;
    process.nextTick(this.#turnIsOver);
  }

  /** Hands what was gathered to the wire, unless that has more than the kernel takes: then it is better kept together. */
  flush(): void {
    this.#flushedAt = Date.now();
    if (this.backlogged) return;
    this.#report();
    this.writer.flush();
  }

  /** Writes a message with blocks, now or as the kernel takes it. */
  post(message: Outgoing): void {
    if (message.isShort && !this.backlogged) {
      message.step(this.writer);
      this.wrote();
      return;
    }
    this.#messages.push(message);
    this.advance(false);
  }

  /**
   * Writes messages with blocks, and then the last frame, as long as the kernel takes it, but not for ever. `force`: writes something in any
   * case, so that what other lanes send all the time does not keep blocks back for ever.
   */
  advance(force: boolean): void {
    const messages = this.#messages;
    for (let steps = 0; messages.length > 0; steps++) {
      if (this.backlogged && (steps > 0 || !force)) return;
      if (steps === STEPS_A_TURN) {
        this.#resume();
        return;
      }
      const message = messages.shift()!;
      if (!message.step(this.writer)) messages.push(message);
      this.flush();
    }
    if (this.#last === undefined) return;
    this.writer.frame(this.#last, 0);
    this.#last = undefined;
    this.writer.close();
    if (!this.backlogged) this.#taken();
  }

  /** The kernel has taken all that was written. */
  drained(): void {
    if (this.#whenTaken !== undefined && this.#last === undefined) {
      this.#taken();
      return;
    }
    this.flush();
    this.advance(true);
  }

  /** Sends the last frame, behind what was to be sent. `whenTaken`: all of it is with the kernel. */
  finish(type: number, whenTaken: () => void): void {
    this.ended = true;
    this.#last = type;
    this.#whenTaken = whenTaken;
    this.advance(false);
  }

  /** Messages with blocks that are not with the wire will not be sent. */
  cut(): void {
    this.ended = true;
    for (const message of this.#messages.splice(0)) message.cut();
  }

  #taken(): void {
    this.#whenTaken?.();
    this.#whenTaken = undefined;
  }

  #resume(): void {
    if (this.#resuming) return;
    this.#resuming = true;
    setImmediate(() => {
      this.#resuming = false;
      this.advance(true);
    });
  }
}
