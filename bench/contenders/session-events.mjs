import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setImmediate as turn } from "node:timers/promises";
import { streamFigures } from "../lib/clock.mjs";
import { group } from "../lib/group.mjs";
import { NAMESPACE, SHARED } from "../lib/ringbell.mjs";
import { solo } from "../lib/solo.mjs";

/* Events a second, what an event costs that nobody gets, and how soon an interface is live that comes back after it was killed. */

const SESSION = new URL("../../dist/session/index.js", import.meta.url).href;
const EVENT = { role: "assistant", text: "a part of an answer, of about a hundred characters of JSON", n: 0 };
/** Events that a program appends before its loop turns. */
const BURST = 100;
/** How many events the interface is behind that comes back. */
export const BEHIND = 10_000;

/** @typedef {{ kind: "flow" | "return", number?: number, endpoint: string, directory: string }} Options */

const file = import.meta.url;
const events = { kind: "flood", payload: "object", bytes: JSON.stringify(EVENT).length };

export const toOne = group({
  name: "session-events-1",
  peer: "session",
  title: "to one attached process",
  file,
  options: { kind: "flow" },
  facts: events,
});
export const toEight = group({
  name: "session-events-8",
  peer: "session",
  title: "to eight, each",
  file,
  options: { kind: "flow" },
  facts: events,
  drivers: 8,
});
export const alone = solo({
  name: "session-append",
  peer: "session",
  title: "append, nobody attached",
  file,
  first: 10_000,
});
export const comesBack = group({
  name: "session-return",
  peer: "session",
  title: `an interface that was killed, ${BEHIND.toLocaleString("en")} events behind: until live`,
  file,
  options: { kind: "return" },
  count: BEHIND,
});

/** @param {Options} options */
export async function serve({ kind, endpoint, directory }) {
  const { serveSession } = await import(SESSION);
  const session = await serveSession(endpoint, {
    ...{ directory, namespace: NAMESPACE, ...SHARED },
    log: { maxEvents: 2 * BEHIND },
    classes: { told: "block" },
    handlers: { append: (/** @type {number} */ count) => append(count) },
  });
  const append = async (/** @type {number} */ count) => {
    const event = { ...EVENT };
    for (let i = 0; i < count; ) {
      for (let burst = 0; burst < BURST && i < count; burst++) {
        event.n = i++;
        session.append(event, "told");
      }
      await session.ready();
      await turn();
    }
  };
  return {
    // The interface that comes back is killed meanwhile; see `drive`.
    arm: () => session.log.last,
    round: (/** @type {number} */ count) => (kind === "flow" ? append(count) : undefined),
    close: () => session.close({ grace: 0 }),
  };
}

/** @param {Options} options */
export async function drive({ kind, number, endpoint, directory }) {
  const { attach } = await import(SESSION);
  const place = { directory, namespace: NAMESPACE };
  if (kind === "return") return { round: () => returning(endpoint, directory), close() {} };
  const attached = await attach(endpoint, { ...place, client: `ui-${number}`, from: "live" });
  return {
    async round(/** @type {number} */ count, /** @type {number} */ last) {
      let begin = 0;
      let next = last;
      for await (const { type, sequence } of attached) {
        if (begin === 0) begin = performance.now();
        if (type !== "event" || sequence !== ++next) throw new Error(`${type} ${sequence} came, not ${next}`);
        if (sequence === last + count) break;
      }
      return streamFigures(count, performance.now() - begin);
    },
    close: () => attached.close(),
  };
}

/** @param {string} endpoint @param {string} directory */
async function returning(endpoint, directory) {
  const { attach } = await import(SESSION);
  const place = { directory, namespace: NAMESPACE, client: "returns" };
  const code = `import { attach } from ${JSON.stringify(SESSION)};
    const ui = await attach(${JSON.stringify(endpoint)}, { ...${JSON.stringify(place)}, from: "live" });
    console.log(ui.cursor);
    for await (const item of ui);`;
  const former = spawn(process.execPath, ["--input-type=module", "-e", code], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [cursor] = await once(createInterface({ input: former.stdout }), "line");
  former.kill("SIGKILL");
  await once(former, "exit");
  const helper = await attach(endpoint, { directory, namespace: NAMESPACE, client: "asks", from: "live" });
  await helper.input("append", BEHIND);
  await helper.close();
  const begin = performance.now();
  const attached = await attach(endpoint, { ...place, from: { cursor } });
  let taken = 0;
  for await (const { type } of attached) {
    if (type !== "event") throw new Error(`${type} came, not an event`);
    if (++taken === BEHIND) break;
  }
  const ms = performance.now() - begin;
  await attached.close();
  return { ns: ms * 1e6, seconds: ms / 1e3 };
}

/** A session that nobody is attached to. */
export async function work() {
  const { Session } = await import(SESSION);
  const session = new Session();
  const event = { ...EVENT };
  return {
    round(/** @type {number} */ count) {
      const begin = performance.now();
      for (let i = 0; i < count; i++) {
        event.n = i;
        session.append(event);
      }
      return streamFigures(count, performance.now() - begin);
    },
  };
}
