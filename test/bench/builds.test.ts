import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { foreignPart } from "../../bench/builds/foreign.mjs";
import { parseOptions } from "../../bench/builds/options.mjs";
import { line, markdown, statusOf, summary } from "../../bench/builds/report.mjs";
import { ROWS } from "../../bench/builds/rows.mjs";
import { measure, type Outcome } from "../../bench/builds/run.mjs";
import { compared, type Pair, type Verdict, verdictOf } from "../../bench/builds/statistics.mjs";
import { type Contender, type Setting, Unavailable } from "../../bench/lib/contender.mjs";
import { UsageError } from "../../bench/lib/options.mjs";
import { contender } from "./results.js";
import { run } from "./run-bench.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const MAIN = join(root, "bench/builds.mjs");

const pairs = (...values: [number, number][]): Pair[] =>
  values.map(([before, after]) => ({ old: before, new: after }));
/** As many starts of three rounds each, whose pairs have different ratios near this one. */
const starts = (count: number, ratio: number) =>
  Array.from({ length: count }, (_, start) =>
    [-1, 0, 1].map((round) => ({ old: 100, new: 100 / (ratio + round / 100 + start / 1000) })),
  );

/** Starts whose ratios are all different. */
const scattered = (ratio: number) =>
  Array.from({ length: 8 }, (_, start) =>
    [0, 1, 2].map((round) => ({ old: ratio + Math.sin(start * 3 + round) / 20, new: 1 })),
  );

describe("options of the comparison of builds", () => {
  it("takes two folders, rows in the table's order, and rounds", () => {
    const options = parseOptions("--base ../old --new . --only batch --only loop,loop --rounds 9".split(" "));
    expect(options).toMatchObject({ base: "../old", fresh: ".", rounds: 9, quick: false });
    expect(options.rows.map(({ name }) => name)).toEqual(["loop", "batch"]);
  });

  it("measures every row by default, with this checkout as the new build", () => {
    const options = parseOptions(["--base", "old"]);
    expect(options.rows).toBe(ROWS);
    expect(options.fresh).toBeUndefined();
    expect(parseOptions(["--base", "old", "--quick"]).rounds).toBeLessThan(options.rounds);
  });

  it("needs no folder to print its help and its rows", () => {
    expect(parseOptions(["--help"]).help).toBe(true);
    expect(parseOptions(["--list"]).list).toBe(true);
  });

  it.each([
    [[], "--base is missing"],
    [["--base", "old", "--olny", "loop"], "--olny"],
    [["--base", "old", "loop"], "loop"],
    [["--base", "old", "--only", "loop,lop"], '--only takes names of rows, not "lop": poll, alone, sync,'],
    [["--base", "old", "--only", ","], '--only takes names of rows, not ""'],
    [["--base", "old", "--rounds", "0"], '--rounds takes a whole number from 1 to 999, not "0"'],
    [["--base", "old", "--rounds", "1.5"], "--rounds takes"],
    [["--base", "old", "--cores", "1"], "--cores takes two numbers"],
  ])("refuses %j", (args, message) => {
    expect(() => parseOptions(args)).toThrow(UsageError);
    expect(() => parseOptions(args)).toThrow(message);
  });
});

describe("the comparison of two builds' rounds", () => {
  it("gives the ratio of the medians as speed: half the time is twice as fast", () => {
    expect(compared([pairs([10, 5], [12, 4], [11, 6])])).toMatchObject({ old: 11, new: 5, ratio: 2.2 });
  });

  it("gives the median of the pairs' ratios, which a machine that changes its speed between pairs does not move", () => {
    const { ratio, pairs: paired } = compared([pairs([10, 10], [10, 10], [30, 10], [30, 30], [30, 30])]);
    expect(ratio).toBe(3);
    expect(paired).toBe(1);
  });

  it("has an interval around the median of the pairs", () => {
    const { pairs: middle, interval } = compared(starts(8, 1));
    const [low, high] = interval!;
    expect(middle).toBeCloseTo(1.0035);
    expect(low).toBeGreaterThan(0.99);
    expect(low).toBeLessThan(middle);
    expect(high).toBeGreaterThan(middle);
    expect(high).toBeLessThan(1.017);
  });

  it("has the same interval for the same rounds", () => {
    const intervals = () => [0.8, 0.9, 1, 1.1, 1.2].map((ratio) => compared(scattered(ratio)).interval);
    expect(intervals()).toEqual(intervals());
  });

  it("has a wider interval where rounds differ from start to start than where they differ within each", () => {
    const width = (all: Pair[][]) => {
      const [low, high] = compared(all).interval!;
      return high - low;
    };
    const ratios = [0.92, 0.94, 0.96, 0.98, 1, 1.02, 1.04, 1.06, 1.08];
    const startsDiffer = ratios.map((ratio) => pairs([ratio, 1], [ratio, 1], [ratio, 1]));
    const roundsDiffer = ratios.map((ratio, i) =>
      pairs([ratio, 1], [ratios[(i + 3) % 9]!, 1], [ratios[(i + 6) % 9]!, 1]),
    );
    expect(width(startsDiffer)).toBeGreaterThan(1.4 * width(roundsDiffer));
  });

  it("has none after five starts, which may all have been on one side by chance", () => {
    expect(compared(starts(5, 1))).toMatchObject({ interval: null, verdict: "open" });
    expect(compared(starts(6, 1)).interval).not.toBeNull();
  });

  it.each([
    [1, "ok"],
    [0.97, "ok"],
    [0.95, "open"],
    [0.9, "slower"],
  ])("judges a speed of %d as %s", (ratio, verdict) => {
    expect(compared(starts(8, ratio)).verdict).toBe(verdict);
  });

  it.each([
    [0.95, [0.95, 1], "ok"],
    [0.949, [0.95, 1], "open"],
    [0.96, [0.9, 0.94], "open"],
    [0.94, [0.9, 0.95], "open"],
    [0.94, [0.9, 0.949], "slower"],
  ] as const)("calls a ratio of %d between %j %s: both must say it", (ratio, interval, verdict) => {
    expect(verdictOf(ratio, interval)).toBe(verdict);
  });
});

const BUILDS = { old: { library: "old" }, new: { library: "new" } };
const setting = (rounds: number): Setting => ({
  cores: undefined,
  seconds: 0.01,
  rounds,
  quick: true,
  directory: "/nowhere",
});

/** A row whose contenders write down what they are asked; the old build takes 2, the new one 1. */
function noting(log: string[], more: Partial<Contender> = {}) {
  return {
    name: "row",
    title: "A row",
    figure: "ns",
    contender: (name: string, library: string) =>
      contender(name, {
        async start() {
          log.push(`start ${name}`);
          return {
            async warmUp() {
              log.push(`warm ${library}`);
            },
            async round() {
              log.push(library);
              return { ns: library === "old" ? 2 : 1 };
            },
            async stop() {
              log.push(`stop ${library}`);
            },
          };
        },
        ...more,
      }),
  };
}

describe("what other programs use meanwhile", () => {
  const reading = (all: number, busy: number, own: number) => ({ all, busy, own });

  it("is what was busy of the cores besides these processes, as a part", () => {
    expect(foreignPart(reading(1000, 500, 100), reading(1400, 700, 200))).toBe(0.25);
  });

  it("is none where all of it was these processes, however their ticks were cut", () => {
    expect(foreignPart(reading(1000, 500, 100), reading(1400, 700, 302))).toBe(0);
    expect(foreignPart(reading(1000, 500, 100), reading(1000, 500, 100))).toBe(0);
  });
});

describe("measuring two builds", () => {
  it("asks them in turns, in another order each round and each start", async () => {
    const log: string[] = [];
    const outcome = await measure(noting(log), BUILDS, setting(9));
    expect(log.slice(0, 18).join(", ")).toBe(
      "start row-old-0, start row-new-0, warm old, warm new, old, new, new, old, stop old, stop new, " +
        "start row-new-1, start row-old-1, warm new, warm old, new, old, stop new, stop old",
    );
    expect(outcome).toMatchObject({ name: "row", status: "measured", comparison: { ratio: 2 } });
  });

  it("spreads the rounds over eight starts of the processes at most", async () => {
    const lengths = async (rounds: number) =>
      (await measure(noting([]), BUILDS, setting(rounds))).starts.map(({ length }) => length);
    expect(await lengths(3)).toEqual([1, 1, 1]);
    expect(await lengths(9)).toEqual([2, 1, 1, 1, 1, 1, 1, 1]);
    expect(await lengths(24)).toEqual([3, 3, 3, 3, 3, 3, 3, 3]);
  });

  it("says why a row could not be measured, and stops what runs", async () => {
    const log: string[] = [];
    const row = noting(log);
    let started = 0;
    const failing = {
      ...row,
      contender: (name: string, library: string) =>
        started++ === 0
          ? row.contender(name, library)
          : contender(name, { start: () => Promise.reject(new Error("no socket")) }),
    };
    expect(await measure(failing, BUILDS, setting(3))).toMatchObject({
      status: "failed",
      reason: "no socket",
      comparison: null,
    });
    expect(log).toEqual(["start row-old-0", "stop old"]);
    const absent = noting([], { start: () => Promise.reject(new Unavailable("needs /proc")) });
    expect(await measure(absent, BUILDS, setting(3))).toMatchObject({ status: "unavailable" });
  });

  it("takes a round without the figure for a failure", async () => {
    expect(await measure({ ...noting([]), figure: "p50" }, BUILDS, setting(1))).toMatchObject({
      status: "failed",
      reason: "a round measured undefined as p50",
    });
  });
});

describe("the table of builds", () => {
  const outcome = (name: string, verdict: Verdict): Outcome => ({
    name,
    title: `A | ${name}`,
    figure: "ns",
    starts: [],
    comparison: { old: 450, new: 500, ratio: 0.9, pairs: 0.91, interval: [0.8, 1.05], verdict },
    foreign: 0.01,
    status: "measured",
  });
  const failed: Outcome = {
    ...outcome("gone", "ok"),
    comparison: null,
    status: "failed",
    reason: "ended with 1\nat line 2",
  };

  it("has a line a row, and a row of Markdown", () => {
    expect(line(outcome("loop", "open"))).toBe(
      "loop             450 ns     500 ns  0.900  pairs 0.910  0.800 to 1.050  open",
    );
    expect(
      markdown([outcome("loop", "open"), failed])
        .split("\n")
        .slice(2),
    ).toEqual([
      "| loop | A \\| loop | 450 ns | 500 ns | 0.900 | 0.910 (0.800 to 1.050) | open |",
      "| gone | A \\| gone | – | – | – | – | FAILED: ended with 1 |",
    ]);
    expect(line(failed)).toBe("gone          FAILED: ended with 1");
  });

  it("says beside the verdict what other programs used of the cores", () => {
    const disturbed = { ...outcome("loop", "ok"), foreign: 0.234 };
    expect(line(disturbed)).toMatch(/ ok, others used 23 % of the cores$/);
    expect(markdown([disturbed])).toMatch(/ ok, others used 23 % of the cores \|$/);
    expect(summary([disturbed])).toBe("1 ok, 0 open, 0 slower, 1 disturbed by other programs");
    expect(line({ ...disturbed, foreign: null })).toMatch(/ ok$/);
  });

  it("counts the verdicts, and fails if a row is slower, or failed", () => {
    const [ok, open, slower] = [outcome("a", "ok"), outcome("b", "open"), outcome("c", "slower")] as const;
    expect(summary([ok, ok, open, slower, failed])).toBe("2 ok, 1 open, 1 slower, 1 not measured");
    expect(statusOf([ok, open])).toBe(0);
    expect(statusOf([ok, slower])).toBe(1);
    expect(statusOf([ok, failed])).toBe(1);
    expect(statusOf([ok, { ...failed, status: "unavailable" }])).toBe(0);
  });
});

/** A package of its own with these parts of ours. */
function copied(...parts: string[]) {
  const folder = mkdtempSync(join(tmpdir(), "ringbell-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const part of parts) cpSync(join(root, part), join(folder, part), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  return folder;
}

describe("node bench/builds.mjs", { timeout: 60_000 }, () => {
  it("compares two folders, and writes every round", async () => {
    const folder = copied("dist", "package.json", "build/Release/ringbell.node");
    const file = join(folder, "rounds.json");
    const args = [
      "--base",
      folder,
      "--new",
      root,
      "--quick",
      "--rounds",
      "1",
      "--only",
      "loop",
      "--json",
      file,
    ];
    const { code, stdout, stderr } = await run(process.execPath, [MAIN, ...args]);
    expect(stderr).toBe("");
    expect(code).toBe(0);
    expect(stdout).toMatch(/^loop +\S+ [nµ]s +\S+ [nµ]s +\d+\.\d{3} +pairs \d+\.\d{3} +few rounds +open/m);
    expect(stdout).toMatch(/^\| loop \| round trip, event loops \| .* \| open.* \|$/m);
    const record = JSON.parse(readFileSync(file, "utf8"));
    expect(record.builds).toMatchObject({ old: { folder, commit: null }, new: { folder: join(root, ".") } });
    expect(record.rows[0].foreign).toBeLessThan(1);
    expect(record.rows[0].starts).toEqual([[{ old: expect.any(Number), new: expect.any(Number) }]]);
  });

  const refused = async (args: string[]) => {
    const { code, stdout, stderr } = await run(process.execPath, [MAIN, ...args]);
    expect(stdout).toBe("");
    expect(code).toBe(2);
    return stderr;
  };

  it("refuses a folder that is not built", async () => {
    const folder = copied("package.json");
    expect(await refused(["--base", folder])).toContain(
      `--base ${folder} is not built: it has no dist/index.js (npm run build)`,
    );
    mkdirSync(join(folder, "dist"));
    cpSync(join(root, "README.md"), join(folder, "dist/index.js"));
    expect(await refused(["--base", root, "--new", folder])).toContain(`--new ${folder} can't be used: `);
  });

  it("refuses a folder without an addon, whose channels would fall back to the stream", async () => {
    const folder = copied("dist", "package.json");
    expect(await refused(["--base", root, "--new", folder])).toContain(
      `--new ${folder} falls back to the transport "stream" where shared memory is to be measured`,
    );
  });

  it("prints its rows and its help, and refuses what it does not know", async () => {
    const { stdout } = await run(process.execPath, [MAIN, "--list"]);
    expect(
      stdout
        .trim()
        .split("\n")
        .map((text) => text.split(" ")[0]),
    ).toEqual(ROWS.map(({ name }) => name));
    expect((await run(process.execPath, [MAIN, "--help"])).stdout).toMatch(
      /^usage: node bench\/builds\.mjs --base/,
    );
    expect(await refused(["--bse", "old"])).toContain("--bse");
  });
});
