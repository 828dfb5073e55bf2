import { callStruct } from "./payload.mjs";
import { NAMESPACE, SHARED } from "./ringbell.mjs";

/**
 * The two ends of a peer that is this library: `listen` and `connect`, listeners for messages, `trySend`, and `send` where there is no room.
 * @param {object} [how]
 * @param {(place: import("./peer.mjs").Place) => "bytes" | "view" | "json" | "packed" | "struct"} [how.codec]  Absent: the usual one of the payload.
 * @param {Record<string, unknown>} [how.options]  Further options of both ends.
 */
export function overChannel({ codec = usual, options = {} } = {}) {
  return {
    /** @param {import("./peer.mjs").Place} place @param {(message: any) => any} answer */
    async serve(place, answer) {
      const { listen } = await import("../../dist/index.js");
      const server = await listen(place.endpoint, await optionsOf(place, codec(place), options));
      server.on("connection", (/** @type {any} */ channel) => {
        channel.on("message", (/** @type {any} */ message) => {
          const reply = answer(message);
          if (reply !== undefined && !channel.trySend(reply)) void channel.send(reply);
        });
      });
      return server;
    },

    /**
     * @param {import("./peer.mjs").Place} place
     * @param {(reply: any) => void} heard
     * @returns {Promise<import("./peer.mjs").Link>}
     */
    async drive(place, heard) {
      const channel = await opened(place, codec(place), options);
      channel.on("message", heard);
      return link(channel);
    },
  };
}

/** @param {any} channel @returns {import("./peer.mjs").Link} */
export function link(channel) {
  let waiting = Promise.resolve();
  return {
    send(message) {
      if (channel.trySend(message)) return true;
      waiting = channel.send(message);
      return false;
    },
    ready: () => waiting,
    close: () => channel.close(),
  };
}

/**
 * @param {import("./peer.mjs").Place} place
 * @param {"bytes" | "view" | "json" | "packed" | "struct" | "block"} codec
 * @param {Record<string, unknown>} [options]
 */
export async function opened(place, codec, options = {}) {
  const { connect } = await import("../../dist/index.js");
  return connect(place.endpoint, await optionsOf(place, codec, options));
}

/** @param {import("./peer.mjs").Place} place */
export function usual({ payload }) {
  return payload === "bytes" ? "bytes" : "json";
}

/**
 * @param {import("./peer.mjs").Place} place
 * @param {"bytes" | "view" | "json" | "packed" | "struct" | "block"} codec
 * @param {Record<string, unknown>} more
 */
export async function optionsOf({ directory }, codec, more) {
  return { codec: await codecOf(codec), namespace: NAMESPACE, directory, ...SHARED, ...more };
}

/** @param {"bytes" | "view" | "json" | "packed" | "struct" | "block"} name */
export async function codecOf(name) {
  const library = await import("../../dist/index.js");
  const { block, bytes, json, packed, struct } = library;
  if (name === "bytes" || name === "view") return bytes({ copy: name === "bytes" });
  if (name === "json") return json();
  if (name === "packed") return packed();
  if (name === "block") return struct({ block });
  return callStruct(library);
}
