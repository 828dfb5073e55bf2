import { setTimeout as delay } from "node:timers/promises";
import { End } from "../lib/end.mjs";
import { fill, mustHaveSqlite } from "../lib/mailbox-member.mjs";
import { requireProc, usage, used } from "../lib/proc.mjs";

/* What a broker costs that has nothing to do: the memory of stored messages, and CPU time while others wait. */

const MEMBER = new URL("../lib/mailbox-member.mjs", import.meta.url).href;
const STORED = 1_000_000;
const EXERCISE = 2000;
const WAITERS = 100;
/** How long an idle broker is watched, how long before that it is left alone, and for how long its figures are given, in s. */
const WINDOW = 3;
const SETTLE = 2;
const PER = 10;
const MIB = 2 ** 20;
const GC = { flags: ["--expose-gc"] };

/** @type {import("../lib/contender.mjs").Contender} */
export const memory = {
  name: "mailbox-memory",
  peer: "ringbell-mailbox",
  title: `${STORED.toLocaleString("en-US")} messages of 200 B`,
  facts: { kind: "memory", stored: STORED },
  rounds: 1,
  patience: 120,
  async start({ quick, directory }) {
    await mustHaveSqlite();
    const stored = quick ? STORED / 10 : STORED;
    const of = (/** @type {string} */ name) => ({
      endpoint: name,
      directory,
      path: `${directory}/${name}.mail`,
    });
    const full = of("mailbox-memory-full");
    /** A broker that has begun over a file, and has answered a client for a while. @param {ReturnType<typeof of>} options */
    const resident = async (options) => {
      const broker = await End.start(MEMBER, "member", options, undefined, GC);
      const client = await End.start(MEMBER, "member", options, undefined);
      await client.ask("exercise", EXERCISE);
      const bytes = await broker.ask("resident");
      await client.close();
      await broker.close();
      return /** @type {number} */ (bytes);
    };
    return {
      async warmUp() {
        const [broker, poster] = [
          await End.start(MEMBER, "member", full, undefined),
          await End.start(MEMBER, "member", full, undefined),
        ];
        await fill(poster, stored);
        await poster.close();
        await broker.close();
      },
      async round() {
        const begin = performance.now();
        const empty = await resident(of("mailbox-memory-empty"));
        const bytes = Math.max(0, (await resident(full)) - empty);
        return { memoryBytes: bytes, memoryMib: bytes / MIB, seconds: (performance.now() - begin) / 1000 };
      },
      constants: () => ({ stored }),
      stop: async () => {},
    };
  },
};

/** @type {import("../lib/contender.mjs").Contender} */
export const idle = {
  name: "mailbox-idle",
  peer: "ringbell-mailbox",
  title: `${WAITERS} waiters in another process`,
  facts: { kind: "idle", waiters: WAITERS },
  rounds: 3,
  thorough: true,
  async start({ directory }) {
    requireProc();
    await mustHaveSqlite();
    const options = { endpoint: "mailbox-idle", directory };
    const broker = await End.start(MEMBER, "member", options, undefined);
    const waiting = await End.start(MEMBER, "member", options, undefined);
    const pid = /** @type {number} */ (await broker.ask("pid"));
    return {
      async warmUp() {
        await waiting.ask("exercise", EXERCISE);
        await waiting.ask("waits", WAITERS);
        await delay(SETTLE * 1000);
      },
      async round() {
        const before = usage(pid);
        await delay(WINDOW * 1000);
        const { ns, voluntary } = used(before, usage(pid));
        const scale = PER / WINDOW;
        return { cpuMs: (ns / 1e6) * scale, wakeUps: voluntary * scale, seconds: WINDOW };
      },
      constants: () => ({ waiters: WAITERS }),
      async stop() {
        await waiting.stop();
        await broker.stop();
      },
    };
  },
};
