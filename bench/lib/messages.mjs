/** Bytes of a message on the wire, where the codec does not decide. */
export const MESSAGE_BYTES = 32;
/** The same as JSON, about. */
const JSON_BYTES = 70;

/** What a contender that echoes them says of itself where it isn't the usual. @param {string} codec */
export function echoFacts(codec) {
  return codec === "json" ? { facts: { kind: "echo", payload: "object", bytes: JSON_BYTES } } : {};
}

/**
 * The same 32-byte message for every codec (of `bytes`, also a longer one): how to make the i-th and how to tell which one arrived.
 *
 * @typedef {object} Messages
 * @property {any} codec
 * @property {(i: number) => any} make  Always the same object with another number in it.
 * @property {(message: any) => number} number
 */

/**
 * @param {string} name struct, bytes or json
 * @param {any} library  See `libraryOf`.
 * @param {number} [length]  Bytes of a message of `bytes`.
 * @returns {Messages}
 */
export function messages(name, { bytes, f64, json, struct, u32 }, length = MESSAGE_BYTES) {
  if (name === "bytes") {
    const message = Buffer.alloc(length);
    return {
      codec: bytes(),
      make(i) {
        message.writeUInt32LE(i >>> 0);
        return message;
      },
      number: (received) =>
        (received[0] | (received[1] << 8) | (received[2] << 16) | (received[3] << 24)) >>> 0,
    };
  }
  const message = { id: 0, flags: 1, price: 101.25, size: 7.5, time: 1_700_000_000_000.5 };
  return {
    codec: name === "json" ? json() : struct({ id: u32, flags: u32, price: f64, size: f64, time: f64 }),
    make(i) {
      message.id = i >>> 0;
      return message;
    },
    number: (received) => received.id,
  };
}
