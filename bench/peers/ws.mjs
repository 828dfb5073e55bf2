import { once } from "node:events";
import { createServer } from "node:http";
import { join } from "node:path";

/**
 * `ws` over a Unix socket: a server on top of `node:http`, a client by a URL of `ws+unix:`. Bytes as binary messages, objects as text of JSON. Compression
 * is off, which is the server's default. `bufferutil` masks what the client sends, as the README advises for versions of Node that can't do it.
 */
export const peer = {
  name: "ws",
  title: "ws, Unix socket",
  file: import.meta.url,
  packages: ["ws", "bufferutil"],
};

/** Bytes that may wait to be written; the high-water mark of a socket would be a tenth of that. */
const ROOM = 1 << 18;

/** @param {import("../lib/peer.mjs").Place} place @param {(message: any) => any} answer */
export async function serve({ directory, endpoint, payload }, answer) {
  const { WebSocketServer } = await import("ws");
  const http = createServer().listen(join(directory, endpoint));
  const server = new WebSocketServer({ server: http, perMessageDeflate: false });
  server.on("connection", (socket) => {
    const write = writer(socket, payload);
    reader(socket, payload, (message) => {
      const reply = answer(message);
      if (reply !== undefined) write(reply);
    });
    socket.on("error", () => {});
  });
  await once(http, "listening");
  return {
    close() {
      for (const client of server.clients) client.terminate();
      server.close();
      http.close();
    },
  };
}

/**
 * @param {import("../lib/peer.mjs").Place} place
 * @param {(reply: any) => void} heard
 * @returns {Promise<import("../lib/peer.mjs").Link>}
 */
export async function drive({ directory, endpoint, payload }, heard) {
  const { WebSocket } = await import("ws");
  const socket = new WebSocket(`ws+unix:${join(directory, endpoint)}:/`, { perMessageDeflate: false });
  reader(socket, payload, heard);
  await once(socket, "open");
  let roomy = () => {};
  // Of a message that was handed to the system; there is no event for it.
  const written = () => {
    if (socket.bufferedAmount <= ROOM / 2) roomy();
  };
  const write = writer(socket, payload, written);
  return {
    send(message) {
      write(message);
      return socket.bufferedAmount < ROOM;
    },
    ready: () =>
      new Promise((resolve) => {
        roomy = () => resolve(undefined);
      }),
    close: () => socket.close(),
  };
}

/**
 * @param {import("ws").WebSocket} socket
 * @param {"bytes" | "object"} payload
 * @param {() => void} [written]
 * @returns {(message: any) => void}
 */
function writer(socket, payload, written) {
  if (payload === "object") return (message) => socket.send(JSON.stringify(message), written);
  return (message) => socket.send(message, written);
}

/**
 * @param {import("ws").WebSocket} socket
 * @param {"bytes" | "object"} payload
 * @param {(message: any) => void} each
 */
function reader(socket, payload, each) {
  if (payload === "object") socket.on("message", (text) => each(JSON.parse(text.toString())));
  else socket.on("message", each);
}
