import type { Figures } from "../../watch/index.js";

/** What is wrong, in words for people, and of how many endpoints or lanes that holds: only what holds of some. */
export function troubleOf({
  processes,
  flows,
}: Pick<Figures, "processes" | "flows">): [what: string, number: number][] {
  const dead = processes.filter(({ state }) => state === "dead").length;
  const silent = processes.filter(({ state }) => state === "blocked" || state === "lost").length;
  const stalled = flows.filter((flow) => flow.stalled).length;
  const all: [string, number][] = [
    ["not answering", silent],
    ["dead", dead],
    ["stalled", stalled],
  ];
  return all.filter(([, number]) => number !== 0);
}
