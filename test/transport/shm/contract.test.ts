import { randomBytes } from "node:crypto";
import { openSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { loadBinding } from "../../../lib/native/load.js";
import type { Connection, LaneGeometry } from "../../../lib/transport/contract.js";
import { ringCapacities } from "../../../lib/transport/shm/rings.js";
import { createShm } from "../../../lib/transport/shm/shm.js";
import { transportContract } from "../contract/suite.js";
import { acceptNative, nativePair } from "../wire/wires.js";

const binding = loadBinding();
const fixture = (name: string) => fileURLToPath(new URL(`../contract/${name}`, import.meta.url));

async function pair(
  lanes: readonly LaneGeometry[],
  bulkBytes: number,
  name: string,
  spin: number | "adaptive",
): Promise<readonly [Connection, Connection]> {
  const [a, b] = await nativePair(binding);
  const capacities = ringCapacities(lanes);
  const region = binding.regionCreate(capacities, name);
  const other =
    name === ""
      ? binding.regionOpen(capacities, "", reopen(region.descriptor))
      : binding.regionOpen(capacities, name, -1);
  if (name !== "") binding.regionUnlink(name);
  region.closeDescriptor();
  const options = { spin, bulkBytes, named: name !== "" };
  return [
    createShm(binding, a, region, lanes, true, options),
    createShm(binding, b, other, lanes, false, options),
  ];
}

/** A second descriptor of the same memory, as if it had been passed. */
function reopen(descriptor: number): number {
  return openSync(`/proc/self/fd/${descriptor}`, "r+");
}

const processes = {
  join: fixture("join-shm.mjs"),
  host: async (path: string, lanes: readonly LaneGeometry[], bulkBytes: number) => {
    const accept = acceptNative(binding, path);
    return async () => {
      const wire = await accept();
      const region = binding.regionCreate(ringCapacities(lanes), "");
      wire.write(new Uint8Array(1), region.descriptor);
      region.closeDescriptor();
      return createShm(binding, wire, region, lanes, true, { spin: "adaptive", bulkBytes, named: false });
    };
  },
};

transportContract("shared memory, sealed", (lanes, bulk) => pair(lanes, bulk, "", "adaptive"), {
  blocking: true,
  tries: true,
  blocks: true,
  processes,
});
transportContract("shared memory, sealed, never polling", (lanes, bulk) => pair(lanes, bulk, "", 0), {
  blocking: true,
  tries: true,
  blocks: true,
});
transportContract(
  "shared memory, named",
  (lanes, bulk) => pair(lanes, bulk, `/ringbell-test-${randomBytes(4).toString("hex")}`, "adaptive"),
  {
    blocking: true,
    tries: true,
  },
);
