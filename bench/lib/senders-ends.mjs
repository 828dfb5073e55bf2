// The ends of a contender with several senders and one receiver, see lib/senders.mjs.
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as delay, setImmediate as turn } from "node:timers/promises";
import { payload } from "./payload.mjs";

/** Where a message says who sent it: behind its number and the count that floods put there. */
const SENDER_AT = 12;
/** How often a sender looks at the clock, messages; a power of two. */
const LOOK = 64;
/** How often it lets its event loop turn, messages, if nothing else does: a power of two. */
const TURN = 1024;
/** Of monitorEventLoopDelay, ms: its histogram counts from one tick to the next, so this much is no delay. */
const RESOLUTION = 1;

/**
 * Receives from all of them, and checks that of each all messages come, in order.
 * @param {import("./peer.mjs").Place & { senders: number }} place
 */
export async function serve(place) {
  const { serve: open } = await import(place.peer);
  const { check, number } = payload(place.payload, place.bytes);
  const received = new Array(place.senders).fill(0);
  const server = await open(place, (/** @type {Uint8Array} */ message) => {
    const sender = message[SENDER_AT] ?? 0;
    const due = received[sender];
    if (number(message) !== due)
      throw new Error(`message ${number(message)} of sender ${sender} arrived instead of ${due}`);
    check(message);
    received[sender] = due + 1;
  });
  return {
    /** What arrives within some time, from each. @param {number} seconds */
    async watch(seconds) {
      const monitor = monitorEventLoopDelay({ resolution: RESOLUTION });
      const before = [...received];
      const begin = performance.now();
      monitor.enable();
      await delay(seconds * 1e3);
      monitor.disable();
      const elapsed = (performance.now() - begin) / 1e3;
      const shares = received.map((count, i) => count - before[i]);
      const messages = shares.reduce((sum, share) => sum + share, 0);
      return {
        perSecond: messages / elapsed,
        fairness: Math.min(...shares) / Math.max(...shares),
        delayP99: Math.max(0, monitor.percentile(99) - RESOLUTION * 1e6),
        delayMax: Math.max(0, monitor.max - RESOLUTION * 1e6),
        seconds: elapsed,
      };
    },
    received: () => received,
    close: () => server.close(),
  };
}

/** @param {import("./peer.mjs").Place & { sender: number }} place */
export async function send(place) {
  const { drive: open } = await import(place.peer);
  const { make } = payload(place.payload, place.bytes);
  /** @type {import("./peer.mjs").Link} */
  const link = await open(place, () => {});
  // It is the same memory each time, but for the number.
  make(0).writeUInt8(place.sender, SENDER_AT);
  let sent = 0;
  return {
    /** Sends without a pause; resolves with the number of all messages until now. @param {number} seconds */
    async flood(seconds) {
      const end = performance.now() + seconds * 1e3;
      do {
        if (link.send(make(sent++)) === false) await link.ready?.();
        else if (sent % TURN === 0) await turn();
      } while (sent % LOOK !== 0 || performance.now() < end);
      return sent;
    },
    close: () => link.close(),
  };
}
