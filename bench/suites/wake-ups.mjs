import { wakeUps as contenders } from "../contenders/wake-up.mjs";
import { thorough } from "../lib/thorough.mjs";
import { roundTripColumns } from "./round-trip-columns.mjs";

/** @returns {import("../lib/contender.mjs").Suite[]} */
export function wakeUps() {
  return [
    {
      name: "wake-ups",
      group: "latency",
      title: "Waking each other in turn, in C++: there and back",
      notes: [
        "This is the floor of everything that sleeps until a message comes: two wake-ups a round trip.",
      ],
      contenders: contenders.map(thorough),
      columns: roundTripColumns,
      targets: [],
    },
  ];
}
