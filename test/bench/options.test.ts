import { describe, expect, it } from "vitest";
import { parseOptions, UsageError } from "../../bench/lib/options.mjs";
import { parseSize } from "../../bench/lib/sizes.mjs";

describe("options of the benchmark", () => {
  it("takes names, and lists with commas or repeated", () => {
    const options = parseOptions(
      "latency flood --peers a,b --peers c --sizes 1KiB,32 --sizes 64MiB --json f".split(" "),
    );
    expect(options).toMatchObject({
      names: ["latency", "flood"],
      peers: ["a", "b", "c"],
      sizes: [32, 1024, 64 * 2 ** 20],
      json: "f",
      quick: false,
    });
  });

  it("measures everything by default, in at least five rounds", () => {
    expect(parseOptions([])).toMatchObject({ names: [], peers: [], sizes: undefined, rounds: 7, seconds: 1 });
    const quick = parseOptions(["--quick"]);
    expect(quick.rounds).toBe(5);
    expect(quick.seconds).toBeLessThan(1);
  });

  it("compares two files, whatever stands between them", () => {
    expect(parseOptions(["--compare", "old", "new", "--all"])).toMatchObject({
      compare: ["old", "new"],
      all: true,
      names: [],
    });
  });

  it.each([
    [["--sizes", "1kb"], '--sizes takes sizes such as 32, 1KiB or 64MiB, from 32 to 1GiB, not "1kb"'],
    [["--sizes", "16"], 'not "16"'],
    [["--sizes", "2GiB"], 'not "2GiB"'],
    [["--sizes", ","], "--sizes takes sizes"],
    [["--rounds", "4"], '--rounds takes a whole number from 5 to 99, not "4"'],
    [["--rounds", "5.5"], "--rounds takes"],
    [["--cores", "1,1"], '--cores takes two numbers such as 0,1, not "1,1"'],
    [["--compare", "old"], "--compare takes two files"],
    [["--compare", "a", "b", "c"], "--compare takes two files"],
    [["--only", "latency"], "--only"],
    [["--peers", " ,"], "--peers takes names"],
    [["--check", "a", "latency"], '--check takes one file, and measures nothing: not "latency"'],
    [["--check", "a", "--compare", "b", "c"], "--check and --compare"],
  ])("refuses %j", (args, message) => {
    expect(() => parseOptions(args)).toThrow(UsageError);
    expect(() => parseOptions(args)).toThrow(message);
  });

  it("reads sizes as people write them", () => {
    expect(["32", "32B", "1KiB", "2 kib", "64MiB", "1GiB"].map(parseSize)).toEqual([
      32,
      32,
      1024,
      2048,
      64 * 2 ** 20,
      2 ** 30,
    ]);
    expect(["", "KiB", "1.5KiB", "-1", "1KB"].map(parseSize)).toEqual(Array(5).fill(undefined));
  });
});
