import { randomFill } from "node:crypto";
import { performance } from "node:perf_hooks";
import * as timers from "node:timers";

/*
 * The time, and calls at a later time. Tests replace the clocks and timers of their process (Vitest, Jest, Sinon). Those must not
 * decide whether messages flow or a wait ends. So all of the library takes them from here. A fake that is installed later
 * changes nothing here. One that was there first is recognised, and something is used that no fake replaces.
 */

export interface Timer {
  /** Lets the process end before the timer does. */
  unref(): this;
}

const native = (code: unknown) => Function.prototype.toString.call(code).includes("[native code]");
/** Fakes carry marks of their own. */
const plain = (code: object) => Reflect.ownKeys(code).every((key) => OWN.includes(key));
const OWN: readonly (string | symbol)[] = ["length", "name", "prototype"];

// A fake puts its own `now` on the object. The prototype keeps Node's. (Bun's has none.)
const real: () => number = Object.getPrototypeOf(performance).now ?? performance.now;

/** Returns the time since the process began, in ms, with fractions. It never goes backwards. */
export function now(): number {
  return real.call(performance);
}

// A fake Date is a class in JavaScript.
const date = native(Date) && native(Date.now) ? Date.now : undefined;

/** Returns the time of day, in ms since the epoch. */
export const wallClock: () => number = date ?? (() => Math.floor(performance.timeOrigin + now()));

const { clearImmediate, clearTimeout: clear, setImmediate: immediate, setTimeout: start } = timers;

/** The handles of Node have parts that no fake has. They are looked for first, because the real clearing function adds some to any handle. */
function isRealImmediate(): boolean {
  const probe: unknown = immediate(() => {});
  const is = typeof probe === "object" && probe !== null && "_onImmediate" in probe;
  clearImmediate(probe as NodeJS.Immediate);
  return is;
}

function isRealTimeout(): boolean {
  const probe: unknown = start(() => {}, 1);
  const is = typeof probe === "object" && probe !== null && "_idleTimeout" in probe;
  clear(probe as NodeJS.Timeout);
  return is;
}

/** Calls the function in a coming turn of the event loop. */
export const setImmediate: (call: () => void) => unknown = isRealImmediate()
  ? immediate
  : (call) => randomFill(new Uint8Array(1), () => call());

/** Calls the function when all microtasks have run, before the event loop goes on. (Without Node's own: in the loop's next turn.) */
export const nextTick: (call: () => void) => void = plain(process.nextTick) ? process.nextTick : setImmediate;

const hasMicrotasks = plain(queueMicrotask);
const microtask = queueMicrotask;

/** Calls the function as a microtask. What it throws must not matter. */
export const soon: (call: () => void) => void = hasMicrotasks
  ? microtask
  : (call) => void Promise.resolve().then(call);

/** Calls the function soon. What it throws is an uncaught exception. */
export const soonUncaught: (call: () => void) => void = hasMicrotasks ? microtask : setImmediate;

type WaitAsync = (
  cell: Int32Array,
  at: number,
  value: number,
  ms: number,
) => { readonly value: PromiseLike<unknown> };
// The types of the language's version that we compile for do not have it.
const { waitAsync } = Atomics as unknown as { readonly waitAsync: WaitAsync };

/** A timer by a clock of the engine, which no fake replaces. It keeps no process alive. */
class EngineTimer implements Timer {
  readonly #cell = new Int32Array(new SharedArrayBuffer(4));

  constructor(call: () => void, ms: number) {
    void waitAsync(this.#cell, 0, 0, Math.max(1, ms)).value.then((how) => {
      if (how === "timed-out") setImmediate(call);
    });
  }

  unref(): this {
    return this;
  }

  stop(): void {
    Atomics.notify(this.#cell, 0);
  }
}

/** Calls the function after `ms` ms. A time that is over may be negative: of such a time Node would warn. */
export const setTimeout: (call: () => void, ms: number) => Timer = isRealTimeout()
  ? (call, ms) => start(call, Math.max(1, ms))
  : (call, ms) => new EngineTimer(call, ms);

export function clearTimeout(timer: Timer | undefined): void {
  if (timer instanceof EngineTimer) timer.stop();
  else clear(timer as NodeJS.Timeout | undefined);
}

/** Resolves after `ms` ms. */
export function delay(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms));
}

/**
 * Resolves in a coming turn of the event loop. A function that does all its work at once awaits it: a program that awaits that function in
 * a loop would otherwise keep timers and sockets from their turns for good.
 */
export function turn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}
