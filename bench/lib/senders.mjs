import { setTimeout as delay } from "node:timers/promises";
import { End } from "./end.mjs";
import { placeOf } from "./linked.mjs";

const ENDS = new URL("./senders-ends.mjs", import.meta.url).href;
/** How long a round is, and the warm-up, as a part of the usual. */
const PART = 0.3;
/** Of that, how long the senders send before the receiver begins to count, and after it has ended; at least some ms. */
const MARGIN = 0.1;
const LEAST = 20;
/** How often to look whether all has arrived, ms, and how long to wait for it. */
const LOOK = 2;
const PATIENCE = 10_000;

/**
 * Processes that send without a pause to one that receives. The receiver has a core of its own, as one that matters would be given, and the senders
 * share the other.
 * @param {import("./peer.mjs").Peer & { file: string }} peer
 * @param {number} senders
 * @returns {import("./contender.mjs").Contender}
 */
export function sendersOf(peer, senders) {
  const work = {
    payload: /** @type {const} */ ("bytes"),
    bytes: 32,
    workload: /** @type {const} */ ("flood"),
  };
  return {
    name: `${peer.name}:senders-${senders}`,
    peer: peer.name,
    title: `${peer.title}, ${senders}`,
    facts: { kind: "senders", payload: work.payload, bytes: work.bytes, senders },
    packages: peer.packages ?? [],
    async start({ cores, seconds, directory }) {
      const place = { ...placeOf(peer, work, directory, cores), senders };
      /** @type {End[]} */
      const ends = [];
      const stop = async () => {
        for (const end of ends.toReversed()) await end.close();
      };
      const round = async () => {
        const [receiver, ...others] = /** @type {[End, ...End[]]} */ (ends);
        const long = seconds * PART;
        const margin = Math.max(LEAST, long * MARGIN * 1e3);
        const sending = Promise.all(others.map((end) => end.ask("flood", long + (2 * margin) / 1e3)));
        // One that dies meanwhile is heard of below.
        sending.catch(() => {});
        await delay(margin);
        const figures = await receiver.ask("watch", long);
        await arrival(receiver, await sending);
        return figures;
      };
      try {
        ends.push(await End.start(ENDS, "serve", place, cores && [cores[1]]));
        for (let sender = 0; sender < senders; sender++)
          ends.push(await End.start(ENDS, "send", { ...place, sender }, cores && [cores[0]]));
      } catch (error) {
        await stop();
        throw error;
      }
      return {
        async warmUp() {
          await round();
        },
        round,
        constants: () => ({ senders }),
        stop,
      };
    },
  };
}

/**
 * What is still under way belongs to the round that sent it.
 * @param {End} receiver
 * @param {readonly number[]} sent by each
 */
async function arrival(receiver, sent) {
  const deadline = performance.now() + PATIENCE;
  for (;;) {
    /** @type {number[]} */
    const received = await receiver.ask("received");
    const missing = sent.reduce((sum, count, i) => sum + count - (received[i] ?? 0), 0);
    if (missing === 0) return;
    if (performance.now() > deadline) throw new Error(`${missing} messages did not arrive`);
    await delay(LOOK);
  }
}
