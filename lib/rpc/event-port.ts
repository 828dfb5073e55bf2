import { ClosedError, CorruptError, DecodeError, EncodeError, InvalidArgumentError } from "../errors.js";
import type { CloseInfo } from "../port.js";
import { guarded } from "../raise.js";
import type { RpcPort } from "./rpc-port.js";

/** The most messages that wait for a listener. */
const MOST_EARLY = 65_536;

type Listener = (value: never) => unknown;

/** What the ports over foreign connections have in common: listeners, the end, and sends in order. */
export abstract class EventPort implements RpcPort {
  readonly closed: Promise<CloseInfo>;
  readonly #listeners = { message: new Set<Listener>(), error: new Set<Listener>() };
  /** Messages that came before anyone listened. */
  #early: unknown[] | undefined = [];
  #resolveClosed!: (info: CloseInfo) => void;
  #end: CloseInfo | undefined;
  #error: Error | undefined;

  constructor() {
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
  }

  /** Whether the other side is made to wait while nobody listens. */
  get pauses(): boolean {
    return false;
  }

  abstract trySend(message: unknown): boolean;
  abstract send(message: unknown): Promise<void>;
  abstract close(): Promise<void>;
  abstract destroy(error?: Error): void;

  on(event: "message" | "error", listener: Listener): this {
    const listeners = this.#listeners[event];
    if (listeners === undefined) throw new InvalidArgumentError("event", '"message" or "error"', event);
    listeners.add(listener);
    if (event === "message") {
      this.#deliverEarly();
      if (this.#listeners.message.size > 0) this.reading(true);
    }
    return this;
  }

  /** Takes a listener away. Messages that come while there is none wait for the next one. */
  off(event: "message" | "error", listener: Listener): this {
    const listeners = this.#listeners[event];
    if (listeners === undefined) throw new InvalidArgumentError("event", '"message" or "error"', event);
    if (listeners.delete(listener) && event === "message" && listeners.size === 0) this.reading(false);
    return this;
  }

  /** Called when messages are wanted, or are not. A port that can makes the other side wait meanwhile. */
  protected reading(_on: boolean): void {}

  /** A listener may go away in the middle. */
  #deliverEarly(): void {
    while (this.#early !== undefined && this.#early.length > 0 && this.#listeners.message.size > 0)
      this.deliver(this.#early.shift());
  }

  /** Gives a message to the listeners. */
  protected deliver(message: unknown): void {
    const { message: listeners } = this.#listeners;
    if (listeners.size === 0) this.#keep(message);
    for (const listener of listeners) guarded(() => listener(message as never));
  }

  #keep(message: unknown): void {
    this.#early?.push(message);
    if ((this.#early?.length ?? 0) <= MOST_EARLY) return;
    const error = new CorruptError(`${MOST_EARLY} messages wait, and nobody takes them`);
    this.bad(error);
    this.destroy(error);
  }

  /** Tells of what could not be read. */
  protected bad(error: Error): void {
    for (const listener of this.#listeners.error) guarded(() => listener(error as never));
  }

  /** Delivers the message that a text is, or tells that it is none. */
  protected deliverText(text: string): void {
    let message: unknown;
    try {
      message = JSON.parse(text);
    } catch (cause) {
      this.bad(new DecodeError(`not JSON: ${cause instanceof Error ? cause.message : cause}`, "", { cause }));
      return;
    }
    this.deliver(message);
  }

  protected get isOver(): boolean {
    return this.#end !== undefined;
  }

  /** Throws if the port has ended. */
  protected mustBeOpen(): void {
    if (this.#end !== undefined) throw this.#error ?? new ClosedError("the port has ended");
  }

  /** Ends the port, once. */
  protected over(reason: CloseInfo["reason"], error?: Error): void {
    if (this.#end !== undefined) return;
    this.#end = { reason, error };
    this.#error = error;
    this.#early = undefined;
    this.#resolveClosed(this.#end);
  }
}

/** Returns the JSON of a message. Throws an EncodeError. */
export function textOf(message: unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(message);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new EncodeError(`no JSON: ${why}`, "", { cause });
  }
  if (text === undefined) throw new EncodeError(`${typeof message} has no JSON form`, "");
  return text;
}
