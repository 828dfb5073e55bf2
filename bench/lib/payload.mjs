/** Where the parts of a message of bytes are: its number; in the first of a flood, how many will come; in its answer, the time they took. */
const NUMBER_AT = 0;
const COUNT_AT = 8;
const ELAPSED_AT = 16;
/** The shortest message there is. */
export const LEAST_BYTES = 32;
/** A byte that no message has, so that to look for it is to read all of them. */
const ABSENT = 255;
/** What messages are filled with. */
const FILLING = 7;

/**
 * How messages of one kind are made and looked at: the same for every mechanism.
 *
 * @typedef {object} Payload
 * @property {(i: number, count?: number) => any} make  The i-th message: always the same object, or the same bytes, with another number in it.
 * @property {(message: any) => number} number
 * @property {(message: any) => number} count
 * @property {(message: any) => void} check  Throws unless a message, other than a total, is as long as it was when it was sent.
 * @property {(message: any) => void} read  The same, and reads through it: whoever receives bytes wants to look at them.
 * @property {(ms: number) => any} total  The answer to the last of a flood: the time from the first to the last.
 * @property {(message: any) => number} elapsed  of that answer
 */

/**
 * @param {"bytes" | "object"} kind
 * @param {number} bytes
 * @returns {Payload}
 */
export function payload(kind, bytes) {
  return kind === "bytes" ? ofBytes(Math.max(bytes, LEAST_BYTES)) : ofObjects(bytes);
}

/** @param {number} bytes @returns {Payload} */
function ofBytes(bytes) {
  const message = Buffer.alloc(bytes, FILLING);
  const answer = Buffer.alloc(LEAST_BYTES);
  const view = (/** @type {Uint8Array} */ { buffer, byteOffset, byteLength }) =>
    Buffer.from(buffer, byteOffset, byteLength);
  message.writeUInt32LE(0, COUNT_AT);
  const check = (/** @type {Uint8Array} */ { length }) => {
    if (length !== message.length) throw new Error(`${length} B arrived of ${message.length}`);
  };
  return {
    make(i, count) {
      message.writeUInt32LE(i, NUMBER_AT);
      if (count !== undefined) message.writeUInt32LE(count, COUNT_AT);
      return message;
    },
    number: (received) =>
      (received[0] | (received[1] << 8) | (received[2] << 16) | (received[3] << 24)) >>> 0,
    count: (received) => view(received).readUInt32LE(COUNT_AT),
    check,
    read(received) {
      check(received);
      // Not the numbers at its beginning.
      if (received.length > LEAST_BYTES && view(received).indexOf(ABSENT, LEAST_BYTES) !== -1)
        throw new Error("a byte arrived that was never sent");
    },
    total(ms) {
      answer.writeDoubleLE(ms, ELAPSED_AT);
      return answer;
    },
    elapsed: (received) => view(received).readDoubleLE(ELAPSED_AT),
  };
}

/** What an agent asks of a tool: about 180 bytes of JSON, and text up to the length that was asked for. */
export const CALL = {
  id: 0,
  count: 0,
  elapsed: 0,
  method: "tools/call",
  params: { name: "read_file", arguments: { path: "src/index.ts", from: 120, to: 180 }, text: "" },
};

/** @param {number} bytes @returns {Payload} */
function ofObjects(bytes) {
  const text = "x".repeat(Math.max(0, bytes - JSON.stringify(CALL).length));
  const message = { ...CALL, params: { ...CALL.params, text } };
  const check = (/** @type {typeof CALL} */ { params }) => {
    const { length } = params.text;
    if (length !== text.length) throw new Error(`${length} characters arrived of ${text.length}`);
  };
  return {
    make(i, count) {
      message.id = i;
      if (count !== undefined) message.count = count;
      return message;
    },
    number: (received) => received.id,
    count: (received) => received.count,
    check,
    read: check,
    total: (ms) => ({ ...CALL, elapsed: ms }),
    elapsed: (received) => received.elapsed,
  };
}

/**
 * The type of CALL, for the library's `struct`.
 * @param {any} library  What the package exports, or its codecs.
 */
export function callStruct({ f64, struct, text, u32 }) {
  return struct({
    id: u32,
    count: u32,
    elapsed: f64,
    method: text(),
    params: struct({
      name: text(),
      arguments: struct({ path: text(), from: u32, to: u32 }),
      text: text(),
    }),
  });
}
