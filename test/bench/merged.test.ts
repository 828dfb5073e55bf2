import { describe, expect, it } from "vitest";
import { merged as mergedData } from "../../bench/report/merged.mjs";

type Data = ReturnType<typeof mergedData>;
const merged = (whole: object, later: readonly object[]) => mergedData(whole as Data, later as Data[]);

const machine = {
  processor: "p",
  cores: 2,
  architecture: "x64",
  system: "Linux",
  kernel: "k",
  node: "20.0.0",
};
const suite = (name: string, title: string) => ({ name, title, notes: ["a note"], results: [] });
const verdict = (name: string, value: number) => ({ name, value });
const run = (suites: object[], verdicts: object[], more: object = {}) => ({
  ...{
    when: "2026-01-01T10:00:00.000Z",
    format: 2,
    quick: false,
    version: "1",
    pinnedTo: [0, 1],
    seconds: 10,
    packages: { ws: "8" },
    machine,
  },
  ...{ suites, verdicts },
  ...more,
});

describe("a report of several runs", () => {
  const whole = run([suite("a", "first"), suite("b", "first")], [verdict("x", 1), verdict("y", 1)]);

  it("has the later suites and verdicts in place of the earlier, or beside them", () => {
    const later = run([suite("b", "second"), suite("c", "second")], [verdict("y", 2), verdict("z", 2)]);
    const both = merged(whole, [later]);
    expect(both.suites.map(({ name, title }: { name: string; title: string }) => `${name} ${title}`)).toEqual(
      ["a first", "b second", "c second"],
    );
    expect(both.verdicts.map(({ value }) => value)).toEqual([1, 2, 2]);
    expect(both.seconds).toBe(20);
    expect(merged(whole, [])).toEqual(whole);
  });

  it("says what was different for a suite: day, Node and kernel", () => {
    const later = run([suite("b", "second")], [], {
      when: "2026-01-02T10:00:00.000Z",
      commit: "abcdef0123456789",
      machine: { ...machine, node: "24.0.0", kernel: "l" },
    });
    const [a, b] = merged(whole, [later]).suites;
    const note = "Measured on 2026-01-02, of commit abcdef0123, with Node 24.0.0, with Linux l.";
    expect([a!.notes, b!.notes]).toEqual([["a note"], ["a note", note]]);
  });

  it.each([{ quick: true }, { version: "2" }, { pinnedTo: [0, 2] }, { machine: { ...machine, cores: 4 } }])(
    "is refused where they differ: %o",
    (more) => {
      expect(() => merged(whole, [run([], [], more)])).toThrow("other machines, versions or cores");
    },
  );
});
