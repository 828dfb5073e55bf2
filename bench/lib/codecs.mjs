import { deserialize, serialize } from "node:v8";
import { bytes, clone, json, packed, Scratch, text } from "../../dist/codec/index.js";
import { codecToReceive, codecToSend } from "../../dist/codec/lane-codec.js";
import { BATCH } from "./tiny.mjs";

/** Different messages, so that none is encoded twice in a row. A power of two. */
export const MESSAGES = 64;
/** Room for one in the scratch, and where the first is. */
const SLOT = 1024;
const FIRST = 8;
/** None of the messages has a block. @type {any[]} */
const BLOCKS = [];

/**
 * A way to turn messages into what can be sent, and back, over and over.
 *
 * @typedef {object} Coding
 * @property {() => number} encode  Encodes `BATCH` messages. What it returns is there so that nothing can be left out.
 * @property {() => unknown[]} decode  Decodes `BATCH` and returns the last of them, in their order.
 * @property {number} bytes  Of a message on average, as it would be sent.
 */

/**
 * A codec of the library's, into a scratch and out of it, as a channel uses it.
 * @param {any} codec
 * @param {readonly any[]} messages
 * @returns {Coding}
 */
function ours(codec, messages) {
  const scratch = new Scratch(new ArrayBuffer(FIRST + MESSAGES * SLOT));
  const lengths = messages.map((message, i) => codec.encode(message, scratch, FIRST + i * SLOT, BLOCKS));
  const other = new Scratch(new ArrayBuffer(FIRST + MESSAGES * SLOT));
  const kept = new Array(MESSAGES);
  return {
    encode() {
      let total = 0;
      for (let i = 0; i < BATCH; i++) {
        const slot = i % MESSAGES;
        total += codec.encode(messages[slot], other, FIRST + slot * SLOT, BLOCKS);
      }
      return total;
    },
    decode() {
      for (let i = 0; i < BATCH; i++) {
        const slot = i % MESSAGES;
        kept[slot] = codec.decode(scratch, FIRST + slot * SLOT, lengths[slot], BLOCKS);
      }
      return kept;
    },
    bytes: mean(lengths),
  };
}

/**
 * A codec of the library's that learns, as on a lane on which every message goes out.
 * @param {any} codec
 * @param {readonly any[]} messages
 */
function learning(codec, messages) {
  let sent = 0;
  const sender = codecToSend(codec, { sent: () => sent, packed: () => 0, isNext: () => true });
  const receiver = codecToReceive(codec);
  const scratch = new Scratch(new ArrayBuffer(FIRST + SLOT));
  for (const message of [...messages, ...messages]) {
    receiver.decode(scratch, FIRST, sender.encode(message, scratch, FIRST, BLOCKS), BLOCKS);
    sent++;
  }
  return ours({ encode: sender.encode, decode: receiver.decode }, messages);
}

/**
 * Two functions of somebody else's, that make a string or a Buffer of a message and a message of that.
 * @param {(message: any) => any} encode
 * @param {(encoded: any) => any} decode
 * @param {readonly any[]} messages
 * @param {() => void} [rewind]  Before the first of MESSAGES, where the results need not be kept any longer.
 * @returns {Coding}
 */
function theirs(encode, decode, messages, rewind = () => {}) {
  const encoded = messages.map((message) => {
    const result = encode(message);
    return typeof result === "string" ? result : Buffer.from(result);
  });
  const kept = new Array(MESSAGES);
  return {
    encode() {
      let total = 0;
      for (let i = 0; i < BATCH; i++) {
        const slot = i % MESSAGES;
        if (slot === 0) rewind();
        total += encode(messages[slot]).length;
      }
      return total;
    },
    decode() {
      for (let i = 0; i < BATCH; i++) {
        const slot = i % MESSAGES;
        kept[slot] = decode(encoded[slot]);
      }
      return kept;
    },
    bytes: mean(encoded.map((result) => Buffer.byteLength(result))),
  };
}

/**
 * msgpackr with one Packr for both directions, and its memory used again, as its README advises for speed.
 * @param {readonly any[]} messages
 * @param {object} options  Of the Packr. With `structures` both sides know the names of fields already, so that they are not sent.
 */
async function msgpack(messages, options) {
  const { Packr } = await import("msgpackr");
  const packr = new Packr(options);
  const memory = Buffer.allocUnsafeSlow(MESSAGES * SLOT);
  return theirs(
    (message) => packr.pack(message),
    (packed) => packr.unpack(packed),
    messages,
    () => packr.useBuffer(memory),
  );
}

/** @param {readonly number[]} values */
function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** @type {Record<string, (messages: readonly any[], sample: import("./samples.mjs").Sample) => Coding | Promise<Coding>>} */
export const codecs = {
  struct: (messages, sample) => ours(sample.struct?.(), messages),
  json: (messages) => ours(json(), messages),
  packed: (messages) => learning(packed(), messages),
  clone: (messages) => ours(clone(), messages),
  text: (messages) => ours(text(), messages),
  bytes: (messages) => ours(bytes(), messages),
  view: (messages) => ours(bytes({ copy: false }), messages),
  // A string, which a socket must still make bytes of: not counted.
  JSON: (messages) => theirs(JSON.stringify, JSON.parse, messages),
  base64: (messages) =>
    theirs(
      (message) =>
        JSON.stringify(
          Buffer.from(message.buffer, message.byteOffset, message.byteLength).toString("base64"),
        ),
      (encoded) => Buffer.from(JSON.parse(encoded), "base64"),
      messages,
    ),
  v8: (messages) => theirs(serialize, deserialize, messages),
  msgpackr: (messages) => msgpack(messages, { structures: [] }),
  "msgpackr-maps": (messages) => msgpack(messages, { useRecords: false }),
};
