import { now } from "../clock.js";
import { validate } from "../codec/schema.js";
import { ClosedError } from "../errors.js";
import type { Peer } from "../port.js";
import type { Call } from "./call.js";
import type { Method } from "./contract.js";
import { CallError, INTERNAL_ERROR } from "./errors.js";
import { ItemsReader } from "./items-reader.js";
import type { ItemsWriter } from "./items-writer.js";
import type { Link } from "./link.js";
import { type ErrorBody, extension, type Id, INPUT_CREDIT, PROGRESS, type Request } from "./message.js";

/** A call while a handler answers it. */
export class ServedCall implements Call {
  readonly id: Id | undefined;
  readonly method: string;
  readonly client: unknown;
  /** What sends the items of a stream. */
  output: ItemsWriter | undefined;
  /** Whether nobody waits for an answer. */
  over = false;
  readonly #link: Link;
  readonly #types: Method;
  readonly #until: number;
  readonly #hasInput: boolean;
  #input: ItemsReader | undefined;
  #controller: AbortController | undefined;
  #reason: unknown;

  constructor(link: Link, request: Request, types: Method, client: unknown) {
    const { id, method, timeout } = request;
    this.#link = link;
    this.#types = types;
    this.id = id;
    this.method = method;
    this.client = client;
    this.#hasInput = request.input === true && id !== undefined;
    this.#until = typeof timeout === "number" ? now() + timeout : Number.POSITIVE_INFINITY;
  }

  get peer(): Peer | undefined {
    return this.#link.port.peer;
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
    if (this.id === undefined || this.over) return;
    await this.#link.post(extension(PROGRESS, { id: this.id, value }));
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

  /** The handler is done. Whoever still holds the call learns nothing new from it. */
  settle(): void {
    this.over = true;
    this.#input?.end({ error: new ClosedError("the call has been answered") });
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

  #reader(): ItemsReader {
    if (this.#input !== undefined) return this.#input;
    const { input } = this.#types;
    this.#input = new ItemsReader({
      start: () => {},
      credit: (count) => this.#link.tell(extension(INPUT_CREDIT, { id: this.id, count })),
      // A caller that goes on sending finds no credit.
      leave: () => {},
      check: (item) => (input === undefined ? item : validate(input, item)),
    });
    if (!this.#hasInput) this.#input.end();
    if (this.over) this.#input.end({ error: this.#reason });
    return this.#input;
  }
}
