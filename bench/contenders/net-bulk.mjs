import { once } from "node:events";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { oneWay, RoundTripTimer } from "../lib/clock.mjs";
import { MIB } from "../lib/memory.mjs";
import { pair } from "../lib/pair.mjs";

const BYTES = 64 * MIB;

/**
 * 64 MiB there and back over a Unix socket of node:net, each time until all of it is there. What arrives is counted and dropped, not put
 * together into one buffer, which a program would have to do: in favour of node:net.
 */
export const netBulk = pair({
  name: "net-64m",
  peer: "net-unix",
  title: "node:net, Unix socket, 64 MiB",
  file: import.meta.url,
  part: 0.3,
  first: 1,
});

/**
 * Calls `whole` whenever all the bytes of one way have arrived.
 * @param {import("node:net").Socket} socket
 * @param {() => void} whole
 */
function counting(socket, whole) {
  let bytes = 0;
  socket.on("data", (chunk) => {
    bytes += chunk.length;
    if (bytes < BYTES) return;
    bytes -= BYTES;
    whole();
  });
}

/** @param {{ directory: string, endpoint: string }} options */
export async function serve({ directory, endpoint }) {
  const answer = Buffer.alloc(BYTES, 1);
  const server = createServer((socket) => {
    counting(socket, () => socket.write(answer));
    socket.on("error", () => {});
  }).listen(join(directory, endpoint));
  await once(server, "listening");
  return { round() {}, close: () => server.close() };
}

/** @param {{ directory: string, endpoint: string }} options */
export async function drive({ directory, endpoint }) {
  const socket = connect(join(directory, endpoint));
  await once(socket, "connect");
  const message = Buffer.alloc(BYTES, 1);
  const timer = new RoundTripTimer(() => socket.write(message));
  counting(socket, () => timer.answered());
  return {
    round: async (/** @type {number} */ count) => oneWay(await timer.run(count)),
    close: () => socket.destroy(),
  };
}
