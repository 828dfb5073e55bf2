import type { BoxSettings } from "../message.js";
import { checkName, checkSettings } from "../settings.js";
import { token } from "./names.js";

/*
 * The values of a bucket, as they are read. Everybody who may write to the server may write there, and a program with a fault may, too. So
 * only what mailboxes could have written is taken, and the rest is passed over.
 */

export interface BoxEntry {
  readonly name: string;
  readonly settings: Partial<BoxSettings>;
}

export interface Topics {
  readonly patterns: readonly (readonly [box: string, pattern: string])[];
}

export interface Counts {
  readonly refused: number;
  readonly dropped: number;
}

/** Undefined if the key is not that of a box with the name that stands there. */
export function nameUnder(key: string, value: unknown): string | undefined {
  const { name } = fields(value);
  try {
    return token(checkName(name, "name")) === key ? (name as string) : undefined;
  } catch {
    return undefined;
  }
}

/** The settings that a program could have set, each by itself. */
export function settingsIn(value: unknown): Partial<BoxSettings> {
  let taken: Partial<BoxSettings> = {};
  for (const [name, one] of Object.entries(fields(fields(value).settings))) {
    try {
      taken = { ...taken, ...checkSettings({ [name]: one }) };
    } catch {
      // The default holds instead.
    }
  }
  return taken;
}

export function patternsIn(value: unknown): Topics["patterns"] {
  const { patterns } = fields(value);
  if (!Array.isArray(patterns)) return [];
  return patterns.filter(
    (one) => Array.isArray(one) && one.length === 2 && one.every((part) => typeof part === "string"),
  );
}

export function countsIn(value: unknown): Counts {
  const { refused, dropped } = fields(value);
  const count = (one: unknown) => (Number.isSafeInteger(one) && (one as number) > 0 ? (one as number) : 0);
  return { refused: count(refused), dropped: count(dropped) };
}

function fields(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
