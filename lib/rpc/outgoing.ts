import { releaseBlocks } from "../codec/release-blocks.js";
import { validate } from "../codec/schema.js";
import { InvalidArgumentError } from "../errors.js";
import { raise } from "../raise.js";
import type { CallOptions } from "./call.js";
import type { Method } from "./contract.js";
import { CallError, CallLostError, TOO_LATE } from "./errors.js";
import { errorBodyOf } from "./failure.js";
import { ItemsReader } from "./items-reader.js";
import { ItemsWriter } from "./items-writer.js";
import { CallLimits } from "./limits.js";
import type { Link } from "./link.js";
import {
  CANCEL,
  CREDIT,
  CREDIT_WINDOW,
  type ErrorBody,
  extension,
  INPUT,
  INPUT_END,
  type Response,
} from "./message.js";

/** A call that waits for its answer. */
abstract class Pending {
  readonly name: string;
  readonly method: Method;
  readonly onProgress: ((value: never) => void) | undefined;
  limits: CallLimits | undefined = undefined;
  /** What sends the items that the caller streams. */
  input: ItemsWriter | undefined = undefined;

  constructor(name: string, method: Method, onProgress: ((value: never) => void) | undefined) {
    this.name = name;
    this.method = method;
    this.onProgress = onProgress;
  }

  abstract succeed(result: unknown): void;
  abstract fail(error: unknown): void;
  /** Returns false if items may not come. */
  abstract items(items: readonly unknown[]): boolean;
}

class PendingRequest extends Pending {
  readonly promise: Promise<unknown>;
  #resolve!: (result: unknown) => void;
  #reject!: (error: unknown) => void;

  constructor(name: string, method: Method, onProgress: ((value: never) => void) | undefined) {
    super(name, method, onProgress);
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  succeed(result: unknown): void {
    const schema = this.method.result;
    this.#resolve(schema === undefined ? result : validate(schema, result));
  }

  fail(error: unknown): void {
    this.#reject(error);
  }

  items(): boolean {
    return false;
  }
}

class PendingStream extends Pending {
  /** Set right after it was made. */
  reader!: ItemsReader;

  succeed(): void {
    this.reader.end();
  }

  fail(error: unknown): void {
    this.reader.end({ error });
  }

  items(items: readonly unknown[]): boolean {
    return this.reader.add(items);
  }
}

const NO_OPTIONS: CallOptions<never, never> = {};

/** The calls that this side makes. */
export class Outgoing {
  readonly #link: Link;
  readonly #calls = new Map<number, Pending>();
  #lastId = 0;

  constructor(link: Link) {
    this.#link = link;
  }

  /** The number of calls that wait for an answer. */
  get size(): number {
    return this.#calls.size;
  }

  request(name: string, method: Method, params: unknown, options = NO_OPTIONS): Promise<unknown> {
    const pending = new PendingRequest(name, method, options.onProgress);
    this.#begin(pending, params, options, undefined);
    return pending.promise;
  }

  stream(name: string, method: Method, params: unknown, options = NO_OPTIONS): ItemsReader {
    let id = 0;
    const pending = new PendingStream(name, method, options.onProgress);
    pending.reader = new ItemsReader({
      start: () => {
        id = this.#begin(pending, params, options, CREDIT_WINDOW);
      },
      credit: (count) => this.#link.tell(extension(CREDIT, { id, count })),
      leave: () => this.#cancel(id),
      check: (item) => (method.result === undefined ? item : validate(method.result, item)),
    });
    return pending.reader;
  }

  /** Resolves when the notification is on its way. */
  async notify(name: string, params: unknown): Promise<void> {
    checkParams(name, params);
    if (this.#link.ended !== undefined) throw this.#lost(name, false);
    await this.#link.post({ jsonrpc: "2.0", method: name, params });
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
    if ("error" in message) {
      const { error } = message;
      // The service saw first that the time was over.
      pending.fail(
        error.code === TOO_LATE && pending.limits !== undefined ? pending.limits.tooLate() : errorOf(error),
      );
      return true;
    }
    try {
      pending.succeed(message.result);
    } catch (error) {
      releaseBlocks(message.result);
      pending.fail(error);
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
    try {
      const { progress } = pending.method;
      onProgress((progress === undefined ? value : validate(progress, value)) as never);
    } catch (error) {
      raise(error);
    }
  }

  /** Called with items of a stream. Returns false if they may not come. */
  items(id: unknown, items: readonly unknown[]): boolean {
    const pending = this.#calls.get(id as number);
    if (pending?.items(items) === true) return true;
    releaseBlocks(items);
    // Items of a call that was cancelled may still be under way.
    return pending === undefined;
  }

  inputCredit(id: unknown, count: number): void {
    this.#calls.get(id as number)?.input?.grant(count);
  }

  /** Fails all calls: the connection has ended. */
  end(): void {
    for (const [id, pending] of [...this.#calls]) {
      this.#settled(id, pending);
      pending.fail(this.#lost(pending.name, true));
    }
  }

  /** Sends a request, and returns its id; 0 if it has failed at once. */
  #begin(
    pending: Pending,
    params: unknown,
    options: CallOptions<never, never>,
    credit: number | undefined,
  ): number {
    const { name } = pending;
    const limits = options === NO_OPTIONS ? undefined : new CallLimits(name, options);
    const over = limits?.over();
    if (over !== undefined || this.#link.ended !== undefined) {
      pending.fail(over === undefined ? this.#lost(name, false) : over.reason);
      return 0;
    }
    const id = ++this.#lastId;
    pending.limits = limits;
    this.#calls.set(id, pending);
    limits?.start((reason) => {
      this.#cancel(id);
      pending.fail(reason);
    });
    try {
      checkParams(name, params);
      this.#link
        .post(requestOf(id, name, params, options, limits, credit))
        ?.catch((error) => this.#failed(id, error));
    } catch (error) {
      this.#failed(id, error);
      return 0;
    }
    if (options.input !== undefined) this.#sendInput(id, pending, options.input);
    return id;
  }

  #failed(id: number, error: unknown): void {
    const pending = this.#calls.get(id);
    if (pending === undefined) return;
    this.#settled(id, pending);
    pending.fail(error);
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
    const input = new ItemsWriter((items) => this.#link.post(extension(INPUT, { id, items })), CREDIT_WINDOW);
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

  #lost(name: string, mayHaveRun: boolean): CallLostError {
    const cause = this.#link.ended?.error;
    const what = mayHaveRun
      ? `${name}: the connection ended before the answer came; the method may have run`
      : `${name}: the connection has ended; nothing was sent`;
    return new CallLostError(what, mayHaveRun, cause === undefined ? undefined : { cause });
  }
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
  const message = String(body.message);
  const { cause } = body;
  if (typeof cause !== "object" || cause === null) return new CallError(body.code, message, body.data);
  const original = new Error(message);
  original.name = String(cause.name);
  // It was thrown in the other process; our own stack would mislead.
  original.stack = `${original.name}: ${message}`;
  if (typeof cause.code === "string" || typeof cause.code === "number")
    Object.assign(original, { code: cause.code });
  return new CallError(body.code, message, body.data, { cause: original });
}
