import { wakeUps as contenders } from "../contenders/wake-up.mjs";
import { duration } from "../lib/format.mjs";
import { thorough } from "../lib/thorough.mjs";

/** @returns {import("../lib/contender.mjs").Suite[]} */
export function wakeUps() {
  return [
    {
      name: "wake-ups",
      group: "latency",
      title: "Waking each other in turn, in C++: there and back",
      notes: ["The floor of everything that sleeps until a message comes. Two wake-ups a round trip."],
      contenders: contenders.map(thorough),
      columns: [
        { title: "round trip", figure: "ns", format: duration, spread: true },
        { title: "p50", figure: "p50", format: duration },
        { title: "p90", figure: "p90", format: duration },
        { title: "p99", figure: "p99", format: duration },
        { title: "p99.9", figure: "p99.9", format: duration },
        { title: "max", figure: "max", format: duration },
      ],
      targets: [],
    },
  ];
}
