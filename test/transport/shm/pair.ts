import { openSync } from "node:fs";
import { loadBinding } from "../../../lib/native/load.js";
import type { Connection, LaneGeometry } from "../../../lib/transport/contract.js";
import type { RingUse } from "../../../lib/transport/shm/inline-rings.js";
import { ringCapacities } from "../../../lib/transport/shm/rings.js";
import { createShm } from "../../../lib/transport/shm/shm.js";
import { nativePair } from "../wire/wires.js";

export interface ShmPair {
  /** The listener's end, and the connector's. */
  readonly ends: readonly [Connection, Connection];
  /** The file of the memory, if it was asked for. Whoever asks closes it. */
  readonly memory: number;
}

export interface PairOptions {
  readonly bulkBytes?: number;
  /** "" for sealed memory. */
  readonly name?: string;
  readonly spin?: number | "adaptive";
  /** How short messages of each end go. Default: as RINGBELL_RING says. */
  readonly rings?: readonly [RingUse, RingUse];
  readonly withMemory?: boolean;
}

/** Both ends of a connection in shared memory in this process, not started. */
export async function shmPair(lanes: readonly LaneGeometry[], options: PairOptions = {}): Promise<ShmPair> {
  const { bulkBytes = 0, name = "", spin = "adaptive", rings, withMemory = false } = options;
  const binding = loadBinding();
  const [a, b] = await nativePair(binding);
  const capacities = ringCapacities(lanes);
  const region = binding.regionCreate(capacities, name);
  const other =
    name === ""
      ? binding.regionOpen(capacities, "", reopen(region.descriptor))
      : binding.regionOpen(capacities, name, -1);
  if (name !== "") binding.regionUnlink(name);
  const memory = withMemory ? reopen(region.descriptor) : -1;
  region.closeDescriptor();
  const common = { spin, bulkBytes, named: name !== "" };
  const ends = [
    createShm(binding, a, region, lanes, true, { ...common, ...(rings && { ring: rings[0] }) }),
    createShm(binding, b, other, lanes, false, { ...common, ...(rings && { ring: rings[1] }) }),
  ] as const;
  return { ends, memory };
}

/** A second descriptor of the same memory, as if it had been passed. */
function reopen(descriptor: number): number {
  return openSync(`/proc/self/fd/${descriptor}`, "r+");
}
