import { releaseBlocks } from "../codec/release-blocks.js";
import { validate } from "../codec/schema.js";
import { CorruptError, InvalidArgumentError } from "../errors.js";
import { guarded } from "../raise.js";
import type { CallOptions } from "./call.js";
import type { Method } from "./contract.js";
import { CallError, CallLostError, TOO_LATE } from "./errors.js";
import { errorBodyOf } from "./failure.js";
import { ItemsReader } from "./items-reader.js";
import { ItemsWriter } from "./items-writer.js";
import { CallLimits } from "./limits.js";
import { isUnsendable, type Link } from "./link.js";
import {
  CANCEL,
  CREDIT,
  CREDIT_WINDOW,
  type ErrorBody,
  extension,
  INPUT,
  INPUT_END,
  PING,
  type Response,
} from "./message.js";

/** A call that waits for its answer. */
interface Pending {
  readonly name: string;
  readonly method: Method;
  readonly limits: CallLimits | undefined;
  readonly onProgress: ((value: never) => void) | undefined;
  /** What the program has got, for a request. */
  readonly promise?: Promise<unknown>;
  /** Whether the request has gone out. */
  sent: boolean;
  succeed(result: unknown): void;
  fail(error: unknown): void;
  items?(items: readonly unknown[]): boolean;
  input?: ItemsWriter;
}

const NO_OPTIONS: CallOptions<never, never> = {};

/** What the calls of this side tell. */
export interface OutgoingEvents {
  /** The other side sent something against the rules. */
  bad(error: Error): void;
  /** A call has begun, and waits for the other side. */
  begun(): void;
}

type Ends = Pick<Pending, "promise" | "succeed" | "fail" | "items">;

/** The calls that this side makes. */
export class Outgoing {
  readonly #link: Link;
  readonly #events: OutgoingEvents;
  readonly #calls = new Map<number, Pending>();
  #lastId = 0;

  constructor(link: Link, events: OutgoingEvents) {
    this.#link = link;
    this.#events = events;
  }

  /** The number of calls that wait for an answer. */
  get size(): number {
    return this.#calls.size;
  }

  request(name: string, method: Method, params: unknown, options = NO_OPTIONS): Promise<unknown> {
    let resolve!: (result: unknown) => void;
    let fail!: (error: unknown) => void;
    const promise = new Promise<unknown>((resolved, rejected) => {
      resolve = resolved;
      fail = rejected;
    });
    const succeed = (result: unknown) =>
      resolve(method.result === undefined ? result : validate(method.result, result));
    this.#begin(name, method, params, options, { promise, succeed, fail }, undefined);
    return promise;
  }

  /** Whether a call with this id waits for its answer. */
  waitsFor(id: unknown): boolean {
    return this.#calls.has(id as number);
  }

  stream(name: string, method: Method, params: unknown, options = NO_OPTIONS): ItemsReader {
    let id = 0;
    const reader: ItemsReader = new ItemsReader({
      start: () => {
        id = this.#begin(name, method, params, options, ending, CREDIT_WINDOW);
      },
      credit: (count) => this.#link.tell(extension(CREDIT, { id, count })),
      leave: () => this.#cancel(id),
      check: (item) => (method.result === undefined ? item : validate(method.result, item)),
    });
    const ending = {
      succeed: () => reader.end(),
      fail: (error: unknown) => reader.end({ error }),
      items: (items: readonly unknown[]) => reader.add(items),
    };
    return reader;
  }

  /** Resolves when the notification is on its way. */
  notify(name: string, params: unknown): Promise<void> {
    let sending: Promise<void> | undefined;
    try {
      checkParams(name, params);
      if (this.#link.ended !== undefined) throw this.#lost(name, false);
      sending = this.#post(name, false, { jsonrpc: "2.0", method: name, params });
    } catch (error) {
      releaseBlocks(params);
      sending = Promise.reject(error);
      quiet(sending, error);
    }
    return sending ?? Promise.resolve();
  }

  /**
   * Sends a message of a call. Returns a promise if it waits for room. Throws, or rejects, if it can't be sent: with a CallLostError if the
   * port has ended. `mayHaveRun`: what that says.
   */
  #post(name: string, mayHaveRun: boolean, message: object, on = this.#link.port): Promise<void> | undefined {
    const known = (error: unknown) => (isUnsendable(error) ? error : this.#lost(name, mayHaveRun, error));
    let sending: Promise<void> | undefined;
    try {
      sending = this.#link.post(message, on);
    } catch (error) {
      throw known(error);
    }
    const promise = sending?.catch((error) => {
      const reason = known(error);
      quiet(promise!, reason);
      throw reason;
    });
    return promise;
  }

  /** Called with an answer. Returns false if no call has had this id. */
  answer(message: Response): boolean {
    const { id } = message;
    const pending = this.#calls.get(id as number);
    if (pending === undefined) {
      // Of a call that was cancelled.
      releaseBlocks(message);
      return typeof id === "number" && id > 0 && id <= this.#lastId;
    }
    this.#settled(id as number, pending);
    // Clones, unlike JSON, have members that are undefined.
    const { result, error } = message as { readonly result?: unknown; readonly error?: ErrorBody };
    if (error !== undefined) {
      // The service saw first that the time was over.
      const late = error.code === TOO_LATE && pending.limits !== undefined;
      pending.fail(late ? pending.limits!.tooLate() : errorOf(error));
      return true;
    }
    try {
      pending.succeed(result);
    } catch (refused) {
      releaseBlocks(result);
      pending.fail(refused);
    }
    return true;
  }

  progress(id: unknown, value: unknown): void {
    const pending = this.#calls.get(id as number);
    const onProgress = pending?.onProgress;
    if (pending === undefined || onProgress === undefined) {
      releaseBlocks(value);
      return;
    }
    const { progress } = pending.method;
    let report: unknown;
    try {
      report = progress === undefined ? value : validate(progress, value);
    } catch (error) {
      releaseBlocks(value);
      this.#events.bad(error as Error);
      return;
    }
    guarded(() => onProgress(report as never));
  }

  /** Called with items of a stream. Returns false if they may not come. */
  items(id: unknown, items: readonly unknown[]): boolean {
    const pending = this.#calls.get(id as number);
    if (pending?.items?.(items) === true) return true;
    releaseBlocks(items);
    if (pending?.items === undefined) return pending === undefined;
    // With a hole in it, the stream is worth nothing.
    this.#cancel(id as number);
    pending.fail(new CorruptError(`${pending.name}: the other side sent more items than it had credit for`));
    return false;
  }

  /** Fails a call, if there is one with this id. */
  fail(id: unknown, error: unknown): void {
    this.#failed(id as number, error);
  }

  inputCredit(id: unknown, count: number): void {
    this.#calls.get(id as number)?.input?.grant(count);
  }

  /** Fails all calls: the connection has ended. */
  end(): void {
    for (const [id, pending] of [...this.#calls]) {
      this.#settled(id, pending);
      lose(pending, this.#lost(pending.name, pending.sent));
    }
  }

  /** Sends a request, and returns its id; 0 if it has failed at once. */
  #begin(
    name: string,
    method: Method,
    params: unknown,
    options: CallOptions<never, never>,
    ends: Ends,
    credit: number | undefined,
  ): number {
    let limits: CallLimits | undefined;
    try {
      checkParams(name, params);
      limits = options === NO_OPTIONS ? undefined : new CallLimits(name, options);
    } catch (error) {
      releaseBlocks(params);
      ends.fail(error);
      return 0;
    }
    const over = limits?.over();
    if (over !== undefined || this.#link.ended !== undefined) {
      releaseBlocks(params);
      if (over === undefined) lose(ends, this.#lost(name, false));
      else ends.fail(over.reason);
      return 0;
    }
    const id = ++this.#lastId;
    const pending: Pending = { name, method, limits, onProgress: options.onProgress, sent: true, ...ends };
    this.#calls.set(id, pending);
    limits?.start((reason) => {
      this.#cancel(id);
      pending.fail(reason);
    });
    if (!this.#send(id, pending, requestOf(id, name, params, options, limits, credit))) return 0;
    this.#events.begun();
    if (options.input !== undefined) this.#sendInput(id, pending, options.input);
    return id;
  }

  /** Sends a request. Returns false if the call has failed at once. */
  #send(id: number, pending: Pending, request: object): boolean {
    const { name } = pending;
    try {
      const sending = this.#post(name, false, request, name === PING ? this.#link.control : undefined);
      if (sending === undefined) return true;
      pending.sent = false;
      const sent = () => {
        pending.sent = true;
      };
      sending.then(sent, (error) => this.#failed(id, error));
      return true;
    } catch (error) {
      pending.sent = false;
      this.#failed(id, error);
      return false;
    }
  }

  #failed(id: number, error: unknown): void {
    const pending = this.#calls.get(id);
    if (pending === undefined) return;
    this.#settled(id, pending);
    lose(pending, error);
  }

  /** Ends a call of which nobody wants the answer any more. */
  #cancel(id: number): void {
    const pending = this.#calls.get(id);
    if (pending === undefined) return;
    this.#settled(id, pending);
    this.#link.tell(extension(CANCEL, { id }));
  }

  #settled(id: number, pending: Pending): void {
    this.#calls.delete(id);
    pending.limits?.stop();
    pending.input?.stop();
  }

  #sendInput(id: number, pending: Pending, source: AsyncIterable<unknown> | Iterable<unknown>): void {
    const { name } = pending;
    const post = (items: readonly unknown[]) => this.#post(name, true, extension(INPUT, { id, items }));
    const input = new ItemsWriter(post, CREDIT_WINDOW);
    pending.input = input;
    const end = (error?: ErrorBody) => {
      if (this.#calls.get(id) === pending)
        this.#link.post(extension(INPUT_END, { id, error }))?.catch(() => {});
    };
    input
      .write(source)
      .then(() => end())
      .catch((error) => {
        end(errorBodyOf(error));
        this.#failed(id, error);
      })
      .catch(() => {});
  }

  #lost(name: string, mayHaveRun: boolean, cause: unknown = this.#link.ended?.error): CallLostError {
    const what = mayHaveRun
      ? `${name}: the connection ended before the answer came; the method may have run`
      : `${name}: the connection has ended; nothing was sent`;
    return new CallLostError(what, mayHaveRun, cause === undefined ? undefined : { cause });
  }
}

/** Fails a call that the end of the connection has cut off, or another one. */
function lose(call: Pick<Pending, "fail" | "promise">, error: unknown): void {
  call.fail(error);
  if (call.promise !== undefined) quiet(call.promise, error);
}

/**
 * A program that awaits the promise gets the error. For other programs it is no unhandled rejection if the connection has ended: a peer
 * that goes must not bring down the process.
 */
function quiet(promise: Promise<unknown>, error: unknown): void {
  if (error instanceof CallLostError) promise.catch(() => {});
}

function requestOf(
  id: number,
  method: string,
  params: unknown,
  options: CallOptions<never, never>,
  limits: CallLimits | undefined,
  credit: number | undefined,
): object {
  if (limits === undefined && credit === undefined) return { jsonrpc: "2.0", id, method, params };
  return {
    jsonrpc: "2.0",
    id,
    method,
    params,
    ...(limits === undefined || limits.timeout === Number.POSITIVE_INFINITY
      ? {}
      : { timeout: limits.timeout }),
    ...(credit === undefined ? {} : { credit }),
    ...(options.input === undefined ? {} : { input: true }),
  };
}

/** JSON-RPC has parameters by name or by position, and no others. */
function checkParams(name: string, params: unknown): void {
  if (params === undefined || (typeof params === "object" && params !== null)) return;
  throw new InvalidArgumentError(`the parameters of ${name}`, "an object, an array or undefined", params);
}

/** The error of an answer. Its parts are the peer's: each is taken only as what it should be. */
function errorOf(body: ErrorBody): CallError {
  const { message, cause } = body;
  if (typeof cause !== "object" || cause === null || typeof cause.name !== "string") {
    return new CallError(body.code, message, body.data);
  }
  const original = new Error(message);
  original.name = cause.name;
  // It was thrown in the other process; our own stack would mislead.
  original.stack = `${original.name}: ${message}`;
  if (typeof cause.code === "string" || typeof cause.code === "number")
    Object.assign(original, { code: cause.code });
  return new CallError(body.code, message, body.data, { cause: original });
}
