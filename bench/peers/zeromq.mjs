import { rm } from "node:fs/promises";
import { join } from "node:path";

/**
 * `zeromq` 6 over `ipc:`. A Dealer asks and a Router answers: the pair for asynchronous requests of many clients (Pair is made for threads of
 * one process). As its documentation says, a `send` is awaited before the next.
 */
export const peer = { name: "zeromq", title: "zeromq, ipc", file: import.meta.url, packages: ["zeromq"] };

/** Messages that may wait at one end, the default. */
const WAITING = 1000;
/** Bytes that may. */
const WAITING_BYTES = 1 << 26;

/** @param {import("../lib/peer.mjs").Place} place @param {(message: any) => any} answer */
export async function serve(place, answer) {
  const { Router } = await import("zeromq");
  // Mandatory: a Router that has no room for a reply waits, too, and does not throw it away.
  const socket = new Router({ mandatory: true, ...options(place) });
  await socket.bind(`ipc://${path(place)}`);
  const { encode, decode } = codec(place);
  const work = (async () => {
    for await (const [client, bytes] of socket) {
      const reply = answer(decode(bytes));
      if (reply !== undefined) await socket.send([client, encode(reply)]).catch(ignoreGone);
    }
  })();
  return {
    async close() {
      socket.close();
      await work;
      // The library leaves it.
      await rm(path(place), { force: true });
    },
  };
}

/**
 * @param {import("../lib/peer.mjs").Place} place
 * @param {(reply: any) => void} heard
 * @returns {Promise<import("../lib/peer.mjs").Link>}
 */
export async function drive(place, heard) {
  const { Dealer } = await import("zeromq");
  const socket = new Dealer(options(place));
  socket.connect(`ipc://${path(place)}`);
  const { encode, decode } = codec(place);
  void (async () => {
    for await (const [bytes] of socket) heard(decode(bytes));
  })();
  let sent = Promise.resolve();
  return {
    send(message) {
      sent = socket.send(encode(message));
      return false;
    },
    ready: () => sent,
    close: () => socket.close(),
  };
}

/** @param {import("../lib/peer.mjs").Place} place */
function path({ directory, endpoint }) {
  return join(directory, endpoint);
}

/** @param {import("../lib/peer.mjs").Place} place */
function options({ bytes }) {
  // The high-water mark counts messages; a thousand of 64 MiB would not fit into memory.
  const mark = Math.max(2, Math.min(WAITING, Math.floor(WAITING_BYTES / bytes)));
  return { sendHighWaterMark: mark, receiveHighWaterMark: mark, linger: 0 };
}

/** From 128 bytes on, a Buffer that is sent is not copied but kept until it is written: so it must be a new one each time. */
const KEPT = 128;

/**
 * @param {import("../lib/peer.mjs").Place} place
 * @returns {{ encode(message: any): any, decode(bytes: any): any }}
 */
function codec({ payload }) {
  if (payload === "object") {
    return {
      encode: (message) => JSON.stringify(message),
      decode: (bytes) => JSON.parse(bytes.toString()),
    };
  }
  return {
    encode: (message) => (message.length <= KEPT ? message : Buffer.from(message)),
    decode: (bytes) => bytes,
  };
}

/** A client that has left misses nothing. @param {any} error */
function ignoreGone(error) {
  if (error.code !== "EHOSTUNREACH") throw error;
}
