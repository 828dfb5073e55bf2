import { readFileSync } from "node:fs";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { Block } from "../../lib/bulk/block.js";
import { type Codec, json, packed } from "../../lib/codec/index.js";
import { EncodeError } from "../../lib/errors.js";
import { blockOf, carry, contentOf } from "./support.js";

/*
 * docs/api.md has a table of what arrives of which value by json() and by packed(). Here each expression of its first column is sent, and both
 * other columns must be true in this version of Node: "the same", "refused", or the value of an expression.
 */

const page = readFileSync(new URL("../../docs/api.md", import.meta.url), "utf8");
const table = /<!-- packs -->\n((?:\|.*\n)+)/.exec(page)![1]!;
const rows = table
  .trim()
  .split("\n")
  .slice(2)
  .map((line) => line.split(" | ").map((cell) => cell.replace(/^\| | \|$/g, "").trim()));

/** The names that expressions of the table use; each is made anew. */
const makers: Record<string, () => unknown> = {
  cyclic() {
    const cycle: unknown[] = [{}];
    cycle.push(cycle);
    return cycle;
  },
  twice() {
    const one = { a: 1 };
    return [one, one];
  },
  lost() {
    const view = new Uint8Array(4);
    structuredClone(view.buffer, { transfer: [view.buffer] });
    return view;
  },
  block: () => blockOf("content"),
  nested: () => (levels: number) => {
    let value: unknown[] = [];
    for (let level = 1; level < levels; level++) value = [value];
    return value;
  },
  foreign: () => (code: string) => runInNewContext(code) as unknown,
};

function evaluate(expression: string): unknown {
  const scope = Object.values(makers).map((make) => make());
  return new Function(...Object.keys(makers), `return (${expression});`)(...scope) as unknown;
}

function check(codec: Codec<unknown>, expression: string, cell: string): void {
  // Shapes are learnt at the second time, and code is generated at the sixteenth.
  for (let round = 0; round < 3; round++) {
    const value = evaluate(expression);
    if (cell === "refused") {
      expect(() => carry(codec, value)).toThrow(EncodeError);
      continue;
    }
    const arrived = carry(codec, value);
    if (value instanceof Block) expect(contentOf(arrived as Block)).toBe("content");
    else if (cell === "the same" && /^nested/.test(expression))
      expect(JSON.stringify(arrived)).toBe(JSON.stringify(value));
    else expect(arrived).toStrictEqual(cell === "the same" ? value : evaluate(/^`(.*)`$/.exec(cell)![1]!));
  }
}

describe("the table of packed() in docs/api.md", () => {
  const cases = rows.flatMap(([values, byJson, byPacked]) =>
    [...values!.matchAll(/`([^`]+)`/g)].map(([, expression]) => [expression!, byJson!, byPacked!] as const),
  );
  it.each(cases)("is true of %s", (expression, byJson, byPacked) => {
    check(json(), expression, byJson);
    check(packed(), expression, byPacked);
  });

  it("is not empty", () => expect(cases.length).toBeGreaterThan(50));
});
