import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Record as Saved } from "../../bench/lib/record.mjs";
import { bench } from "./run-bench.js";

const directory = mkdtempSync(join(tmpdir(), "ringbell-test-"));
afterAll(() => rmSync(directory, { recursive: true }));

const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  version: string;
};

describe("a run", () => {
  let file: string;
  let stdout: string;
  let record: Saved;

  beforeAll(async () => {
    file = join(directory, "record.json");
    const outcome = await bench(
      "latency",
      "--quick",
      "--peers",
      "net,loop-struct,loop-spin-0",
      "--json",
      file,
    );
    expect(outcome).toMatchObject({ code: 0, stderr: "" });
    stdout = outcome.stdout;
    record = JSON.parse(readFileSync(file, "utf8")) as Saved;
  }, 60_000);

  let copies = 0;
  const saved = (change: (copy: Saved) => void) => {
    const copy = structuredClone(record);
    change(copy);
    const changed = join(directory, `changed-${++copies}.json`);
    writeFileSync(changed, JSON.stringify(copy));
    return changed;
  };

  it("prints a table, and the verdicts with their spreads", () => {
    expect(stdout).toContain("node:net, bytes only counted");
    expect(stdout).toMatch(
      /^round trip, event loops, as a multiple of node:net's +[\d.]+ × +±[\d.]+ % +≤ 0.025 × +(ok|MISSED)$/m,
    );
  });

  it("records the machine, the versions, every round, medians and spreads", () => {
    expect(record).toMatchObject({ format: 2, version, quick: true, rounds: 5, packages: {} });
    expect(record.machine).toMatchObject({ node: process.versions.node, architecture: process.arch });
    expect([null, "string"]).toContain(
      record.machine.governor === null ? null : typeof record.machine.governor,
    );
    expect(Date.parse(record.when)).toBeGreaterThan(Date.now() - 3_600_000);
    const [suite] = record.suites;
    expect(suite).toMatchObject({ name: "latency", group: "latency" });
    expect(suite!.compared).toEqual(expect.arrayContaining(["ns", "p99"]));
    const net = suite!.results.find(({ name }) => name === "net")!;
    expect(net).toMatchObject({ peer: "net-unix", status: "measured" });
    expect(net.rounds).toHaveLength(5);
    const middle = net.rounds.map(({ ns }) => ns!).sort((a, b) => a - b)[2]!;
    expect(net.medians.ns).toBe(middle);
    expect(net.spreads.ns).toBeCloseTo(
      Math.max(...net.rounds.map(({ ns }) => Math.abs(ns! - middle))) / middle,
    );
    expect([0, 1]).toContain(net.constants!.stable);
    expect(net.constants!.count).toBeGreaterThan(0);
  });

  it("judges the targets whose contenders took part, from medians", () => {
    expect(record.verdicts.map(({ name }) => name)).toEqual([
      "round trip, event loops, as a multiple of node:net's",
      "round trip, event loops, spin: 0, as a multiple of node:net's",
    ]);
    const ns = (name: string) => record.suites[0]!.results.find((each) => each.name === name)!.medians.ns!;
    const [first] = record.verdicts;
    expect(first!.value).toBeCloseTo(ns("loop-struct") / ns("net"));
    expect(first!.spread).toBeGreaterThanOrEqual(0);
  });

  it("--check exits with 1 if a verdict is not ok, else with 0", async () => {
    const good = saved(({ verdicts }) => {
      for (const verdict of verdicts) verdict.ok = true;
    });
    const bad = saved(({ verdicts }) => {
      verdicts[0]!.ok = false;
    });
    expect(await bench("--check", good)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("all 2 ok"),
    });
    expect(await bench("--check", bad)).toMatchObject({ code: 1, stdout: expect.stringContaining("MISSED") });
  });

  it("--compare exits with 1 if something is slower beyond the spread, else with 0", async () => {
    const slower = saved(({ suites }) => {
      const net = suites[0]!.results.find(({ name }) => name === "net")!;
      net.medians.ns! *= 2 + 2 * net.spreads.ns!;
    });
    const marked = await bench("--compare", file, slower);
    expect(marked).toMatchObject({ code: 1, stderr: "" });
    expect(marked.stdout).toMatch(/^net +ns +.* slower$/m);
    expect(marked.stdout).toContain("1 slower and 0 faster");
    expect(await bench("--compare", slower, file)).toMatchObject({ code: 0 });
    expect(await bench("--compare", file, file)).toMatchObject({ code: 0 });
  });

  it.each([
    ["what is no JSON", "nothing"],
    ["another format", '{ "format": 1, "suites": [], "verdicts": [{ "ok": true }] }'],
  ])("--check and --compare refuse %s, with exit code 2", async (_, text) => {
    const other = join(directory, "other.json");
    writeFileSync(other, text);
    for (const args of [
      ["--check", other],
      ["--compare", file, other],
      ["--check", `${other}.gone`],
    ]) {
      const { code, stdout, stderr } = await bench(...args);
      expect([code, stdout]).toEqual([2, ""]);
      expect(stderr).toContain(other);
    }
  });
});

describe("a command line that is not understood", () => {
  it.each([
    [["latncy"], 'no group or suite is called "latncy"; there are bridge-broadcast'],
    [["--peers", "nobody"], 'no peer is called "nobody"; there are '],
    [["--sizes", "many"], "--sizes takes sizes such as 32"],
    [["--nonsense"], "--nonsense"],
    [["connect", "--cores", "0,4000"], "there is no core 4000 to run on; there are 0"],
    // Before anything is measured.
    [["connect", "--json", join(directory, "nowhere", "x.json")], "can't write to "],
    [["connect", "--json", directory], "is a directory"],
  ])("%j exits with 2 and says what there is", async (args, message) => {
    const { code, stdout, stderr } = await bench(...args);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain(message);
  });

  it("--list and --help measure nothing", async () => {
    const listed = await bench("--list", "throughput");
    expect(listed).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^throughput:\n {2}throughput: /),
    });
    expect(listed.stdout).toMatch(/^peers: .*net-unix/m);
    const help = await bench("--help");
    expect(help.stdout.split("\n").every((line) => line.length <= 110)).toBe(true);
    expect(help).toMatchObject({ code: 0, stdout: expect.stringContaining("--compare OLD NEW") });
  });
});
