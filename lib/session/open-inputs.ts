import { ClosedError } from "../errors.js";
import type { CallOptions } from "../rpc/call.js";
import { CallError, CallLostError } from "../rpc/errors.js";
import { CallLimits } from "../rpc/limits.js";
import { INTERRUPTED, InputLostError } from "./errors.js";
import type { Link } from "./link.js";

export type InputOptions = Pick<CallOptions, "signal" | "timeout">;

/** An input that is not answered yet. */
interface OpenInput {
  readonly number: number;
  readonly method: string;
  readonly params: unknown;
  /** The log of the session to which it was sent: only that one knows whether it has applied it. */
  sentTo: string | undefined;
  tries: number;
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

/** An input is made twice at most: when its answer was lost with the connection. */
const MOST_TRIES = 2;

/** The inputs that wait for their answers, or for a connection. */
export class OpenInputs {
  readonly #open = new Map<number, OpenInput>();
  #last = 0;
  #link: Link | undefined;
  #over: Error | undefined;

  /** Makes an input. It waits for a connection if there is none. */
  make(method: string, params: unknown, options: InputOptions): Promise<unknown> {
    if (this.#over !== undefined) return Promise.reject(this.#over);
    const limits = new CallLimits(method, options as never);
    const over = limits.over();
    if (over !== undefined) return Promise.reject(over.reason);
    const number = ++this.#last;
    return new Promise((resolve, reject) => {
      const settle = (call: () => void) => {
        if (!this.#open.delete(number)) return;
        limits.stop();
        call();
      };
      const input: OpenInput = {
        number,
        method,
        params,
        sentTo: undefined,
        tries: 0,
        resolve: (result) => settle(() => resolve(result)),
        reject: (error) => settle(() => reject(error)),
      };
      this.#open.set(number, input);
      limits.start((error: unknown) => input.reject(error));
      if (this.#link !== undefined) void this.#send(input, this.#link);
    });
  }

  /** A connection is there: inputs that wait are made, and those whose answers were lost are repeated. */
  connected(link: Link): void {
    this.#link = link;
    for (const input of [...this.#open.values()]) {
      if (input.sentTo !== undefined && input.sentTo !== link.welcome.log) {
        const text = "the session was started again; whether the input was applied is not known";
        input.reject(new InputLostError(text, true));
      } else void this.#send(input, link);
    }
  }

  /** The connection is lost. */
  lost(): void {
    this.#link = undefined;
  }

  /** No connection follows. */
  end(error: Error): void {
    this.#over ??= error;
    this.abandon(error);
  }

  /** Gives up all inputs that wait. */
  abandon(error: Error): void {
    this.#link = undefined;
    for (const input of [...this.#open.values()]) {
      const mayHaveRun = input.sentTo !== undefined;
      input.reject(
        error instanceof ClosedError && !mayHaveRun
          ? error
          : new InputLostError(`the input was not answered: ${error.message}`, mayHaveRun, { cause: error }),
      );
    }
  }

  async #send(input: OpenInput, link: Link): Promise<void> {
    const { session, epoch, log } = link.welcome;
    const [oldest] = this.#open.keys();
    const { number, method, params } = input;
    input.sentTo = log;
    input.tries++;
    try {
      const acked = (oldest ?? number) - 1;
      input.resolve(await link.calls.input({ session, epoch, number, acked, method, params }));
    } catch (error) {
      if (!(error instanceof CallLostError)) {
        const isUnknown = error instanceof CallError && error.rpcCode === INTERRUPTED;
        input.reject(isUnknown ? new InputLostError(error.message, true, { cause: error }) : error);
        return;
      }
      // Whether it went out is not asked: of a stream that ends, not even the kernel says what it has handed over.
      if (input.tries >= MOST_TRIES) {
        const text = "the connection was lost twice before the input was answered";
        input.reject(new InputLostError(text, true, { cause: error }));
      }
    }
  }
}
