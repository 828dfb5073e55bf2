import { carries } from "../lib/carries.mjs";
import { duration } from "../lib/format.mjs";
import { startUp } from "../lib/startup.mjs";

/**
 * Time from `connect` to the first reply.
 * @param {unknown} _choice
 * @param {readonly (import("../lib/peer.mjs").Peer & { file: string })[]} peers
 * @returns {import("../lib/contender.mjs").Suite[]}
 */
export function startUps(_choice, peers) {
  return [
    {
      name: "startup",
      group: "startup",
      title: "From connect to the first reply, 32 B",
      notes: [
        "One link after the other, each closed before the next. If a process or a thread is started for the link, that is contained. Each round is",
        "0.3 of the usual, or four links. Of so few links p99 is the longest, and benchmarks.md leaves it out.",
      ],
      contenders: peers
        .filter((peer) => carries(peer, { kind: "echo" }))
        .map((peer) => ({ ...startUp(peer), thorough: true })),
      columns: [
        { title: "p50", figure: "p50", format: duration, spread: true },
        { title: "p99", figure: "p99", format: duration },
      ],
      targets: [],
    },
  ];
}
