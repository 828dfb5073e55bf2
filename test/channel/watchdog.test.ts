import { expect, it } from "vitest";
import { privateDirectory, script } from "./setup.js";

/** Times that the receiver takes all there is and then computes. */
const ROUNDS = 60;
/** How long it computes each time, ms: three times that, and the watchdog has looked. */
const COMPUTING = 30;

it("the watchdog does not accuse a program that keeps its event loop busy while traffic flows on", async () => {
  const { ended } = script(
    `
    const directory = ${JSON.stringify(privateDirectory())};
    const codec = ringbell.bytes();
    const server = await ringbell.listen("busy", { directory, codec, capacity: 4096, transport: "shm" });
    const sender = await ringbell.connect("busy", { directory, codec });
    const receiver = await server.accept();
    const message = new Uint8Array(100);
    let drains = 0;
    const fill = () => { while (sender.trySend(message)); };
    sender.on("drain", () => { drains += 1; fill(); });
    fill();
    let taken = 0;
    for (let round = 0; round < ${ROUNDS}; round++) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      while (receiver.tryReceive() !== undefined) taken += 1;
      // The bell that tells the sender of room is in the socket by now, and is read when this is over.
      for (const start = performance.now(); performance.now() - start < ${COMPUTING};);
    }
    const rescues = [sender, receiver].map((channel) => channel.stats().rescues);
    report(JSON.stringify({ rescues, drains, taken }));
    sender.destroy();
    await server.close();
    `,
    { RINGBELL_WATCHDOG: "1" },
  );
  const { code, output } = await ended;
  expect(code).toBe(0);
  const { rescues, drains, taken } = JSON.parse(output) as {
    rescues: number[];
    drains: number;
    taken: number;
  };
  expect(rescues).toEqual([0, 0]);
  expect(drains).toBeGreaterThan(ROUNDS / 2);
  expect(taken).toBeGreaterThan(ROUNDS);
});
