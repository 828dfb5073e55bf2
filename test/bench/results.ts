import type { Contender, Suite } from "../../bench/lib/contender.mjs";
import type { Result } from "../../bench/lib/run.mjs";
import { medians, spreads } from "../../bench/lib/stats.mjs";

/** A contender that is never started. */
export function contender(name: string, more: Partial<Contender> = {}): Contender {
  return {
    name,
    title: `title of ${name}`,
    start: () => Promise.reject(new Error("not to be started")),
    ...more,
  };
}

export function suite(name: string, contenders: Contender[], more: Partial<Suite> = {}): Suite {
  const columns = [{ title: "round trip", figure: "ns", format: (ns: number) => `${ns} ns`, spread: true }];
  return { name, title: `title of ${name}`, contenders, columns, targets: [], ...more };
}

/** What came of a contender that had these rounds. */
export function measured(name: string, rounds: Record<string, number>[], more: Partial<Result> = {}): Result {
  return {
    name,
    peer: name,
    title: `title of ${name}`,
    facts: {},
    status: "measured",
    rounds,
    medians: medians(rounds),
    spreads: spreads(rounds),
    ...more,
  };
}

/** Rounds of one figure. */
export function ns(...values: number[]): Record<string, number>[] {
  return values.map((value) => ({ ns: value }));
}
