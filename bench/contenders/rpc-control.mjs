import { createHistogram } from "node:perf_hooks";
import { RPC } from "../lib/calling.mjs";
import { pair } from "../lib/pair.mjs";
import { distribution } from "../lib/percentiles.mjs";
import { NAMESPACE, SHARED } from "../lib/ringbell.mjs";

/** The bytes of each notification, and how many wait for room all the time: more than the ring holds. */
const DATA = { bytes: "x".repeat(16 * 1024) };
const WAITING = 64;

/** A question by the control lane, while data wait for room in the main lane all the time. */
export const control = pair({
  name: "rpc-control",
  peer: "ringbell-rpc",
  title: "ringbell/rpc, client.health() while data wait for room",
  file: import.meta.url,
  facts: { kind: "control", payload: "object" },
  first: 100,
});

/** @typedef {{ endpoint: string, directory: string }} Options */

/** @param {Options} options */
export async function serve({ endpoint, directory }) {
  const { contract, serve: serveContract } = await import(RPC);
  const place = { name: endpoint, directory, namespace: NAMESPACE, ...SHARED };
  const handlers = { sink() {} };
  const service = await serveContract(contract("bench", { sink: "notification" }), handlers, place);
  return { round() {}, close: () => service.close() };
}

/** @param {Options} options */
export async function drive({ endpoint, directory }) {
  const { contract, open } = await import(RPC);
  const methods = contract("bench", { sink: "notification" });
  const client = await open(methods, { name: endpoint, directory, namespace: NAMESPACE });
  /** @param {number} count */
  async function round(count) {
    let ended = false;
    const flood = async () => {
      while (!ended) await client.sink(DATA);
    };
    const floods = Array.from({ length: WAITING }, flood);
    const each = createHistogram();
    const began = performance.now();
    for (let i = 0; i < count; i++) {
      const asked = performance.now();
      if ((await client.health()) !== "healthy") throw new Error("the service does not answer");
      each.record(Math.max(1, Math.round((performance.now() - asked) * 1e6)));
    }
    const elapsed = performance.now() - began;
    ended = true;
    await Promise.all(floods);
    return { ns: (elapsed * 1e6) / count, ...distribution(each), seconds: elapsed / 1e3 };
  }
  return { round, close: () => client.close() };
}
