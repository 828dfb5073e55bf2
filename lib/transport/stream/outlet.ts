import { nextTick, setImmediate, wallClock } from "../../clock.js";
import type { Ending } from "../../ending.js";
import type { Wire } from "../wire/wire.js";
import { Handover } from "./handover.js";
import { FrameWriter } from "./writer.js";

/** The most steps of messages with blocks in one turn of the event loop, however fast the kernel takes them. */
const STEPS_A_TURN = 16;

/** A message with blocks on its way to the wire. */
export interface BlocksMessage {
  /** Whether one step is enough. */
  readonly isShort: boolean;
  /** Copies what it has in a scratch, because that will be used again before the last step. */
  keep(): void;
  /** Writes a piece. Returns whether all is written. */
  step(writer: FrameWriter): boolean;
  /** Gives up what is not written. */
  cut(): void;
}

/** The sending half of a stream: frames that are gathered, messages with blocks that take turns, and the last frame. */
export class Outlet {
  readonly writer: FrameWriter;
  /** Whether nothing new goes out: the peer has gone, or this side has sent its last frame. */
  ended = false;
  readonly #wire: Wire;
  readonly #report: () => void;
  /** Messages with blocks in the order of their turns, at most one of each lane. */
  readonly #messages: BlocksMessage[] = [];
  #resuming = false;
  /** Whether `letGo` will flush. */
  #held = false;
  /** Whether the end of this turn will flush. */
  #flushDue = false;
  #flushedAt = 0;
  /** The type of the last frame, until it is written. */
  #last: number | undefined;
  #whenTaken: (() => void) | undefined;
  /** Promises of those who wait for the kernel: for the bytes that are gathered, for those that the wire has, and for messages with blocks. */
  readonly #gathered: Handover;
  readonly #onTheWire: Handover;
  readonly #posted: Handover;
  readonly #turnIsOver = (): void => {
    this.#flushDue = false;
    this.flush();
  };

  /** `report` writes the frames that are due, before the gathered bytes go to the wire. */
  constructor(wire: Wire, report: () => void, ending: Ending) {
    this.#wire = wire;
    this.#gathered = new Handover(ending);
    this.#onTheWire = new Handover(ending);
    this.#posted = new Handover(ending);
    this.writer = new FrameWriter(wire);
    this.#report = report;
  }

  /** Whether the wire has bytes that the kernel has not taken. */
  get backlogged(): boolean {
    return this.#wire.buffered > 0;
  }

  /** Gathers until `letGo`: handlers are about to be called, which may write much. */
  hold(): void {
    this.#held = true;
    this.#flushedAt = wallClock();
  }

  letGo(): void {
    this.#held = false;
    this.flush();
    this.advance(false);
  }

  /**
   * Frames were given to the writer. The first of a quiet moment go out at once. The others are gathered until
   * the end of the turn or, in a long turn, until the next millisecond.
   */
  wrote(): void {
    if ((this.#held || this.#flushDue) && wallClock() === this.#flushedAt) return;
    this.gather();
    this.flush();
  }

  /** Flushes at the end of this turn. */
  gather(): void {
    if (this.#held || this.#flushDue || this.ended) return;
    this.#flushDue = true;
    nextTick(this.#turnIsOver);
  }

  /** Gives the gathered bytes to the wire, unless it is backlogged: then they are better kept together. */
  flush(): void {
    this.#flushedAt = wallClock();
    if (this.backlogged) return;
    this.#report();
    this.writer.flush();
    this.#handedOver();
  }

  /** Returns a promise for everything that was sent: it resolves when the kernel has that. Undefined if it has. */
  written(): Promise<void> | undefined {
    if (this.#messages.length > 0) return this.#posted.promise();
    if (!this.writer.isEmpty) return this.#gathered.promise();
    return this.backlogged ? this.#onTheWire.promise() : undefined;
  }

  /** Writes a message with blocks, now or as the kernel takes it. */
  post(message: BlocksMessage): void {
    if (message.isShort && !this.backlogged) {
      message.step(this.writer);
      this.wrote();
      return;
    }
    message.keep();
    this.#messages.push(message);
    this.advance(false);
  }

  /**
   * Writes messages with blocks, and then the last frame, as long as the kernel takes them. After STEPS_A_TURN it
   * goes on in the next turn. `force`: writes one step in any case; otherwise lanes that send all the time
   * could keep blocks back for ever.
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
    if (this.#posted.isWanted) this.#posted.settle(this.written());
    if (this.#last === undefined) return;
    this.writer.frame(this.#last, 0);
    this.#last = undefined;
    this.writer.close();
    this.#handedOver();
    if (!this.backlogged) this.#taken();
  }

  /** The kernel has taken everything that was written. */
  drained(): void {
    this.#onTheWire.settle();
    if (this.#whenTaken !== undefined && this.#last === undefined) {
      this.#taken();
      return;
    }
    this.flush();
    this.advance(true);
  }

  /** Sends the last frame behind everything else. `whenTaken` is called when the kernel has all of it. */
  finish(type: number, whenTaken: () => void): void {
    this.ended = true;
    this.#last = type;
    this.#whenTaken = whenTaken;
    this.advance(false);
  }

  /** Gives up the messages with blocks that are not written. */
  cut(): void {
    this.ended = true;
    for (const message of this.#messages.splice(0)) message.cut();
    for (const handover of [this.#gathered, this.#onTheWire, this.#posted]) handover.fail();
  }

  /** The wire has what was gathered. */
  #handedOver(): void {
    if (this.backlogged) {
      if (this.#gathered.isWanted) this.#gathered.settle(this.#onTheWire.promise());
      return;
    }
    this.#onTheWire.settle();
    this.#gathered.settle();
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
