import { describe, expect, it } from "vitest";
import { size } from "../../bench/lib/format.mjs";
import { matrixSpread, matrixTables } from "../../bench/lib/matrix.mjs";
import { suiteTable } from "../../bench/lib/report.mjs";
import type { Result } from "../../bench/lib/run.mjs";
import { blocks, table } from "../../bench/lib/table.mjs";
import { measured, ns } from "./results.js";

const MATRIX = {
  rows: "title" as const,
  columns: "bytes",
  figure: "ns",
  format: (value: number) => `${value} ns`,
  columnTitle: size,
};

function cell(title: string, bytes: number, value: number, more: Partial<Result> = {}): Result {
  return measured(`${title}:${bytes}`, ns(value, value), { title, facts: { bytes }, ...more });
}

const UNAVAILABLE = { status: "unavailable" as const, reason: "needs a package", medians: {} };
const FAILED = { status: "failed" as const, reason: "it broke", medians: {} };

describe("a matrix", () => {
  it("has a row for each peer and a column for each size, ascending", () => {
    const results = [cell("one", 1024, 3), cell("one", 32, 1), cell("two", 32, 2), cell("two", 1024, 40)];
    expect(matrixTables(MATRIX, results)).toEqual([
      ["     32 B  1 KiB", "───  ────  ─────", "one  1 ns   3 ns", "two  2 ns  40 ns"],
    ]);
  });

  it("shows what is missing, unavailable or failed in its place", () => {
    const results = [
      cell("short", 32, 1),
      cell("partly", 32, 1),
      cell("partly", 64, 1, FAILED),
      cell("absent", 32, 0, UNAVAILABLE),
      cell("absent", 64, 0, UNAVAILABLE),
      cell("broken", 32, 0, FAILED),
      cell("mixed", 32, 0, FAILED),
      cell("mixed", 64, 0, UNAVAILABLE),
    ];
    expect(matrixTables(MATRIX, results)[0]!.slice(2)).toEqual([
      "short     1 ns       –",
      "partly    1 ns  failed",
      "absent  needs a package",
      "broken  failed, see below",
      "mixed   failed       –",
    ]);
  });

  it("says how far the rounds lie apart", () => {
    const rounds = (...values: number[]) => measured("a", ns(...values));
    const results = [rounds(100, 100, 110), rounds(100, 100, 150), rounds(100, 100, 120), rounds(1)];
    expect(matrixSpread(MATRIX, results)).toBe(
      "Spread of the rounds: ±20 % in the median of all cells, ±50 % at most.",
    );
    expect(matrixSpread(MATRIX, [rounds(1)])).toBeUndefined();
  });

  it("puts columns that don't fit beside the others below them", () => {
    const sizes = [32, 64, 128, 256, 512];
    const results = sizes.map((bytes) => cell("a peer with a title", bytes, bytes * 1000));
    const tables = matrixTables(MATRIX, results, 54);
    expect(tables.map(([heading]) => heading!.trim().split(/\s{2,}/))).toEqual([
      ["32 B", "64 B", "128 B"],
      ["256 B", "512 B"],
    ]);
    for (const line of tables.flat()) expect(line.length).toBeLessThanOrEqual(54);
  });
});

describe("the table of a suite", () => {
  it("fits a terminal of 80 columns, and tells its contenders apart there", () => {
    const column = { figure: "ns", format: (value: number) => `${value} ns` };
    const suite = {
      name: "latency",
      title: "Round trips",
      columns: ["mean", "p50", "p90", "p99", "p99.9", "max"].map((title) => ({
        ...column,
        title,
        spread: true,
      })),
      contenders: [],
      targets: [],
    };
    const titles = ["struct()", "struct(), spin: 0", 'struct(), transport: "stream"', "bytes()"].map(
      (what) => `ringbell, event loop, ${what}`,
    );
    const results = [
      ...titles.map((title) => measured(title, ns(123_456, 234_567), { title })),
      measured("absent", ns(1), { ...UNAVAILABLE, title: "absent" }),
    ];
    const lines = suiteTable(suite, results, 80).split("\n");
    for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(80);
    const labels = lines.filter((line) => line.startsWith("ringbell")).map((line) => line.split(/ {2,}/)[0]);
    expect(new Set(labels).size).toBe(titles.length);
    expect(labels.length).toBeGreaterThan(titles.length);
    expect(lines.filter((line) => /^absent .*needs a package$/.test(line))).toHaveLength(1);
  });
});

describe("a table", () => {
  it("cuts the first column and remarks where the terminal is too narrow, and nothing else", () => {
    const columns = [
      { title: "", align: "left" as const },
      { title: "figure", align: "right" as const },
    ];
    const rows = [["a title of many words, too long", "1234 ns"], ["x"]];
    expect(table(columns, rows, 32)[2]).toBe("a title of many words,…  1234 ns");
    expect(table(columns, rows)[2]).toBe("a title of many words, too long  1234 ns");
    const three = [...columns, { title: "more", align: "right" as const }];
    const remark = ["peer", "a remark that is much longer than what is left of the line"];
    expect(table(three, [remark], 40)[2]!.length).toBeLessThanOrEqual(40);
  });

  it("makes a block of a column that fits nowhere", () => {
    expect(blocks(10, [5, 100, 5], 30)).toEqual([
      [0, 1],
      [1, 2],
      [2, 3],
    ]);
  });
});
