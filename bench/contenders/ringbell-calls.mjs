import { size } from "../lib/format.mjs";
import { inside } from "../lib/inside.mjs";
import { KIB, MIB } from "../lib/memory.mjs";

/**
 * A call of a channel whose two ends are in one process, so that nothing waits for another core: what the call itself takes, with
 * the codec and the ring. What one end sends, the other takes before the next turn, and that time is not counted.
 * @param {string} call
 * @param {"struct" | "bytes" | "json"} codec of messages of 32 bytes, or of JSON with the same five numbers
 * @param {boolean} [thorough]
 */
function call(call, codec, thorough = true) {
  return inside({
    name: `call-${call}-${codec}`,
    peer: "ringbell",
    title: `${call}, ${codec}()`,
    file: import.meta.url,
    options: { call, codec },
    facts: { kind: call, payload: codec },
    thorough,
  });
}

/**
 * A block allocated and released; its memory is not touched.
 * @param {string} name
 * @param {number} bytes
 * @param {boolean} [thorough]
 */
function allocate(name, bytes, thorough = true) {
  return inside({
    name: `call-allocate-${name}`,
    peer: "ringbell-blocks",
    title: `tryAllocate + release, ${size(bytes)}`,
    file: import.meta.url,
    options: { call: "tryAllocate", codec: "struct", bytes },
    facts: { kind: "tryAllocate", payload: "bytes", bytes },
    thorough,
  });
}

export const calls = [
  call("trySend", "struct", false),
  call("trySend", "bytes"),
  call("trySend", "json"),
  call("trySendMany", "struct"),
  call("tryReceive", "struct"),
  call("tryReceive", "bytes"),
  call("tryReceive", "json"),
  call("receiveMany", "struct"),
  allocate("64k", 64 * KIB),
  allocate("64m", 64 * MIB),
];

/** @param {{ call: string, codec: string, bytes?: number, directory: string }} options */
export async function work({ call, codec, bytes = 0, directory }) {
  const { accepted, connecting, listening } = await import("../lib/ringbell.mjs");
  const { allocated } = await import("../lib/bulk.mjs");
  const { BATCH, timed } = await import("../lib/tiny.mjs");
  const place = { endpoint: `inside-${process.pid}`, directory, codec };
  const { server, messages } = await listening(place);
  const peer = accepted(server);
  const { channel } = await connecting(place);
  const other = await peer;
  const batch = Array.from({ length: BATCH }, (_, i) => ({ ...messages.make(i) }));

  const sendAll = () => {
    for (let i = 0; i < BATCH; i++)
      if (!channel.trySend(messages.make(i))) throw new Error("the ring is full");
  };
  const takeAll = () => {
    let taken = 0;
    while (taken < BATCH) taken += other.receiveMany(BATCH).length;
  };
  /** @type {Record<string, { before?: () => void, work: () => void, after?: () => void }>} */
  const turns = {
    trySend: { work: sendAll, after: takeAll },
    trySendMany: {
      work() {
        if (channel.trySendMany(batch) !== BATCH) throw new Error("the ring is full");
      },
      after: takeAll,
    },
    tryReceive: {
      before: sendAll,
      work() {
        for (let i = 0; i < BATCH; i++)
          if (other.tryReceive() === undefined) throw new Error("nothing there");
      },
    },
    receiveMany: { before: sendAll, work: takeAll },
    tryAllocate: {
      work() {
        for (let i = 0; i < BATCH; i++) allocated(channel, bytes).release();
      },
    },
  };
  const turn = turns[call];
  if (turn === undefined) throw new Error(`no such call: ${call}`);
  const ns = () => {
    const begin = performance.now();
    turn.before?.();
    const working = performance.now();
    turn.work();
    const worked = performance.now();
    turn.after?.();
    return { overriddenDuration: worked - working, overriddenIterationCost: performance.now() - begin };
  };
  return {
    round: (/** @type {number} */ seconds) => timed({ ns }, seconds),
    async close() {
      await channel.close();
      await server.close();
    },
  };
}
