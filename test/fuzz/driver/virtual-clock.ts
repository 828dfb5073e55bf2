import type { Timer } from "../../../lib/clock.js";

/*
 * The clock of the library while it is fuzzed: time stands still until a target moves it, and nothing is called but by `settle` and
 * `advance`. So an input does the same each time, and what it began ends with it.
 */

export type { Timer };

interface Due {
  readonly at: number;
  readonly call: () => void;
}

/** The most rounds of calls that one input may need to come to rest. */
const MOST_ROUNDS = 20_000;
/** A time of day; any will do. */
const EPOCH = 1_700_000_000_000;

let time = 0;
let ticks: (() => void)[] = [];
let immediates: (() => void)[] = [];
const timers = new Set<Due>();

/** Runs microtasks, and reports rejections that nobody handles. */
const microtasks = (process as unknown as { _tickCallback(): void })._tickCallback;

export function now(): number {
  return time;
}

export function wallClock(): number {
  return EPOCH + time;
}

export function setImmediate(call: () => void): void {
  immediates.push(call);
}

export function nextTick(call: () => void): void {
  ticks.push(call);
}

export function soon(call: () => void): void {
  ticks.push(call);
}

export const soonUncaught = soon;

export function setTimeout(call: () => void, ms: number): Timer {
  const due: Due & Timer = { at: time + Math.max(1, ms), call, unref: () => due };
  timers.add(due);
  return due;
}

export function clearTimeout(timer: Timer | undefined): void {
  timers.delete(timer as unknown as Due);
}

export function delay(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms));
}

export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Calls what is due now, and what that brings about, until nothing is left to do. */
export function settle(): void {
  for (let rounds = 0; rounds < MOST_ROUNDS; rounds++) {
    microtasks();
    const next = ticks.shift();
    if (next !== undefined) {
      next();
      continue;
    }
    if (immediates.length === 0) return;
    const calls = immediates;
    immediates = [];
    for (const call of calls) {
      call();
      microtasks();
    }
  }
  throw new Error(`the library does not come to rest: ${MOST_ROUNDS} rounds, and there is always more`);
}

/** Lets time pass. Timers are called in their order. */
export function advance(ms: number): void {
  const end = time + ms;
  for (let calls = 0; calls < MOST_ROUNDS; calls++) {
    const next = [...timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
    if (next === undefined) {
      time = end;
      return;
    }
    timers.delete(next);
    time = Math.max(time, next.at);
    next.call();
    settle();
  }
  throw new Error(`${MOST_ROUNDS} timers went off within ${ms} ms`);
}

/** Forgets all that was begun. */
export function reset(): void {
  time = 0;
  ticks = [];
  immediates = [];
  timers.clear();
  microtasks();
}
