import { validate } from "../codec/schema.js";
import { PeerDiedError } from "../errors.js";
import type { Call } from "./call.js";
import { type Method, UNCHECKED_REQUEST } from "./contract.js";
import { BUSY, CallError, INVALID_REQUEST, METHOD_NOT_FOUND, TOO_LATE } from "./errors.js";
import { errorBodyOf, refusedParams, unsendable } from "./failure.js";
import type { Gate } from "./gate.js";
import { ItemsWriter } from "./items-writer.js";
import type { Link } from "./link.js";
import { type ErrorBody, extension, type Id, ITEMS, type Request, type Response } from "./message.js";
import { releaseBlocks } from "./release.js";
import { ServedCall } from "./served-call.js";

export type Handler = (params: unknown, call: Call) => unknown;

/** What a side serves, to all its callers. */
export interface Served {
  readonly handlers: ReadonlyMap<string, Handler>;
  /** The methods that the contract names; others are requests. */
  readonly methods: Readonly<Record<string, Method>>;
  readonly gate: Gate;
  /** Told of each error of a handler. */
  readonly onError: (error: unknown, call: Call) => void;
}

/** Takes an answer to where the request came from: the port, or a batch. */
export interface Answers {
  /** Called for a request that will be answered. */
  expect(): void;
  answer(response: Response): void;
  /** The request will not be answered after all. */
  silent(): void;
}

/** The most ids of calls that were cancelled before they came. */
const MOST_EARLY = 1024;

/** The calls that the peer makes of this side. */
export class Incoming {
  readonly #link: Link;
  readonly #served: Served;
  readonly #client: unknown;
  readonly #calls = new Map<Id, ServedCall>();
  /** Cancels come by a way of their own, and may overtake the call. */
  readonly #early = new Set<Id>();
  #last = 0;

  constructor(link: Link, served: Served, client: unknown) {
    this.#link = link;
    this.#served = served;
    this.#client = client;
  }

  request(request: Request, answers: Answers): void {
    const { id, method, params } = request;
    const types = this.#served.methods[method] ?? UNCHECKED_REQUEST;
    const handler = this.#served.handlers.get(method);
    if (id === undefined) {
      if (handler !== undefined) this.#notify(handler, types, request);
      else releaseBlocks(params);
      return;
    }
    answers.expect();
    const refuse = (body: ErrorBody) => {
      releaseBlocks(params);
      answers.answer({ jsonrpc: "2.0", id, error: body });
    };
    if (handler === undefined) return refuse({ code: METHOD_NOT_FOUND, message: `no method ${method}` });
    if (this.#calls.has(id)) {
      return refuse({
        code: INVALID_REQUEST,
        message: `the id ${id} is that of a call that is not answered yet`,
      });
    }
    if (typeof id === "number" && id > this.#last) this.#last = id;
    if (this.#early.delete(id)) {
      releaseBlocks(params);
      answers.silent();
      return;
    }
    const call = new ServedCall(this.#link, request, types, this.#client);
    this.#calls.set(id, call);
    const admitted = this.#served.gate.enter(this.#link, () =>
      this.#run(handler, types, request, call, answers),
    );
    if (admitted) return;
    this.#calls.delete(id);
    refuse({ code: BUSY, message: "too many calls wait; the call was not begun, and may be made again" });
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

  #notify(handler: Handler, types: Method, request: Request): void {
    const call = new ServedCall(this.#link, request, types, this.#client);
    try {
      const result = handler(checked(types, request.params), call);
      if (isPromise(result)) result.then(undefined, (error) => this.#served.onError(error, call));
    } catch (error) {
      this.#served.onError(error, call);
    }
  }

  #run(handler: Handler, types: Method, request: Request, call: ServedCall, answers: Answers): void {
    if (call.cancelled) {
      releaseBlocks(request.params);
      if (call.over) return this.#silent(call, answers);
      return this.#fail(
        call,
        answers,
        new CallError(TOO_LATE, "the caller's time was over before the call could begin"),
      );
    }
    let params: unknown;
    try {
      params = checked(types, request.params);
    } catch (error) {
      releaseBlocks(request.params);
      return this.#settle(call, answers, { error: refusedParams(error) });
    }
    try {
      const result = handler(params, call);
      if (types.kind === "stream") this.#stream(result, request.credit, call, answers);
      else if (isPromise(result)) this.#whenDone(result, call, answers);
      else this.#settle(call, answers, { result });
    } catch (error) {
      this.#fail(call, answers, error);
    }
  }

  #whenDone(result: PromiseLike<unknown>, call: ServedCall, answers: Answers): void {
    result.then(
      (value) => this.#settle(call, answers, { result: value }),
      (error) => this.#fail(call, answers, error),
    );
  }

  #stream(source: unknown, credit: unknown, call: ServedCall, answers: Answers): void {
    if (!isIterable(source)) throw new TypeError(`the handler of ${call.method} must return an iterable`);
    const { id } = call;
    const output = new ItemsWriter(
      (items) => this.#link.post(extension(ITEMS, { id, items })),
      typeof credit === "number" ? credit : Number.POSITIVE_INFINITY,
    );
    call.output = output;
    this.#whenDone(
      output.write(source).then(() => null),
      call,
      answers,
    );
  }

  #fail(call: ServedCall, answers: Answers, error: unknown): void {
    // What a handler throws after a cancel is most often that cancel.
    if (!call.over) this.#served.onError(error, call);
    this.#settle(call, answers, { error: errorBodyOf(error) });
  }

  #settle(
    call: ServedCall,
    answers: Answers,
    outcome: { readonly result: unknown } | { readonly error: ErrorBody },
  ): void {
    if (call.over) {
      if ("result" in outcome) releaseBlocks(outcome.result);
      return this.#silent(call, answers);
    }
    const id = call.id!;
    this.#leave(call);
    if ("error" in outcome) return answers.answer({ jsonrpc: "2.0", id, error: outcome.error });
    // JSON has no undefined, and an answer has a result.
    const { result = null } = outcome;
    try {
      answers.answer({ jsonrpc: "2.0", id, result });
    } catch (error) {
      releaseBlocks(result);
      this.#served.onError(error, call);
      answers.answer({ jsonrpc: "2.0", id, error: unsendable(error) });
    }
  }

  #silent(call: ServedCall, answers: Answers): void {
    this.#leave(call);
    answers.silent();
  }

  #leave(call: ServedCall): void {
    call.settle();
    this.#calls.delete(call.id!);
    this.#served.gate.leave();
  }
}

function checked(types: Method, params: unknown): unknown {
  return types.params === undefined ? params : validate(types.params, params);
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as Partial<PromiseLike<unknown>> | undefined | null)?.then === "function";
}

function isIterable(value: unknown): value is AsyncIterable<unknown> | Iterable<unknown> {
  return (
    typeof value === "object" && value !== null && (Symbol.asyncIterator in value || Symbol.iterator in value)
  );
}
