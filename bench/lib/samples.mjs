import { array, f64, oneOf, struct, text, u32 } from "../../dist/index.js";
import { CALL, callStruct } from "./payload.mjs";

/**
 * A kind of message to be turned into bytes and back.
 *
 * @typedef {object} Sample
 * @property {(i: number) => any} make  The i-th, a new one each time.
 * @property {() => any} [struct]  The codec for it, if it has fields.
 */

const tick = (/** @type {number} */ i) => ({
  id: i,
  flags: i * 3,
  price: 1.5 + i,
  size: 100.25 * i,
  time: 1e12 + i + 0.5,
});
const Tick = struct({ id: u32, flags: u32, price: f64, size: f64, time: f64 });

/** @type {Record<string, Sample>} */
export const samples = {
  numbers: { make: tick, struct: () => Tick },
  order: {
    make: (i) => ({
      id: i,
      side: i % 2 ? "buy" : "sell",
      name: `order ${i}`,
      fills: [tick(i), tick(i + 1)],
    }),
    struct: () => struct({ id: u32, side: oneOf("buy", "sell"), name: text(), fills: array(Tick) }),
  },
  call: {
    make: (i) => ({ ...structuredClone(CALL), id: i }),
    struct: () => callStruct({ f64, struct, text, u32 }),
  },
  "short-text": { make: (i) => `message ${100 + i}` },
  text: { make: (i) => `${i} `.repeat(50).slice(0, 100) },
  bytes: { make: (i) => new Uint8Array(32).fill(i) },
};
