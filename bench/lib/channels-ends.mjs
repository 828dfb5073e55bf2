// The two ends of a contender with many links of one peer into one process, see lib/channels.mjs.
import { payload } from "./payload.mjs";
import { roundTrips } from "./round-trips.mjs";

export { serve } from "./link-ends.mjs";

/** @param {import("./peer.mjs").Place & { channels: number }} place */
export async function drive(place) {
  const { drive: open } = await import(place.peer);
  const messages = payload(place.payload, place.bytes);
  const { channels } = place;
  /** @type {(reply: any) => void} */
  let heard = () => {};
  /** @type {import("./peer.mjs").Link[]} */
  const links = [];
  for (let i = 0; i < channels; i++)
    links.push(await open(place, (/** @type {any} */ reply) => heard(reply)));
  // Neither the first nor the last that the kernel, or a library, looks at.
  const middle = channels >> 1;

  /** Round trips, one after the other. @param {number} count @param {(i: number) => number} which link */
  const trips = (count, which) =>
    roundTrips(
      {
        messages,
        send: (i) => links[which(i)]?.send(messages.make(i)),
        hear: (each) => {
          heard = each;
        },
      },
      count,
    );

  return {
    pids: () => ({ own: process.pid, answerer: null }),

    /** Through one of them; the others are idle. @param {number} count */
    one: (count) => trips(count, () => middle),

    /** Each in its turn, the others idle. @param {number} count */
    turns: (count) => trips(count, (i) => i % channels),

    /** Through all of them at once: each has one message under way. @param {number} count */
    all: (count) =>
      new Promise((resolve) => {
        let done = 0;
        const begin = performance.now();
        heard = (reply) => {
          messages.check(reply);
          const next = messages.number(reply) + channels;
          // The i-th message always goes by the same link.
          if (next < count) links[next % channels]?.send(messages.make(next));
          if (++done < count) return;
          const elapsed = performance.now() - begin;
          resolve({
            ns: (elapsed * 1e6) / count,
            perSecond: (count * 1e3) / elapsed,
            seconds: elapsed / 1e3,
          });
        };
        for (let i = 0; i < Math.min(count, channels); i++) links[i]?.send(messages.make(i));
      }),

    async close() {
      await Promise.all(links.map((link) => link.close()));
    },
  };
}
