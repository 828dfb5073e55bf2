import { createSecretKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { BlockList } from "node:net";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { clone } from "../../lib/codec/index.js";
import { roundTrip, thrown } from "./support.js";

/*
 * docs/api.md has a table of what becomes of which value by structuredClone and by clone(). Here each expression of its first column is
 * evaluated, and both other columns must be true in this version of Node.
 */

const page = readFileSync(new URL("../../docs/api.md", import.meta.url), "utf8");
const table = /<!-- clones -->\n((?:\|.*\n)+)/.exec(page)![1]!;
const rows = table
  .trim()
  .split("\n")
  .slice(2)
  .map((line) => line.split(" | ").map((cell) => cell.replace(/^\| | \|$/g, "").trim()));

const node = Number(process.versions.node.split(".")[0]);

/** The names that expressions of the table use. */
const scope = {
  crypto: { createSecretKey },
  net: { BlockList },
  foreign: (code: string) => runInNewContext(code) as unknown,
  wasm: Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0),
  cyclic: makeCycle(),
  ownCause: makeOwnCause(),
  lost: makeLost(),
};

function makeCycle(): unknown {
  const cycle: unknown[] = [{}];
  cycle.push(cycle, cycle[0]);
  return cycle;
}

function makeOwnCause(): Error {
  const error = new Error("m");
  error.cause = error;
  return error;
}

function makeLost(): Uint8Array {
  const view = new Uint8Array(4);
  structuredClone(view.buffer, { transfer: [view.buffer] });
  return view;
}

function evaluate(expression: string): unknown {
  return new Function(...Object.keys(scope), `return (${expression});`)(...Object.values(scope)) as unknown;
}

/** What the cell says for this version of Node. */
function cellFor(cell: string): string {
  const [usual, ...others] = cell.split("; ");
  const exception = others.find((other) => other.startsWith(`Node ${node}: `));
  return exception?.replace(/^Node \d+: /, "") ?? usual!;
}

/** Says in the words of the table what came of a value. */
function outcome(value: unknown, words: string, act: () => unknown): string {
  let made: unknown;
  try {
    made = act();
  } catch {
    return "refused";
  }
  switch (words) {
    case "the same":
      // It does not end well for an error that is its own cause.
      if (value !== scope.ownCause) expect(made).toStrictEqual(value);
      expectLikeness(made, value);
      return words;
    case "the same, of this realm":
      expect(Array.isArray(made) && made[0] instanceof Map && made[1] instanceof RangeError).toBe(true);
      expect((made as unknown[])[0]).toEqual(new Map([[1, new Uint8Array(2)]]));
      return words;
    case "an `Error`":
    case "an `Error` without them":
      expect(Object.getPrototypeOf(made)).toBe(Error.prototype);
      expect(Object.keys(made as Error)).toEqual([]);
      expect((made as Error).message).toBe((value as Error).message);
      return words;
    case "a `Uint8Array`":
      expect(Object.getPrototypeOf(made)).toBe(Uint8Array.prototype);
      return words;
    case "`{}`":
    case "`{ x: 1 }`":
      expect(made).toStrictEqual(words === "`{}`" ? {} : { x: 1 });
      return words;
    case "an object of the process":
    case "shared memory":
      expect(typeof made).toBe("object");
      return words;
    default:
      return `not refused; the table has "${words}"`;
  }
}

/** What toStrictEqual does not look at. */
function expectLikeness(made: unknown, value: unknown): void {
  if (value instanceof Error || value instanceof DOMException) {
    const fields = ["name", "message", "code", "stack", "quota", "requested"] as const;
    for (const field of fields) expect(Reflect.get(made as object, field)).toEqual(Reflect.get(value, field));
    expect((made as object).constructor).toBe(value.constructor);
    if (value.cause === value) expect((made as Error).cause).toBe(made);
    else expect((made as Error).cause).toEqual(value.cause);
  }
  if (value instanceof ArrayBuffer) {
    const { resizable, maxByteLength } = value as ArrayBuffer & { resizable: boolean; maxByteLength: number };
    expect(made).toMatchObject({ byteLength: value.byteLength, resizable, maxByteLength });
  }
}

describe("the table of clone() in docs/api.md", () => {
  const cases = rows.flatMap(([values, byStructuredClone, byClone]) => {
    const since = Number(/\(Node (\d+) on\)/.exec(values!)?.[1] ?? 0);
    const expressions = [...values!.matchAll(/`([^`]+)`/g)].map(([, expression]) => expression!);
    // Words such as `cause` behind the last expression.
    const known = expressions.filter((expression) => expression !== "cause");
    return node < since ? [] : known.map((expression) => [expression, byStructuredClone!, byClone!] as const);
  });

  it("has many rows", () => {
    expect(rows.length).toBeGreaterThan(20);
    expect(cases.length).toBeGreaterThan(50);
  });

  it.each(cases)("is right about %s", (expression, byStructuredClone, byClone) => {
    const value = evaluate(expression);
    for (const [cell, act] of [
      [byStructuredClone, () => structuredClone(value)],
      [byClone, () => roundTrip(clone(), value)],
    ] as const) {
      const words = cellFor(cell);
      expect(outcome(value, words, act)).toBe(words);
    }
    if (cellFor(byClone) !== "refused") return;
    const error = thrown(() => roundTrip(clone(), { deep: [0, { value }] }));
    const path = expect.stringMatching(/^deep\[1\]\.value(\.cause)?$/);
    expect(error).toMatchObject({ name: "EncodeError", code: "ERR_RINGBELL_ENCODE", path });
    expect(error.message.startsWith(`${error.path}: `)).toBe(true);
  });
});
