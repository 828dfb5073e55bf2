import { loadBinding } from "../../../dist/native/load.js";
import { createShm } from "../../../dist/transport/shm.js";
import { connectNative } from "../../../dist/transport/wire.js";

export async function join(path, lanes) {
  const binding = loadBinding();
  const wire = connectNative(binding, path);
  const descriptor = await new Promise((resolve) =>
    wire.setHandler({ onData: () => resolve(wire.takeDescriptor()), onDrain() {}, onEnd() {} }),
  );
  const capacities = lanes.map((lane) => lane.capacity);
  const region = binding.regionOpen(capacities, "", descriptor);
  return createShm(binding, wire, region, lanes, false, { spin: "adaptive" });
}
