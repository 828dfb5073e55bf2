import { once } from "node:events";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import type { Channel } from "../../lib/channel/channel.js";
import { listen } from "../../lib/channel/listen.js";
import { bytes } from "../../lib/codec/index.js";
import {
  enter,
  hasTime,
  leave,
  mayGoOn,
  resumeInTurn,
  TURN,
  turnIsOver,
} from "../../lib/transport/loop-turn.js";
import { scratchDirectory } from "../transport/scratch.js";
import { Child } from "./children.js";

type Flooded = Channel<Uint8Array, Uint8Array>;

/** Turns to look at, and messages of each channel, at least. */
const TURNS = 300;
const EACH = 1000;

/**
 * Handles what flooded channels bring, each message for `work` ms at least. Resolves with the most messages of all channels between two
 * immediates, and with how many came of each. Counted, not timed: where other programs take the core, they only become fewer.
 */
async function flooded(
  channels: number,
  work: number,
  options: object,
  take: (channel: Flooded, handle: () => void) => void,
): Promise<{ most: number; shares: number[] }> {
  const directory = scratchDirectory();
  const server = await listen("flooded", { codec: bytes({ copy: false }), directory, ...options });
  const shares: number[] = [];
  let handled = 0;
  server.on("connection", (channel) => {
    channel.on("error", () => {});
    const own = shares.push(0) - 1;
    take(channel, () => {
      for (const end = performance.now() + work; performance.now() < end; );
      shares[own]!++;
      handled++;
    });
  });
  onTestFinished(() => server.close());
  new Child("flooder.mjs", ["flooded", JSON.stringify({ directory, ...options }), String(channels)]);
  while (shares.length < channels) await once(server, "connection");
  let [most, all] = [0, 0];
  for (let turn = 0; turn < TURNS || all < EACH * channels; turn++) {
    handled = 0;
    await new Promise(setImmediate);
    most = Math.max(most, handled);
    all += handled;
  }
  return { most, shares };
}

const listening = (channel: Flooded, handle: () => void) => void channel.on("message", handle);
/** Begins when there is much: only then does one answer find the next batch there already. */
const answering = async (channel: Flooded, handle: () => void) => {
  while (channel.stats().lanes[0]!.receiveFill < channel.capacity / 2) await new Promise(setImmediate);
  channel.on("message", (message) => {
    handle();
    try {
      channel.trySend(message);
    } catch {
      // At the end of the test its peer is killed, and what it has sent still comes.
    }
  });
};
const iterating = async (channel: Flooded, handle: () => void) => {
  try {
    for await (const _ of channel) handle();
  } catch {
    // At the end of the test its peer is killed.
  }
};

/** Takes a whole turn, and more. */
const busy = () => {
  for (const end = performance.now() + 2 * TURN; performance.now() < end; );
};

// These first: nobody else waits for a turn.
it("those whose turn was over go on in order, one that takes a whole turn alone in it, also after one that throws", async () => {
  const before = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  onTestFinished(() => {
    process.removeAllListeners("uncaughtException");
    for (const listener of before) process.on("uncaughtException", listener);
  });
  const calls: unknown[] = [];
  process.on("uncaughtException", (error) => calls.push(error.message));
  resumeInTurn(() => {
    calls.push("a");
    busy();
  });
  resumeInTurn(() => {
    throw new Error("b throws");
  });
  resumeInTurn(() => {
    calls.push("c");
    resumeInTurn(() => calls.push("c again"));
  });
  for (const last of ["a", "b throws", "c", "c again", "c again"]) {
    await new Promise(setImmediate);
    expect(calls.at(-1)).toBe(last);
  }
  expect(calls).toHaveLength(4);
});

it("those that take little share a turn, and what comes meanwhile waits behind them", async () => {
  const calls: number[] = [];
  resumeInTurn(busy);
  for (let i = 0; i < 100; i++) resumeInTurn(() => calls.push(i));
  expect([hasTime(), mayGoOn()]).toEqual([true, false]);
  let turns = 0;
  for (; calls.length < 100; turns++) await new Promise(setImmediate);
  expect(turns).toBeLessThan(50);
  expect(calls).toEqual([...calls.keys()]);
});

it("a turn begins also where a test has replaced the timers", async () => {
  const resumed = vi.fn();
  vi.useFakeTimers();
  resumeInTurn(resumed);
  vi.useRealTimers();
  await new Promise(setImmediate);
  expect(resumed).toHaveBeenCalledOnce();
});

it("the time of all counts together, until the next turn", async () => {
  await new Promise(setImmediate);
  expect([enter(), mayGoOn(), enter()]).toEqual([true, true, false]);
  busy();
  expect([hasTime(), mayGoOn()]).toEqual([false, false]);
  leave();
  expect([hasTime(), mayGoOn()]).toEqual([false, false]);
  await new Promise(setImmediate);
  expect([hasTime(), mayGoOn()]).toEqual([true, true]);
});

it("those that go on from promise to promise have a turn that begins with the first of them", async () => {
  for (let turn = 0; turn < 2; turn++) {
    expect(turnIsOver()).toBe(false);
    busy();
    expect(turnIsOver()).toBe(true);
    await new Promise(setImmediate);
  }
});

const cases = [
  { what: "many small batches", channels: 1, work: 0.01, capacity: 4096, take: listening },
  { what: "each message answered", channels: 1, work: 0.0003, capacity: 2 ** 22, take: answering },
  { what: "sixteen channels of small batches", channels: 16, work: 0.01, capacity: 4096, take: listening },
  {
    what: "sixteen channels, each with more than a turn can take",
    channels: 16,
    work: 0.01,
    capacity: 2 ** 18,
    take: listening,
  },
  { what: "sixteen loops", channels: 16, work: 0.01, capacity: 2 ** 18, take: iterating },
];
describe.each(["shm", "stream"])("%s", (transport) => {
  it.each(cases)(
    "a turn of the event loop is bounded, and all have their part: $what",
    { timeout: 60_000 },
    async ({ channels, work, capacity, take }) => {
      const { most, shares } = await flooded(channels, work, { capacity, transport }, take);
      // A turn's time for the polling, one for the last delivery, and one for those that go on, and a step of up to 64 messages. Of several
      // channels, as much again for those that are woken before the polling, and after it.
      const bound = 3 * TURN + 64 * work;
      expect(most).toBeLessThanOrEqual(((channels === 1 ? 1 : 2) * bound) / work);
      expect(Math.min(...shares)).toBeGreaterThan(Math.max(...shares) / 10);
    },
  );
});
