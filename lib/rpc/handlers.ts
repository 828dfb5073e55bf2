import { checkFunction, checkInteger, checkOneOf, checkOptions } from "../check.js";
import { InvalidArgumentError } from "../errors.js";
import type { Call } from "./call.js";
import type { Contract, Method, Methods } from "./contract.js";
import { Gate, type GateLimits } from "./gate.js";
import type { Served, WhenFull } from "./incoming.js";
import type { Handler } from "./served-call.js";

type MaybePromise<T> = T | Promise<T>;

/** A handler of a method. */
export type HandlerOf<M, Caller> =
  M extends Method<infer Kind, infer Params, infer Result, infer Progress, infer Input>
    ? (
        params: Params["got"],
        call: Call<Progress["given"], Input["got"], Caller>,
      ) => Kind extends "stream"
        ? AsyncIterable<Result["given"]> | Iterable<Result["given"]>
        : Kind extends "notification"
          ? unknown
          : // biome-ignore lint/suspicious/noConfusingVoidType: a handler without a result may return nothing.
            MaybePromise<undefined extends Result["given"] ? Result["given"] | void : Result["given"]>
    : never;

/** The handlers of a contract: one for each method. */
export type Handlers<C, Caller = unknown> =
  C extends Contract<infer M> ? { readonly [Name in keyof M]: HandlerOf<M[Name], Caller> } : never;

/** Limits and reports of what a side serves. */
export interface ServingOptions<Calls extends Contract = Contract> {
  /** What the callers serve, for `call.client`. */
  readonly calls?: Calls | undefined;
  /** The most handlers that run at the same time, of all callers together: 1 to 1 000 000. Default 1024. */
  readonly concurrency?: number | undefined;
  /** The same of one caller. Default: `concurrency`. */
  readonly concurrencyPerClient?: number | undefined;
  /** The most calls of all callers together that wait for that: 0 to 1 000 000. Default 65 536. */
  readonly queue?: number | undefined;
  /** The same of one caller. Default: 1024, or `queue` if that is less. */
  readonly queuePerClient?: number | undefined;
  /**
   * What becomes of a call beyond the queue. `"refuse"`: it is refused at once with the code BUSY (-32000), and was not begun. `"wait"`: its
   * caller is not read until there is room, so that the caller's own sends wait. Calls are refused all the same where that is not possible.
   * Default `"refuse"`.
   */
  readonly whenFull?: WhenFull | undefined;
  /**
   * Called with what a handler throws, and with a result that can't be sent. The caller hears of it in any case, except for a
   * notification. Default: a process warning for a notification, else nothing.
   */
  readonly onError?: ((error: unknown, call: Call) => void) | undefined;
}

export const SERVING_OPTIONS = [
  "calls",
  "concurrency",
  "concurrencyPerClient",
  "queue",
  "queuePerClient",
  "whenFull",
  "onError",
];

/** Makes of a contract and its handlers what connections serve. Throws an InvalidArgumentError for a method without a handler. */
export function servedBy(contract: Contract, handlers: object, options: ServingOptions): Served {
  checkOptions(handlers, Object.keys(handlers), "handlers");
  const { whenFull = "refuse", onError = warnOfNotifications } = options;
  const known = new Map<string, Handler>();
  const { methods, checked } = contract;
  const names = checked ? Object.keys(methods) : methodNames(handlers);
  for (const name of names) {
    if (name.startsWith("rpc."))
      throw new InvalidArgumentError("the name of a method", "none that begins with rpc.", name);
    const handler = ownOf(handlers, name);
    if (typeof handler !== "function")
      throw new InvalidArgumentError(`handlers.${name}`, "a function", handler);
    known.set(name, (params, call) => handler.call(handlers, params, call));
  }
  checkFunction(onError, "options.onError");
  return {
    handlers: known,
    methods: methods as Methods,
    gate: new Gate(limitsOf(options)),
    whenFull: checkOneOf(whenFull, "options.whenFull", ["refuse", "wait"]),
    onError,
  };
}

const MOST_CALLS = 1_000_000;

function limitsOf(options: ServingOptions): GateLimits {
  const { concurrency = 1024, queue = 65_536 } = options;
  const { concurrencyPerClient = concurrency, queuePerClient = Math.min(queue, 1024) } = options;
  return {
    concurrency: checkInteger(concurrency, "options.concurrency", 1, MOST_CALLS),
    concurrencyPerClient: checkInteger(concurrencyPerClient, "options.concurrencyPerClient", 1, MOST_CALLS),
    queue: checkInteger(queue, "options.queue", 0, MOST_CALLS),
    queuePerClient: checkInteger(queuePerClient, "options.queuePerClient", 0, MOST_CALLS),
  };
}

/** Returns what an object has under a name; not what every object has. */
function ownOf(handlers: object, name: string): unknown {
  const value = (handlers as Record<string, unknown>)[name];
  return value === (Object.prototype as unknown as Record<string, unknown>)[name] ? undefined : value;
}

/**
 * The names of an object's own functions. What an object inherits is not served: a class that extends EventEmitter would else let callers
 * emit events.
 */
function methodNames(handlers: object): string[] {
  const own = Object.getOwnPropertyNames(handlers).filter(
    (name) => typeof (handlers as Record<string, unknown>)[name] === "function",
  );
  const parent: unknown = Object.getPrototypeOf(handlers);
  if (own.length === 0 && parent !== null && parent !== Object.prototype) {
    const expected =
      "an object with functions of its own: what it inherits, such as methods of a class, is not served";
    throw new InvalidArgumentError("handlers", expected, handlers);
  }
  return own;
}

function warnOfNotifications(error: unknown, call: Call): void {
  if (call.isNotification) process.emitWarning(error instanceof Error ? error : String(error));
}
