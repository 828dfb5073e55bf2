import { memoryFloor } from "../contenders/memory-floor.mjs";
import { duration, throughput } from "../lib/format.mjs";
import { KIB, MIB } from "../lib/memory.mjs";

/** In the cache of a core; in that of all cores; in neither. */
const SIZES = [64 * KIB, MIB, 64 * MIB];

/**
 * @param {{ sizes?: readonly number[] | undefined }} choice
 * @returns {import("../lib/contender.mjs").Suite[]}
 */
export function memcpy({ sizes = SIZES }) {
  return [
    {
      name: "memcpy",
      group: "bulk",
      title: "Memory itself: one C++ process by itself",
      notes: ["The same bytes are copied, read or filled over and over, so short ones stay in the cache."],
      contenders: sizes.flatMap((bytes) => [
        memoryFloor("copy", bytes),
        memoryFloor("read", bytes),
        memoryFloor("write", bytes),
      ]),
      columns: [
        { title: "throughput", figure: "bytesPerSecond", format: throughput, spread: true },
        { title: "a lap", figure: "ns", format: duration },
      ],
      targets: [],
    },
  ];
}
