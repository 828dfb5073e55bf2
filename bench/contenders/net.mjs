import { once } from "node:events";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { RoundTripTimer } from "../lib/clock.mjs";
import { MESSAGE_BYTES } from "../lib/messages.mjs";
import { pair } from "../lib/pair.mjs";

/** 32 bytes there and back over a Unix socket of node:net, nothing on top. */
export const net = pair({
  name: "net",
  peer: "net-unix",
  title: "node:net, bytes only counted",
  file: import.meta.url,
});

/** @param {{ directory: string, endpoint: string }} options */
export async function serve({ directory, endpoint }) {
  const server = createServer((socket) => {
    // What arrived goes back as it is: were it split or merged, the driver would still count its bytes.
    socket.on("data", (chunk) => socket.write(chunk));
    socket.on("error", () => {});
  }).listen(join(directory, endpoint));
  await once(server, "listening");
  return { round() {}, close: () => server.close() };
}

/** @param {{ directory: string, endpoint: string }} options */
export async function drive({ directory, endpoint }) {
  const socket = connect(join(directory, endpoint));
  await once(socket, "connect");
  const message = Buffer.alloc(MESSAGE_BYTES);
  const timer = new RoundTripTimer((i) => {
    message.writeUInt32LE(i >>> 0);
    socket.write(message);
  });
  let bytes = 0;
  socket.on("data", (chunk) => {
    bytes += chunk.length;
    if (bytes < MESSAGE_BYTES) return;
    bytes -= MESSAGE_BYTES;
    timer.answered();
  });
  return { round: (/** @type {number} */ count) => timer.run(count), close: () => socket.destroy() };
}
