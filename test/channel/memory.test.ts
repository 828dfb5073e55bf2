import { describe, expect, it } from "vitest";
import { privateDirectory, reported, script } from "./setup.js";

/*
 * What channels take of memory: in two processes, which count it themselves after a collection of garbage. Shared memory is counted by the
 * files that it lies in, since a page that nobody has mapped is taken all the same.
 */
const COUNT = `
  import { fstatSync, readFileSync, readdirSync, readlinkSync } from "node:fs";
  const own = () => {
    for (let i = 0; i < 3; i++) gc();
    const field = (name) => Number(new RegExp("^" + name + ":\\\\s+(\\\\d+) kB$", "m").exec(readFileSync("/proc/self/smaps_rollup", "utf8"))[1]);
    return field("Anonymous");
  };
  const regions = () => readdirSync("/proc/self/fd")
    .filter((fd) => { try { return readlinkSync("/proc/self/fd/" + fd).startsWith("/memfd:ringbell"); } catch { return false; } })
    .reduce((sum, fd) => sum + fstatSync(Number(fd)).blocks / 2, 0);
  const { u32, struct } = ringbell;
  const options = { directory: process.env.TEST_DIRECTORY, codec: struct({ n: u32, m: u32 }), transport: "shm" };
`;
const FLAGS = ["--expose-gc", "--max-semi-space-size=1"];
const CHANNELS = 100;

interface Weight {
  /** KiB a channel. */
  readonly shared: number;
  readonly own: number;
}

async function weigh(): Promise<{ idle: Weight; full: Weight; later: Weight }> {
  const directory = privateDirectory();
  const environment = { TEST_DIRECTORY: directory, RINGBELL_WATCHDOG: "", RINGBELL_RING: "" };
  const server = script(
    `${COUNT}
     const server = await ringbell.listen("m", { ...options, tap: true });
     server.on("connection", (channel) => channel.on("message", (message) => {
       if (message.m === 1) channel.trySend(message);
       if (message.m === 2) channel.trySend({ n: own(), m: Math.round(regions()) });
     }));
     report("up");`,
    environment,
    FLAGS,
  );
  await reported(server.child);
  const client = script(
    `${COUNT}
     const { setTimeout: delay } = await import("node:timers/promises");
     const open = async () => {
       const channel = await ringbell.connect("m", options);
       channel.trySend({ n: 1, m: 1 });
       await channel.receive();
       return channel;
     };
     const asked = await open();
     const ask = async () => { asked.trySend({ n: 0, m: 2 }); return asked.receive(); };
     const weigh = async () => { const { n, m } = await ask(); return { own: own() + n, shared: m }; };
     const count = ${CHANNELS};
     const less = (a, b) => ({ own: (a.own - b.own) / count, shared: (a.shared - b.shared) / count });
     // What is there once, however many channels there are, was taken for these.
     const channels = [];
     for (let i = 0; i < count; i++) channels.push(await open());
     await delay(100);
     const none = await weigh();
     for (let i = 0; i < count; i++) channels.push(await open());
     const idle = less(await weigh(), none);
     // The message is of no use to the server, and it takes each.
     for (const channel of channels) {
       for (let i = 0; i < 16_000; i++) channel.trySend({ n: i, m: 0 });
       await channel.flush();
     }
     const full = less(await weigh(), none);
     let later = full;
     for (let tries = 0; tries < 100 && later.shared > idle.shared + 50; tries++) {
       await delay(100);
       later = less(await weigh(), none);
     }
     report(JSON.stringify({ idle, full, later }));
     process.exit(0);`,
    environment,
    FLAGS,
  );
  const { output } = await client.ended;
  server.child.kill("SIGKILL");
  expect(output).toMatch(/^\{/);
  return JSON.parse(output);
}

describe.runIf(process.platform === "linux")("the memory of a channel", () => {
  it("follows its use: an idle one takes little at both ends, and a burst gives back within ten seconds", async () => {
    const { idle, full, later } = await weigh();
    const seen = JSON.stringify({ idle, full, later });
    // Control words and the ring of either direction, a page each, and a page where the lane of the blocks was looked at.
    expect(idle.shared, seen).toBeLessThanOrEqual(20);
    expect(idle.own, seen).toBeLessThanOrEqual(64);
    expect(full.shared, seen).toBeGreaterThanOrEqual(100);
    // The last messages stay for watchers, up to an eighth of the ring.
    expect(later.shared, seen).toBeLessThanOrEqual(idle.shared + 50);
    expect(later.own, seen).toBeLessThanOrEqual(140);
  }, 60_000);
});
