import { describe, expect, it } from "vitest";
import { parseOptions } from "../../bench/lib/options.mjs";
import { select } from "../../bench/lib/select.mjs";
import { suites } from "../../bench/suites/index.mjs";
import { contender, suite } from "./results.js";

const ALL = [
  suite("latency", [
    contender("a-echo", { peer: "a" }),
    contender("a-slow", { peer: "a", thorough: true }),
    contender("b-echo", { peer: "b", packages: ["b"] }),
    contender("floor", { compiles: true }),
  ]),
  suite("latency-objects", [contender("a-object", { peer: "a", thorough: true })], { group: "latency" }),
  suite("bulk-copy", [contender("copy", { peer: "a" })], { group: "bulk" }),
];

/** `suite: contenders` of what a command line asks for. */
function chosen(line: string): Record<string, string[]> {
  const wish = parseOptions(line.split(" ").filter((word) => word !== ""));
  return Object.fromEntries(
    select(ALL, wish).map(({ name, contenders }) => [name, contenders.map((each) => each.name)]),
  );
}

describe("what is measured", () => {
  it.each([
    [
      "",
      {
        latency: ["a-echo", "a-slow", "b-echo", "floor"],
        "latency-objects": ["a-object"],
        "bulk-copy": ["copy"],
      },
    ],
    ["latency", { latency: ["a-echo", "a-slow", "b-echo", "floor"], "latency-objects": ["a-object"] }],
    ["latency-objects", { "latency-objects": ["a-object"] }],
    ["bulk latency-objects", { "latency-objects": ["a-object"], "bulk-copy": ["copy"] }],
    ["--peers a", { latency: ["a-echo", "a-slow"], "latency-objects": ["a-object"], "bulk-copy": ["copy"] }],
    ["--peers b,a-object", { latency: ["b-echo"], "latency-objects": ["a-object"] }],
    ["latency --peers floor", { latency: ["floor"] }],
    ["--bare", { latency: ["a-echo", "a-slow"], "latency-objects": ["a-object"], "bulk-copy": ["copy"] }],
  ])("%j", (line, expected) => {
    expect(chosen(line)).toEqual(expected);
  });

  it.each([
    ["", { latency: ["a-echo", "b-echo", "floor"], "bulk-copy": ["copy"] }],
    ["latency", { latency: ["a-echo", "b-echo", "floor"] }],
    ["latency-objects", { "latency-objects": ["a-object"] }],
    ["latency --peers a", { latency: ["a-echo", "a-slow"], "latency-objects": ["a-object"] }],
  ])("--quick %j leaves out what is thorough, unless it was named", (line, expected) => {
    expect(chosen(`--quick ${line}`)).toEqual(expected);
  });

  it("refuses what it does not know, and lists what there is", () => {
    expect(() => chosen("latncy")).toThrow(
      'no group or suite is called "latncy"; there are bulk, bulk-copy, latency, latency-objects',
    );
    expect(() => chosen("--peers c")).toThrow('no peer is called "c"; there are a, b, floor');
    expect(() => chosen("bulk --peers b")).toThrow("none of these peers takes part in that");
  });
});

describe("the suites", () => {
  const every = suites({ sizes: undefined, quick: false });

  it("have names of their own, and so have the contenders of each", () => {
    for (const names of [
      every.map(({ name }) => name),
      ...every.map((each) => each.contenders.map(({ name }) => name)),
    ])
      expect(new Set(names).size).toBe(names.length);
  });

  it("judge only contenders of theirs", () => {
    for (const { contenders, targets } of every) {
      const names = contenders.map(({ name }) => name);
      expect(names).toEqual(expect.arrayContaining(targets.flatMap(({ needs }) => needs)));
    }
  });

  it("have something left for a machine without npm packages and compiler", () => {
    expect(select(every, parseOptions(["--bare", "--quick"])).length).toBeGreaterThan(3);
  });
});
