import { messages } from "./messages.mjs";

/**
 * What a ringbell contender is told.
 *
 * @typedef {object} Options
 * @property {string} endpoint
 * @property {string} directory
 * @property {string} codec  struct, bytes or json.
 * @property {Record<string, unknown>} [listening]  Further options of `listen`.
 * @property {Record<string, unknown>} [connecting]  Further options of `connect`.
 */

/** Two ends of one benchmark, apart from whatever else runs on this machine. */
export const NAMESPACE = "bench";

/** Else it would go over the stream, unasked, where the addon is missing, and be taken for the shared memory that its row stands for. */
export const SHARED = { transport: "shm" };

/** @param {Options} options */
export async function listening({ endpoint, directory, codec, listening: more = {} }) {
  const { listen } = await import("../../dist/index.js");
  const kind = await messages(codec);
  const server = await listen(endpoint, {
    codec: kind.codec,
    namespace: NAMESPACE,
    directory,
    ...SHARED,
    ...more,
  });
  return { server, messages: kind };
}

/** @param {Options} options */
export async function connecting({ endpoint, directory, codec, connecting: more = {} }) {
  const { connect } = await import("../../dist/index.js");
  const kind = await messages(codec);
  const channel = await connect(endpoint, {
    codec: kind.codec,
    namespace: NAMESPACE,
    directory,
    ...SHARED,
    ...more,
  });
  return { channel, messages: kind };
}

/**
 * The next peer that connects.
 * @param {AsyncIterable<any>} server
 */
export async function accepted(server) {
  for await (const channel of server) return channel;
  throw new Error("the endpoint was closed before anyone connected");
}

/**
 * @param {number} got
 * @param {number} wanted
 */
export function expectNumber(got, wanted) {
  if (got !== wanted >>> 0) throw new Error(`message ${got} arrived instead of ${wanted >>> 0}`);
}
