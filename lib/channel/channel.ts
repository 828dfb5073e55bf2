import type { EventEmitter } from "node:events";
import { type InspectOptions, inspect } from "node:util";
import type { Block } from "../bulk/block.js";
import { LONGEST_BLOCK } from "../bulk/size-classes.js";
import { checkInteger, checkNumber, checkOptions, checkSignal } from "../check.js";
import { clearTimeout, setTimeout, type Timer } from "../clock.js";
import type { Codecs } from "../codec/resolve.js";
import type { Ending } from "../ending.js";
import { UnknownLaneError } from "../errors.js";
import type { Cells, CloseInfo, CloseOptions, Peer, Port, WaitOptions } from "../port.js";
import type { BulkStats, Connection, ConnectionStats } from "../transport/contract.js";
import { resumeInTurn, turnIsOver } from "../transport/loop-turn.js";
import { abortable, abortOf } from "./abort.js";
import { Allocations } from "./allocations.js";
import { CloseNews } from "./close-news.js";
import type { MessageLimits } from "./encoder.js";
import type { Fallback } from "./fallback.js";
import { Lane } from "./lane.js";
import { LaneCore, type LaneStatistics } from "./lane-core.js";
import type { LaneNamed, UnknownLanes, UnknownName } from "./lane-types.js";

export interface ChannelStatistics extends ConnectionStats {
  readonly transport: "shm" | "stream";
  readonly state: "open" | "closing" | "closed";
  /** Why it is a stream, where the option `transport` left the choice. */
  readonly fallback: Fallback | undefined;
  readonly lanes: readonly LaneStatistics[];
  readonly bulk: BulkStats;
}

/** The parts of which `listen` and `connect` make a channel. */
export interface ChannelParts<Send, Receive> {
  readonly connection: Connection;
  /** One entry for each lane of the connection, in its order; the first is `main`. */
  readonly lanes: readonly { readonly name: string; readonly codec: unknown }[];
  readonly peer: Peer;
  /** The entry of the option `roles`, on the side of a listener that has this option. */
  readonly role?: string | undefined;
  readonly limits: MessageLimits;
  readonly fallback?: Fallback | undefined;
  /** Called when the channel has ended, right before its close event. */
  readonly whenOver?: () => void;
  /** Carries the types of the messages; has no value. */
  readonly types?: [Send, Receive];
}

const CLOSE_TIMEOUT = 5000;

/**
 * A connection between two processes. The channel itself is its lane `main`; `lane(name)` gives the others.
 *
 * An open channel keeps the process alive, unless `unref` was called.
 */
export class Channel<Send = unknown, Receive = Send, Lanes = UnknownLanes> extends Lane<Send, Receive> {
  /**
   * The entry of the listener's option `roles` that the peer got: the role that it claims, or `default`.
   * Undefined on the side that connects, and without that option.
   */
  readonly role: string | undefined;
  /** The transport that carries the channel: shared memory, or the plain socket. */
  readonly transport: "shm" | "stream";
  /**
   * The lanes beside `main`, by name. (`Readonly` lets TypeScript compare channels by their lanes; the method
   * `lane` does not show how they vary.)
   */
  readonly lanes: Readonly<Lanes>;

  readonly #peer: Peer;
  readonly #connection: Connection;
  readonly #fallback: Fallback | undefined;
  readonly #cores: readonly LaneCore<unknown, unknown>[];
  readonly #allocations: Allocations;
  #state: "open" | "closing" | "closed" = "open";
  /** Whether the lanes and the connection were told that the channel has ended. */
  #over = false;
  readonly #ending: Ending;
  readonly #news: CloseNews;
  #closing: Promise<void> | undefined;
  /** Resolves when the kernel or the peer has what was sent. */
  #released: Promise<void> = Promise.resolve();
  #warned = false;
  #last: readonly LaneStatistics[] | undefined;

  /** Made by `listen` and `connect`. */
  constructor(parts: ChannelParts<Send, Receive>) {
    const { connection, peer } = parts;
    // The owner's members need `this`, which exists by the time they are used.
    const channel = (): Port<never, unknown> => this;
    const owner = {
      get channel(): Port<never, unknown> {
        return channel();
      },
      ending: connection.ending,
      look: (): void => connection.look(),
      bad: (error: Error): void => this.#bad(error),
      finished: (): void => this.#news.laneFinished(),
    };
    const cores = connection.lanes.map(
      (lane, i) =>
        new LaneCore<unknown, unknown>(
          lane,
          connection.bulk,
          parts.lanes[i]!.codec as Codecs<unknown, unknown>,
          parts.limits,
          owner,
        ),
    );
    super(cores[0] as unknown as LaneCore<Send, Receive>);
    this.#peer = peer;
    this.role = parts.role;
    this.transport = connection.transport;
    this.#fallback = parts.fallback;
    this.#ending = connection.ending;
    this.#connection = connection;
    this.#cores = cores;
    const beside = cores.slice(1).map((core) => [core.transport.name, new Lane(core)]);
    // `lanes` has no prototype: a lane may have any name, and only lanes may be found.
    this.lanes = Object.freeze(Object.assign(Object.create(null), Object.fromEntries(beside))) as Lanes;
    this.#allocations = new Allocations(connection.bulk);
    const telling = cores.map(({ emitter, receiver }) => ({ emitter: emitter!, receiver }));
    this.#news = new CloseNews(connection.ending, telling, parts.whenOver);
    connection.start({ onEnd: () => this.#end(), onMemory: () => this.#onMemory() }, cores);
  }

  /** The process at the other end. */
  override get peer(): Peer {
    return this.#peer;
  }

  /** Resolves when the channel has ended, with the reason. Never rejects. A listener for messages first gets what had arrived. */
  override get closed(): Promise<CloseInfo> {
    return this.#news.closed;
  }

  /** `closing` while `close` waits for sends; `open` before, `closed` after the end. */
  override get state(): "open" | "closing" | "closed" {
    // A thread that does not come to its event loop knows the end before the lanes are told.
    return this.#ending.reason === undefined ? this.#state : "closed";
  }

  /** The lane named `control`, if the channel has one. Messages on the channel do not hold it up. */
  get control(): Port | undefined {
    return this.#beside.control as Port | undefined;
  }

  /** 32-bit words that the peer reads at once, even while its event loop is busy; undefined without shared memory. */
  get cells(): Cells | undefined {
    return this.#connection.cells;
  }

  /**
   * Returns a lane by its name. Throws an UnknownLaneError (ERR_RINGBELL_UNKNOWN_LANE) if the channel has no
   * such lane. The lane has the types of its codec if this side named it in the option `lanes`; otherwise the
   * caller states them.
   */
  lane<LaneSend = unknown, LaneReceive = LaneSend>(name: UnknownName<Lanes>): Lane<LaneSend, LaneReceive>;
  lane<Name extends "main" | (keyof Lanes & string)>(name: Name): LaneNamed<Lanes, Name, Send, Receive>;
  lane(name: string): unknown {
    const lane = name === this.name ? this : this.#beside[name];
    if (lane === undefined) throw new UnknownLaneError(name, this.#laneNames);
    return lane;
  }

  /**
   * Returns a block of `bytes` bytes, to be filled and sent over any lane of this channel. `bytes` is 0 to 4
   * GiB, or more if this version of Node has longer typed arrays. Waits, in order, for room under
   * `maxBulkBytes`: until this side has released blocks, or the peer has released blocks that were sent to
   * it.
   *
   * Rejects with a BlockTooLargeError (ERR_RINGBELL_BLOCK_TOO_LARGE) for more bytes than that limit; with a
   * NoSpaceError (ERR_RINGBELL_NO_SPACE) if the system has no memory, which may be tried again; with the
   * reason at the end of the channel; and on abort or time-out.
   */
  override async allocate(bytes: number, options?: WaitOptions): Promise<Block> {
    try {
      checkInteger(bytes, "bytes", 0, LONGEST_BLOCK);
      const abort = abortOf(options, `no memory for a block of ${bytes} bytes was free`);
      this.#mustBeOpen();
      return await this.#allocations.allocate(bytes, abort);
    } finally {
      if (turnIsOver()) await new Promise<void>(resumeInTurn);
    }
  }

  /**
   * Like `allocate`, but returns undefined if there is no room now, or if others wait for room. Memory that
   * must be taken from the system costs some 0.3 ms a MiB, once.
   */
  override tryAllocate(bytes: number): Block | undefined {
    checkInteger(bytes, "bytes", 0, LONGEST_BLOCK);
    this.#mustBeOpen();
    return this.#allocations.tryAllocate(bytes);
  }

  /** Like `Lane.flush`, for all lanes. */
  override async flush(options?: WaitOptions): Promise<void> {
    await Promise.all([
      super.flush(options),
      ...Object.values(this.#beside).map((lane) => lane.flush(options)),
    ]);
  }

  /**
   * Ends the channel in order. Waiting sends still go out, for at most `timeout` ms. The peer gets all that
   * was sent, and then learns that this side closed on purpose. Messages that have arrived and were not taken
   * are dropped. Resolves when nothing is left to do. Idempotent. If the signal is aborted, the channel is
   * destroyed and the promise rejects with the reason.
   */
  override close(options: CloseOptions = {}): Promise<void> {
    checkOptions(options, ["timeout", "signal"], "options");
    const signal = checkSignal(options.signal, "options.signal");
    const timeout = checkNumber(
      options.timeout ?? CLOSE_TIMEOUT,
      "options.timeout",
      0,
      Number.POSITIVE_INFINITY,
    );
    this.#closing ??= this.#close(timeout);
    const closing = this.#closing;
    if (signal === undefined) return closing;
    if (signal.aborted) this.#abandon();
    return abortable<void>(signal, (resolve) => {
      void closing.then(resolve);
      return () => this.#abandon();
    });
  }

  /** Gives up the orderly end: destroys the channel and its connection. */
  #abandon(): void {
    this.destroy();
    this.#connection.destroy();
  }

  /** Ends the channel at once. Waiting sends fail, with the error if one is given. The peer gets what was sent before. Idempotent. */
  override destroy(error?: Error): void {
    this.#ending.byUs(error);
    this.#end();
    this.#drop();
  }

  /** Makes the channel keep the process alive again, after `unref`. */
  override ref(): this {
    this.#connection.ref();
    return this;
  }

  /** Lets the process end while the channel is open. */
  override unref(): this {
    this.#connection.unref();
    return this;
  }

  /** Returns counters and state. May be called at any time; cheap, and emits nothing. */
  stats(): ChannelStatistics {
    return {
      transport: this.transport,
      state: this.state,
      fallback: this.#fallback,
      ...this.#connection.stats(),
      lanes: this.#last ?? this.#cores.map((core) => core.stats()),
      bulk: this.#connection.bulk.stats(),
    };
  }

  /** Returns the text that console.log shows. */
  [inspect.custom](_depth: number, options: InspectOptions): string {
    const { transport, state, peer, capacity } = this;
    const lanes = this.#laneNames;
    return `Channel ${inspect({ state, transport, peer, lanes, capacity }, options)}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  get #beside(): UnknownLanes {
    return this.lanes as UnknownLanes;
  }

  get #laneNames(): string[] {
    return [this.name, ...Object.keys(this.#beside)];
  }

  async #close(timeout: number): Promise<void> {
    if (this.#over) {
      this.#drop();
      await this.#news.told;
      return;
    }
    this.#state = "closing";
    this.#ending.closing();
    const busy = this.#cores.filter((core) => core.sender.waiting > 0);
    if (busy.length > 0) {
      let timer: Timer | undefined;
      const late = new Promise<void>((resolve) => {
        if (timeout < Number.POSITIVE_INFINITY) timer = setTimeout(resolve, timeout);
      });
      await Promise.race([Promise.all(busy.map((core) => core.sender.idle())), late]);
      clearTimeout(timer);
    }
    // The peer may have gone meanwhile; its reason then stays, because the first one counts.
    this.#ending.byUs();
    this.#end();
    this.#drop();
    await Promise.all([this.#released, this.#news.told]);
  }

  /** Ends lanes, allocations and connection, once `ending` has the reason. */
  #end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#state = "closed";
    const { reason, error, failure } = this.#ending;
    // After a protocol error the rest is dropped: the peer may have sent anything.
    const drop = reason === "protocol-error" || (reason === "ended" && failure === undefined);
    for (const core of this.#cores) {
      core.sender.end();
      core.receiver.end(drop);
    }
    this.#allocations.end(error!);
    this.#last = this.#cores.map((core) => core.stats());
    const connection = this.#connection;
    const released = connection.close();
    // The timer frees what was sent, and this process, from a peer that does not read.
    const timer = setTimeout(() => connection.destroy(), CLOSE_TIMEOUT).unref();
    this.#released = released.finally(() => clearTimeout(timer));
  }

  /** Drops the messages that were not taken: this side has no use for them any more. */
  #drop(): void {
    for (const core of this.#cores) core.receiver.drop();
  }

  #onMemory(): void {
    this.#allocations.onMemory();
    for (const core of this.#cores) core.sender.onMemory();
  }

  #mustBeOpen(): void {
    if (this.#ending.error !== undefined) throw this.#ending.error;
  }

  #bad(error: Error): void {
    const emitter = this as unknown as EventEmitter;
    if (emitter.listenerCount("error") > 0) {
      emitter.emit("error", error);
    } else if (!this.#warned) {
      this.#warned = true;
      process.emitWarning(
        `a message from process ${this.peer.pid ?? "?"} was skipped: ${error.message} (further ones are counted in stats(); listen for "error")`,
        { type: "RingbellWarning" },
      );
    }
  }
}
