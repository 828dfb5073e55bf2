import { now } from "../clock.js";
import { releaseBlocks } from "../codec/release-blocks.js";
import { validate } from "../codec/schema.js";
import { ClosedError, CorruptError } from "../errors.js";
import type { Peer } from "../port.js";
import type { Answers } from "./answers.js";
import type { Call } from "./call.js";
import type { Method } from "./contract.js";
import { CallError, TOO_LATE } from "./errors.js";
import type { Task } from "./gate.js";
import { ItemsReader } from "./items-reader.js";
import type { ItemsWriter } from "./items-writer.js";
import { isUnsendable, type Link } from "./link.js";
import { type ErrorBody, extension, INPUT_CREDIT, PROGRESS, type Request } from "./message.js";

/** What runs the handlers of a connection's calls. */
export interface Runner {
  readonly link: Link;
  /** The caller's methods. */
  readonly client: unknown;
  run(call: ServedCall, handler: Handler): void;
}

export type Handler = (params: unknown, call: Call) => unknown;

/** A call while a handler answers it. */
export class ServedCall implements Call, Task {
  readonly request: Request;
  readonly types: Method;
  /** What sends the items of a stream. */
  output: ItemsWriter | undefined = undefined;
  #over = false;
  readonly #runner: Runner;
  readonly #handler: Handler | undefined;
  readonly #answers: Answers;
  readonly #until: number;
  #input: ItemsReader | undefined = undefined;
  #controller: AbortController | undefined = undefined;
  #reason: unknown = undefined;

  constructor(
    runner: Runner,
    request: Request,
    types: Method,
    handler: Handler | undefined,
    answers: Answers,
  ) {
    const { timeout } = request;
    this.#runner = runner;
    this.request = request;
    this.types = types;
    this.#handler = handler;
    this.#answers = answers;
    // Not a number, or none that is one: the caller waits for ever.
    this.#until = typeof timeout === "number" && timeout >= 0 ? now() + timeout : Number.POSITIVE_INFINITY;
  }

  /** Whether nobody waits for an answer. A cancel shows in the cells before its message is read. */
  get over(): boolean {
    return this.#over || this.#runner.link.cells?.isCancelled(this.request.id) === true;
  }

  /** Called when it is the call's turn. */
  begin(): void {
    this.#runner.run(this, this.#handler!);
  }

  get client(): unknown {
    return this.#runner.client;
  }

  get #hasInput(): boolean {
    return this.request.input === true && this.request.id !== undefined;
  }

  get method(): string {
    return this.request.method;
  }

  get isNotification(): boolean {
    return this.request.id === undefined;
  }

  get peer(): Peer | undefined {
    return this.#runner.link.port.peer;
  }

  /** Most handlers need none, so it is made for those that ask. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.over) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  get cancelled(): boolean {
    return this.over || this.timeLeft === 0;
  }

  get timeLeft(): number {
    return this.#until === Number.POSITIVE_INFINITY ? this.#until : Math.max(0, this.#until - now());
  }

  get input(): AsyncIterableIterator<unknown> {
    return this.#reader();
  }

  async progress(value: unknown): Promise<void> {
    const { id } = this.request;
    if (id === undefined || this.over) {
      releaseBlocks(value);
      return;
    }
    try {
      await this.#runner.link.post(extension(PROGRESS, { id, value }));
    } catch (error) {
      // After the end of the connection nobody waits for it. The signal tells the handler, which may not await this promise.
      if (isUnsendable(error)) throw error;
    }
  }

  /** Answers the call, unless nobody waits for it. `unsent`: called if the result can't be sent. */
  answer(result: unknown, unsent: (why: unknown) => void): void {
    const { id } = this.request;
    if (id !== undefined && !this.over) this.#answers.answer({ jsonrpc: "2.0", id, result }, unsent);
    else {
      releaseBlocks(result);
      if (id !== undefined) this.#answers.silent();
    }
    this.#settle();
  }

  /** Answers a call that failed, or is not begun, and releases the blocks of its parameters. Undefined: nobody waits for an answer. */
  refuse(error: ErrorBody | undefined): void {
    const { id, params } = this.request;
    releaseBlocks(params);
    if (id !== undefined) {
      if (error === undefined || this.over) this.#answers.silent();
      else this.#answers.answer({ jsonrpc: "2.0", id, error });
    }
    this.#settle();
  }

  /** Ends a call whose time is over before it has an answer. */
  expire(): void {
    if (!this.over) this.#controller?.abort(new DOMException("the caller's time is over", "TimeoutError"));
    this.refuse({ code: TOO_LATE, message: "the caller's time is over" });
  }

  /** Ends the call: nobody wants the answer any more. */
  cancel(reason: unknown): void {
    if (this.#over) return;
    this.#over = true;
    this.#reason = reason;
    this.output?.stop();
    this.#input?.drop(reason);
    this.#controller?.abort(reason);
  }

  /** Called with items of the input. Returns false if they may not come. */
  items(items: readonly unknown[]): boolean {
    if (!this.#hasInput) return false;
    const input = this.#reader();
    if (input.add(items)) return true;
    // With a hole in it, the input is worth nothing.
    input.drop(new CorruptError("the caller sent more items than it had credit for"));
    return false;
  }

  inputEnd(error: ErrorBody | undefined): void {
    if (!this.#hasInput) return;
    this.#reader().end(error === undefined ? undefined : { error: new CallError(error.code, error.message) });
  }

  /** A handler that still holds the call learns nothing new from it. */
  #settle(): void {
    this.#over = true;
    this.#input?.drop(new ClosedError("the call has been answered"));
  }

  #reader(): ItemsReader {
    if (this.#input !== undefined) return this.#input;
    const { input } = this.types;
    this.#input = new ItemsReader({
      start: () => {},
      credit: (count) => this.#runner.link.tell(extension(INPUT_CREDIT, { id: this.request.id, count })),
      // A caller that goes on sending finds no credit.
      leave: () => {},
      check: (item) => (input === undefined ? item : validate(input, item)),
    });
    if (!this.#hasInput) this.#input.end();
    if (this.over) this.#input.end({ error: this.#reason });
    return this.#input;
  }
}
