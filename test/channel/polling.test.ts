import { once } from "node:events";
import { expect, it, onTestFinished } from "vitest";
import { connect } from "../../lib/channel/connect.js";
import { scratchDirectory } from "../transport/scratch.js";
import { listenerChild } from "./children.js";

const CHANNELS = 12;
const TRIPS = 120;
/** Until a stretch goes by without sleep, ms: other tests want these cores as well. */
const PATIENCE = 40_000;

/** Round trips through one channel after the other. Resolves with the number of bells that were rung for them at this end. */
async function roundTrips(channels: readonly Awaited<ReturnType<typeof connect>>[]): Promise<number> {
  const rung = () => channels.reduce((sum, channel) => sum + channel.stats().bells, 0);
  const before = rung();
  await new Promise<void>((resolve) => {
    let at = 0;
    const send = () => channels[at % channels.length]!.trySend(at);
    for (const channel of channels) {
      channel.removeAllListeners("message");
      channel.on("message", () => {
        if (++at === TRIPS) resolve();
        else send();
      });
    }
    send();
  });
  return rung() - before;
}

it("many channels that have something in turn are polled together: a process that hears of one all the time sleeps on none", {
  timeout: 60_000,
}, async () => {
  const directory = scratchDirectory();
  await listenerChild("agents", { directory, capacity: 4096 });
  const channels = await Promise.all(
    Array.from({ length: CHANNELS }, () => connect("agents", { directory, capacity: 4096 })),
  );
  onTestFinished(() => {
    for (const channel of channels) channel.destroy();
  });
  const end = performance.now() + PATIENCE;
  let bells = TRIPS;
  while (bells > TRIPS / 4 && performance.now() < end) bells = await roundTrips(channels);
  expect(bells).toBeLessThanOrEqual(TRIPS / 4);
  expect(channels.map((channel) => channel.stats().rescues)).toEqual(channels.map(() => 0));
});

/** What a turn takes at least where the program has nothing else to do and no message comes, µs (native/reactor.cc). */
const IDLE_TURN = 20;
/** Turns until a channel that has a listener now is polled, at most. */
const FIRST_TURNS = 4;

it("a program that has something else to do at once is not held up by a poll that finds nothing, and may cease to poll", {
  timeout: 60_000,
}, async () => {
  const directory = scratchDirectory();
  await listenerChild("agents", { directory });
  const channel = await connect("agents", { directory, spin: 1000 });
  onTestFinished(() => channel.destroy());
  const end = performance.now() + PATIENCE;
  let typical = Number.POSITIVE_INFINITY;
  for (let round = 0; typical >= IDLE_TURN && performance.now() < end; round++) {
    // The answer wakes it; then nothing comes, and immediates keep the loop going until it sleeps again.
    const answer = once(channel, "message");
    channel.trySend(round);
    await answer;
    channel.on("message", () => {});
    const { parks } = channel.stats();
    let times: number[] = [];
    for (let last = performance.now(), now = last; channel.stats().parks === parks && now < end; last = now) {
      await new Promise(setImmediate);
      now = performance.now();
      times.push((now - last) * 1000);
    }
    channel.removeAllListeners("message");
    expect(channel.stats().parks).toBeGreaterThan(parks);
    times = times.slice(FIRST_TURNS).sort((a, b) => a - b);
    // A few turns say nothing: the last one ends as soon as nothing is polled any more.
    if (times.length >= 16) typical = times[times.length >> 2]!;
  }
  expect(typical).toBeLessThan(IDLE_TURN);
  expect(channel.stats().rescues).toBe(0);
});
