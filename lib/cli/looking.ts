import type { Look } from "../watch/index.js";
import { isOn, text } from "./arguments.js";
import type { Option, Values } from "./command.js";
import { placeOf } from "./place.js";
import { askedToEnd } from "./signals.js";
import { UsageError } from "./usage-error.js";

export const TIMEOUT: Option = {
  name: "timeout",
  short: "t",
  value: "MS",
  text: "how long an endpoint may take to answer (default: 1000)",
};
export const INTERVAL: Option = {
  name: "interval",
  short: "i",
  value: "MS",
  text: "how long from one look to the next (default: 1000)",
};

/** What the command line wants to be looked at. Throws a UsageError. */
export function lookOf(values: Values): Look {
  return {
    place: placeOf(values),
    everyNamespace: isOn(values, "all"),
    timeout: numberOf(values, "timeout", 1000, 1, 600_000, "a number of milliseconds"),
  };
}

export function intervalOf(values: Values): number {
  return numberOf(values, "interval", 1000, 50, 600_000, "a number of milliseconds");
}

/** Returns the value of an option that takes a number. Throws a UsageError. */
export function numberOf(
  values: Values,
  name: string,
  otherwise: number,
  least: number,
  most: number,
  kind: string,
): number {
  const given = text(values, name);
  if (given === undefined) return otherwise;
  const number = Number(given);
  if (given.trim() !== "" && number >= least && number <= most) return number;
  throw new UsageError(`--${name} must be ${kind} from ${least} to ${most}; it is "${given}"`);
}

/** Calls at once and then once an interval, until Ctrl+C or a SIGTERM, until `call` returns false, or until the signal aborts. */
export async function repeat(
  interval: number,
  call: () => Promise<unknown>,
  signal?: AbortSignal,
): Promise<void> {
  let stopped = false;
  const aborted = new Promise<void>((resolve) => {
    signal?.addEventListener("abort", () => resolve(), { once: true });
  });
  const stop = Promise.race([askedToEnd(), aborted]).then(() => {
    stopped = true;
  });
  let next = performance.now();
  while (!stopped) {
    if ((await call()) === false) return;
    next = Math.max(next + interval, performance.now());
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([
      stop,
      new Promise((resolve) => {
        timer = setTimeout(resolve, next - performance.now());
      }),
    ]);
    clearTimeout(timer);
  }
}
