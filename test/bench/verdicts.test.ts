import { describe, expect, it } from "vitest";
import type { Target } from "../../bench/lib/contender.mjs";
import { verdictTable } from "../../bench/lib/report.mjs";
import type { Result } from "../../bench/lib/run.mjs";
import { judge } from "../../bench/lib/verdicts.mjs";
import { measured, ns } from "./results.js";

const RATIO: Target = {
  name: "a / b",
  needs: ["a", "b"],
  value: (figure) => figure("a", "ns") / figure("b", "ns"),
  limit: 1.5,
  better: "lower",
  format: (value) => `${value.toFixed(2)} ×`,
};

function verdict(target: Target, ...results: Result[]) {
  return judge([target], new Map(results.map((result) => [result.name, result])))[0];
}

describe("a verdict", () => {
  it("is a ratio of medians; its spread is that of the ratios of the rounds that belong together", () => {
    // A disturbance that meets both in the second round changes neither the ratio nor its spread.
    const a = measured("a", ns(100, 300, 100, 100, 110));
    const b = measured("b", ns(100, 300, 100, 100, 100));
    expect(verdict(RATIO, a, b)).toMatchObject({
      value: 1,
      spread: expect.closeTo(0.1),
      ok: true,
      shown: "1.00 ×",
    });
  });

  it("uses what a contender with fewer rounds has", () => {
    const a = measured("a", ns(100, 120, 90));
    expect(verdict(RATIO, a, measured("b", ns(100)))).toMatchObject({
      value: 1,
      spread: expect.closeTo(0.2),
    });
    expect(verdict(RATIO, measured("a", ns(100)), measured("b", ns(100)))).toMatchObject({ spread: null });
  });

  it.each([
    ["lower", 150, true],
    ["lower", 151, false],
    ["higher", 150, true],
    ["higher", 149, false],
  ] as const)("%s is better: %d against 100 is %s", (better, value, ok) => {
    expect(verdict({ ...RATIO, better }, measured("a", ns(value)), measured("b", ns(100)))).toMatchObject({
      ok,
    });
  });

  it("is not ok where something was not measured, and says why", () => {
    const gone = measured("b", [], { status: "unavailable", reason: "needs the npm package b" });
    expect(verdict(RATIO, measured("a", ns(1)), gone)).toMatchObject({
      value: null,
      ok: false,
      reason: "title of b: needs the npm package b",
    });
    const without = measured("b", [{ p50: 1 }]);
    expect(verdict(RATIO, measured("a", ns(1)), without)).toMatchObject({ value: null, ok: false });
  });

  it("is left out where a contender was not asked for", () => {
    expect(verdict(RATIO, measured("a", ns(1)))).toBeUndefined();
  });

  it("whose value is near 0 has the least and the greatest round for a spread", () => {
    const few: Target = { ...RATIO, needs: ["a"], value: (figure) => figure("a", "ns"), format: String };
    expect(verdict(few, measured("a", ns(0.5, 0.2, 40)))).toMatchObject({ shownSpread: "0.2 to 40" });
    expect(verdict(few, measured("a", ns(0, 0, 3)))).toMatchObject({ shownSpread: "0 to 3" });
    expect(verdict(few, measured("a", ns(10, 10, 12)))).toMatchObject({ shownSpread: "±20 %" });
  });

  it("stands in the table with its spread", () => {
    const good = verdict(RATIO, measured("a", ns(100, 120)), measured("b", ns(100, 100)))!;
    const bad = verdict({ ...RATIO, name: "c", limit: 1 }, measured("a", ns(300)), measured("b", ns(100)))!;
    expect(verdictTable([good, bad]).split("\n").slice(3)).toEqual([
      "a / b    1.10 ×  ±9.1 %  ≤ 1.50 ×  ok",
      "c        3.00 ×          ≤ 1.00 ×  MISSED",
      "1 of 2 not ok",
      "",
    ]);
  });
});
