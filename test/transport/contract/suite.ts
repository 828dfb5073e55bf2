import { afterEach, describe, it } from "vitest";
import type { LaneGeometry } from "../../../lib/transport/contract.js";
import { backpressure } from "./backpressure.js";
import { blocks } from "./blocks.js";
import { ends } from "./ends.js";
import { type ContractOptions, End, type MakePair } from "./harness.js";
import { processes } from "./processes.js";
import { records } from "./records.js";
import { waiting } from "./waiting.js";

/** Makes a pair, starts both, and closes both after the test. */
export type Pair = (...capacities: number[]) => Promise<readonly [End, End]>;

/** The same, with `bulk` bytes for the blocks of each. */
export type BulkPair = (bulk: number, ...capacities: number[]) => Promise<readonly [End, End]>;

/** Bytes for blocks where a test says nothing else. */
const BULK = 1024 * 1024;

/** The sentences of lib/transport/contract.ts, for whatever claims to be a transport. */
export function transportContract(name: string, makePair: MakePair, options: ContractOptions): void {
  describe(`the transport contract: ${name}`, () => {
    const open: End[] = [];
    afterEach(async () => {
      await Promise.all(open.splice(0).map((end) => end.connection.close()));
    });
    const bulkUnstarted: BulkPair = async (bulk, ...capacities) => {
      const pair = await makePair(geometry(capacities), bulk);
      const made = [new End(pair[0]), new End(pair[1])] as const;
      open.push(...made);
      return made;
    };
    const bulkPair: BulkPair = async (...parts) => {
      const made = await bulkUnstarted(...parts);
      for (const end of made) end.start();
      return made;
    };
    const unstarted: Pair = (...capacities) => bulkUnstarted(BULK, ...capacities);
    const pair: Pair = (...capacities) => bulkPair(BULK, ...capacities);

    records(pair, unstarted);
    backpressure(pair);
    ends(pair, options.tries);
    waiting(pair, options);
    if (options.blocks === true) blocks(bulkPair, options.blocking);
    else describe("blocks", () => it.skip("are not carried yet", () => {}));
    if (options.processes !== undefined) processes(options.processes, options);
  });
}

/** Lanes of these capacities; 4 KiB if there are none. */
export function geometry(capacities: readonly number[]): LaneGeometry[] {
  const all = capacities.length === 0 ? [4096] : capacities;
  return all.map((capacity, index) => ({ name: index === 0 ? "main" : `lane-${index}`, capacity }));
}
