import { now } from "../clock.js";
import { releaseBlocks } from "../codec/release-blocks.js";
import { validate } from "../codec/schema.js";
import { ClosedError } from "../errors.js";
import type { Peer } from "../port.js";
import type { Call } from "./call.js";
import type { Method } from "./contract.js";
import { CallError, INTERNAL_ERROR } from "./errors.js";
import type { Task } from "./gate.js";
import { ItemsReader } from "./items-reader.js";
import type { ItemsWriter } from "./items-writer.js";
import type { Link } from "./link.js";
import { type ErrorBody, extension, INPUT_CREDIT, PROGRESS, type Request, type Response } from "./message.js";

/** Takes an answer to where the request came from: the port, or a batch. */
export interface Answers {
  /** Called for a request that will be answered. */
  expect(): void;
  /** Throws an EncodeError or a MessageTooLargeError if the response can't be sent. */
  answer(response: Response): void;
  /** The request will not be answered after all. */
  silent(): void;
}

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
  /** Whether nobody waits for an answer. */
  over = false;
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
    this.#until = typeof timeout === "number" ? now() + timeout : Number.POSITIVE_INFINITY;
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
    if (id === undefined || this.over) return;
    await this.#runner.link.post(extension(PROGRESS, { id, value }));
  }

  /** Answers the call, unless nobody waits for it. Throws as `Answers.answer`. */
  answer(result: unknown): void {
    if (this.over) {
      releaseBlocks(result);
      this.#answers.silent();
      return;
    }
    this.#answers.answer({ jsonrpc: "2.0", id: this.request.id!, result });
    this.#settle();
  }

  fail(error: ErrorBody): void {
    if (this.over) this.#answers.silent();
    else this.#answers.answer({ jsonrpc: "2.0", id: this.request.id!, error });
    this.#settle();
  }

  /** Answers a call that is not begun. Undefined: nobody waits for an answer. */
  refuse(error: ErrorBody | undefined): void {
    releaseBlocks(this.request.params);
    if (error === undefined) this.over = true;
    this.fail(error!);
  }

  /** Ends the call: nobody wants the answer any more. */
  cancel(reason: unknown): void {
    if (this.over) return;
    this.over = true;
    this.#reason = reason;
    this.output?.stop();
    this.#input?.end({ error: reason });
    this.#controller?.abort(reason);
  }

  /** Called with items of the input. Returns false if they may not come. */
  items(items: readonly unknown[]): boolean {
    return this.#hasInput && this.#reader().add(items);
  }

  inputEnd(error: ErrorBody | undefined): void {
    if (!this.#hasInput) return;
    this.#reader().end(
      error === undefined
        ? undefined
        : { error: new CallError(error.code ?? INTERNAL_ERROR, String(error.message)) },
    );
  }

  /** A handler that still holds the call learns nothing new from it. */
  #settle(): void {
    this.over = true;
    this.#input?.end({ error: new ClosedError("the call has been answered") });
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
