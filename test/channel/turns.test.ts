import { once } from "node:events";
import { expect, it, onTestFinished } from "vitest";
import type { Channel } from "../../lib/channel/channel.js";
import { listen } from "../../lib/channel/listen.js";
import { resumeInTurn } from "../../lib/channel/resuming.js";
import { bytes } from "../../lib/codec/index.js";
import { scratchDirectory } from "../transport/scratch.js";
import { Child } from "./children.js";

type Flooded = Channel<Uint8Array, Uint8Array>;

/** Turns to look at, and messages of each channel, at least. */
const TURNS = 300;
const EACH = 1000;
/** Bytes of messages that would take many turns together. */
const BACKLOG = 2 ** 21;

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
  while (channel.stats().lanes[0]!.receiveFill < BACKLOG) await new Promise(setImmediate);
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

// The first: nobody else is in the list.
it("those that have more than a turn can take go on in order, one a turn, also after one that throws", async () => {
  const before = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  onTestFinished(() => {
    process.removeAllListeners("uncaughtException");
    for (const listener of before) process.on("uncaughtException", listener);
  });
  const calls: unknown[] = [];
  process.on("uncaughtException", (error) => calls.push(error.message));
  resumeInTurn(() => calls.push("a"));
  resumeInTurn(() => {
    resumeInTurn(() => calls.push("b again"));
    throw new Error("b throws");
  });
  resumeInTurn(() => calls.push("c"));
  for (const last of ["a", "b throws", "c", "b again", "b again"]) {
    await new Promise(setImmediate);
    expect(calls.at(-1)).toBe(last);
  }
  expect(calls).toHaveLength(4);
});

it.each([
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
])(
  "a turn of the event loop is bounded, and all have their part: $what",
  {
    timeout: 60_000,
  },
  async ({ channels, work, capacity, take }) => {
    const { most, shares } = await flooded(channels, work, { capacity }, take);
    // A millisecond for the polling and one for the last delivery, and one for a lane that goes on, by steps of up to 64 messages. Of several, as much
    // again for those that are woken before the polling, and after it.
    expect(most).toBeLessThanOrEqual((channels === 1 ? 4 : 8) / work);
    expect(Math.min(...shares)).toBeGreaterThan(Math.max(...shares) / 10);
  },
);
