import { once } from "node:events";
import { Agent, createServer, request } from "node:http";
import { join } from "node:path";
import { lost } from "../lib/answerer.mjs";

/**
 * HTTP/1.1 over a Unix socket, node:http at both ends: a POST for each message, and its response. The connections are kept alive.
 *
 * As a client under load does, up to 64 requests are under way at once, each on a connection of its own; a request after the response to the
 * one before would be slower by far. Connections overtake each other: where the order matters, requests are numbered, and the server
 * takes them in this order.
 */
export const peer = { name: "http", title: "HTTP keep-alive, Unix socket", file: import.meta.url };

/** Requests, and bytes of messages, that may be under way. */
const WINDOW = 64;
const WINDOW_BYTES = 64 << 20;
/** Up to this length a message is copied, so that it may be reused at once; a longer one is waited for. */
const COPIED = 65_536;

/** @param {"bytes" | "object"} payload */
function coding(payload) {
  if (payload === "bytes")
    return {
      type: "application/octet-stream",
      encode: (/** @type {any} */ message) => message,
      decode: same,
    };
  return {
    type: "application/json",
    encode: (/** @type {any} */ message) => Buffer.from(JSON.stringify(message)),
    decode: (/** @type {Buffer} */ body) => JSON.parse(body.toString()),
  };
}

/** @param {Buffer} body */
function same(body) {
  return body;
}

/**
 * @param {import("node:http").IncomingMessage} incoming
 * @param {(body: Buffer) => void} whole
 */
function collect(incoming, whole) {
  /** @type {Buffer[]} */
  const parts = [];
  incoming.on("data", (/** @type {Buffer} */ part) => parts.push(part));
  incoming.on("end", () => whole(parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts)));
}

/**
 * Takes requests in the order of their numbers.
 * @param {(message: any, response: import("node:http").ServerResponse) => void} take
 */
function inOrder(take) {
  /** @type {Map<number, [any, import("node:http").ServerResponse]>} */
  const early = new Map();
  let due = 0;
  return (/** @type {number} */ number, /** @type {any} */ message, /** @type {any} */ response) => {
    early.set(number, [message, response]);
    for (let next = early.get(due); next !== undefined; next = early.get(due)) {
      early.delete(due++);
      take(...next);
    }
  };
}

/** @param {import("../lib/peer.mjs").Place} place @param {(message: any) => any} answer */
export async function serve({ directory, endpoint, payload, workload }, answer) {
  const { type, encode, decode } = coding(payload);
  const respond = (
    /** @type {any} */ message,
    /** @type {import("node:http").ServerResponse} */ response,
  ) => {
    const reply = answer(message);
    if (reply === undefined) {
      response.writeHead(204).end();
      return;
    }
    const body = encode(reply);
    response.writeHead(200, { "Content-Type": type, "Content-Length": body.length }).end(body);
  };
  const ordered = inOrder(respond);
  const server = createServer((incoming, response) => {
    collect(incoming, (body) => {
      const message = decode(body);
      if (workload === "echo") respond(message, response);
      else ordered(Number(incoming.url?.slice(1)), message, response);
    });
  });
  // The client keeps its connections while others have their turn.
  server.keepAliveTimeout = 0;
  server.listen(join(directory, endpoint));
  await once(server, "listening");
  return server;
}

/**
 * @param {import("../lib/peer.mjs").Place} place
 * @param {(reply: any) => void} heard
 * @returns {import("../lib/peer.mjs").Link}
 */
export function drive({ directory, endpoint, payload, bytes }, heard) {
  const { type, encode, decode } = coding(payload);
  const window = Math.max(2, Math.min(WINDOW, Math.floor(WINDOW_BYTES / bytes)));
  const agent = new Agent({ keepAlive: true, maxSockets: window });
  const socketPath = join(directory, endpoint);
  let number = 0;
  let underWay = 0;
  /** Long messages that have not been written as a whole. */
  let unwritten = 0;
  let open = true;
  /** @type {(() => void) | undefined} */
  let wake;
  const room = () => underWay < window && unwritten === 0;
  const look = () => {
    if (room()) wake?.();
  };
  return {
    send(message) {
      const body = encode(message);
      const copied = payload === "object" || body.length <= COPIED;
      const call = request({
        agent,
        socketPath,
        method: "POST",
        path: `/${number++}`,
        headers: { "Content-Type": type, "Content-Length": body.length },
      });
      call.on("response", (response) => {
        collect(response, (reply) => {
          underWay--;
          if (response.statusCode === 200) heard(decode(reply));
          look();
        });
      });
      call.on("error", (error) => open && lost(error));
      underWay++;
      if (!copied) {
        unwritten++;
        call.on("finish", () => {
          unwritten--;
          look();
        });
      }
      call.end(copied && payload === "bytes" ? Buffer.from(body) : body);
      return room();
    },
    ready: () =>
      new Promise((resolve) => {
        wake = () => resolve(undefined);
      }),
    close() {
      open = false;
      agent.destroy();
    },
  };
}
