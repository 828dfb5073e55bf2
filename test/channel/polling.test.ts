import { once } from "node:events";
import { expect, it, onTestFinished } from "vitest";
import { connect } from "../../lib/channel/connect.js";
import { scratchDirectory } from "../transport/scratch.js";
import { listenerChild } from "./children.js";

/** Until a stretch goes by in which other tests leave this one a core, ms. */
const PATIENCE = 40_000;

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
