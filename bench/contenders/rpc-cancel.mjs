import { createHistogram } from "node:perf_hooks";
import { RPC } from "../lib/calling.mjs";
import { pair } from "../lib/pair.mjs";
import { distribution } from "../lib/percentiles.mjs";
import { NAMESPACE, SHARED } from "../lib/ringbell.mjs";

/** How long a handler computes if no cancel stops it (ms). */
const LONG = 10_000;

/**
 * A handler computes in a loop and never returns to its event loop; its caller aborts. What is timed goes from the abort in the one process
 * to the end of the loop in the other, by the clock that all processes share.
 */
export const cancel = pair({
  name: "rpc-cancel",
  peer: "ringbell-rpc",
  title: "ringbell/rpc, from the abort to the handler's end",
  file: import.meta.url,
  facts: { kind: "cancel", payload: "object" },
  first: 20,
  part: 0.3,
});

/** @typedef {{ endpoint: string, directory: string }} Options */

/** Nanoseconds of the clock that all processes share. */
const now = () => Number(process.hrtime.bigint());

/** @param {Options} options */
export async function serve({ endpoint, directory }) {
  const { contract, serve: serveContract } = await import(RPC);
  let stopped = 0;
  const handlers = {
    compute(/** @type {unknown} */ _, /** @type {any} */ call) {
      const end = performance.now() + LONG;
      void call.progress(0);
      while (performance.now() < end && !call.cancelled);
      stopped = call.cancelled ? now() : Number.NaN;
    },
    stopped: () => stopped,
  };
  const place = { name: endpoint, directory, namespace: NAMESPACE, ...SHARED };
  const service = await serveContract(contract("bench"), handlers, place);
  return { round() {}, close: () => service.close() };
}

/** @param {Options} options */
export async function drive({ endpoint, directory }) {
  const { contract, open } = await import(RPC);
  const client = await open(contract("bench"), { name: endpoint, directory, namespace: NAMESPACE });
  /** @param {number} count */
  async function round(count) {
    const each = createHistogram();
    const began = performance.now();
    let sum = 0;
    for (let i = 0; i < count; i++) {
      const took = await cancelled(client);
      sum += took;
      each.record(took);
    }
    return { ns: sum / count, ...distribution(each), seconds: (performance.now() - began) / 1e3 };
  }
  return { round, close: () => client.close() };
}

/** Cancels a call once its handler computes. Returns how long the handler went on, in ns. @param {any} client */
async function cancelled(client) {
  const controller = new AbortController();
  let aborted = 0;
  const onProgress = () => {
    aborted = now();
    controller.abort();
  };
  await client.compute(undefined, { signal: controller.signal, onProgress }).catch(() => {});
  const stopped = await client.stopped();
  if (!Number.isFinite(stopped)) throw new Error("the handler was not cancelled");
  return Math.max(1, stopped - aborted);
}
