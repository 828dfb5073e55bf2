import { once } from "node:events";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { bulkFigures } from "../lib/clock.mjs";
import { MIB } from "../lib/memory.mjs";
import { pair } from "../lib/pair.mjs";

const BYTES = MIB;

/**
 * Writes of 1 MiB one way over a Unix socket, waiting for `drain` where `write` says so, until the receiver answers that it has the
 * last. What arrives is counted and dropped; a program would have to put each message together: in favour of node:net.
 */
export const netBulkStream = pair({
  name: "net-1m",
  peer: "net-unix",
  title: "node:net, Unix socket, one write a message",
  file: import.meta.url,
  part: 0.4,
  first: 32,
});

/** @param {{ directory: string, endpoint: string }} options */
export async function serve({ directory, endpoint }) {
  let due = 0;
  const server = createServer((socket) => {
    socket.on("data", (chunk) => {
      due -= chunk.length;
      if (due === 0) socket.write("x");
    });
    socket.on("error", () => {});
  }).listen(join(directory, endpoint));
  await once(server, "listening");
  return {
    arm(/** @type {number} */ count) {
      due = count * BYTES;
    },
    round() {},
    close: () => server.close(),
  };
}

/** @param {{ directory: string, endpoint: string }} options */
export async function drive({ directory, endpoint }) {
  const socket = connect(join(directory, endpoint));
  await once(socket, "connect");
  // The same bytes each time, as at the other contender.
  const message = Buffer.alloc(BYTES, 1);
  return {
    async round(/** @type {number} */ count) {
      const answered = once(socket, "data");
      const begin = performance.now();
      for (let i = 0; i < count; i++) {
        if (!socket.write(message)) await once(socket, "drain");
      }
      await answered;
      return bulkFigures(count, BYTES, performance.now() - begin);
    },
    close: () => socket.destroy(),
  };
}
