import { deepStrictEqual } from "node:assert";
import { inside } from "../lib/inside.mjs";

/** What a codec is called in the table, and in `--peers`. */
const CODECS = {
  struct: { title: "ringbell, struct()", peer: "struct" },
  closures: { title: "ringbell, struct() by closures", peer: "struct" },
  json: { title: "ringbell, json()", peer: "json" },
  packed: { title: "ringbell, packed()", peer: "packed" },
  clone: { title: "ringbell, clone()", peer: "clone" },
  text: { title: "ringbell, text()", peer: "text" },
  bytes: { title: "ringbell, bytes()", peer: "bytes" },
  view: { title: "ringbell, bytes({ copy: false })", peer: "bytes" },
  JSON: { title: "JSON.stringify, JSON.parse", peer: "JSON" },
  base64: { title: "JSON, in base64", peer: "JSON" },
  v8: { title: "v8.serialize, v8.deserialize", peer: "v8" },
  msgpackr: { title: "msgpackr, shared structures", peer: "msgpackr" },
  "msgpackr-maps": { title: "msgpackr, plain MessagePack", peer: "msgpackr" },
};

/**
 * Messages of one kind encoded and decoded, by themselves: no channel.
 * @param {string} sample of lib/samples.mjs
 * @param {keyof typeof CODECS} codec
 * @param {boolean} thorough
 */
export function codec(sample, codec, thorough) {
  const { title, peer } = CODECS[codec];
  return inside({
    name: `codec-${sample}-${codec}`,
    peer,
    title,
    file: import.meta.url,
    // What runs where no code may be generated from strings.
    flags: codec === "closures" ? ["--disallow-code-generation-from-strings"] : [],
    options: { sample, codec: codec === "closures" ? "struct" : codec },
    facts: { kind: "codec", payload: sample },
    packages: peer === "msgpackr" ? ["msgpackr"] : [],
    thorough,
  });
}

/** @param {{ sample: string, codec: string }} options */
export async function work(options) {
  // Only here, so that what does not need the library or a package can be named without it.
  const { codecs, MESSAGES } = await import("../lib/codecs.mjs");
  const { samples } = await import("../lib/samples.mjs");
  const { timed } = await import("../lib/tiny.mjs");
  const sample = samples[options.sample];
  const make = codecs[options.codec];
  if (sample === undefined || make === undefined) throw new Error("no such message, or no such codec");
  const messages = Array.from({ length: MESSAGES }, (_, i) => sample.make(i));
  const { encode, decode, bytes } = await make(messages, sample);
  deepStrictEqual(decode().map(plain), messages.map(plain));
  return {
    round: (/** @type {number} */ seconds) => ({
      ...timed({ encodeNs: encode, decodeNs: decode }, seconds),
      bytes,
    }),
    close() {},
  };
}

/** So that a Buffer equals a Uint8Array. @param {any} message */
function plain(message) {
  return message instanceof Uint8Array ? [...message] : message;
}
