import { Ending } from "../../ending.js";
import { InvalidArgumentError } from "../../errors.js";
import { raise } from "../../raise.js";
import type {
  Connection,
  ConnectionHandler,
  ConnectionStats,
  LaneGeometry,
  LaneHandler,
} from "../contract.js";
import { enter, leave, mayGoOn, resumeInTurn } from "../loop-turn.js";
import type { Wire, WireHandler } from "../wire/wire.js";
import { CLOSING, MAX_LANES, REFUSED } from "./frame-layout.js";
import { type Outgoing, OutgoingQueue } from "./outgoing.js";
import { FAULT, FrameParser, GO_ON, PEER_CLOSES, type Verdict } from "./parser.js";
import { StreamBulk } from "./stream-bulk.js";
import { WindowLane, type WindowOwner } from "./window-lane.js";
import { FrameWriter } from "./writer.js";

/** How long (ms) a closed connection waits for the peer to hang up, before it does. */
const LINGER = 1000;

/**
 * Makes a connection of a wire whose handshake is done. The wire belongs to it from then on. `bulkLimit`: bytes that the blocks of each
 * side may take, on both sides the same; 0: no blocks.
 */
export function createStream(
  wire: Wire,
  lanes: readonly LaneGeometry[],
  bulkLimit: number,
  pid?: number,
): Connection {
  if (lanes.length === 0 || lanes.length > MAX_LANES) {
    throw new InvalidArgumentError("lanes", `a list of 1 to ${MAX_LANES} lanes`, lanes.length);
  }
  return new StreamConnection(wire, lanes, bulkLimit, pid);
}

class StreamConnection implements Connection, WindowOwner, WireHandler {
  readonly transport = "stream";
  readonly ending: Ending;
  readonly lanes: readonly WindowLane[];
  readonly writer: FrameWriter;
  readonly bulk: StreamBulk;
  /** Nothing goes out any more: the peer is gone or going, or this side has closed. */
  ended = false;
  readonly #wire: Wire;
  readonly #reader: FrameParser;
  #handler: ConnectionHandler | undefined;
  /** `onEnd` is to be called. */
  #endDue = false;
  #closed: Promise<void> | undefined;
  /** Resolves when the last frame, if this side sends one, is with the kernel. */
  #said = Promise.resolve();
  #handedOver: (() => void) | undefined;
  #linger: NodeJS.Timeout | undefined;
  /** What comes over the wire is no longer looked at. */
  #deaf = false;
  readonly #outgoing: OutgoingQueue;
  /** The type of the frame that is to follow what is going out, if this side has ended the connection. */
  #lastWord: number | undefined;
  /** Handlers are being called. */
  #dispatching = false;
  /** `poll` is running: no handler may be called. */
  #polling = false;
  #scheduled = false;
  /** Something was written in this turn already, so that the rest is gathered. */
  #gathering = false;
  #flushedAt = 0;
  readonly #turnIsOver = (): void => {
    this.#gathering = false;
    if (!this.#deaf) this.writer.flush();
  };

  constructor(wire: Wire, lanes: readonly LaneGeometry[], bulkLimit: number, pid: number | undefined) {
    this.ending = new Ending(pid);
    this.#wire = wire;
    this.writer = new FrameWriter(wire);
    this.#outgoing = new OutgoingQueue(wire, this.writer, () => this.#push(true));
    this.bulk = new StreamBulk(this, bulkLimit, process.env.RINGBELL_CHECK_BLOCKS === "1");
    this.lanes = lanes.map((geometry, index) => new WindowLane(this, index, geometry));
    this.#reader = new FrameParser(this.lanes, this.bulk);
  }

  start(handler: ConnectionHandler, lanes: readonly LaneHandler[]): void {
    if (lanes.length !== this.lanes.length) {
      throw new InvalidArgumentError("lanes", `a list of ${this.lanes.length} handlers`, lanes.length);
    }
    if (this.#closed !== undefined) return;
    this.#handler = handler;
    for (const [index, lane] of this.lanes.entries()) lane.handler = lanes[index];
    this.#wire.setHandler(this);
    this.schedule();
  }

  close(): Promise<void> {
    if (this.#closed !== undefined) return this.#closed;
    this.ending.byUs();
    const alive = !this.ended;
    for (const lane of this.lanes) {
      lane.wanted = false;
      lane.clear();
    }
    if (alive) this.#said = this.#say(this.ending.reason === "protocol-error" ? REFUSED : CLOSING);
    this.#closed = this.#said;
    return this.#closed;
  }

  destroy(): void {
    void this.close();
    this.#hangUp();
  }

  ref(): void {
    this.#wire.ref();
  }

  unref(): void {
    this.#wire.unref();
  }

  stats(): ConnectionStats {
    return { bells: this.writer.writes, parks: 0, rescues: 0, sharedBytes: 0 };
  }

  get backlogged(): boolean {
    return this.#wire.buffered > 0;
  }

  wrote(): void {
    if (this.#dispatching || this.#gathering) {
      // Gathered until the end of the turn; if the turn is a long one, until the next millisecond.
      if (Date.now() === this.#flushedAt) return;
    } else {
      // The first of a quiet moment goes out at once.
      this.#gathering = true;
      process.nextTick(this.#turnIsOver);
    }
    this.flush();
  }

  flush(): void {
    this.#flushedAt = Date.now();
    this.writer.flush();
  }

  look(): void {
    this.poll();
  }

  post(message: Outgoing): void {
    if (message.isShort && !this.backlogged) {
      message.step(this.writer);
      this.wrote();
      return;
    }
    this.#outgoing.add(message);
    this.#push(false);
  }

  fail(what: string): void {
    if (this.ended) return;
    this.#deaf = true;
    this.#fault(what);
    this.schedule();
  }

  poll(): void {
    // A program that looks again and again without its event loop waits for the peer's answer to messages that are gathered here.
    this.writer.flush();
    this.#push(false);
    if (this.#deaf || this.#handler === undefined || !this.#wire.native) return;
    this.#polling = true;
    try {
      this.#wire.wait("readable", 0);
    } finally {
      this.#polling = false;
    }
  }

  schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    process.nextTick(() => this.#pump());
  }

  onData(chunk: Uint8Array): void {
    if (this.#deaf) return;
    const entered = enter();
    // Before the time that is taken now: what comes while there is some is handed over, if not all of it.
    const may = mayGoOn();
    this.#judge(this.#reader.feed(chunk));
    if (this.#closed !== undefined) for (const lane of this.lanes) lane.clear();
    else if (this.#polling) this.schedule();
    else this.#dispatch(may);
    if (entered) leave();
  }

  onDrain(): void {
    if (this.#handedOver !== undefined) {
      if (this.#lastWord === undefined) this.#isHandedOver();
      else this.#push(true);
      return;
    }
    if (this.ended) return;
    for (const lane of this.lanes) lane.catchUp();
    this.writer.flush();
    this.#push(true);
  }

  onEnd(error: Error | undefined): void {
    this.#wireGone();
    if (this.ended) return;
    this.ending.peerDied(error);
    this.#ends();
    if (this.#polling) this.schedule();
    else this.#dispatch();
  }

  /** Draws the consequences of what the reader found. */
  #judge(verdict: Verdict): void {
    if (verdict === GO_ON) return;
    this.#deaf = true;
    if (this.#closed !== undefined) {
      this.#hangUp();
      return;
    }
    if (verdict === FAULT) {
      this.#fault(this.#reader.fault);
      return;
    }
    if (verdict === PEER_CLOSES) {
      this.ending.peerClosed();
    } else {
      for (const lane of this.lanes) lane.clear();
      this.ending.peerAccuses();
    }
    this.#ends();
    this.#hangUp();
  }

  #fault(what: string): void {
    for (const lane of this.lanes) lane.clear();
    this.#said = this.#say(REFUSED);
    this.ending.peerBroke(what);
    this.#ends();
  }

  #ends(): void {
    this.ended = true;
    this.#endDue = true;
    this.#endBulk();
  }

  /** No block goes or comes any more. */
  #endBulk(): void {
    this.#outgoing.abandon();
    for (const lane of this.lanes) lane.arrivals.cut();
    this.bulk.end();
  }

  /** Sends the last frame, after what was to be sent before. Resolves when it is with the kernel, or can't be any more. */
  #say(type: number): Promise<void> {
    this.ended = true;
    this.#lastWord = type;
    // Also where it was never started: what comes must be read until the peer hangs up.
    this.#wire.setHandler(this);
    if (type === REFUSED) {
      this.#outgoing.abandon();
      // A peer that breaks the protocol need not be one that reads: it gets no more time than this.
      this.#lingerOn();
    }
    return new Promise((resolve) => {
      this.#handedOver = resolve;
      this.#push(false);
    });
  }

  /** Goes on with messages with blocks, and then, if this is the end, with the last frame. See `OutgoingQueue.advance`. */
  #push(force: boolean): void {
    if (!this.#outgoing.advance(force) || this.#lastWord === undefined) return;
    this.writer.frame(this.#lastWord, 0);
    this.#lastWord = undefined;
    this.writer.close();
    if (this.#wire.buffered === 0) this.#isHandedOver();
  }

  /**
   * All that was to be sent is with the kernel. Closing the socket now could take it away from the peer: a socket that is
   * closed with bytes unread is reset, and node:net drops what it has not read when writing fails. So let the peer go first.
   */
  #isHandedOver(): void {
    this.#handedOver?.();
    this.#handedOver = undefined;
    this.#lingerOn();
  }

  #lingerOn(): void {
    this.#linger ??= setTimeout(() => this.#hangUp(), LINGER).unref();
  }

  #hangUp(): void {
    this.#wire.destroy();
    this.#wireGone();
  }

  #wireGone(): void {
    this.#deaf = true;
    this.#lastWord = undefined;
    // After a close by this side, too: nobody gives anything back any more.
    this.#endBulk();
    clearTimeout(this.#linger);
    this.#handedOver?.();
    this.#handedOver = undefined;
  }

  #pump(): void {
    this.#scheduled = false;
    this.#dispatch();
  }

  /** Calls the handlers that have something to hear, lane by lane, until there is nothing more or it is enough for one turn. */
  #dispatch(may = mayGoOn()): void {
    if (this.#dispatching || this.#handler === undefined || this.#closed !== undefined) return;
    this.#dispatching = true;
    this.#flushedAt = Date.now();
    const entered = enter();
    let more = true;
    for (let goOn = may; more && goOn; goOn = mayGoOn()) {
      more = false;
      if (this.bulk.answersMemory()) this.#tellMemory();
      for (const lane of this.lanes) if (this.#serve(lane)) more = true;
    }
    if (entered) leave();
    this.#dispatching = false;
    if (this.#closed !== undefined) return;
    if (!more) this.#tellEnd();
    else if (!this.#scheduled) {
      this.#scheduled = true;
      resumeInTurn(() => this.#pump());
    }
    if (this.#deaf) return;
    this.writer.flush();
    this.#push(false);
  }

  /** Calls the handler of one lane with what is due. Whether records were handed over. */
  #serve(lane: WindowLane): boolean {
    const handler = lane.handler!;
    if (this.#closed !== undefined) return false;
    if (lane.window.answersRoom()) {
      try {
        handler.onRoom();
      } catch (error) {
        raise(error);
      }
    }
    while (this.#closed === undefined && lane.window.answersTaken()) {
      try {
        handler.onTaken();
      } catch (error) {
        raise(error);
      }
    }
    if (!lane.wanted || this.#closed !== undefined) return false;
    const count = lane.take(Number.POSITIVE_INFINITY);
    if (count === 0) return false;
    try {
      handler.onRecords(count);
    } catch (error) {
      raise(error);
    }
    return true;
  }

  #tellMemory(): void {
    try {
      this.#handler!.onMemory();
    } catch (error) {
      raise(error);
    }
  }

  #tellEnd(): void {
    if (!this.#endDue) return;
    this.#endDue = false;
    const handler = this.#handler!;
    // No handler is called from here on.
    this.#handler = undefined;
    try {
      handler.onEnd();
    } catch (error) {
      raise(error);
    }
  }
}
