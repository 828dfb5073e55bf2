import { setTimeout as delay } from "node:timers/promises";
import { End } from "../lib/end.mjs";
import { fill, mustHaveSqlite, sharedClock } from "../lib/mailbox-member.mjs";
import { thorough } from "../lib/thorough.mjs";

/*
 * How soon a client has its next message when the broker is killed. Three processes have the mailboxes open. The broker is killed, one of the
 * others asks for a message at once, and one of the two takes over. Then another process joins them.
 */

const MEMBER = new URL("../lib/mailbox-member.mjs", import.meta.url).href;
const MEMBERS = 3;
const KILLS = 20;
const QUICK_KILLS = 3;

/** @param {number} stored @returns {import("../lib/contender.mjs").Contender} */
function takeover(stored) {
  const name = `mailbox-takeover-${stored}`;
  return {
    name,
    peer: "ringbell-mailbox",
    title: `${stored.toLocaleString("en-US")} messages stored`,
    facts: { kind: "takeover", stored },
    rounds: 1,
    patience: 120,
    async start({ quick, directory }) {
      await mustHaveSqlite();
      const options = { endpoint: name, directory, path: `${directory}/${name}.mail` };
      // Not pinned: who takes over is to have any core.
      const begin = () => End.start(MEMBER, "member", options, undefined);
      /** @type {End[]} */
      let members = [];
      const count = quick ? QUICK_KILLS : KILLS;
      return {
        async warmUp() {
          while (members.length < MEMBERS) members.push(await begin());
          await fill(/** @type {End} */ (members[1]), stored);
        },
        async round() {
          /** @type {number[]} */
          const times = [];
          const started = performance.now();
          while (times.length < count) {
            const broker = await brokerOf(members);
            const [waiting, other] = members.filter((one) => one !== broker);
            // All have answered; what they still have to do is done.
            await delay(20);
            const killed = sharedClock();
            const ended = broker.stop();
            times.push((await /** @type {End} */ (waiting).ask("next", "box")) - killed);
            await ended;
            members = [/** @type {End} */ (other), /** @type {End} */ (waiting), await begin()];
          }
          times.sort((a, b) => a - b);
          const at = (/** @type {number} */ part) => times[Math.ceil(times.length * part) - 1] ?? 0;
          const seconds = (performance.now() - started) / 1000;
          return { p50: at(0.5), p99: at(0.99), max: at(1), samples: times.length, seconds };
        },
        constants: () => ({ count, stored }),
        async stop() {
          for (const one of members) await one.stop();
        },
      };
    },
  };
}

/** @param {readonly End[]} members */
async function brokerOf(members) {
  for (;;) {
    for (const one of members) if (await one.ask("isBroker")) return one;
  }
}

export const takeover100k = takeover(100_000);
export const takeover1m = thorough(takeover(1_000_000));
