import { join } from "../relay/index.js";
import type { Framing } from "../rpc/framing.js";
import { text } from "./arguments.js";
import type { Option, Values } from "./command.js";
import { UsageError } from "./usage-error.js";
import { whereOf } from "./where.js";

export const WAIT: Option = {
  name: "wait",
  short: "w",
  value: "MS",
  text: "how long to wait until somebody listens (default: 3000)",
};

/** Joins the standard streams of this process to a name, until either side ends. Returns the exit code. Rejects with why the other side was lost. */
export async function joinStandardStreams(name: string, values: Values, framing: Framing): Promise<number> {
  const { error } = await join(
    name,
    { readable: process.stdin, writable: process.stdout },
    { ...connecting(values), framing },
  );
  if (error !== undefined) throw error;
  return 0;
}

/** The options of `connect` that the command line gives. */
export function connecting(values: Values) {
  return {
    ...whereOf(values),
    retry: { attempts: 1_000_000, maxTotal: milliseconds(values, "wait", 3000) },
  };
}

/** Returns the value of an option of milliseconds, up to a day. */
export function milliseconds(values: Values, name: string, otherwise: number): number {
  const given = text(values, name);
  if (given === undefined) return otherwise;
  const value = Number(given);
  if (given.trim() === "" || !(value >= 0 && value <= 86_400_000)) {
    throw new UsageError(`--${name} must be a number of milliseconds from 0 to 86400000; it is "${given}"`);
  }
  return value;
}
