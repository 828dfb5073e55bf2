import { validate } from "../codec/schema.js";
import type { Method } from "./contract.js";
import type { Departure } from "./departure.js";
import { CallLostError } from "./errors.js";
import type { ItemsReader } from "./items-reader.js";
import type { ItemsWriter } from "./items-writer.js";
import type { CallLimits } from "./limits.js";

/** A call that waits for its answer. */
export abstract class Pending {
  readonly name: string;
  readonly method: Method;
  readonly onProgress: ((value: never) => void) | undefined;
  limits: CallLimits | undefined = undefined;
  /** Whether the request has gone out. */
  sent = true;
  /** What sends the request, where the number of calls under way is limited. */
  departure: Departure | undefined = undefined;
  /** What sends the items that the caller streams. */
  input: ItemsWriter | undefined = undefined;

  constructor(name: string, method: Method, onProgress: ((value: never) => void) | undefined) {
    this.name = name;
    this.method = method;
    this.onProgress = onProgress;
  }

  abstract succeed(result: unknown): void;
  abstract fail(error: unknown): void;
  /** Returns false if items may not come. */
  abstract items(items: readonly unknown[]): boolean;
}

export class PendingRequest extends Pending {
  readonly promise: Promise<unknown>;
  #resolve!: (result: unknown) => void;
  #reject!: (error: unknown) => void;

  constructor(name: string, method: Method, onProgress: ((value: never) => void) | undefined) {
    super(name, method, onProgress);
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  succeed(result: unknown): void {
    const schema = this.method.result;
    this.#resolve(schema === undefined ? result : validate(schema, result));
  }

  fail(error: unknown): void {
    this.#reject(error);
    quiet(this.promise, error);
  }

  items(): boolean {
    return false;
  }
}

export class PendingStream extends Pending {
  /** Set right after it was made. */
  reader!: ItemsReader;

  succeed(result: unknown): void {
    // Ours is null. A peer that knows no streams may answer with a result.
    this.reader.end(undefined, result ?? undefined);
  }

  fail(error: unknown): void {
    this.reader.end({ error });
  }

  items(items: readonly unknown[]): boolean {
    return this.reader.add(items);
  }
}

/**
 * A program that awaits the promise gets the error. For other programs it is no unhandled rejection if the connection has ended: a peer
 * that goes must not bring down the process.
 */
export function quiet(promise: Promise<unknown>, error: unknown): void {
  if (error instanceof CallLostError) promise.catch(() => {});
}

/** Returns the promise, `quiet` if it rejects. */
export function quieted<T>(promise: Promise<T>): Promise<T> {
  const result: Promise<T> = promise.catch((error) => {
    quiet(result, error);
    throw error;
  });
  return result;
}
