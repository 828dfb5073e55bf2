import { isProxy } from "node:util/types";
import { Block, isForeignBlock } from "../bulk/block.js";
import { isLost } from "./views.js";

/** A field's place in a message, made once for each field; only the index of an array element changes. */
export class Path {
  /** Of the element in work, where this is the element of an array. */
  index = 0;

  constructor(
    private readonly parent?: Path,
    private readonly key?: string,
  ) {}

  /** Such as `orders[3].price`. */
  toString(): string {
    if (this.parent === undefined) return "";
    const before = this.parent.toString();
    return this.key === undefined ? `${before}[${this.index}]` : joinKey(before, this.key);
  }
}

const identifier = /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u;

/** Whether a key can be written without quotes. */
export function isIdentifier(key: string): boolean {
  return identifier.test(key);
}

/** `before.key`, or `before["odd key"]`. */
export function joinKey(before: string, key: string): string {
  if (!isIdentifier(key)) return `${before}[${JSON.stringify(key)}]`;
  return before === "" ? key : `${before}.${key}`;
}

/** A value in the words of an error message, never longer than a line. */
export function describe(value: unknown): string {
  switch (typeof value) {
    case "string":
      return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
    case "bigint": {
      const digits = String(value);
      return digits.length > 40 ? "a huge bigint" : `${digits}n`;
    }
    case "function":
      return "a function";
    case "symbol":
      return "a symbol";
    case "object":
      if (value === null) return "null";
      if (isProxy(value)) return "a proxy";
      if (value instanceof Block) return "a block";
      if (isForeignBlock(value)) return "a block of another copy of ringbell";
      if (ArrayBuffer.isView(value) && isLost(value)) return "a view that has lost its memory";
      return Array.isArray(value) ? "an array" : "an object";
    case "undefined":
      return "missing";
    default:
      return Object.is(value, -0) ? "-0" : String(value);
  }
}
