import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, describe, expect, it, onTestFinished, type TestContext } from "vitest";
import { Unavailable } from "../../bench/lib/contender.mjs";
import { linked, placeOf, startLinked } from "../../bench/lib/linked.mjs";
import { peers } from "../../bench/suites/peers.mjs";

type Peer = (typeof peers)[number];

const KIB = 1024;
const MIB = 1024 * KIB;
const directory = mkdtempSync(join(tmpdir(), "peers-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

interface Work {
  payload: "bytes" | "object";
  bytes: number;
  workload: "echo" | "flood";
}

/** Both ends of a peer, on any core; skips the test where it can't be had here. */
async function started({ skip }: TestContext, peer: Peer, work: Work) {
  if (peer.payloads !== undefined && !peer.payloads.includes(work.payload)) skip(`no ${work.payload}`);
  if (work.bytes > (peer.maxBytes ?? Number.POSITIVE_INFINITY)) skip(`no ${work.bytes} B`);
  try {
    const ends = await startLinked(peer, placeOf(peer, work, directory, undefined), undefined);
    onTestFinished(() => ends.stop());
    return { ...ends, pids: (await ends.pids()) as number[] };
  } catch (error) {
    if (error instanceof Unavailable) skip(error.message);
    throw error;
  }
}

/** Whether a process is still there, other than as an entry that nobody has asked for. */
function runs(pid: number): boolean {
  try {
    return !/^State:\s*Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

async function gone(pids: readonly number[]): Promise<void> {
  await expect.poll(() => pids.filter(runs), { timeout: 5_000 }).toEqual([]);
}

describe.each(peers.map((peer) => [peer.name, peer] as const))("%s", (_, peer) => {
  it("echoes bytes one by one and at a fixed rate, and leaves no process behind", async (context) => {
    const { driver, pids, stop } = await started(context, peer, {
      payload: "bytes",
      bytes: 32,
      workload: "echo",
    });
    const { p50, max } = await driver.ask("echo", 20);
    expect(p50).toBeGreaterThan(0);
    expect(max).toBeGreaterThanOrEqual(p50);

    // An answer that comes twice makes it fail; how many come in time, the machine decides.
    const { kept } = await driver.ask("paced", 200, 0.1);
    expect(kept).toBeGreaterThan(0);
    expect(kept).toBeLessThanOrEqual(1);

    await stop();
    await gone(pids);
  });

  it("echoes objects", async (context) => {
    const { driver } = await started(context, peer, { payload: "object", bytes: 200, workload: "echo" });
    expect(await driver.ask("echo", 20)).toHaveProperty("p50");
  });

  it.for([
    [32, 3_000],
    [MIB, 20],
  ] as const)("carries %i B messages one way, whole and in order", async ([bytes, count], context) => {
    const { driver } = await started(context, peer, {
      payload: "bytes",
      bytes,
      workload: "flood",
    });
    // Every round begins anew.
    for (const messages of [2, count]) {
      const { perSecond, bytesPerSecond } = await driver.ask("flood", messages);
      expect(bytesPerSecond / perSecond).toBeCloseTo(bytes);
    }
  });

  it("fails at once when the other end dies, and dies with it", async (context) => {
    const { driver, pids } = await started(context, peer, { payload: "bytes", bytes: 32, workload: "echo" });
    const [, answerer] = pids;
    if (answerer === undefined) context.skip("a thread");
    const endless = driver.ask("echo", 1e9);
    const failed = expect(endless).rejects.toThrow(/ended with/);
    await sleep(20);
    process.kill(answerer as number, "SIGKILL");
    await failed;
    await gone(pids);
  });

  it.skipIf(peer.one)(
    "has several links, of which each answers, also after others were closed",
    async (context) => {
      const { driver } = await started(context, peer, { payload: "bytes", bytes: 32, workload: "echo" });
      for (let round = 0; round < 2; round++) {
        expect((await driver.ask("startUp", 3)).p50).toBeGreaterThan(0);
        await driver.ask("open", 2);
        expect((await driver.ask("echo", 20)).p50).toBeGreaterThan(0);
      }
    },
  );

  it.runIf(peer.spawns)("ends the process that it started even when it is killed itself", async (context) => {
    const { driver, pids } = await started(context, peer, { payload: "bytes", bytes: 32, workload: "echo" });
    await driver.ask("echo", 1);
    await driver.stop();
    await gone(pids);
  });
});

it.for([1, 2])("answers %i MiB at a rate that blocks are too few for", async (mib, context) => {
  const peer = peers.find(({ name }) => name === "ringbell-blocks-few") as Peer;
  const { driver } = await started(context, peer, { payload: "bytes", bytes: mib * MIB, workload: "echo" });
  // A reply that has to wait for a block is whole nevertheless, or the driver ends with an error.
  const { kept } = await driver.ask("paced", 2_000, 0.3);
  expect(kept).toBeGreaterThan(0);
});

it("does not measure a peer with what it isn't made for", async () => {
  const [first] = peers;
  const small = { ...(first as Peer), maxBytes: KIB };
  const setting = { cores: undefined, seconds: 0.1, rounds: 5, quick: true, directory };
  await expect(linked(small, { kind: "echo", bytes: 2 * KIB }).start(setting)).rejects.toThrow(
    /up to 1 KiB only/,
  );
});

it("names everything once", () => {
  const names = peers.map(({ name }) => name);
  expect(names).toEqual([...new Set(names)]);
  for (const { name, file } of peers) expect(file).toMatch(new RegExp(`/peers/${name}\\.mjs$`));
});
