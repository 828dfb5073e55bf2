import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import { readCorpus } from "./corpora.mjs";
import { bundle } from "./driver/bundle.mjs";
import { Counters, install, instrument, instrumentBody } from "./driver/instrument.mjs";
import { TARGETS } from "./targets.mjs";

interface Target {
  run(input: Uint8Array): void;
  seeds(): Iterable<Uint8Array>;
}

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const written = TARGETS.filter(({ native }) => native === undefined).map(({ name }) => name);

async function load(name: string): Promise<Target> {
  const folder = join(root, "build", "fuzz-replay");
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${name}.mjs`);
  await bundle(name, file);
  return (await import(pathToFileURL(file).href)) as Target;
}

/** Calls a function as no microtask: within one, no other microtask would run. */
function outside<T>(call: () => T): Promise<T> {
  return new Promise((resolve, reject) => {
    setImmediate(() => {
      try {
        resolve(call());
      } catch (error) {
        reject(error);
      }
    });
  });
}

describe("a target of the fuzzer", () => {
  it.each(written)("%s goes through its seeds and its committed inputs without a finding", async (name) => {
    const { run, seeds } = await load(name);
    const inputs = [...seeds(), ...readCorpus(name)];
    await outside(() => {
      for (const input of inputs) {
        try {
          run(input);
        } catch (cause) {
          throw new Error(`found by ${Buffer.from(input).toString("base64")}`, { cause });
        }
      }
    });
    expect(inputs.length).toBeGreaterThan(0);
  });

  it("has a corpus that is small, and committed", () => {
    for (const { name } of TARGETS) {
      const inputs = readCorpus(name);
      const bytes = inputs.reduce((sum, { length }) => sum + length, 0);
      expect(inputs.length, name).toBeGreaterThan(0);
      expect(bytes, name).toBeLessThanOrEqual(32 * 1024);
    }
  });
});

/** The counters that code leaves after it ran, and its result. */
function counted(code: string): { readonly result: unknown; readonly counts: number[] } {
  const counters = new Counters();
  const instrumented = instrument(code, counters);
  install(counters);
  const result = new Function(`${instrumented}; return result;`)() as unknown;
  return { result, counts: [...counters.bytes.subarray(0, counters.used)] };
}

describe("counters in code", () => {
  it("change nothing in what the code does, and count each branch", () => {
    const { result, counts } = counted(`
      "use strict";
      function sign(n) { if (n > 0) return 1; else if (n < 0) { return -1; } return 0; }
      const twice = (n) => n * 2;
      const object = () => ({ a: 1 });
      let sum = 0;
      for (const n of [1, -2, 0]) sum += twice(sign(n));
      switch (sum) { case 1: sum = 9; break; case 0: sum = object()?.a ?? 5; default: sum ||= 3; }
      class Box { static { sum += 1; } get it() { return sum > 1 ? "more" : "less"; } }
      try { throw new Error("x"); } catch { sum += 10; }
      do sum++; while (sum < 0);
      var result = [sum, new Box().it, false && 1, (0, null) ?? "none"];
    `);
    expect(result).toEqual([13, "more", false, "none"]);
    // sign, positive, the other branch, negative; twice; object; the loop; the cases 1, 0 and default; …
    expect(counts.slice(0, 4)).toEqual([3, 1, 2, 1]);
    expect(counts.filter((count) => count === 0).length).toBeGreaterThan(2);
  });

  it("stand in generated functions as well", () => {
    const counters = new Counters();
    const body = instrumentBody(["a"], '"use strict";\nreturn function (b) { return a ? b : 0; };', counters);
    install(counters);
    const made = new Function("a", body)(true) as (b: number) => number;
    expect([made(1), made(2)]).toEqual([1, 2]);
    expect([...counters.bytes.subarray(0, counters.used)]).toContain(2);
  });
});
