import { expect, it, onTestFinished } from "vitest";
import { connect } from "../../lib/channel/connect.js";
import { scratchDirectory } from "../transport/scratch.js";
import { listenerChild } from "./children.js";

const CHANNELS = 12;
const TRIPS = 600;
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
