import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it, onTestFinished } from "vitest";
import { answering } from "../../bench/lib/answerer.mjs";
import { calibrate } from "../../bench/lib/calibrate.mjs";
import { countsOf, placeOf, startLinked } from "../../bench/lib/linked.mjs";
import { payload } from "../../bench/lib/payload.mjs";
import { sendersOf } from "../../bench/lib/senders.mjs";

const MIB = 1 << 20;
const directory = mkdtempSync(join(tmpdir(), "driving-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** fake-peers/local.mjs with a fault. */
function fake(more: Record<string, unknown>) {
  return {
    name: "fake",
    title: "fake",
    file: new URL("./fake-peers/local.mjs", import.meta.url).href,
    more,
  };
}

async function driverOf(more: Record<string, unknown>, kind: "bytes" | "object" = "bytes", bytes = 64) {
  const work = { payload: kind, bytes, workload: "echo" as const };
  const peer = fake(more);
  const { driver, stop } = await startLinked(peer, placeOf(peer, work, directory, undefined), undefined);
  onTestFinished(stop);
  return driver;
}

describe("messages at a fixed rate", () => {
  it("a stall counts for every message that was due meanwhile, sent or not", async () => {
    const driver = await driverOf({ stallAt: 100, stallMs: 100 });
    // A fifth of all is due while nothing can be sent, and a tenth of all waits for 50 ms or more.
    const { p95, max } = await driver.ask("paced", 1000, 0.5);
    expect(max).toBeGreaterThanOrEqual(90e6);
    expect(p95).toBeGreaterThanOrEqual(50e6);
  });

  it("an answer that comes twice is an error", async () => {
    const driver = await driverOf({ twice: 1 });
    await expect(driver.ask("paced", 1000, 0.1)).rejects.toThrow(/arrived twice/);
  });
});

describe("a peer that loses the end of each message", () => {
  it.for([
    ["bytes", 64],
    ["object", 400],
  ] as const)("is found out by whoever asks, with %s", async ([kind, bytes]) => {
    const whole = await driverOf({}, kind, bytes);
    expect(await whole.ask("echo", 10)).toHaveProperty("p50");
    for (const [method, ...args] of [
      ["echo", 10],
      ["paced", 1000, 0.05],
      ["ticked", 1000, 0.05],
      ["startUp", 2],
    ] as const) {
      const driver = await driverOf({ shorter: 1 }, kind, bytes);
      await expect(driver.ask(method, ...args)).rejects.toThrow(/arrived of/);
    }
  });

  it("is found out by who takes a flood", () => {
    const place = { peer: "", directory, endpoint: "", workload: "flood" as const };
    for (const [kind, bytes] of [
      ["bytes", 64],
      ["object", 400],
    ] as const) {
      const answer = answering({ ...place, payload: kind, bytes });
      const message = payload(kind, bytes).make(0, 2);
      expect(answer(message)).toBeUndefined();
      const { params } = message;
      const cut =
        kind === "bytes" ? message.subarray(0, bytes - 1) : { ...message, params: { ...params, text: "x" } };
      expect(() => answering({ ...place, payload: kind, bytes })(cut)).toThrow(/arrived of/);
    }
  });
});

it("a sender that dies in the middle of a round makes the round fail, and nothing else", async () => {
  const contender = sendersOf(fake({ dieAt: 1000 }), 2);
  const setting = { cores: undefined, seconds: 1, rounds: 1, quick: true, directory };
  const running = await contender.start(setting);
  onTestFinished(() => running.stop());
  const unhandled: unknown[] = [];
  const listener = (reason: unknown) => unhandled.push(reason);
  process.on("unhandledRejection", listener);
  onTestFinished(() => void process.off("unhandledRejection", listener));
  await expect(running.round()).rejects.toThrow(/ended with SIGKILL/);
  expect(unhandled).toEqual([]);
});

describe("the size of a flood's round", () => {
  it("is never so small that the first message, which isn't timed, matters", async () => {
    const asked: number[] = [];
    // 64 MiB at 0.1 GB/s.
    const round = async (count: number) => {
      asked.push(count);
      return { seconds: (count - 1) * 0.67 };
    };
    expect(await calibrate(round, 0.15, countsOf("flood", 64 * MIB))).toBe(5);
    expect(Math.min(...asked)).toBe(5);
    expect(countsOf("flood", 8 * MIB)).toMatchObject({ fewest: 8 });
  });

  it("is found from the messages that were timed", async () => {
    // 10 a second, of which calibrate tries few.
    const round = async (count: number) => ({ seconds: (count - 1) / 10 });
    expect(await calibrate(round, 2, { first: 4, fewest: 2, untimed: 1, warm: 1 })).toBe(20);
  });
});
