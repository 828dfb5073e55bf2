import { libraryOf } from "./library.mjs";
import { messages } from "./messages.mjs";

/**
 * What a ringbell contender is told.
 *
 * @typedef {object} Options
 * @property {string} endpoint
 * @property {string} directory
 * @property {string} codec  struct, bytes or json.
 * @property {number} [bytes]  Of a message of `bytes`. Default: 32.
 * @property {string} [library]  See `libraryOf`.
 * @property {Record<string, unknown>} [listening]  Further options of `listen`.
 * @property {Record<string, unknown>} [connecting]  Further options of `connect`.
 */

/** Two ends of one benchmark, apart from whatever else runs on this machine. */
export const NAMESPACE = "bench";

/** Else it would go over the stream, unasked, where the addon is missing, and be taken for the shared memory that its row stands for. */
export const SHARED = { transport: "shm" };

/** @param {Options} options */
export async function listening(options) {
  const { endpoint, directory, codec, bytes, listening: more = {} } = options;
  const library = await libraryOf(options);
  const kind = messages(codec, library, bytes);
  const server = await library.listen(endpoint, {
    codec: kind.codec,
    namespace: NAMESPACE,
    directory,
    ...SHARED,
    ...more,
  });
  return { server, messages: kind };
}

/** @param {Options} options */
export async function connecting(options) {
  const { endpoint, directory, codec, bytes, connecting: more = {} } = options;
  const library = await libraryOf(options);
  const kind = messages(codec, library, bytes);
  const channel = await library.connect(endpoint, {
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
