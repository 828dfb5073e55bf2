import { join } from "node:path";
import { allocated, connectingBulk, listeningBulk } from "../lib/bulk.mjs";
import { expectTouched, MIB, touch } from "../lib/memory.mjs";
import { startPair } from "../lib/pair.mjs";
import { accepted, expectNumber } from "../lib/ringbell.mjs";
import { mark, systemCalls, traced } from "../lib/strace.mjs";

const BYTES = MIB;
/** Blocks that are under way at most; the receiver answers each when it has released it. */
const WINDOW = 8;
/**
 * Blocks of a round that are counted, and before them those that are not. Of these, the receiver holds the first until as many
 * are there as can be under way: so all of the memory is in use that ever will be.
 */
const COUNTED = 25_000;
const FIRST_LAP = 1_000;
/** What libuv calls once a turn of the loop, whatever happens in it. */
const LOOP_CALLS = new Set(["epoll_wait", "epoll_pwait", "epoll_pwait2"]);

/**
 * Blocks in circulation: allocated, written to in each page, sent; received, read in each page, released. Both processes run under strace
 * from the start; their system calls are counted, those of all threads, between two marks that each makes around the part that counts,
 * and their page faults by getrusage. Nothing is timed: strace makes each system call some fifty times as slow.
 * @param {string} name
 * @param {string} what
 * @param {"polling" | "loop"} way
 * @param {Record<string, unknown>} [more] options at both ends
 * @returns {import("../lib/contender.mjs").Contender}
 */
function circulate(name, what, way, more = {}) {
  return {
    name: `circulate-${name}`,
    peer: "ringbell-blocks",
    title: `ringbell, ${what}`,
    // strace makes everything slow.
    patience: 120,
    async start({ cores, directory }) {
      const endpoint = `circulate-${name}`;
      const files = {
        serve: join(directory, `${endpoint}-serve.strace`),
        drive: join(directory, `${endpoint}-drive.strace`),
      };
      const { server, driver, stop } = await startPair(
        import.meta.url,
        { endpoint, directory, back: "number", way, more: { maxBulkBytes: 64 * MIB, ...more } },
        cores,
        { serve: traced(files.serve), drive: traced(files.drive) },
      );
      let number = 0;
      /** @type {Record<string, number>} */
      let seen = {};
      const round = async () => {
        number++;
        await server.ask("arm", number);
        const faults = await Promise.all([server.ask("round", number), driver.ask("round", number)]);
        const calls = Object.values(files).flatMap((file) =>
          Object.entries(systemCalls(file, `begin-${number}`, `end-${number}`)),
        );
        seen = {};
        for (const [call, times] of calls) seen[call] = (seen[call] ?? 0) + times;
        const sum = (/** @type {(call: string) => boolean} */ counts) =>
          calls.reduce((total, [call, times]) => total + (counts(call) ? times : 0), 0) / COUNTED;
        return {
          calls: sum(() => true),
          loopCalls: sum((call) => LOOP_CALLS.has(call)),
          otherCalls: sum((call) => !LOOP_CALLS.has(call)),
          faults: (faults[0] + faults[1]) / COUNTED,
        };
      };
      return {
        // V8's heap grows for a while, which are page faults as well.
        async warmUp() {
          await round();
        },
        round,
        // How often each call was made in the last round.
        constants: () => ({ count: COUNTED, ...seen }),
        stop,
      };
    },
  };
}

export const circulateSync = circulate("sync", "both polling", "polling");
// The longest spin that there is, for a process that sleeps makes system calls: to sleep, and to be woken.
export const circulateLoop = circulate("loop", "event loop, spin: 1000", "loop", { spin: 1000 });

function pageFaults() {
  const { minorPageFault, majorPageFault } = process.resourceUsage();
  return minorPageFault + majorPageFault;
}

/** What counts begins after the first lap and ends after the last block. @param {number} number of the round */
function counter(number) {
  let before = 0;
  return {
    begin() {
      before = pageFaults();
      mark(`begin-${number}`);
    },
    /** @returns {number} page faults */
    end() {
      mark(`end-${number}`);
      return pageFaults() - before;
    },
  };
}

/** @param {import("../lib/bulk.mjs").Options & { way: "polling" | "loop" }} options */
export async function serve(options) {
  const server = await listeningBulk(options);
  const peer = accepted(server);
  const take = (/** @type {any} */ channel, /** @type {any} */ { block }, /** @type {number} */ i) => {
    expectTouched(block.bytes, i);
    block.release();
    if (!channel.trySend({ number: i })) throw new Error("no room for one message");
  };
  /** @type {(message: any) => void} */
  let onMessage = () => {
    throw new Error("a message came before its round");
  };
  if (options.way === "loop") {
    void peer.then((channel) => channel.on("message", (/** @type {any} */ message) => onMessage(message)));
  }
  /** @type {Promise<number> | undefined} */
  let done;

  /** @param {any} channel @param {ReturnType<typeof counter>} count */
  const poll = (channel, count) => {
    const held = Array.from({ length: WINDOW }, () => channel.receiveSync());
    for (let i = 0; i < FIRST_LAP; i++) take(channel, held[i] ?? channel.receiveSync(), i);
    count.begin();
    for (let i = 0; i < COUNTED; i++) take(channel, channel.receiveSync(), i);
    return count.end();
  };
  /** @param {any} channel @param {ReturnType<typeof counter>} count @returns {Promise<number>} */
  const listen = (channel, count) =>
    new Promise((resolve) => {
      let i = 0;
      const next = (/** @type {any} */ message) => {
        take(channel, message, i < FIRST_LAP ? i : i - FIRST_LAP);
        i++;
        if (i === FIRST_LAP) count.begin();
        if (i === FIRST_LAP + COUNTED) resolve(count.end());
      };
      /** @type {any[]} */
      const held = [];
      onMessage = (message) => {
        if (held.push(message) < WINDOW) return;
        onMessage = next;
        for (const each of held) next(each);
      };
    });

  return {
    async arm(/** @type {number} */ number) {
      const channel = await peer;
      if (options.way === "loop") done = listen(channel, counter(number));
    },
    round: async (/** @type {number} */ number) => done ?? poll(await peer, counter(number)),
    close: () => server.close(),
  };
}

/** @param {import("../lib/bulk.mjs").Options & { way: "polling" | "loop" }} options */
export async function drive(options) {
  const channel = await connectingBulk(options);
  const lap = options.way === "polling" ? polling(channel) : throughTheLoop(channel);
  return {
    async round(/** @type {number} */ number) {
      const count = counter(number);
      await lap(FIRST_LAP);
      count.begin();
      await lap(COUNTED);
      return count.end();
    },
    close: () => channel.close(),
  };
}

/** @param {any} channel */
function polling(channel) {
  return (/** @type {number} */ count) => {
    for (let i = 0; i < count + WINDOW; i++) {
      if (i >= WINDOW) expectNumber(channel.receiveSync().number, i - WINDOW);
      if (i >= count) continue;
      const block = allocated(channel, BYTES);
      touch(block.bytes, i);
      if (!channel.trySend({ block })) throw new Error("no room for one message");
    }
  };
}

/** @param {any} channel */
function throughTheLoop(channel) {
  let answered = 0;
  let wake = () => {};
  channel.on("message", (/** @type {{ number: number }} */ { number }) => {
    expectNumber(number, answered++);
    wake();
  });
  /** @param {number} answers to wait for */
  const until = async (answers) => {
    while (answered < answers) {
      await new Promise((resolve) => {
        wake = () => resolve(undefined);
      });
    }
  };
  return async (/** @type {number} */ count) => {
    answered = 0;
    for (let i = 0; i < count; i++) {
      await until(i + 1 - WINDOW);
      const block = await channel.allocate(BYTES);
      touch(block.bytes, i);
      if (!channel.trySend({ block })) throw new Error("no room for one message");
    }
    await until(count);
  };
}
