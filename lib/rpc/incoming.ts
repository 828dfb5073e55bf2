import { releaseBlocks } from "../codec/release-blocks.js";
import { validate } from "../codec/schema.js";
import { PeerDiedError } from "../errors.js";
import type { Call } from "./call.js";
import { type Method, UNCHECKED_REQUEST } from "./contract.js";
import { BUSY, CallError, INVALID_REQUEST, METHOD_NOT_FOUND, TOO_LATE } from "./errors.js";
import { errorBodyOf, refusedParams, unsendable } from "./failure.js";
import type { Gate } from "./gate.js";
import { ItemsWriter } from "./items-writer.js";
import type { Link } from "./link.js";
import { type ErrorBody, extension, type Id, ITEMS, type Request } from "./message.js";
import { type Answers, type Handler, type Runner, ServedCall } from "./served-call.js";

/** What a side serves, to all its callers. */
export interface Served {
  readonly handlers: ReadonlyMap<string, Handler>;
  /** The methods that the contract names; others are requests. */
  readonly methods: Readonly<Record<string, Method>>;
  readonly gate: Gate;
  /** Told of each error of a handler. */
  readonly onError: (error: unknown, call: Call) => void;
}

/** The most ids of calls that were cancelled before they came. */
const MOST_EARLY = 1024;

/** The calls that the peer makes of this side. */
export class Incoming implements Runner {
  readonly link: Link;
  readonly #served: Served;
  readonly client: unknown;
  readonly #calls = new Map<Id, ServedCall>();
  /** Cancels come by a way of their own, and may overtake the call. */
  readonly #early = new Set<Id>();
  #last = 0;

  constructor(link: Link, served: Served, client: unknown) {
    this.link = link;
    this.#served = served;
    this.client = client;
  }

  request(request: Request, answers: Answers): void {
    const { id, method, params } = request;
    const types = this.#served.methods[method] ?? UNCHECKED_REQUEST;
    const handler = this.#served.handlers.get(method);
    const call = new ServedCall(this, request, types, handler, answers);
    if (id === undefined) {
      if (handler !== undefined) this.#notify(handler, call, params);
      else releaseBlocks(params);
      return;
    }
    answers.expect();
    const refused = this.#refusal(id, method, handler);
    if (refused !== undefined) call.refuse(refused);
    // Its cancel has overtaken it.
    else if (this.#early.delete(id)) call.refuse(undefined);
    else this.#admit(id, call);
  }

  /** Returns why a call is not begun. */
  #refusal(id: Id, method: string, handler: Handler | undefined): ErrorBody | undefined {
    if (handler === undefined) return { code: METHOD_NOT_FOUND, message: `no method ${method}` };
    if (this.#calls.has(id)) {
      return { code: INVALID_REQUEST, message: `the id ${id} is that of a call that is not answered yet` };
    }
    if (typeof id === "number" && id > this.#last) this.#last = id;
    return undefined;
  }

  #admit(id: Id, call: ServedCall): void {
    this.#calls.set(id, call);
    if (this.#served.gate.enter(this.link, call)) return;
    this.#calls.delete(id);
    call.refuse({
      code: BUSY,
      message: "too many calls wait; the call was not begun, and may be made again",
    });
  }

  cancel(id: unknown): void {
    const call = this.#calls.get(id as Id);
    if (call !== undefined) call.cancel(new DOMException("the caller cancelled the call", "AbortError"));
    else if (typeof id === "number" && id > this.#last && this.#early.size < MOST_EARLY) this.#early.add(id);
  }

  credit(id: unknown, count: number): void {
    this.#calls.get(id as Id)?.output?.grant(count);
  }

  /** Called with items of a call's input. Returns false if they may not come. */
  input(id: unknown, items: readonly unknown[]): boolean {
    const call = this.#calls.get(id as Id);
    if (call !== undefined) return call.items(items);
    releaseBlocks(items);
    return true;
  }

  inputEnd(id: unknown, error: ErrorBody | undefined): void {
    this.#calls.get(id as Id)?.inputEnd(error);
  }

  /** Cancels all calls: the connection has ended. */
  end(error: Error | undefined): void {
    const reason = error ?? new PeerDiedError("the caller's connection has ended");
    for (const call of this.#calls.values()) call.cancel(reason);
  }

  #notify(handler: Handler, call: ServedCall, params: unknown): void {
    try {
      const result = handler(checked(call.types, params), call);
      if (isPromise(result)) result.then(undefined, (error) => this.#served.onError(error, call));
    } catch (error) {
      this.#served.onError(error instanceof BadParams ? error.cause : error, call);
    }
  }

  /** Runs the handler of a call whose turn it is. */
  run(call: ServedCall, handler: Handler): void {
    const { types } = call;
    const { params } = call.request;
    let result: unknown;
    try {
      if (call.cancelled) throw new CallError(TOO_LATE, "the caller's time was over before the call began");
      result = handler(checked(types, params), call);
      if (types.kind === "stream") result = this.#stream(result, call);
    } catch (error) {
      // A handler that ran has had its chance to release them.
      if (result === undefined) releaseBlocks(params);
      this.#fail(call, error);
      return;
    }
    if (!isPromise(result)) {
      this.#succeed(call, result);
      return;
    }
    result.then(
      (value) => this.#succeed(call, value),
      (error) => this.#fail(call, error),
    );
  }

  /** Sends the items of what a handler has returned. Resolves with the answer that ends the stream. */
  async #stream(source: unknown, call: ServedCall): Promise<null> {
    if (!isIterable(source)) throw new TypeError(`the handler of ${call.method} must return an iterable`);
    const { id, credit } = call.request;
    const post = (items: readonly unknown[]) => this.link.post(extension(ITEMS, { id, items }));
    call.output = new ItemsWriter(post, typeof credit === "number" ? credit : Number.POSITIVE_INFINITY);
    await call.output.write(source);
    return null;
  }

  #succeed(call: ServedCall, result: unknown): void {
    this.#leave(call);
    try {
      // JSON has no undefined, and an answer has a result.
      call.answer(result ?? null);
    } catch (error) {
      releaseBlocks(result);
      this.#served.onError(error, call);
      call.fail(unsendable(error));
    }
  }

  #fail(call: ServedCall, error: unknown): void {
    this.#leave(call);
    if (error instanceof BadParams) {
      call.fail(refusedParams(error.cause));
      return;
    }
    // What a handler throws after a cancel is most often that cancel.
    if (!call.over) this.#served.onError(error, call);
    call.fail(errorBodyOf(error));
  }

  #leave(call: ServedCall): void {
    this.#calls.delete(call.request.id!);
    this.#served.gate.leave();
  }
}

/** The schema refuses the parameters, for the reason that is the cause. A handler may throw such errors, too, of other values. */
class BadParams extends Error {}

function checked(types: Method, params: unknown): unknown {
  if (types.params === undefined) return params;
  try {
    return validate(types.params, params);
  } catch (cause) {
    throw new BadParams("bad parameters", { cause });
  }
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as Partial<PromiseLike<unknown>> | undefined | null)?.then === "function";
}

function isIterable(value: unknown): value is AsyncIterable<unknown> | Iterable<unknown> {
  return (
    typeof value === "object" && value !== null && (Symbol.asyncIterator in value || Symbol.iterator in value)
  );
}
