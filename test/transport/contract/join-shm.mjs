import { loadBinding } from "../../../dist/native/load.js";
import { ringCapacities } from "../../../dist/transport/shm/rings.js";
import { createShm } from "../../../dist/transport/shm/shm.js";
import { connectNative } from "../../../dist/transport/wire/addon-wire.js";

export async function join(path, lanes, bulkBytes) {
  const binding = loadBinding();
  const wire = connectNative(binding, path);
  const descriptor = await new Promise((resolve) =>
    wire.setHandler({ onData: () => resolve(wire.takeDescriptor()), onDrain() {}, onEnd() {} }),
  );
  const region = binding.regionOpen(ringCapacities(lanes), "", descriptor);
  return createShm(binding, wire, region, lanes, false, { spin: "adaptive", bulkBytes, named: false });
}
