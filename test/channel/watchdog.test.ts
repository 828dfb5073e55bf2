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

/**
 * Loses wake-ups for good: takes the bells off the sockets before the sleepers read them. Both ends are in one
 * process, so that nothing happens between the ringing and the theft.
 */
const THIEF = `
  const { readdirSync, readlinkSync, readSync } = await import("node:fs");
  const sockets = () => readdirSync("/proc/self/fd").filter((fd) => {
    try { return readlinkSync("/proc/self/fd/" + fd).startsWith("socket:"); } catch { return false; }
  }).map(Number);
  const steal = (fds) => {
    let bytes = 0;
    for (const fd of fds) {
      try { bytes += readSync(fd, Buffer.alloc(64)); } catch (error) { if (error.code !== "EAGAIN") throw error; }
    }
    return bytes;
  };
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  const codec = ringbell.bytes();
  const server = await ringbell.listen("stolen", { directory, codec, capacity: 4096, transport: "shm", spin: 0 });
  const before = new Set(sockets());
  const sender = await ringbell.connect("stolen", { directory, codec, spin: 0 });
  const receiver = await server.accept();
  const ends = sockets().filter((fd) => !before.has(fd));
  const message = new Uint8Array(100);
`;

it.skipIf(process.platform !== "linux")(
  "the watchdog finds a message that was really forgotten, and counts it once",
  async () => {
    const { ended } = script(
      `
    const directory = ${JSON.stringify(privateDirectory())};
    ${THIEF}
    let arrived = 0;
    let told = () => {};
    receiver.on("message", () => { arrived += 1; told(); });
    // A bell rings only for a receiver that sleeps.
    let sent = 0;
    for (let stolen = 0; stolen === 0; sent += 1) {
      while (arrived < sent) await turn();
      for (let i = 0; i < 10; i++) await turn();
      sender.trySend(message);
      stolen = steal(ends);
    }
    while (arrived < sent) await new Promise((resolve) => { told = resolve; });
    const rescues = [sender, receiver].map((channel) => channel.stats().rescues);
    report(JSON.stringify({ rescues, missing: sent - arrived }));
    sender.destroy();
    await server.close();
    `,
      { RINGBELL_WATCHDOG: "1" },
    );
    const { code, output } = await ended;
    expect([code, JSON.parse(output)]).toEqual([0, { rescues: [0, 1], missing: 0 }]);
  },
);

it.skipIf(process.platform !== "linux")(
  "the watchdog finds a sender whose room was really forgotten",
  async () => {
    const { ended } = script(
      `
    const directory = ${JSON.stringify(privateDirectory())};
    ${THIEF}
    let drained = 0;
    let told = () => {};
    sender.on("drain", () => { drained += 1; told(); });
    let rounds = 0;
    for (let stolen = 0; stolen === 0; rounds += 1) {
      while (drained < rounds) await new Promise((resolve) => { told = resolve; });
      while (sender.trySend(message));
      while (receiver.tryReceive() !== undefined);
      stolen = steal(ends);
    }
    while (drained < rounds) await new Promise((resolve) => { told = resolve; });
    const rescues = [sender, receiver].map((channel) => channel.stats().rescues);
    report(JSON.stringify({ rescues }));
    sender.destroy();
    await server.close();
    `,
      { RINGBELL_WATCHDOG: "1" },
    );
    const { code, output } = await ended;
    expect([code, JSON.parse(output)]).toEqual([0, { rescues: [1, 0] }]);
  },
);
