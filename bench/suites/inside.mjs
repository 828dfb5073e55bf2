import { codec } from "../contenders/codec.mjs";
import { calls } from "../contenders/ringbell-calls.mjs";
import { count, duration } from "../lib/format.mjs";

const OF_OBJECTS = /** @type {const} */ ([
  "struct",
  "closures",
  "json",
  "packed",
  "clone",
  "JSON",
  "v8",
  "msgpackr",
  "msgpackr-maps",
]);
/** What --quick has. */
const MAIN = ["struct", "json", "packed", "JSON"];
const OF_TEXT = /** @type {const} */ (["text", "json", "JSON", "v8", "msgpackr"]);
const OF_BYTES = /** @type {const} */ (["bytes", "view", "base64", "v8", "msgpackr"]);

/**
 * One kind of message by all codecs that can do it.
 * @param {string} sample
 * @param {string} what
 * @param {readonly Parameters<typeof codec>[1][]} codecs
 * @param {boolean} [quick]  Whether --quick has some of it.
 * @returns {import("../lib/contender.mjs").Suite}
 */
function coding(sample, what, codecs, quick = false) {
  return {
    name: `inside-${sample}`,
    group: "inside",
    title: `Encoding and decoding ${what}, without a channel`,
    notes: ["By tinybench. JSON ends with a string here, the others with bytes."],
    contenders: codecs.map((name) => codec(sample, name, !(quick && MAIN.includes(name)))),
    columns: [
      { title: "encode", figure: "encodeNs", format: duration, spread: true },
      { title: "decode", figure: "decodeNs", format: duration, spread: true },
      { title: "bytes", figure: "bytes", format: count },
    ],
    targets: [],
  };
}

/** @type {import("../lib/contender.mjs").Suite} */
const channel = {
  name: "inside-channel",
  group: "inside",
  title: "Time of one call: both ends of a channel in one process",
  notes: [
    "By tinybench. Messages have five numbers, or 32 bytes, and go a thousand at a time. No cache line goes from core to core.",
  ],
  contenders: calls,
  columns: [{ title: "a message, or a block", figure: "ns", format: duration, spread: true }],
  targets: [],
};

/** @returns {import("../lib/contender.mjs").Suite[]} */
export function inside() {
  return [
    coding("numbers", "5 numbers", OF_OBJECTS),
    coding("order", "an order with text and a list of 2", OF_OBJECTS),
    coding("call", "a call of a tool", OF_OBJECTS, true),
    coding("short-text", "a text of 11 characters", OF_TEXT),
    coding("text", "a text of 100 characters", OF_TEXT),
    coding("bytes", "32 bytes", OF_BYTES),
    channel,
  ];
}
