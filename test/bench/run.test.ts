import { describe, expect, it } from "vitest";
import { calibrate, warmedUpStable } from "../../bench/lib/calibrate.mjs";
import { type Contender, type Running, type Setting, Unavailable } from "../../bench/lib/contender.mjs";
import { Progress } from "../../bench/lib/progress.mjs";
import { measure, steps } from "../../bench/lib/run.mjs";
import { contender, suite } from "./results.js";

const SETTING: Setting = { cores: undefined, seconds: 0.01, rounds: 5, quick: true, directory: "/nowhere" };

/** A contender that writes down what it is asked. */
function noting(log: string[], name: string, running: Partial<Running> = {}, more: Partial<Contender> = {}) {
  return contender(name, {
    ...more,
    async start() {
      log.push(`${name} starts`);
      return {
        async warmUp() {},
        async round() {
          log.push(name);
          return { ns: 1 };
        },
        async stop() {
          log.push(`${name} stops`);
        },
        ...running,
      };
    },
  });
}

function run(contenders: Contender[], more: Parameters<typeof suite>[2] = {}) {
  return measure(suite("s", contenders, more), SETTING, new Progress(0));
}

describe("measuring", () => {
  it("interleaves the contenders within each round", async () => {
    const log: string[] = [];
    const results = await run([noting(log, "a"), noting(log, "b"), noting(log, "c", {}, { rounds: 1 })]);
    expect(log.join(" ")).toBe("a starts b starts c starts a b c a b a b a b a b a stops b stops c stops");
    expect(results.map(({ rounds }) => rounds.length)).toEqual([5, 5, 1]);
    expect(results[0]).toMatchObject({
      peer: "a",
      status: "measured",
      medians: { ns: 1 },
      spreads: { ns: 0 },
    });
    expect(results[2]!.spreads).toEqual({});
  });

  it("runs the columns of a matrix one after the other", async () => {
    const log: string[] = [];
    const cell = (name: string, bytes: number) => noting(log, name, {}, { facts: { bytes }, rounds: 1 });
    const results = await run([cell("a1", 1), cell("a2", 2), cell("b1", 1), cell("b2", 2)], {
      matrix: { rows: "title", columns: "bytes", figure: "ns", format: String },
    });
    expect(log.join(" ")).toBe(
      "a1 starts b1 starts a1 b1 a1 stops b1 stops a2 starts b2 starts a2 b2 a2 stops b2 stops",
    );
    expect(results.map(({ name }) => name)).toEqual(["a1", "a2", "b1", "b2"]);
  });

  it("goes on with the others where one fails, is not there, or hangs", async () => {
    const log: string[] = [];
    const hangs = () => new Promise<never>(() => {});
    const results = await run([
      noting(log, "good"),
      contender("broken", { start: () => Promise.reject(new Error("no socket")) }),
      contender("absent", { start: () => Promise.reject(new Unavailable("needs a package")) }),
      noting(log, "hung", { round: hangs }, { patience: 0.05 }),
      contender("never", { start: hangs, patience: 0.05 }),
      noting(log, "wrong", { round: () => Promise.reject(new Error("out of order")) }),
      noting(log, "stuck", { stop: () => Promise.reject(new Error("does not stop")) }),
    ]);
    expect(results.map(({ name, status, reason }) => [name, status, reason])).toEqual([
      ["good", "measured", undefined],
      ["broken", "failed", "no socket"],
      ["absent", "unavailable", "needs a package"],
      ["hung", "failed", "round 1 took more than 0.05 s"],
      ["never", "failed", "start took more than 0.05 s"],
      ["wrong", "failed", "out of order"],
      ["stuck", "measured", undefined],
    ]);
    // It must not disturb the rounds to come.
    expect(log.indexOf("hung stops")).toBeLessThan(log.lastIndexOf("good"));
    expect(results.filter(({ status }) => status !== "measured").map(({ medians }) => medians)).toEqual(
      Array(5).fill({}),
    );
  });

  it("records whether the warm-up became stable", async () => {
    const warming = (name: string, speeds: () => number) =>
      noting([], name, {
        async warmUp() {
          await calibrate(async (count) => ({ seconds: count / speeds() }), 0.1, { warm: 0.1 });
        },
        constants: () => ({ count: 7 }),
      });
    let turn = 0;
    const results = await run([
      warming("steady", () => 1000),
      warming("unsteady", () => 1000 * (1 + (turn++ % 2))),
      noting([], "none"),
    ]);
    expect(results.map(({ constants }) => constants)).toEqual([
      { count: 7, stable: 1 },
      { count: 7, stable: 0 },
      {},
    ]);
  });

  it("announces as many steps as there are at most", () => {
    expect(steps([contender("a"), contender("b", { rounds: 1 })], SETTING)).toBe(8);
  });
});

describe("warming up", () => {
  it("goes on until the speed has settled, and takes the size of a round from the last attempts", async () => {
    let attempts = 0;
    // Faster and faster, until all of it is compiled.
    const speed = () => Math.min(++attempts * 1000, 10_000);
    const count = await calibrate(async (messages) => ({ seconds: messages / speed() }), 1, {
      first: 250,
      warm: 1,
    });
    expect(count).toBeGreaterThan(9_000);
    expect(count).toBeLessThanOrEqual(10_000);
    expect(warmedUpStable()).toBe(true);
    expect(warmedUpStable()).toBeUndefined();
  });

  it("does not wait for ever", async () => {
    let spent = 0;
    let turn = 0;
    await calibrate(
      async (count) => {
        const seconds = count / (1000 * (1 + (turn++ % 3)));
        spent += seconds;
        return { seconds };
      },
      1,
      { first: 250 },
    );
    expect(warmedUpStable()).toBe(false);
    expect(spent).toBeLessThan(3);
  });
});
