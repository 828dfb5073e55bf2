import { connectingBulk, listeningBulk } from "../lib/bulk.mjs";
import { Unavailable } from "../lib/contender.mjs";
import { End } from "../lib/end.mjs";
import { expectByte, fill, MIB, readThrough } from "../lib/memory.mjs";
import { accepted } from "../lib/ringbell.mjs";
import { filesInMemory } from "../lib/smaps.mjs";
import { median } from "../lib/stats.mjs";

export const AGENTS = 8;
export const BYTES = 256 * MIB;
/** Of the filling. */
const FILLING = 7;
/** How often the block is handed to all in a round, and before the first one. */
const LAPS = 100;

/**
 * One block, handed to eight processes that wait in their event loops. The first time each maps the memory and reads through all of it, and
 * while all hold it the kernel is asked how much there is; that time is reported by itself. In the rounds the same block goes
 * to the same eight again: what counts is `share` and eight times `trySend`, divided by eight. The orchestrator has a core to
 * itself, so that waking the others takes nothing from it but the system calls.
 * @type {import("../lib/contender.mjs").Contender}
 */
export const shared = {
  name: "shared",
  peer: "ringbell-blocks",
  title: `ringbell, one block to ${AGENTS} processes`,
  // Eight processes read through the block.
  patience: 60,
  async start({ cores, quick, directory }) {
    if (process.platform !== "linux") throw new Unavailable("needs /proc/self/smaps (Linux)");
    const options = { endpoint: "shared", directory };
    /** @type {End[]} */
    const ends = [];
    const stop = async () => {
      for (const end of ends.toReversed()) await end.close();
    };
    const laps = quick ? LAPS / 4 : LAPS;
    try {
      const orchestrator = await End.start(import.meta.url, "orchestrate", options, cores && [cores[0]]);
      ends.push(orchestrator);
      for (let i = 0; i < AGENTS; i++)
        ends.push(await End.start(import.meta.url, "agent", options, cores && [cores[1]]));
      const first = await orchestrator.ask("first");
      const memory = { rssBytes: 0, pssBytes: 0 };
      for (const end of ends) {
        const { rssBytes, pssBytes } = await end.ask("memory");
        memory.rssBytes += rssBytes;
        memory.pssBytes += pssBytes;
      }
      if (memory.rssBytes < ends.length * BYTES)
        throw new Error("not all processes have all of the block resident");
      for (const end of ends) await end.ask("release");
      return {
        warmUp: () => orchestrator.ask("round", laps),
        round: async () => ({ ...(await orchestrator.ask("round", laps)), ...first, ...memory }),
        constants: () => ({ laps, processes: ends.length, bytes: BYTES }),
        stop,
      };
    } catch (error) {
      await stop();
      throw error;
    }
  },
};

/** ns, on a clock that all processes share. */
function now() {
  return Number(process.hrtime.bigint());
}

/** @param {import("../lib/bulk.mjs").Options} options */
export async function orchestrate(options) {
  // The agents are the ones who connect: what goes there comes from here.
  const server = await listeningBulk({ ...options, there: "number", back: "block" });
  const peers = Promise.all(Array.from({ length: AGENTS }, () => accepted(server)));
  /** @type {any} */
  let kept;

  /** Hands the block to all, keeping a handle. */
  const hand = async () => {
    const channels = await peers;
    const begin = now();
    const handles = kept.share(AGENTS + 1);
    const shared = now();
    for (let i = 0; i < AGENTS; i++) {
      if (!channels[i].trySend({ block: handles[i] })) throw new Error("no room for one message");
    }
    const sent = now();
    kept = handles[AGENTS];
    const answers = await Promise.all(channels.map((channel) => channel.receive()));
    const last = Math.max(...answers.map(({ number }) => number));
    return { shareNs: (shared - begin) / AGENTS, ns: (sent - begin) / AGENTS, lastNs: last - begin };
  };

  return {
    async first() {
      const [channel] = await peers;
      kept = await channel.allocate(BYTES);
      fill(kept.bytes, FILLING);
      const { ns, lastNs } = await hand();
      return { firstNs: ns, firstLastNs: lastNs };
    },
    memory: () => filesInMemory(BYTES),
    release() {},
    async round(/** @type {number} */ laps) {
      const all = [];
      for (let i = 0; i < laps; i++) all.push(await hand());
      return {
        ns: median(all.map(({ ns }) => ns)),
        shareNs: median(all.map(({ shareNs }) => shareNs)),
        lastNs: median(all.map(({ lastNs }) => lastNs)),
      };
    },
    close: () => server.close(),
  };
}

/** @param {import("../lib/bulk.mjs").Options} options */
export async function agent(options) {
  const channel = await connectingBulk({ ...options, there: "number", back: "block" });
  /** @type {any} */
  let held;
  let first = true;
  channel.on("message", ({ block }) => {
    expectByte(block.bytes, 0, FILLING);
    const number = now();
    if (first) {
      first = false;
      held = block;
      readThrough(block.bytes, FILLING);
    } else {
      block.release();
    }
    if (!channel.trySend({ number })) throw new Error("no room for one message");
  });
  return {
    memory: () => filesInMemory(BYTES),
    release() {
      held.release();
    },
    close: () => channel.close(),
  };
}
