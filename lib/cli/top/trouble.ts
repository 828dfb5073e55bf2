import type { Figures } from "../../watch/index.js";

/** Returns each kind of trouble, in words for people, with the number of endpoints or lanes that have it. Kinds that none has are left out. */
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
