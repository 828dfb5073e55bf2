import { once } from "node:events";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { StreamTimer } from "../lib/clock.mjs";
import { MESSAGE_BYTES } from "../lib/messages.mjs";
import { pair } from "../lib/pair.mjs";

/** 32-byte messages one way over a Unix socket, one write each, waiting for `drain` where `write` says so. */
export const netStream = pair({
  name: "net-stream",
  peer: "net-unix",
  title: "node:net, one write a message, bytes only counted",
  file: import.meta.url,
});

/** @param {{ directory: string, endpoint: string }} options */
export async function serve({ directory, endpoint }) {
  const timer = new StreamTimer();
  let rest = 0;
  const server = createServer((socket) => {
    socket.on("data", (chunk) => {
      const bytes = rest + chunk.length;
      rest = bytes % MESSAGE_BYTES;
      const messages = (bytes - rest) / MESSAGE_BYTES;
      if (messages > 0) timer.arrived(messages);
    });
    socket.on("error", () => {});
  }).listen(join(directory, endpoint));
  await once(server, "listening");
  return {
    arm: (/** @type {number} */ count) => timer.arm(count),
    round: () => timer.figures(),
    close: () => server.close(),
  };
}

/** @param {{ directory: string, endpoint: string }} options */
export async function drive({ directory, endpoint }) {
  const socket = connect(join(directory, endpoint));
  await once(socket, "connect");
  // The same bytes each time: a program would need a buffer each, which is left out here, in favour of node:net.
  const message = Buffer.alloc(MESSAGE_BYTES);
  return {
    async round(/** @type {number} */ count) {
      for (let i = 0; i < count; i++) {
        if (!socket.write(message)) await once(socket, "drain");
      }
    },
    close: () => socket.destroy(),
  };
}
