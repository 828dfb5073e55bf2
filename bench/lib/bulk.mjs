import { NAMESPACE, SHARED } from "./ringbell.mjs";

/**
 * What a contender with blocks is told: names of codecs, for options travel as JSON.
 *
 * @typedef {"block" | "bytes" | "view" | "number"} Kind
 *   `{ block }`; a Uint8Array, of its own or (view) as long as the next message has not come; `{ number }`.
 *
 * @typedef {object} Options
 * @property {string} endpoint
 * @property {string} directory
 * @property {Kind} [there]  What goes from the driver to the server, the listener. Default `block`.
 * @property {Kind} [back]  What goes the other way. Default: the same.
 * @property {Record<string, unknown>} [more]  Further options of `listen` and of `connect`.
 */

/** @param {Kind} kind */
async function codecOf(kind) {
  const { block, bytes, f64, struct } = await import("../../dist/index.js");
  if (kind === "bytes" || kind === "view") return bytes({ copy: kind === "bytes" });
  return kind === "block" ? struct({ block }) : struct({ number: f64 });
}

/** @param {Options} options */
export async function listeningBulk({ endpoint, directory, there = "block", back = there, more = {} }) {
  const { listen } = await import("../../dist/index.js");
  const codec = { send: await codecOf(back), receive: await codecOf(there) };
  return listen(endpoint, { codec, namespace: NAMESPACE, directory, ...SHARED, ...more });
}

/** @param {Options} options */
export async function connectingBulk({ endpoint, directory, there = "block", back = there, more = {} }) {
  const { connect } = await import("../../dist/index.js");
  const codec = { send: await codecOf(there), receive: await codecOf(back) };
  const channel = await connect(endpoint, { codec, namespace: NAMESPACE, directory, ...SHARED, ...more });
  const { mode } = channel.stats().bulk;
  if (mode !== "shared") throw new Error(`blocks are ${mode} on this channel: nothing to measure`);
  return channel;
}

/**
 * A block that must be there at once.
 * @param {any} channel
 * @param {number} bytes
 */
export function allocated(channel, bytes) {
  const block = channel.tryAllocate(bytes);
  if (block === undefined) throw new Error(`no room for a block of ${bytes} bytes`);
  return block;
}
