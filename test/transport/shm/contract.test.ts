import { randomBytes } from "node:crypto";
import { fileURLToPath } from "node:url";
import { loadBinding } from "../../../lib/native/load.js";
import type { LaneGeometry } from "../../../lib/transport/contract.js";
import type { RingUse } from "../../../lib/transport/shm/inline-rings.js";
import { ringCapacities } from "../../../lib/transport/shm/rings.js";
import { createShm } from "../../../lib/transport/shm/shm.js";
import { transportContract } from "../contract/suite.js";
import { acceptNative } from "../wire/wires.js";
import { shmPair } from "./pair.js";

const binding = loadBinding();
const fixture = (name: string) => fileURLToPath(new URL(`../contract/${name}`, import.meta.url));

const pair = (
  lanes: readonly LaneGeometry[],
  bulkBytes: number,
  name: string,
  spin: number | "adaptive",
  rings?: readonly [RingUse, RingUse],
) => shmPair(lanes, { bulkBytes, name, spin, ...(rings && { rings }) }).then(({ ends }) => ends);

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
const ends: readonly RingUse[] = ["native", "inline"];
for (const rings of ends.flatMap((a) => ends.map((b) => [a, b] as const))) {
  transportContract(
    `shared memory, from ${rings[0]} to ${rings[1]} ends`,
    (lanes, bulk) => pair(lanes, bulk, "", "adaptive", rings),
    { blocking: true, tries: true },
  );
}
