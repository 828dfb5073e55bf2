import type { Block } from "../bulk/block.js";
import type { Scratch } from "./codec.js";
import type { NumberType } from "./field.js";

/*
 * Encoding and decoding by code that is generated from the shape, all of it in one function: a fixed struct becomes one check of the
 * room and a line a field. A union of many variants has a function for each. The code knows only the good case: whatever it does not like it
 * hands to the closures, which find the field and throw.
 *
 * Nothing of the user's is put into the code but the names of fields, tags and variants, as string literals; all else are numbers and names
 * made here.
 *
 * DataView, not typed arrays: V8 compiles both to a bounds check and a move, the difference is small (13 and 12 ns to encode five
 * fields of 32 bytes in one run, of which 9 are reading and checking them), and a DataView needs no alignment.
 */

export type Encode = (message: unknown, scratch: Scratch, offset: number, blocks: Block[]) => number;
export type Decode = (
  scratch: Scratch,
  offset: number,
  bytes: number,
  blocks: (Block | undefined)[],
) => unknown;

/** Whether code may be generated here: not under `--disallow-code-generation-from-strings`, nor with RINGBELL_CODEGEN=0. */
export function canGenerate(): boolean {
  if (process.env.RINGBELL_CODEGEN === "0") return false;
  try {
    return new Function("return true")() === true;
  } catch {
    return false;
  }
}

/**
 * Up to so many variants a union is coded in one function, and its tag compared with one name after the other: 12 to 17 ns with five
 * numbers in each variant, 22 ns where it is looked up.
 */
export const FEW_VARIANTS = 16;

/** About as many lines as V8 still optimizes, 60 KiB of bytecode. What is longer takes up to four times as long as the closures. */
const MOST_LINES = 1200;

/** A function in the making. */
export class Code {
  private readonly lines: string[] = [];
  private readonly constants: Record<string, unknown> = {};
  private names = 0;

  constructor(private readonly failure: string) {}

  line(line: string): void {
    this.lines.push(line);
  }

  /** Gives up on the fast path if the condition holds. */
  fail(condition: string): void {
    this.lines.push(`if (${condition}) ${this.failure}`);
  }

  /** Whether closures are faster. */
  get isTooLong(): boolean {
    return this.lines.length > MOST_LINES;
  }

  /** A name that nothing else has. */
  name(): string {
    return `x${this.names++}`;
  }

  /** Names a value from outside. */
  constant(value: unknown): string {
    const name = this.name();
    this.constants[name] = value;
    return name;
  }

  compile<F>(parameters: readonly string[], outside: Readonly<Record<string, unknown>>): F {
    const scope = { ...outside, ...this.constants };
    const body = `"use strict";\nreturn function (${parameters.join(", ")}) {\n${this.lines.join("\n")}\n};`;
    return new Function(...Object.keys(scope), body)(...Object.values(scope)) as F;
  }
}

/** A position in the message: a variable and a constant. */
export interface Place {
  readonly base: string;
  readonly at: number;
}

export function plus(place: Place, bytes: number): Place {
  return { base: place.base, at: place.at + bytes };
}

export function show({ base, at }: Place): string {
  return at === 0 ? base : `${base} + ${at}`;
}

/** How a number is checked (`fits`, of the variable v), put and got. */
interface NumberCode {
  readonly unfit: (v: string) => string;
  readonly set: string;
  readonly get: string;
}

const bits = (type: string, method: string, round: (v: string) => string): NumberCode => ({
  unfit: (v) => `typeof ${v} !== "${type}" || ${round(v)} !== ${v}`,
  set: `set${method}`,
  get: `get${method}`,
});

export const numbers: Readonly<Record<Exclude<NumberType, "u53" | "i53">, NumberCode>> = {
  u8: bits("number", "Uint8", (v) => `(${v} & 0xff)`),
  i8: bits("number", "Int8", (v) => `(${v} << 24 >> 24)`),
  u16: bits("number", "Uint16", (v) => `(${v} & 0xffff)`),
  i16: bits("number", "Int16", (v) => `(${v} << 16 >> 16)`),
  u32: bits("number", "Uint32", (v) => `(${v} >>> 0)`),
  i32: bits("number", "Int32", (v) => `(${v} | 0)`),
  u64: bits("bigint", "BigUint64", (v) => `BigInt.asUintN(64, ${v})`),
  i64: bits("bigint", "BigInt64", (v) => `BigInt.asIntN(64, ${v})`),
  f32: {
    unfit: (v) =>
      `typeof ${v} !== "number" || (!Number.isFinite(Math.fround(${v})) && Number.isFinite(${v}))`,
    set: "setFloat32",
    get: "getFloat32",
  },
  f64: { unfit: (v) => `typeof ${v} !== "number"`, set: "setFloat64", get: "getFloat64" },
};
