import { describe, expect, it } from "vitest";
import { privateDirectory, script, type TransportName } from "../channel/setup.js";

/** What is there in a process: objects, memory (KiB), mappings, and descriptors. */
type Census = Record<
  "channels" | "blocks" | "arrayBuffers" | "mappings" | "descriptors" | "resident",
  number
>;

/** Ways to use a channel from `a` to `b`, each with an orderly end after it. */
const USES = `{
  async nothing(a, b) { await a.send(1); await b.receive(); },
  async aBlockThatStays(a) { (await a.allocate(1000)).release(); (await a.allocate(300_000)).release(); },
  async aBlockThatArrives(a, b) {
    await a.send({ blocks: [await a.allocate(100), await a.allocate(300_000)] });
    for (const block of (await b.receive()).blocks) block.release();
  },
  async aBlockThatComesHome(a, b) {
    await a.send({ blocks: [await a.allocate(5000)] });
    await b.send(await b.receive());
    (await a.receive()).blocks[0].release();
  },
  async longMessages(a, b) {
    await a.send("x".repeat(200_000));
    await b.send(await b.receive());
    await a.receive();
  },
  async aBlockThatFindsNoRoom(a) {
    while (a.trySend("x".repeat(1000)));
    while (a.trySend("x"));
    const block = await a.allocate(300_000);
    if (a.trySend({ blocks: [block] })) throw new Error("there was room");
    block.release();
  },
  async aBlockThatFindsNoRoomAndIsDropped(a) {
    while (a.trySend("x".repeat(1000)));
    while (a.trySend("x"));
    if (a.trySend({ blocks: [await a.allocate(300_000)] })) throw new Error("there was room");
  },
  async aSendThatWaitsAtTheEnd(a) {
    while (a.trySend("x".repeat(1000)));
    while (a.trySend("x"));
    a.send({ blocks: [await a.allocate(300_000)] }).catch(() => {});
    a.destroy();
  },
  async aBlockInABadMessage(a) {
    const block = await a.allocate(1000);
    await a.send({ blocks: [block], bad: 1n }).catch(() => {});
  },
  async aBlockThatIsDropped(a, b) {
    await a.send({ blocks: [await a.allocate(1000), await a.allocate(300_000)] });
    await b.receive();
    await a.allocate(1000);
  },
  async aBlockThatNobodyTakes(a) { await a.send({ blocks: [await a.allocate(1000)] }); },
  async sharedAndSealed(a, b) {
    const [one, two, three] = (await a.allocate(1000)).seal().share(3);
    await a.send({ blocks: [one, two] });
    (await b.receive()).blocks[0].release();
    three.release();
  },
  async aBlockThatTheChannelKeeps(a, b) {
    await a.send({ blocks: [await a.allocate(1000)] });
    const { blocks } = await b.receive();
    const own = await a.allocate(2000);
    b.on("error", () => blocks[0].release());
    a.on("error", () => own.release());
  },
}`;

/** A round of every use, between two channels of one process. */
const ORDERLY = `
    const uses = Object.values(${USES});
    async function round() {
      for (const use of uses) {
        const [a, b] = await Promise.all([ringbell.connect(server.path), server.accept()]);
        await use(a, b);
        await Promise.all([a.close({ timeout: 0 }), b.close({ timeout: 0 })]);
      }
    }`;

/** A round in which a peer is killed that has blocks of ours, and of which we have blocks: one of them released, one dropped. */
const KILLED = `
    const peer = \`
      const { connect } = await import(\${JSON.stringify(MODULE)});
      const channel = await connect(process.argv[1]);
      await channel.send({ blocks: [await channel.allocate(100), await channel.allocate(300_000)] });
      const held = [];
      for await (const message of channel) {
        if (typeof message === "string") await channel.send(message.length);
        else held.push(message);
      }\`;
    async function round() {
      const child = spawn(process.execPath, ["--input-type=module", "-e", peer, server.path]);
      const channel = await server.accept();
      (await channel.receive()).blocks[0].release();
      await channel.send({ blocks: [await channel.allocate(100), await channel.allocate(300_000)] });
      await channel.send("x".repeat(200_000));
      await channel.receive();
      child.kill("SIGKILL");
      const { reason } = await channel.closed;
      if (reason !== "peer-died") throw new Error(reason);
      await once(child, "close");
    }`;

/** Runs rounds of a program, and returns what was there after the first ones and at the end. */
async function census(
  program: string,
  transport: TransportName,
  rounds: number,
  environment: Record<string, string>,
): Promise<readonly Census[]> {
  const options = JSON.stringify({ transport, directory: privateDirectory() });
  const module = new URL("../../dist/index.js", import.meta.url).href;
  const { ended } = script(
    `
    import { spawn } from "node:child_process";
    import { once } from "node:events";
    import { readdirSync, readFileSync } from "node:fs";
    import v8 from "node:v8";
    import { setTimeout as delay } from "node:timers/promises";
    process.on("warning", () => {});
    const MODULE = ${JSON.stringify(module)};
    const server = await ringbell.listen("leaks", ${options});
    ${program}
    async function look() {
      // Finalizers run from the event loop, and what they let go of is collected next.
      for (let i = 0; i < 8; i++) {
        gc();
        await delay(20);
      }
      const { arrayBuffers, rss } = process.memoryUsage();
      return {
        channels: v8.queryObjects(ringbell.Channel, { format: "count" }),
        blocks: v8.queryObjects(ringbell.Block, { format: "count" }),
        arrayBuffers: Math.round(arrayBuffers / 1024),
        mappings: process.platform === "linux"
          ? readFileSync("/proc/self/maps", "utf8").split("memfd:ringbell").length - 1 : 0,
        descriptors: readdirSync("/dev/fd").length,
        resident: Math.round(rss / 1024),
      };
    }
    async function run(rounds) {
      for (let i = 0; i < rounds; i++) await round();
      return look();
    }
    report(JSON.stringify([await run(${Math.ceil(rounds / 4)}), await run(${rounds})]));
    await server.close();`,
    environment,
    ["--expose-gc"],
  );
  const { code, output } = await ended;
  const line = /^\[.*\]$/m.exec(output);
  if (code !== 0 || line === null) throw new Error(output);
  return JSON.parse(line[0]) as Census[];
}

const ways: [string, TransportName, Record<string, string>][] = [
  ["shared memory", "shm", { RINGBELL_CHECK_BLOCKS: "0" }],
  ["shared memory in the checked mode", "shm", { RINGBELL_CHECK_BLOCKS: "1" }],
  ["a stream", "stream", { RINGBELL_CHECK_BLOCKS: "0" }],
  ["a stream without the addon", "stream", { RINGBELL_CHECK_BLOCKS: "0", RINGBELL_NO_ADDON: "1" }],
];

/** Expects that the second census has no more than the first. */
function expectAsMuch([before, after]: readonly Census[]): void {
  // Those of the last round may be at work still.
  expect(after!.channels).toBeLessThanOrEqual(2);
  expect(after!.blocks).toBeLessThanOrEqual(4);
  expect(after!.mappings - before!.mappings).toBeLessThanOrEqual(2);
  expect(after!.descriptors - before!.descriptors).toBeLessThanOrEqual(2);
  // The buffers of one channel alone have more than 300 KiB.
  expect(after!.arrayBuffers - before!.arrayBuffers).toBeLessThan(1000);
  expect(after!.resident - before!.resident).toBeLessThan(60_000);
}

describe("channels that have ended", () => {
  it.each(ways)("leave nothing behind, over %s", { timeout: 180_000 }, async (_, transport, environment) => {
    expectAsMuch(await census(ORDERLY, transport, 60, environment));
  });

  it.each([ways[0]!, ways[3]!])(
    "by a kill leave nothing behind, over %s",
    { timeout: 180_000 },
    async (_, transport, environment) => {
      expectAsMuch(await census(KILLED, transport, 8, environment));
    },
  );
});
