import { isExternal, isPromise, isProxy, isSharedArrayBuffer, isWeakMap, isWeakSet } from "node:util/types";
import { Block, isForeignBlock } from "../bulk/block.js";
import { foreignBlock } from "./blocks.js";
import { joinKey } from "./path.js";

/** Why a value can't be sent, and where it stands in the message. */
export interface Fault {
  readonly path: string;
  readonly message: string;
}

// Only after a failure, so it need not be fast; but it must end soon, whatever the message. Nothing is looked for deeper:
// each step down also compares itself with all above it.
const MOST_STEPS = 100_000;
const MOST_DEPTH = 200;

interface Step {
  readonly value: unknown;
  readonly path: string;
  readonly parent: Step | undefined;
  readonly depth: number;
}

/** Finds what `JSON.stringify` stumbled over: a bigint or a cycle. Throws a BlockError for a block of another copy of the package. */
export function locateInJson(message: unknown): Fault | undefined {
  return walk(message, (step) => {
    if (typeof step.value === "bigint") return "a bigint has no JSON form; send a string or a number";
    if (typeof step.value !== "object" || step.value === null) return undefined;
    if (isForeignBlock(step.value)) throw foreignBlock(step.path);
    for (let above = step.parent; above !== undefined; above = above.parent) {
      if (above.value === step.value)
        return `a cycle: this is the object at ${above.path || "the top"} again`;
    }
    return undefined;
  });
}

/**
 * Finds what the structured clone stumbled over, where it is one of the usual things. Throws a BlockError for a block of another
 * copy of the package.
 */
export function locateInClone(message: unknown): Fault | undefined {
  const seen = new Set<unknown>();
  return walk(message, (step) => {
    const { value } = step;
    if (typeof value === "function") return "a function can't be cloned";
    if (typeof value === "symbol") return "a symbol can't be cloned";
    if (typeof value !== "object" || value === null) return undefined;
    if (isForeignBlock(value)) throw foreignBlock(step.path);
    if (value instanceof Block) return "a block can only stand in objects, arrays, Maps and Sets";
    if (isPromise(value) || isWeakMap(value) || isWeakSet(value) || value instanceof WeakRef) {
      return `a ${Object.prototype.toString.call(value).slice(8, -1)} can't be cloned`;
    }
    if (isProxy(value)) return "a proxy can't be cloned";
    if (isSharedArrayBuffer(value))
      return "a SharedArrayBuffer can't be shared with another process; send a copy, or a block";
    if (isExternal(value)) return "a native object can't be cloned";
    const again = seen.has(value);
    seen.add(value);
    return again ? SKIP : undefined;
  });
}

/** The result of a check for a value whose content need not be looked into. */
const SKIP = Symbol("skip");

function walk(message: unknown, check: (step: Step) => string | typeof SKIP | undefined): Fault | undefined {
  const stack: Step[] = [{ value: message, path: "", parent: undefined, depth: 0 }];
  for (let steps = 0; stack.length > 0 && steps < MOST_STEPS; steps++) {
    const step = stack.pop()!;
    const fault = check(step);
    if (typeof fault === "string") return { path: step.path, message: fault };
    if (fault === undefined && step.depth < MOST_DEPTH) stack.push(...childrenOf(step).reverse());
  }
  return undefined;
}

function childrenOf(step: Step): Step[] {
  const { value, path } = step;
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return [];
  const children: Step[] = [];
  const add = (child: unknown, where: string) => {
    if (typeof child === "object" ? child !== null : typeof child !== "number" && typeof child !== "string") {
      children.push({ value: child, path: where, parent: step, depth: step.depth + 1 });
    }
  };
  try {
    if (value instanceof Map) {
      for (const [key, item] of value) {
        const name = typeof key === "string" ? JSON.stringify(key) : "…";
        add(key, `${path}.keys()`);
        add(item, `${path}.get(${name})`);
      }
    } else if (value instanceof Set) {
      for (const item of value) add(item, `${path}.values()`);
    }
    if (Array.isArray(value)) {
      value.forEach((item, index) => {
        add(item, `${path}[${index}]`);
      });
    } else {
      for (const [key, item] of Object.entries(value)) add(item, joinKey(path, key));
    }
  } catch {
    // A getter that throws; what it stands beside is not looked into either.
  }
  return children;
}
