import { randomInt } from "node:crypto";
import { EventEmitter } from "node:events";
import { clearTimeout, setTimeout } from "../clock.js";
import { ClosedError, ConsumerBusyError, CorruptError } from "../errors.js";
import type { CloseOptions } from "../port.js";
import { guarded } from "../raise.js";
import type { ClientMethod } from "../rpc/client.js";
import type { Contract, Method } from "../rpc/contract.js";
import type { RetryOptions } from "../rpc/open.js";
import { offAbort, onAbort } from "../signal.js";
import { ReplacedError } from "./errors.js";
import { type Cursor, cursorOf, newId } from "./frames.js";
import { type Item, itemOf } from "./item.js";
import { ItemLoop } from "./item-loop.js";
import { type Connecting, type Link, link, type Notices } from "./link.js";
import { type InputOptions, OpenInputs } from "./open-inputs.js";
import type { From } from "./session.js";

/* Longer than most files: how an attachment comes back touches all of its state, which is private to one class. */

/**
 * How an interface is connected. `attached`; `reconnecting` after the connection was lost; `over` when the session has ended for good;
 * `replaced` by another attachment with the same client id; `failed` when no more attempt is made; `closed` by `close`.
 */
export type AttachmentState = "attached" | "reconnecting" | "over" | "replaced" | "failed" | "closed";

export interface AttachmentEvents {
  /** The session's state is another one. */
  state: [state: string];
  /** A retained value is another one; undefined if it was taken away. */
  retained: [name: string, value: unknown];
  /** The connection's state is another one. */
  connection: [state: AttachmentState, error: Error | undefined];
}

type MethodsIn<C> = C extends Contract<infer M> ? M : Readonly<Record<string, Method>>;
type ParamsIn<M> =
  ClientMethod<M> extends (params: infer Params, ...rest: never[]) => unknown ? Params : unknown;
type ResultIn<M> = M extends Method<infer _Kind, infer _Params, infer Result> ? Result["got"] : unknown;

const NO_MESSAGE = { link: undefined, frames: [] };

/** How an interface comes back, if nothing else is said: within a minute, not all interfaces of a session in step. */
const RETRY = { attempts: 1000, minDelay: 20, maxDelay: 1000, maxTotal: 60_000 };

export interface AttachmentParts {
  readonly name: string;
  readonly client: string;
  readonly from: From;
  readonly connecting: Connecting;
  /** How to come back; undefined: not at all. */
  readonly retry: RetryOptions | undefined;
  readonly onPeerError: (error: Error) => void;
}

/**
 * An interface's side of a session, made by `attach`: an async iterable of a snapshot and the events after it, without gap or repeat.
 * What is not taken waits in the session, which leaves out, or sums up in a snapshot, what an interface is too slow for, and says so.
 */
export class Attachment<Event = unknown, Snapshot = unknown, Inputs extends Contract = Contract>
  extends EventEmitter<AttachmentEvents>
  implements AsyncIterable<Item<Event, Snapshot>>, AsyncDisposable
{
  /** The id of this client, under which the session knows it again. */
  readonly client: string;
  /** The session's retained values, by name, as they are now. */
  readonly retained: ReadonlyMap<string, unknown>;
  readonly #parts: AttachmentParts;
  #name: string;
  #from: From;
  /** Counts the sessions that it was attached to. What belongs to a former one has no effect. */
  #generation = 0;
  readonly #retained = new Map<string, unknown>();
  readonly #inputs = new OpenInputs();
  readonly #instance = newId();
  readonly #stop = new AbortController();
  #link: Link | undefined;
  /** A connection that has ended, none follows, and it has events that the loop has not taken. */
  #rest: Link | undefined;
  #isOver = false;
  #next: Promise<Link>;
  #connection: AttachmentState = "reconnecting";
  #state = "";
  #session = "";
  #log = "";
  /** The last event that was taken, or that a snapshot stands for; undefined before the first. */
  #sequence: number | undefined;
  #error: Error | undefined;
  #reading = false;
  /** The message that came last, and the next of its frames. */
  #message: { readonly link: Link | undefined; readonly frames: readonly unknown[] } = NO_MESSAGE;
  #at = 0;

  private constructor(parts: AttachmentParts) {
    super();
    this.#parts = parts;
    this.#name = parts.name;
    this.#from = parts.from;
    this.client = parts.client;
    this.retained = this.#retained;
    this.#next = this.#attachFirst();
    this.#next.catch(() => {});
  }

  /** Resolves when the interface is attached for the first time. */
  static async open<Event, Snapshot, Inputs extends Contract>(
    parts: AttachmentParts,
  ): Promise<Attachment<Event, Snapshot, Inputs>> {
    const attachment = new Attachment<Event, Snapshot, Inputs>(parts);
    await attachment.#next;
    return attachment;
  }

  /** The session's id. */
  get session(): string {
    return this.#session;
  }

  /** The session's state, as it was last told. */
  get state(): string {
    return this.#state;
  }

  get connection(): AttachmentState {
    return this.#connection;
  }

  /**
   * The place of the last item that the loop got: to be kept, and given to `attach({ from: { cursor } })` by the next process. Undefined
   * before the first item of an interface that begins with a snapshot.
   */
  get cursor(): Cursor | undefined {
    return this.#sequence === undefined ? undefined : cursorOf(this.#log, this.#sequence);
  }

  /**
   * Makes an input. Resolves with the answer of its handler. If the connection is lost meanwhile it is repeated once, and applied once.
   *
   * Rejects with a CallError where the session refuses it or its handler throws; with an InputLostError if the session was lost before it
   * answered; with a TimeoutError, or the signal's reason.
   */
  input<Name extends keyof MethodsIn<Inputs> & string>(
    method: Name,
    ...[params, options = {}]: undefined extends ParamsIn<MethodsIn<Inputs>[Name]>
      ? [params?: ParamsIn<MethodsIn<Inputs>[Name]>, options?: InputOptions]
      : [params: ParamsIn<MethodsIn<Inputs>[Name]>, options?: InputOptions]
  ): Promise<ResultIn<MethodsIn<Inputs>[Name]>> {
    const answer = this.#inputs.make(method, params, options);
    // A program may look at it later.
    answer.catch(() => {});
    return answer as Promise<ResultIn<MethodsIn<Inputs>[Name]>>;
  }

  /** Asks for a snapshot, which comes as an item. Resolves with false if the session has none. */
  async refresh(options: InputOptions = {}): Promise<boolean> {
    const { calls } = await this.#next;
    const { available } = await calls.snapshot(undefined, options as never);
    return available;
  }

  /**
   * Goes over to another session: detaches from this one, and attaches to that one. The loop goes on there. Inputs that wait for answers
   * reject, because they are for this one. Resolves when it is attached, and rejects, and ends the attachment, where it can't be.
   */
  async switchTo(name: string, from: From = "snapshot"): Promise<void> {
    if (this.#stop.signal.aborted) throw this.#stop.signal.reason;
    const former = this.#link;
    this.#generation++;
    this.#name = name;
    this.#from = from;
    this.#link = undefined;
    this.#sequence = undefined;
    this.#inputs.abandon(new ClosedError("the attachment went over to another session"));
    this.#set("reconnecting", undefined);
    this.#next = this.#attachFirst();
    this.#next.catch(() => {});
    former?.close().catch(() => {});
    await this.#next;
  }

  /** Detaches. The session remembers the client for a while, so that its inputs are known when it comes back. */
  async close(options?: CloseOptions): Promise<void> {
    const current = this.#link;
    this.#end("closed", new ClosedError("the attachment was closed by this side"), undefined);
    this.#rest = undefined;
    await current?.close(options);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /**
   * Iterates over the items. Ends when the session is over, and after `close`. Throws a ReplacedError, or what has made the last attempt
   * to come back fail; a ConsumerBusyError while another loop runs. Leaving the loop leaves the interface attached; a new loop goes on. There is one loop at a time.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Item<Event, Snapshot>> {
    if (this.#reading)
      throw new ConsumerBusyError("the attachment is being iterated already; there is one loop at a time");
    this.#reading = true;
    return new ItemLoop<Item<Event, Snapshot>>({
      takeNow: () => this.#takeNow() as Item<Event, Snapshot> | undefined,
      more: () => this.#more(),
      left: () => {
        this.#reading = false;
      },
    });
  }

  /** Returns the next item of the message that came last. */
  #takeNow(): Item | undefined {
    const { link, frames } = this.#message;
    if (this.#at >= frames.length || link !== (this.#link ?? this.#rest)) return undefined;
    const item = itemOf(frames[this.#at++], this.#sequence);
    if (item !== undefined) this.#sequence = item.sequence;
    else this.#corrupt(link);
    return item;
  }

  /** The session breaks the rules: what follows can't be right. */
  #corrupt(link: Link | undefined): void {
    this.#message = NO_MESSAGE;
    link?.destroy(new CorruptError("the session sent an event out of its order, or what is no event"));
  }

  /** Waits for the next message. Resolves with false if none will come. */
  async #more(): Promise<boolean> {
    const current = this.#link ?? this.#rest ?? (await this.#again());
    if (current === undefined) {
      if (this.#error !== undefined) throw this.#error;
      return false;
    }
    try {
      const message = await current.data.receive();
      if (current !== this.#link && current !== this.#rest) return true;
      this.#message = { link: current, frames: framesOf(message) };
      this.#at = 0;
    } catch (error) {
      // The connection has ended, or the session sends what can't be read.
      if (current === this.#rest) this.#rest = undefined;
      else if (current === this.#link) current.destroy(error as Error);
      await current.closed;
    }
    return true;
  }

  /** Waits for the next connection; undefined if there will be none. */
  async #again(): Promise<Link | undefined> {
    try {
      return await this.#next;
    } catch {
      return undefined;
    }
  }

  /** Connects and attaches, once. */
  async #attach(from: From, connecting: Connecting): Promise<Link> {
    const client = { client: this.client, instance: this.#instance };
    const generation = this.#generation;
    let made: Link | undefined;
    /** Notices that came in the same turn as the welcome, and before it was looked at. */
    const early: (() => void)[] = [];
    const heed = (notice: () => void) => {
      if (made === undefined) early.push(notice);
      else if (made === this.#link) notice();
    };
    const notices: Notices = {
      state: (state) => heed(() => this.#setState(state)),
      retained: (key, value) => heed(() => this.#retain(key, value)),
      replaced: () => heed(() => this.#replaced()),
      over: () =>
        heed(() => {
          this.#isOver = true;
        }),
      bad: this.#parts.onPeerError,
    };
    const current = await link(
      this.#name,
      { ...connecting, signal: this.#signal(connecting.signal) },
      client,
      from,
      notices,
    );
    made = current;
    if (this.#stop.signal.aborted || generation !== this.#generation) {
      current.destroy();
      throw this.#stop.signal.reason ?? new ClosedError("the attachment went over to another session");
    }
    this.#attached(current);
    for (const notice of early) heed(notice);
    return current;
  }

  async #attachFirst(): Promise<Link> {
    const generation = this.#generation;
    try {
      return await this.#attach(this.#from, this.#parts.connecting);
    } catch (error) {
      if (generation === this.#generation) this.#end("failed", error as Error, error as Error);
      throw error;
    }
  }

  /** The signal of `attach` is for the first connection only. */
  #signal(given: AbortSignal | undefined): AbortSignal {
    return given === undefined ? this.#stop.signal : AbortSignal.any([given, this.#stop.signal]);
  }

  #attached(current: Link): void {
    const { session, log, sequence, state, retained } = current.welcome;
    this.#link = current;
    this.#session = session;
    // The place of the old log means nothing in the new one. The first item there is a snapshot.
    if (log !== this.#log) this.#sequence = undefined;
    this.#log = log;
    if (sequence !== undefined) this.#sequence = sequence;
    void current.closed.then(({ error }) => this.#lost(current, error));
    this.#set("attached", undefined);
    this.#setState(state);
    for (const name of this.#retained.keys()) {
      if (!Object.hasOwn(retained, name)) this.#retain(name, undefined);
    }
    for (const [name, value] of Object.entries(retained)) this.#retain(name, value);
    this.#inputs.connected(current);
  }

  #lost(current: Link, error: Error | undefined): void {
    if (this.#link !== current) return;
    this.#link = undefined;
    this.#inputs.lost();
    if (this.#isOver) {
      this.#rest = current;
      this.#end("over", new ClosedError("the session is over"), undefined);
      return;
    }
    const { retry } = this.#parts;
    if (retry === undefined) {
      this.#rest = current;
      this.#end("failed", error ?? new ClosedError("the session has closed the connection"), error);
      return;
    }
    this.#set("reconnecting", error);
    this.#next = this.#comeBack({ ...RETRY, ...retry });
    this.#next.catch(() => {});
  }

  async #comeBack(retry: RetryOptions): Promise<Link> {
    const { clock, random = () => randomInt(2 ** 32) / 2 ** 32, minDelay = RETRY.minDelay } = retry;
    const { signal } = this.#stop;
    const generation = this.#generation;
    const from: From = this.cursor === undefined ? this.#from : { cursor: this.cursor };
    const { signal: _first, ...connecting } = this.#parts.connecting;
    // All interfaces of a session lose it at the same moment, so the first attempt, too, comes after a random delay.
    await (clock?.sleep(random() * minDelay, signal) ?? sleep(random() * minDelay, signal));
    const attempts = { ...connecting, retry: { ...retry, random } };
    for (let tries = 1; ; tries++) {
      try {
        return await this.#attach(from, attempts);
      } catch (error) {
        // A session that ends between connecting and attaching is tried again. What it refuses stays refused.
        if (generation !== this.#generation) throw error;
        if (signal.aborted || !isLoss(error) || tries >= MOST_LOSSES) {
          this.#end("failed", error as Error, error as Error);
          throw error;
        }
        await sleep(random() * RETRY.maxDelay, signal);
      }
    }
  }

  #replaced(): void {
    const error = new ReplacedError(
      "another attachment with the same client id has taken the place of this one",
    );
    const current = this.#link;
    this.#end("replaced", error, error);
    current?.destroy();
  }

  /** Nothing follows: `failure` is what inputs that wait reject with, and `thrown` what the loop throws. */
  #end(connection: AttachmentState, failure: Error, thrown: Error | undefined): void {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort(failure);
    this.#link = undefined;
    this.#error = thrown;
    this.#next = Promise.reject(failure);
    this.#next.catch(() => {});
    this.#inputs.end(failure);
    this.#set(connection, thrown);
  }

  #set(connection: AttachmentState, error: Error | undefined): void {
    this.#connection = connection;
    guarded(() => this.emit("connection", connection, error));
  }

  #setState(state: string): void {
    if (state === this.#state) return;
    this.#state = state;
    guarded(() => this.emit("state", state));
  }

  #retain(name: string, value: unknown): void {
    if (value === undefined) this.#retained.delete(name);
    else this.#retained.set(name, value);
    guarded(() => this.emit("retained", name, value));
  }
}

/** The frames of a message: several events come as one array of them. */
function framesOf(message: unknown): readonly unknown[] {
  return Array.isArray(message) && Array.isArray(message[0]) ? message : [message];
}

/** So often (each after a random delay) a session that is lost while we attach is tried again. */
const MOST_LOSSES = 60;

const LOSSES = [
  ...["ERR_RINGBELL_CALL_LOST", "ERR_RINGBELL_CLOSED", "ERR_RINGBELL_PEER_DIED"],
  ...["ERR_RINGBELL_TIMEOUT", "ERR_RINGBELL_HANDSHAKE", "ERR_RINGBELL_HANDSHAKE_TIMEOUT"],
];

/** Whether an attempt failed because the session ended or did not answer. */
function isLoss(error: unknown): boolean {
  return LOSSES.includes(String((error as { readonly code?: unknown } | null)?.code));
}

/** Resolves after `ms` ms, or rejects when the signal is aborted. */
function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      offAbort(signal, stop);
      resolve();
    }, ms);
    if (signal.aborted) stop();
    else onAbort(signal, stop);
  });
}
