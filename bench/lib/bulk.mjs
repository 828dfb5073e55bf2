import { libraryOf } from "./library.mjs";
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
 * @property {string} [library]  See `libraryOf`.
 * @property {Kind} [there]  What goes from the driver to the server, the listener. Default `block`.
 * @property {Kind} [back]  What goes the other way. Default: the same.
 * @property {Record<string, unknown>} [more]  Further options of `listen` and of `connect`.
 */

/** @param {Kind} kind @param {any} library */
function codecOf(kind, { block, bytes, f64, struct }) {
  if (kind === "bytes" || kind === "view") return bytes({ copy: kind === "bytes" });
  return kind === "block" ? struct({ block }) : struct({ number: f64 });
}

/** @param {Options} options */
export async function listeningBulk(options) {
  const { endpoint, directory, there = "block", back = there, more = {} } = options;
  const library = await libraryOf(options);
  const codec = { send: codecOf(back, library), receive: codecOf(there, library) };
  return library.listen(endpoint, { codec, namespace: NAMESPACE, directory, ...SHARED, ...more });
}

/** @param {Options} options */
export async function connectingBulk(options) {
  const { endpoint, directory, there = "block", back = there, more = {} } = options;
  const library = await libraryOf(options);
  const codec = { send: codecOf(there, library), receive: codecOf(back, library) };
  const channel = await library.connect(endpoint, {
    codec,
    namespace: NAMESPACE,
    directory,
    ...SHARED,
    ...more,
  });
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
