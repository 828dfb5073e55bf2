import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { calibrate } from "./calibrate.mjs";
import { Unavailable } from "./contender.mjs";
import { placeOf, startLinked } from "./linked.mjs";
import { pausing } from "./pausing.mjs";
import { memoryOf, requireProc, usage, used } from "./proc.mjs";
import { systemCalls, whileTraced } from "./strace.mjs";

/** Messages a second where the rate is given. */
export const RATE = 1_000;
/** How long a round is, as a part of the usual: there are many mechanisms. */
const PACED_PART = 0.3;
const FLOOD_PART = 0.2;
/** Messages of a flood whose system calls are counted: each of those takes many times as long as otherwise. */
const TRACED = 10_000;
/** How long that may take, s: some make 20 calls a message, and a traced one may take 100 µs and more. */
const PATIENCE = 120;
/** Rounds, each as long as many messages take that cost little. */
const ROUNDS = 5;
/** CPU time of idle links is given for this long, s; how long they are watched; and how long they are left alone before that. */
const PER_SECONDS = 10;
const WATCH = 3;
const WATCH_POLLING = 1;
const SETTLE = 2;
/** Links that are opened to weigh them: so many, or where each has a process of its own, so few. */
const LINKS = 100;
const PROCESSES = 4;
/** How long what was opened is left to come to rest, ms; processes have to start. */
const REST = 200;
const REST_PROCESSES = 1_000;
const MEMORY_ROUNDS = 5;

/** @type {{ payload: "bytes", bytes: number, workload: "echo" }} */
const MESSAGES = { payload: "bytes", bytes: 32, workload: "echo" };

/** @typedef {import("./peer.mjs").Peer & { file: string }} Peer */
/** @typedef {Awaited<ReturnType<typeof startLinked>>} Linked */

/**
 * What almost 1,000 messages a second cost, there and back, where the asking end sleeps in between.
 * @param {Peer} peer
 */
export function pacedCost(peer) {
  return costs(peer, "ticked", "echo", async ({ driver }, seconds) => {
    await driver.ask("ticked", RATE, seconds * PACED_PART);
    return {
      run: () => driver.ask("ticked", RATE, seconds * PACED_PART),
      traced: (name) => driver.ask("marked", name, "ticked", RATE, seconds * PACED_PART),
      constants: {},
    };
  });
}

/**
 * What one of many messages costs that are sent one way as fast as it goes.
 * @param {Peer} peer
 */
export function floodCost(peer) {
  return costs(peer, "flooding", "flood", async ({ driver }, seconds) => {
    const flood = (/** @type {number} */ count) => driver.ask("flood", count);
    const long = seconds * FLOOD_PART;
    const count = await calibrate(flood, long, { fewest: 2, untimed: 1, warm: long });
    const counted = Math.min(count, TRACED);
    return {
      run: async () => ({ ...(await flood(count)), messages: count }),
      traced: async (name) => {
        await driver.ask("marked", name, "flood", counted);
        return { messages: counted };
      },
      constants: { count },
    };
  });
}

/**
 * What the timer of `pacedCost` takes without any message, beside a link that is idle.
 * @param {Peer} peer
 */
export function timerCost(peer) {
  const contender = costs(peer, "timer", "echo", async ({ driver }, seconds) => ({
    run: () => driver.ask("ticking", RATE, seconds * PACED_PART),
    traced: (name) => driver.ask("marked", name, "ticking", RATE, seconds * PACED_PART),
    constants: {},
  }));
  return { ...contender, name: "timer", peer: "timer", title: "no messages: the timer alone" };
}

/**
 * @param {Peer} peer
 * @param {string} kind
 * @param {"echo" | "flood"} workload
 * @param {(linked: Linked, seconds: number) => Promise<Work>} warm
 * @returns {import("./contender.mjs").Contender}
 *
 * @typedef {object} Work
 * @property {() => Promise<import("./contender.mjs").Figures>} run  Resolves with the number of `messages`, among others.
 * @property {(name: string) => Promise<import("./contender.mjs").Figures>} traced  The same between two marks with that name.
 * @property {Record<string, number>} constants
 */
function costs(peer, kind, workload, warm) {
  return described(
    peer,
    kind,
    async (linked, { seconds, directory }) => {
      const pids = await linked.pids();
      /** @type {Work} */
      let work;
      /** @type {Record<string, number>} */
      let calls = {};
      /** @type {Record<string, number>} */
      let constants = {};
      return {
        async warmUp() {
          work = await warm(linked, seconds);
          calls = await callsEach(pids, join(directory, `${kind}-${peer.name}.strace`), work);
          const named = Object.entries(calls).map(([name, times]) => [`calls: ${name}`, times]);
          constants = { ...work.constants, ...Object.fromEntries(named) };
        },
        async round() {
          const before = pids.map(usage);
          const { messages = 0, seconds: elapsed = 0, perSecond = 0 } = await work.run();
          if (messages === 0) throw new Error("no message was answered");
          const after = pids.map(usage);
          const ends = after.map((now, i) => used(/** @type {any} */ (before[i]), now));
          const each = (/** @type {"ns" | "voluntary" | "involuntary"} */ what) =>
            ends.reduce((sum, end) => sum + end[what], 0) / messages;
          const [asking, answering] = ends;
          return {
            cpuNs: each("ns"),
            ...(asking && answering
              ? { askingNs: asking.ns / messages, answeringNs: answering.ns / messages }
              : {}),
            wakeUps: each("voluntary"),
            preemptions: each("involuntary"),
            ...(calls.all === undefined ? {} : { calls: calls.all }),
            perSecond,
            messages,
            seconds: elapsed,
          };
        },
        constants: () => constants,
      };
    },
    workload,
  );
}

/**
 * System calls a message by name, and of all names; nothing where they can't be counted.
 * @param {readonly number[]} pids
 * @param {string} file
 * @param {Work} work
 * @returns {Promise<Record<string, number>>}
 */
async function callsEach(pids, file, work) {
  try {
    const { messages = 0 } = await whileTraced(pids, file, () => work.traced("cost"));
    const calls = Object.entries(systemCalls(file, "begin-cost", "end-cost"));
    const all = calls.reduce((sum, [, times]) => sum + times, 0);
    return {
      all: all / messages,
      ...Object.fromEntries(calls.map(([name, times]) => [name, times / messages])),
    };
  } catch (error) {
    if (error instanceof Unavailable) return {};
    throw error;
  }
}

/**
 * What links cost on which nothing happens. A link that sleeps disturbs no other, so those of all peers that do are watched at the same time.
 * @param {readonly Peer[]} peers
 */
export function idleCosts(peers) {
  const watched = new Watched(WATCH);
  return peers.map((peer) => ({
    ...described(peer, "idle", async (linked) => {
      const pids = await linked.pids();
      const turn = (peer.polls ? new Watched(WATCH_POLLING) : watched).join(pids);
      return {
        async warmUp() {
          await linked.driver.ask("ticked", RATE, PACED_PART / 2);
        },
        round: turn,
      };
    }),
    rounds: ROUNDS,
  }));
}

/** Processes that are watched together: the first that asks for a round watches it for all. */
class Watched {
  /** @type {readonly number[][]} */
  #members = [];
  #seconds;
  /** @type {Promise<import("./contender.mjs").Figures>[][]} */
  #rounds = [];

  /** @param {number} seconds of a round */
  constructor(seconds) {
    this.#seconds = seconds;
  }

  /** @param {number[]} pids @returns {() => Promise<import("./contender.mjs").Figures>} one round after the other */
  join(pids) {
    const member = this.#members.length;
    this.#members = [...this.#members, pids];
    let round = 0;
    return () => {
      this.#rounds[round] ??= this.#watch(round === 0 ? SETTLE : 0);
      return /** @type {any} */ (this.#rounds[round++]?.[member]);
    };
  }

  /** @param {number} settle s */
  #watch(settle) {
    const begun = delay(settle * 1e3);
    const rounds = this.#members.map(async (pids) => {
      await begun;
      const before = pids.map(usage);
      const begin = performance.now();
      await delay(this.#seconds * 1e3);
      const ends = pids.map((pid, i) => used(/** @type {any} */ (before[i]), usage(pid)));
      const seconds = (performance.now() - begin) / 1e3;
      const scale = PER_SECONDS / seconds;
      return {
        cpuMs: (ends.reduce((sum, { ns }) => sum + ns, 0) / 1e6) * scale,
        wakeUps: ends.reduce((sum, { voluntary }) => sum + voluntary, 0) * scale,
        seconds,
      };
    });
    // Who has failed does not ask for its figures.
    for (const round of rounds) round.catch(() => {});
    return rounds;
  }
}

/**
 * How much memory one more link takes in both processes; where each link has a process of its own to answer it, with that process.
 * @param {Peer} peer
 * @returns {import("./contender.mjs").Contender}
 */
export function memoryCost(peer) {
  const title = peer.spawns ? `${peer.title}, with what answers it` : peer.title;
  const contender = described(peer, "memory", async (linked) => {
    const pids = await linked.pids();
    const links = peer.spawns ? PROCESSES : LINKS;
    return {
      // The first link: what there is once, however many there are, was taken for it.
      warmUp: () => linked.driver.ask("ticked", RATE, PACED_PART / 2),
      async round() {
        const begin = performance.now();
        const before = memoryOf(pids);
        await linked.driver.ask("open", links);
        await delay(peer.spawns ? REST_PROCESSES : REST);
        return { memoryBytes: (memoryOf(pids) - before) / links, seconds: (performance.now() - begin) / 1e3 };
      },
      constants: () => ({ links }),
    };
  });
  return { ...contender, title, rounds: MEMORY_ROUNDS };
}

/**
 * A contender that is a peer with an open link.
 * @param {Peer} peer
 * @param {string} kind
 * @param {(linked: Linked, setting: import("./contender.mjs").Setting) => Promise<Omit<import("./contender.mjs").Running, "stop">>} open
 * @param {"echo" | "flood"} [workload]
 * @returns {import("./contender.mjs").Contender}
 */
function described(peer, kind, open, workload = "echo") {
  return {
    name: `${peer.name}:${kind}`,
    peer: peer.name,
    title: peer.title,
    facts: { kind, payload: MESSAGES.payload, bytes: MESSAGES.bytes },
    packages: peer.packages ?? [],
    rounds: ROUNDS,
    patience: PATIENCE,
    async start(setting) {
      requireProc();
      const place = placeOf(peer, { ...MESSAGES, workload }, setting.directory, setting.cores);
      const linked = await startLinked(peer, place, setting.cores);
      try {
        const running = { ...(await open(linked, setting)), stop: linked.stop };
        return peer.polls ? pausing(running, await linked.pids()) : running;
      } catch (error) {
        await linked.stop();
        throw error;
      }
    },
  };
}
