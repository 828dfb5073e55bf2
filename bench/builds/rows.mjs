import { KIB, MIB } from "../lib/memory.mjs";
import { pair } from "../lib/pair.mjs";
import { alone } from "./alone.mjs";
import { cold } from "./cold.mjs";
import { idle } from "./idle.mjs";

/**
 * What two builds are compared by. A row is a contender that can be started with either of them.
 *
 * @typedef {object} Row
 * @property {string} name  As `--only` takes it.
 * @property {string} title
 * @property {string} figure  That is compared; less is better.
 * @property {(name: string, library: string) => import("../lib/contender.mjs").Contender} contender  Both of its ends use the build whose
 *   dist/index.js has the URL `library`. `name`: unique in a run, for the endpoint.
 */

/** @param {string} file */
const contenders = (file) => new URL(`../contenders/${file}`, import.meta.url).href;
/** @param {string} file */
const here = (file) => new URL(file, import.meta.url).href;

const SYNC = contenders("ringbell-sync.mjs");
const LOOP = contenders("ringbell-loop.mjs");
const PUSH = contenders("ringbell-push.mjs");
const MANY = contenders("ringbell-many.mjs");

/** How long processes warm up at least, s: long enough to compile what is used, and short, for they start often. */
const WARM_SECONDS = 0.15;

/**
 * A row of two processes, by lib/pair.mjs.
 * @param {string} name
 * @param {string} title
 * @param {string} file
 * @param {Record<string, unknown>} [options]
 * @param {{ figure?: string, first?: number }} [more]
 * @returns {Row}
 */
function paired(name, title, file, options = {}, { figure = "ns", first } = {}) {
  return {
    name,
    title,
    figure,
    contender: (endpoint, library) =>
      pair({
        name: endpoint,
        title,
        file,
        options: { codec: "struct", ...options, library },
        warm: WARM_SECONDS,
        ...(first === undefined ? {} : { first }),
      }),
  };
}

/** Further options of both ends. @param {Record<string, unknown>} more */
const both = (more) => ({ listening: more, connecting: more });

/**
 * Bytes one way. Long messages go by blocks: with the usual limit a thousand of 1 MiB would be under way, each in fresh memory. With this one,
 * sixteen are, and their memory is used again.
 * @param {string} name
 * @param {number} bytes
 * @param {string} title
 */
function push(name, bytes, title) {
  const options = { codec: "bytes", bytes, ...both({ maxBulkBytes: 16 * MIB }) };
  return paired(name, title, PUSH, options, { first: 16 });
}

/** @type {readonly Row[]} */
export const ROWS = [
  paired("poll", "round trip, both polling by trySend and tryReceive", here("./polling.mjs")),
  lone("alone", "trySend and tryReceive, both ends in one process", "ns", alone),
  paired("sync", "round trip, sendSync and receiveSync", SYNC),
  paired("loop", "round trip, event loops", LOOP),
  paired("json", "round trip, event loops, json()", LOOP, { codec: "json" }),
  paired("spin-0", "round trip, event loops, spin: 0", LOOP, both({ spin: 0 })),
  paired("flood", 'one way, trySend → on("message")', PUSH),
  paired("iterate", "one way, trySend → for await", here("./iterating.mjs")),
  paired("batch", "one way, sendMany → receiveMany", MANY, { blocking: false }),
  push("bytes-32", 32, "one way, bytes() of 32 B"),
  push("bytes-256", 256, "one way, bytes() of 256 B"),
  push("bytes-1m", MIB, "one way, bytes() of 1 MiB"),
  paired("block-1k", "allocate, hand over, release: 1 KiB", here("./blocks.mjs"), { bytes: KIB }),
  paired("block-1m", "allocate, hand over, release: 1 MiB", here("./blocks.mjs"), { bytes: MIB }),
  paired("stream", 'round trip, event loops, transport: "stream"', LOOP, both({ transport: "stream" })),
  paired(
    "stream-flood",
    'one way, trySend → on("message"), transport: "stream"',
    PUSH,
    both({ transport: "stream" }),
  ),
  paired(
    "connect",
    "connect to first reply, p50",
    here("./connecting.mjs"),
    {},
    { figure: "p50", first: 16 },
  ),
  lone("cold", "a cold process: import to first reply", "ns", cold),
  lone("idle", "memory of an idle channel, both processes", "memoryBytes", idle),
  lone("idle-1000", "the same, of a thousand channels", "memoryBytes", idle, { channels: 1000 }),
  lone("idle-burst", "the same, 10 s after a burst that filled its rings", "memoryBytes", idle, {
    burst: true,
  }),
];

/**
 * @param {string} name
 * @param {string} title
 * @param {string} figure
 * @param {typeof cold} contender
 * @param {Record<string, unknown>} [options]
 * @returns {Row}
 */
function lone(name, title, figure, contender, options = {}) {
  return {
    name,
    title,
    figure,
    contender: (endpoint, library) =>
      contender({ name: endpoint, title, options: { codec: "struct", library, ...options } }),
  };
}
