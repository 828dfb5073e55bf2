import { releaseBlocks } from "../codec/release-blocks.js";
import { validate } from "../codec/schema.js";
import { ClosedError } from "../errors.js";
import { guarded } from "../raise.js";
import type { Answers } from "./answers.js";
import type { Call } from "./call.js";
import { type Method, UNCHECKED_REQUEST } from "./contract.js";
import { BUSY, CallError, INVALID_REQUEST, TOO_LATE } from "./errors.js";
import { errorBodyOf, refusedParams } from "./failure.js";
import { noMethod, shown } from "./form.js";
import type { Entrance, Gate } from "./gate.js";
import { ItemsWriter } from "./items-writer.js";
import type { Link } from "./link.js";
import { type ErrorBody, extension, type Id, ITEMS, type Request } from "./message.js";
import { type Handler, type Runner, ServedCall } from "./served-call.js";

export type WhenFull = "refuse" | "wait";

/** What the calls of a peer want of their connection. */
export interface IncomingEvents {
  /** The peer did something against the rules, or a notification was dropped. */
  bad(error: Error): void;
  /** So many calls wait that the peer should not be read. Returns whether it is not read from now on. */
  full(): boolean;
  /** There is room for calls again. */
  room(): void;
}

/** What a side serves, to all its callers. */
export interface Served {
  readonly handlers: ReadonlyMap<string, Handler>;
  /** The methods that the contract names; others are requests. */
  readonly methods: Readonly<Record<string, Method>>;
  readonly gate: Gate;
  /** What becomes of calls beyond the queue: they are refused, or their callers are not read until there is room. */
  readonly whenFull: WhenFull;
  /** Told of each error of a handler. */
  readonly onError: (error: unknown, call: Call) => void;
}

const OVER = { code: TOO_LATE, message: "the caller's time was over before the call began" };

/** The most ids of calls that were cancelled before they came. */
const MOST_EARLY = 1024;

/** The calls that the peer makes of this side. */
export class Incoming implements Runner {
  readonly link: Link;
  readonly client: unknown;
  readonly #served: Served;
  readonly #events: IncomingEvents;
  readonly #entrance: Entrance;
  readonly #calls = new Map<Id, ServedCall>();
  /** Notifications that wait or run. */
  readonly #unanswered = new Set<ServedCall>();
  /** Cancels come by a way of their own, and may overtake the call. */
  readonly #early = new Set<Id>();
  #last = 0;
  #onIdle: (() => void) | undefined = undefined;

  constructor(link: Link, served: Served, client: unknown, events: IncomingEvents) {
    this.link = link;
    this.#served = served;
    this.client = client;
    this.#events = events;
    this.#entrance = served.gate.join(() => events.room());
  }

  /**
   * Whether calls that run need what the peer sends behind its requests: items of an input, or, where no lane is beside the port, credits.
   * Then the peer must be read on, or they would wait for ever.
   */
  get needsPeer(): boolean {
    const { link } = this;
    for (const call of this.#calls.values()) {
      if (call.request.input === true) return true;
      if (link.control === link.port && call.types.kind === "stream") return true;
    }
    return false;
  }

  request(request: Request, answers: Answers): void {
    const { id, method } = request;
    const handler = this.#served.handlers.get(method);
    if (id === undefined && handler === undefined) {
      releaseBlocks(request.params);
      return;
    }
    const types = this.#served.methods[method] ?? UNCHECKED_REQUEST;
    const call = new ServedCall(this, request, types, handler, answers);
    if (id === undefined) {
      this.#admit(call);
      return;
    }
    answers.expect();
    if (typeof id === "number" && id > this.#last) this.#last = id;
    // Its cancel has overtaken it.
    if (this.#early.size > 0 && this.#early.delete(id)) call.refuse(undefined);
    else if (handler === undefined) call.refuse(noMethod(method));
    else if (this.#calls.has(id)) {
      const message = `the id ${shown(id)} is that of a call that is not answered yet`;
      call.refuse({ code: INVALID_REQUEST, message });
    } else this.#admit(call);
  }

  /** Resolves when no call waits or runs. */
  idle(): Promise<void> {
    return new Promise((resolve) => {
      this.#onIdle = resolve;
      this.#lookIdle();
    });
  }

  #lookIdle(): void {
    if (this.#calls.size === 0 && this.#unanswered.size === 0) this.#onIdle?.();
  }

  #admit(call: ServedCall): void {
    this.#add(call);
    const entrance = this.#entrance;
    if (entrance.enter(call)) return;
    if (this.#served.whenFull === "wait" && this.#events.full()) {
      // It has been read already, so it waits here; those behind it wait at the caller.
      entrance.enter(call, true);
      entrance.wantRoom();
      return;
    }
    this.#remove(call);
    const busy = "too many calls wait; the call was not begun, and may be made again";
    call.refuse({ code: BUSY, message: busy });
    if (!call.isNotification) return;
    const dropped = `the notification ${shown(call.method)} was dropped: too many calls wait`;
    this.#events.bad(new CallError(BUSY, dropped));
  }

  #add(call: ServedCall): void {
    const { id } = call.request;
    if (id === undefined) this.#unanswered.add(call);
    else this.#calls.set(id, call);
  }

  #remove(call: ServedCall): void {
    const { id } = call.request;
    if (id === undefined) this.#unanswered.delete(call);
    else this.#calls.delete(id);
  }

  cancel(id: unknown): void {
    const call = this.#calls.get(id as Id);
    if (call !== undefined)
      this.#cancel(call, new DOMException("the caller cancelled the call", "AbortError"));
    else if (typeof id === "number" && id > this.#last && this.#early.size < MOST_EARLY) this.#early.add(id);
  }

  /** Cancels a call. One that waits for its turn is over; one that runs is told, and keeps its place until its handler returns. */
  #cancel(call: ServedCall, reason: unknown): void {
    call.cancel(reason);
    if (!this.#entrance.forget(call)) return;
    this.#remove(call);
    call.refuse(undefined);
    if (this.#onIdle !== undefined) this.#lookIdle();
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
    const reason = error ?? new ClosedError("the caller's connection has ended");
    this.#early.clear();
    for (const call of [...this.#calls.values(), ...this.#unanswered]) this.#cancel(call, reason);
  }

  /** Runs the handler of a call whose turn it is. Never throws: a place at the gate goes with it. */
  run(call: ServedCall, handler: Handler): void {
    const { types } = call;
    const { params } = call.request;
    if (call.cancelled) {
      this.#leave(call, () => call.refuse(OVER));
      return;
    }
    let given: unknown;
    try {
      given = types.params === undefined ? params : validate(types.params, params);
    } catch (error) {
      this.#leave(call, () => call.refuse(refusedParams(error)));
      // A peer may send bad parameters as often as it likes, so the program's own report does not hear of them.
      if (call.isNotification) this.#events.bad(error as Error);
      return;
    }
    let result: unknown;
    let later: boolean;
    try {
      result = handler(given, call);
      if (types.kind === "stream" && !call.isNotification) result = this.#stream(result, call);
      later = isPromise(result);
    } catch (error) {
      this.#fail(call, error);
      return;
    }
    if (!later) {
      this.#succeed(call, result);
      return;
    }
    Promise.resolve(result).then(
      (value) => this.#succeed(call, value),
      (error) => this.#fail(call, error),
    );
  }

  /** Sends the items of what a handler has returned. Resolves with the answer that ends the stream. */
  async #stream(returned: unknown, call: ServedCall): Promise<null> {
    const source = await returned;
    if (!isIterable(source)) throw new TypeError(`the handler of ${call.method} must return an iterable`);
    const { id, credit } = call.request;
    const post = (items: readonly unknown[]) => this.link.post(extension(ITEMS, { id, items }));
    const output = new ItemsWriter(post, isCredit(credit) ? credit : Number.POSITIVE_INFINITY);
    call.output = output;
    if (call.over) output.stop();
    await output.write(source);
    return null;
  }

  #succeed(call: ServedCall, result: unknown): void {
    // The caller may look at the clock later than it should; what comes after its time is too late all the same.
    if (call.timeLeft === 0) {
      releaseBlocks(result);
      this.#leave(call, () => call.expire());
      return;
    }
    if (call.types.kind === "request" && isGenerator(result)) {
      // It would go out as an empty object.
      const what = `the handler of ${call.method} returned a generator; name the method as a stream in the contract`;
      this.#fail(call, new TypeError(what));
      return;
    }
    // JSON has no undefined, and an answer has a result.
    this.#leave(call, () => call.answer(result ?? null, (why) => this.#report(why, call)));
  }

  #fail(call: ServedCall, error: unknown): void {
    // What a handler throws after a cancel, or when the time is over, is most often just that.
    const late = call.timeLeft === 0;
    if (!call.over && !late) this.#report(error, call);
    this.#leave(call, () => (late ? call.expire() : call.refuse(errorBodyOf(error))));
  }

  #report(error: unknown, call: ServedCall): void {
    guarded(() => this.#served.onError(error, call));
  }

  /** Ends a call that has begun: it is answered, and then another one has its place. */
  #leave(call: ServedCall, answer: () => void): void {
    this.#remove(call);
    answer();
    this.#entrance.leave();
    if (this.#onIdle !== undefined) this.#lookIdle();
  }
}

function isGenerator(value: unknown): boolean {
  return isIterable(value) && typeof (value as Partial<Iterator<unknown>>).next === "function";
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as Partial<PromiseLike<unknown>> | undefined | null)?.then === "function";
}

function isIterable(value: unknown): value is AsyncIterable<unknown> | Iterable<unknown> {
  return (
    typeof value === "object" && value !== null && (Symbol.asyncIterator in value || Symbol.iterator in value)
  );
}

/** What a peer sends that is no count is taken as if it had sent none. */
function isCredit(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
