import { once } from "node:events";
import { connect, createServer } from "node:net";
import { join } from "node:path";

/**
 * `vscode-jsonrpc` over a Unix socket, as language servers use it: `createMessageConnection` over a SocketMessageReader and -Writer. An echo is a request and its
 * response, a flood is notifications. Bytes go as base64, since JSON has none.
 *
 * The receiver reads the socket faster than it handles messages, and queues the rest without a limit. A program that
 * sends a lot has to ask now and then how far it is; here, each CHECK bytes of a flood end with a request, and no more than two are open.
 */
export const peer = {
  name: "jsonrpc",
  title: "vscode-jsonrpc, Unix socket",
  file: import.meta.url,
  packages: ["vscode-jsonrpc"],
};

/** Bytes, about, from one request of a flood to the next. */
const CHECK = 1 << 17;
/** Requests of a flood whose response may be on its way. */
const OPEN = 2;

/** @param {import("../lib/peer.mjs").Place} place @param {(message: any) => any} answer */
export async function serve({ directory, endpoint, payload, workload }, answer) {
  const rpc = await import("vscode-jsonrpc/node");
  const { pack, unpack } = packing(payload);
  const server = createServer((socket) => {
    const connection = open(rpc, socket);
    const take = (/** @type {any} */ params) => {
      const reply = answer(unpack(params));
      if (reply !== undefined) void connection.sendNotification("reply", pack(reply));
    };
    connection.onNotification("message", take);
    connection.onRequest("message", (params) => {
      if (workload === "echo") return pack(answer(unpack(params)));
      take(params);
      return null;
    });
    connection.listen();
    socket.on("error", () => {});
  }).listen(join(directory, endpoint));
  await once(server, "listening");
  return server;
}

/**
 * @param {import("../lib/peer.mjs").Place} place
 * @param {(reply: any) => void} heard
 * @returns {Promise<import("../lib/peer.mjs").Link>}
 */
export async function drive({ directory, endpoint, payload, workload, bytes }, heard) {
  const rpc = await import("vscode-jsonrpc/node");
  const { pack, unpack } = packing(payload);
  const socket = connect(join(directory, endpoint));
  await once(socket, "connect");
  const connection = open(rpc, socket);
  connection.onNotification("reply", (reply) => heard(unpack(reply)));
  connection.listen();
  /** @type {Promise<unknown>[]} */
  const asked = [];
  let unasked = 0;
  return {
    send(message) {
      if (workload === "echo") {
        void connection.sendRequest("message", pack(message)).then((reply) => heard(unpack(reply)), ignore);
        return true;
      }
      unasked += bytes;
      if (unasked < CHECK) {
        void connection.sendNotification("message", pack(message)).catch(ignore);
        return true;
      }
      unasked = 0;
      asked.push(connection.sendRequest("message", pack(message)).catch(ignore));
      return asked.length < OPEN;
    },
    ready: () => asked.shift() ?? Promise.resolve(),
    close() {
      connection.dispose();
      socket.destroy();
    },
  };
}

/**
 * @param {typeof import("vscode-jsonrpc/node")} rpc
 * @param {import("node:net").Socket} socket
 */
function open({ createMessageConnection, SocketMessageReader, SocketMessageWriter }, socket) {
  return createMessageConnection(new SocketMessageReader(socket), new SocketMessageWriter(socket));
}

/**
 * What is written has to stay as it is until it was: a message may wait for those before it.
 * @param {"bytes" | "object"} payload
 */
function packing(payload) {
  if (payload === "object") {
    return {
      pack: (/** @type {any} */ message) => ({ ...message }),
      unpack: (/** @type {any} */ message) => message,
    };
  }
  return {
    pack: ({ buffer, byteOffset, byteLength }) => ({
      data: Buffer.from(buffer, byteOffset, byteLength).toString("base64"),
    }),
    unpack: ({ data }) => Buffer.from(data, "base64"),
  };
}

/** What was under way when the connection was closed. */
function ignore() {}
