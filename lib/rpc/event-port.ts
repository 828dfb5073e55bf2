import { ClosedError, DecodeError, EncodeError, InvalidArgumentError } from "../errors.js";
import type { CloseInfo } from "../port.js";
import { guarded } from "../raise.js";
import type { RpcPort } from "./rpc-port.js";

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

  abstract trySend(message: unknown): boolean;
  abstract send(message: unknown): Promise<void>;
  abstract close(): Promise<void>;
  abstract destroy(error?: Error): void;

  on(event: "message" | "error", listener: Listener): this {
    const listeners = this.#listeners[event];
    if (listeners === undefined) throw new InvalidArgumentError("event", '"message" or "error"', event);
    listeners.add(listener);
    if (event === "message") for (const message of this.#early?.splice(0) ?? []) this.deliver(message);
    return this;
  }

  /** Gives a message to the listeners. */
  protected deliver(message: unknown): void {
    const { message: listeners } = this.#listeners;
    if (listeners.size === 0) this.#early?.push(message);
    for (const listener of listeners) guarded(() => listener(message as never));
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
