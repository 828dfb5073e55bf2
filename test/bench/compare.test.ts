import { describe, expect, it } from "vitest";
import { type Change, changes, differences } from "../../bench/lib/compare.mjs";
import { compareTable } from "../../bench/lib/compare-report.mjs";
import { machine } from "../../bench/lib/machine.mjs";
import { FORMAT, type Record as Saved, suiteRecord } from "../../bench/lib/record.mjs";
import type { Result } from "../../bench/lib/run.mjs";
import { measured, ns, suite } from "./results.js";

const HOST = { ...machine(), governor: "performance" };

function record(results: Result[], more: Partial<Saved> = {}): Saved {
  return {
    format: FORMAT,
    when: "2025-01-01T00:00:00.000Z",
    version: "0.0.0",
    commit: null,
    changed: null,
    machine: HOST,
    pinnedTo: [0, 1],
    quick: false,
    rounds: 5,
    secondsPerRound: 1,
    seconds: 1,
    packages: {},
    suites: [suiteRecord(suite("latency", []), "latency", undefined, results)],
    verdicts: [],
    ...more,
  };
}

function verdict(value: number, spread: number) {
  const common = { name: "a / b", limit: 1, ok: true, shown: "", shownLimit: "" };
  return { ...common, value, spread, better: "lower" as const };
}

const marks = (all: Change[]) => all.map(({ name, figure, mark }) => `${name} ${figure} ${mark}`);

describe("comparing two records", () => {
  it("marks what lies beyond twice the median deviations of both, added; an outlier hides nothing", () => {
    // Median deviations: 3 % and 2 %.
    const before = record([measured("a", ns(95, 98, 100, 103, 900))]);
    const later = (middle: number) =>
      record([measured("a", ns(...[0.1, 0.98, 1, 1.01, 1.5].map((part) => part * middle)))]);
    expect(marks(changes(before, later(109)))).toEqual(["a ns same"]);
    expect(marks(changes(before, later(111)))).toEqual(["a ns slower"]);
    expect(marks(changes(before, later(92)))).toEqual(["a ns same"]);
    expect(marks(changes(before, later(90)))).toEqual(["a ns faster"]);
  });

  it("knows which figures are better higher, and looks at p99 beside the main ones", () => {
    const columns = [{ title: "", figure: "perSecond", format: String, spread: true }];
    const rounds = (perSecond: number, p99: number) =>
      Array.from({ length: 5 }, () => ({ perSecond, p99, max: p99 * 2 }));
    const saved = (perSecond: number, p99: number) =>
      record([], {
        suites: [
          suiteRecord(suite("throughput", [], { columns }), "throughput", undefined, [
            measured("a", rounds(perSecond, p99)),
          ]),
        ],
      });
    expect(marks(changes(saved(100, 10), saved(50, 5)))).toEqual(["a perSecond slower", "a p99 faster"]);
  });

  it("takes what is shown as 0.0 % for none, also where no round differs from another", () => {
    const saved = (value: number) => record([measured("a", ns(value, value, value))]);
    expect(marks(changes(saved(10_000), saved(10_004)))).toEqual(["a ns same"]);
    expect(marks(changes(saved(10_000), saved(10_006)))).toEqual(["a ns slower"]);
  });

  it("says so where one round is all there is", () => {
    expect(marks(changes(record([measured("a", ns(1))]), record([measured("a", ns(9))])))).toEqual([
      "a ns unknown",
    ]);
  });

  it("leaves out what only one has, or what failed", () => {
    const failed = measured("a", [], { status: "failed" });
    expect(changes(record([failed]), record([measured("a", ns(1, 1))]))).toEqual([]);
    expect(changes(record([measured("b", ns(1, 1))]), record([measured("a", ns(1, 1))]))).toEqual([]);
  });

  it("compares verdicts", () => {
    const [before, after] = [verdict(1, 0.1), verdict(1.5, 0.1)].map((each) =>
      record([], { verdicts: [each] }),
    );
    expect(marks(changes(before!, after!))).toEqual(["a / b value slower"]);
  });

  it("shows what changed beyond the spread, all if asked to, and how many", () => {
    const before = record([measured("a", ns(100, 100)), measured("b", ns(100, 100))]);
    const after = record([measured("a", ns(150, 150)), measured("b", ns(100, 100))]);
    const found = changes(before, after);
    const rows = (everything: boolean) => compareTable(found, [], everything).split("\n");
    expect(rows(false).slice(3)).toEqual([
      "a  ns      100 ns  150 ns  +50.0 %   ±0.0 %  slower",
      "",
      "2 figures in both: 1 slower and 0 faster beyond the spread",
    ]);
    expect(rows(true)[4]).toBe("b  ns      100 ns  100 ns    0.0 %   ±0.0 %");
  });

  it("names what differs between machines and runs", () => {
    const before = record([], { packages: { ws: "8.0.0", zeromq: "6.0.0" } });
    const after = record([], {
      machine: { ...HOST, processor: "another", governor: null },
      pinnedTo: null,
      packages: { ws: "8.1.0" },
    });
    expect(differences(before, before)).toEqual([]);
    expect(differences(before, after)).toEqual([
      `processor: ${HOST.processor} → another`,
      "governor: performance → null",
      "pinned to: 0,1 → null",
      "ws: 8.0.0 → 8.1.0",
    ]);
    expect(compareTable([], differences(before, after), false)).toContain("only ratios within a run");
    const loaded = record([], {
      suites: [
        suiteRecord(suite("busy", []), "busy", 0.5, []),
        suiteRecord(suite("calm", []), "calm", 0.01, []),
      ],
    });
    expect(differences(before, loaded)).toEqual(["disturbed by other programs, new: busy"]);
  });
});
