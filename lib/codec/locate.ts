import { isProxy } from "node:util/types";
import { FOREIGN, isForeignBlock } from "../bulk/block.js";
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

/**
 * Finds what `JSON.stringify` stumbled over: a bigint, a cycle, or a block of another copy of the package. No code of the program runs: what a
 * getter or a toJSON returns is not looked at.
 */
export function locateInJson(message: unknown): Fault | undefined {
  const stack: Step[] = [{ value: message, path: "", parent: undefined, depth: 0 }];
  for (let steps = 0; stack.length > 0 && steps < MOST_STEPS; steps++) {
    const step = stack.pop()!;
    const fault = faultOf(step);
    if (fault !== undefined) return { path: step.path, message: fault };
    if (step.depth < MOST_DEPTH) stack.push(...childrenOf(step).reverse());
  }
  return undefined;
}

function faultOf({ value, parent }: Step): string | undefined {
  if (typeof value === "bigint") {
    // A program may have given them one.
    return "toJSON" in BigInt.prototype ? undefined : "a bigint has no JSON form; send a string or a number";
  }
  if (typeof value !== "object" || value === null || isProxy(value)) return undefined;
  if (isForeignBlock(value)) return FOREIGN;
  for (let above = parent; above !== undefined; above = above.parent) {
    if (above.value === value) return `a cycle: this is the object at ${above.path || "the top"} again`;
  }
  return undefined;
}

function childrenOf(step: Step): Step[] {
  const { value, path } = step;
  if (typeof value !== "object" || value === null || isProxy(value) || "toJSON" in value) return [];
  const children: Step[] = [];
  const isArray = Array.isArray(value);
  for (const key of Object.keys(value)) {
    const child: unknown = Object.getOwnPropertyDescriptor(value, key)?.value;
    if ((typeof child !== "object" || child === null) && typeof child !== "bigint") continue;
    const where = isArray ? `${path}[${key}]` : joinKey(path, key);
    children.push({ value: child, path: where, parent: step, depth: step.depth + 1 });
  }
  return children;
}
