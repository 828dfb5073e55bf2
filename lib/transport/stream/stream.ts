import { nextTick } from "../../clock.js";
import { Ending } from "../../ending.js";
import { InvalidArgumentError, NoSpaceError, type RingbellError } from "../../errors.js";
import { raise } from "../../raise.js";
import type {
  Connection,
  ConnectionHandler,
  ConnectionStats,
  LaneGeometry,
  LaneHandler,
} from "../contract.js";
import { enter, leave, mayGoOn, resumeInTurn } from "../loop-turn.js";
import { atExit } from "../places/at-exit.js";
import { ownFailure } from "../wire/own-failure.js";
import type { Wire, WireHandler } from "../wire/wire.js";
import { Breach } from "./breach.js";
import { Farewell } from "./farewell.js";
import { CLOSING, MAX_LANES, REFUSED } from "./frame-layout.js";
import type { StreamHost } from "./host.js";
import { Outlet } from "./outlet.js";
import { FrameParser, GO_ON, PEER_CLOSES } from "./parser.js";
import { StreamBulk } from "./stream-bulk.js";
import { WindowLane } from "./window-lane.js";

/**
 * Makes a connection of a wire after the handshake. The wire is the connection's from then on. `bulkLimit`: the most bytes
 * that the blocks of each side may take, the same number on both sides; 0: no blocks.
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

class StreamConnection implements Connection, StreamHost, WireHandler {
  readonly transport = "stream";
  /** The two sides have no memory in common. */
  readonly cells = undefined;
  readonly ending: Ending;
  readonly lanes: readonly WindowLane[];
  readonly bulk: StreamBulk;
  readonly outlet: Outlet;
  /** The parts that call handlers, in this order. */
  readonly #parts: readonly { tell(): boolean }[];
  readonly #wire: Wire;
  readonly #parser: FrameParser;
  readonly #farewell: Farewell;
  #handler: ConnectionHandler | undefined;
  #closed: Promise<void> | undefined;
  /** `onEnd` is to be called. */
  #endDue = false;
  /** Whether what comes over the wire is ignored. */
  #deaf = false;
  #leaveExit: (() => void) | undefined;
  /** Whether `look` is running: then no handler may be called. */
  #looking = false;
  #dispatching = false;
  #scheduled = false;

  constructor(wire: Wire, lanes: readonly LaneGeometry[], bulkLimit: number, pid: number | undefined) {
    this.ending = new Ending(pid);
    this.#wire = wire;
    this.outlet = new Outlet(wire, () => this.bulk.report(), this.ending);
    this.bulk = new StreamBulk(this, bulkLimit, process.env.RINGBELL_CHECK_BLOCKS === "1");
    this.lanes = lanes.map((geometry, index) => new WindowLane(this, this.bulk, index, geometry));
    this.#parts = [this.bulk, ...this.lanes];
    this.#parser = new FrameParser(this.lanes, this.bulk);
    this.#farewell = new Farewell(wire, this.outlet, () => this.#isOver());
  }

  start(handler: ConnectionHandler, lanes: readonly LaneHandler[]): void {
    if (lanes.length !== this.lanes.length) {
      throw new InvalidArgumentError("lanes", `a list of ${this.lanes.length} handlers`, lanes.length);
    }
    if (this.#closed !== undefined) return;
    this.#handler = handler;
    this.bulk.handler = handler;
    for (const [index, lane] of this.lanes.entries()) lane.handler = lanes[index];
    this.#wire.setHandler(this);
    // What trySend has gathered in this turn goes out even if the program ends it by process.exit.
    this.#leaveExit = atExit(() => this.outlet.flush());
    this.schedule();
  }

  close(): Promise<void> {
    if (this.#closed !== undefined) return this.#closed;
    this.ending.byUs();
    this.#forgetHandlers();
    this.#clear();
    if (!this.outlet.ended) {
      // Without `start`, too, the wire must be read until the peer hangs up.
      this.#wire.setHandler(this);
      this.#farewell.say(this.ending.reason === "protocol-error" ? REFUSED : CLOSING);
    }
    this.#closed = this.#farewell.said;
    return this.#closed;
  }

  destroy(): void {
    void this.close();
    this.#farewell.hangUp();
  }

  ref(): void {
    this.#wire.ref();
  }

  unref(): void {
    this.#wire.unref();
  }

  stats(): ConnectionStats {
    return { bells: this.outlet.writer.writes, parks: 0, rescues: 0, sharedBytes: 0 };
  }

  look(): void {
    // A program without its event loop may wait for the answer to messages that are gathered here.
    this.outlet.flush();
    this.outlet.advance(false);
    if (this.#deaf || this.#handler === undefined) return;
    this.#looking = true;
    this.#wire.poll();
    this.#looking = false;
  }

  schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    nextTick(() => this.#resume());
  }

  onData(chunk: Uint8Array): void {
    if (this.#deaf) return;
    const entered = enter();
    // Asked before the parser takes its time: what comes in time is delivered, at least a part of it.
    const may = mayGoOn();
    this.#understand(chunk);
    if (this.#closed !== undefined) this.#clear();
    else if (this.#looking) this.schedule();
    else this.#dispatch(may);
    if (entered) leave();
  }

  onDrain(): void {
    for (const lane of this.lanes) lane.report();
    this.outlet.drained();
  }

  onEnd(error: Error | undefined): void {
    const known = this.outlet.ended;
    this.#farewell.gone();
    if (known) return;
    const ours = ownFailure(error, "the system refuses this process to use the channel's socket");
    if (ours === undefined) this.ending.peerDied(error);
    else this.ending.weFailed(ours);
    this.#endDue = true;
    if (this.#looking) this.schedule();
    else this.#dispatch();
  }

  #understand(chunk: Uint8Array): void {
    try {
      const verdict = this.#parser.feed(chunk);
      if (verdict === GO_ON) return;
      if (verdict === PEER_CLOSES) this.ending.peerClosed();
      else this.ending.peerAccuses();
      if (verdict !== PEER_CLOSES) this.#clear();
      this.#endDue = true;
      this.#farewell.hangUp();
    } catch (error) {
      const known = error instanceof Breach || error instanceof NoSpaceError;
      if (!known) throw error;
      if (this.#closed === undefined && error instanceof NoSpaceError) this.#failed(error);
      else if (this.#closed === undefined) this.#peerBroke(error.message);
      else this.#farewell.hangUp();
    }
  }

  #peerBroke(how: string): void {
    this.ending.peerBroke(how);
    this.#clear();
    this.#isOver();
    this.#endDue = true;
    this.#farewell.say(REFUSED);
  }

  /** This side can't go on. The peer is told that it closes. */
  #failed(error: RingbellError): void {
    this.ending.weFailed(error);
    this.#isOver();
    this.#endDue = true;
    this.#farewell.say(CLOSING);
  }

  /** Nothing comes any more, and nothing new goes out. */
  #isOver(): void {
    this.#deaf = true;
    this.#leaveExit?.();
    this.outlet.cut();
    for (const lane of this.lanes) lane.arrivals.cut();
    this.bulk.end();
  }

  #clear(): void {
    for (const lane of this.lanes) lane.clear();
  }

  /** Has no handler called from here on. */
  #forgetHandlers(): void {
    this.#handler = undefined;
    this.bulk.handler = undefined;
    for (const lane of this.lanes) lane.handler = undefined;
  }

  #resume(): void {
    this.#scheduled = false;
    this.#dispatch();
  }

  /** Calls the handlers, until nothing is due or the turn is over. */
  #dispatch(may = mayGoOn()): void {
    if (this.#dispatching || this.#handler === undefined) return;
    this.#dispatching = true;
    this.outlet.hold();
    const entered = enter();
    let more = true;
    for (let goOn = may; more && goOn; goOn = mayGoOn()) more = this.#tellAll();
    if (entered) leave();
    this.#dispatching = false;
    if (!more) {
      this.#tellEnd();
    } else if (!this.#scheduled) {
      this.#scheduled = true;
      resumeInTurn(() => this.#resume());
    }
    this.outlet.letGo();
  }

  /** Returns whether there may be more. */
  #tellAll(): boolean {
    let more = false;
    for (const part of this.#parts) {
      try {
        if (part.tell()) more = true;
      } catch (error) {
        raise(error);
        more = true;
      }
    }
    return more;
  }

  #tellEnd(): void {
    const handler = this.#handler;
    if (!this.#endDue || handler === undefined) return;
    this.#endDue = false;
    this.#forgetHandlers();
    try {
      handler.onEnd();
    } catch (error) {
      raise(error);
    }
  }
}
