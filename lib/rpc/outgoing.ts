import { releaseBlocks } from "../codec/release-blocks.js";
import { validate } from "../codec/schema.js";
import { CorruptError } from "../errors.js";
import { guarded } from "../raise.js";
import type { CallOptions } from "./call.js";
import { checkParams, requestOf } from "./call-request.js";
import type { Method } from "./contract.js";
import { Departure } from "./departure.js";
import { BUSY, CallError, CallLostError, TOO_LATE } from "./errors.js";
import { errorBodyOf, errorOf } from "./failure.js";
import type { Entrance, Gate } from "./gate.js";
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
import { type Pending, PendingRequest, PendingStream, quiet, quieted } from "./pending.js";

const NO_OPTIONS: CallOptions<never, never> = {};

/** What the calls of this side tell. */
export interface OutgoingEvents {
  /** The other side sent something against the rules. */
  bad(error: Error): void;
  /** A call has begun, and waits for the other side. */
  begun(): void;
}

/** What is needed to send the request of a call. */
interface Departing {
  readonly id: number;
  readonly pending: Pending;
  readonly params: unknown;
  readonly options: CallOptions<never, never>;
  readonly credit: number | undefined;
}

/** The calls that this side makes. */
export class Outgoing {
  readonly #link: Link;
  readonly #events: OutgoingEvents;
  readonly #calls = new Map<number, Pending>();
  /** Limits how many calls are under way; undefined without a limit. */
  readonly #entrance: Entrance | undefined;
  #lastId = 0;

  constructor(link: Link, events: OutgoingEvents, gate?: Gate) {
    this.#entrance = gate?.join(() => {});
    this.#link = link;
    this.#events = events;
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

  /** Whether a call with this id waits for its answer. */
  waitsFor(id: unknown): boolean {
    return this.#calls.has(id as number);
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
   * port has ended. `mayHaveRun`: what that says of a message that is no part of a call that was sent before.
   */
  #post(name: string, mayHaveRun: boolean, message: object, on = this.#link.port): Promise<void> | undefined {
    const known = (error: unknown, may: boolean) =>
      isUnsendable(error) ? error : this.#lost(name, may, error);
    let sending: Promise<void> | undefined;
    try {
      sending = this.#link.post(message, on);
    } catch (error) {
      throw known(error, mayHaveRun);
    }
    const may = mayHaveRun || this.#waitsInSight;
    return sending === undefined
      ? undefined
      : quieted(sending.catch((error) => Promise.reject(known(error, may))));
  }

  /**
   * Whether the peer may have a message whose sending still waits: the kernel may hold a part of it, or all. In shared memory a message
   * that waits for room is not there yet.
   */
  get #waitsInSight(): boolean {
    return this.#link.cells === undefined;
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
      const late = error.code === TOO_LATE ? pending.limits?.tooLate() : undefined;
      pending.fail(late ?? errorOf(error));
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
    if (pending?.items(items) === true) return true;
    releaseBlocks(items);
    // Items of a call that was cancelled may still be under way.
    if (pending === undefined) return true;
    if (pending.method.kind !== "stream") return false;
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
      // A call that waits begins when another ends, and finds the port ended.
      if (!this.#calls.has(id)) continue;
      const { sent } = pending;
      this.#settled(id, pending);
      pending.fail(this.#lost(pending.name, sent));
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
    let limits: CallLimits | undefined;
    try {
      checkParams(name, params);
      limits = options === NO_OPTIONS ? undefined : new CallLimits(name, options);
    } catch (error) {
      releaseBlocks(params);
      pending.fail(error);
      return 0;
    }
    const over = limits?.over();
    if (over !== undefined || this.#link.ended !== undefined) {
      releaseBlocks(params);
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
    const departing = { id, pending, params, options, credit };
    if (this.#entrance === undefined || name === PING) this.#depart(departing, limits?.timeout);
    else this.#departInTurn(departing, this.#entrance);
    return this.#calls.get(id) === pending ? id : 0;
  }

  /** Sends the request of a call when it is its turn. */
  #departInTurn(departing: Departing, entrance: Entrance): void {
    const { id, pending, params } = departing;
    const departure = new Departure(params, () => this.#depart(departing, pending.limits?.left));
    pending.sent = false;
    pending.departure = departure;
    if (entrance.enter(departure)) return;
    pending.departure = undefined;
    releaseBlocks(params);
    const busy = "too many calls of this client wait; the call was not sent, and may be made again";
    this.#failed(id, new CallError(BUSY, `${pending.name}: ${busy}`));
  }

  #depart({ id, pending, params, options, credit }: Departing, timeout: number | undefined): void {
    pending.sent = true;
    if (!this.#send(id, pending, requestOf(id, pending.name, params, options, timeout, credit))) return;
    this.#events.begun();
    if (options.input !== undefined) this.#sendInput(id, pending, options.input);
  }

  /** Sends a request. Returns false if the call has failed at once. */
  #send(id: number, pending: Pending, request: object): boolean {
    const { name } = pending;
    try {
      const sending = this.#post(name, false, request, name === PING ? this.#link.control : undefined);
      if (sending === undefined) return true;
      pending.sent = this.#waitsInSight;
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
    pending.fail(error);
  }

  /** Ends a call of which nobody wants the answer any more. */
  #cancel(id: number): void {
    const pending = this.#calls.get(id);
    if (pending === undefined) return;
    const waits = pending.departure?.waits === true;
    this.#settled(id, pending);
    if (waits) return;
    this.#link.cells?.cancel(id);
    this.#link.tell(extension(CANCEL, { id }));
  }

  #settled(id: number, pending: Pending): void {
    this.#calls.delete(id);
    pending.limits?.stop();
    pending.input?.stop();
    const { departure } = pending;
    if (departure === undefined) return;
    pending.departure = undefined;
    if (this.#entrance!.forget(departure)) releaseBlocks(departure.params);
    else this.#entrance!.leave();
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
