import { EncodeError } from "../errors.js";
import { joinKey } from "./path.js";

/*
 * The place in a message at which a CloneWriter is, for the texts of errors. Keys are noted as they are; a path is made of them only
 * where something is refused.
 */

/** How the keys of a container are shown in a path. */
export const KEYS = 0;
export const MAP_KEYS = 1;
export const MAP_VALUES = 2;
export const SET_VALUES = 3;
export type Shown = typeof KEYS | typeof MAP_KEYS | typeof MAP_VALUES | typeof SET_VALUES;

/** A refusal of the writer's. Its error says what is wrong, and where; what else is thrown comes from code of the program. */
export class Fault {
  constructor(readonly error: EncodeError) {}
}

export class Trail {
  /** A key for each container, and how it is shown. What is left of deeper containers is not read. */
  private readonly keys: unknown[] = [];
  private readonly shown: Shown[] = [];
  private depth = 0;

  /** Goes into a container. Returns its depth, by which `at` and `leave` name it. */
  enter(shown: Shown): number {
    const depth = this.depth++;
    this.shown[depth] = shown;
    return depth;
  }

  /** Goes to a key of the container. */
  at(depth: number, key: unknown): void {
    this.keys[depth] = key;
  }

  /** Goes to a key of a Map, or to the value that belongs to it. */
  inMap(depth: number, key: unknown, shown: Shown): void {
    this.keys[depth] = key;
    this.shown[depth] = shown;
  }

  leave(depth: number): void {
    this.depth = depth;
  }

  /** Goes back to the beginning of a message. */
  reset(): void {
    this.keys.length = 0;
    this.depth = 0;
  }

  path(): string {
    let path = "";
    for (let depth = 0; depth < this.depth; depth++)
      path = extended(path, this.shown[depth]!, this.keys[depth]);
    return path;
  }

  refuse(message: string): never {
    throw this.fault(message);
  }

  fault(message: string): Fault {
    return new Fault(new EncodeError(message, this.path()));
  }
}

function extended(before: string, shown: Shown, key: unknown): string {
  if (shown === SET_VALUES) return `${before}.values()`;
  if (shown === MAP_KEYS) return `${before}.keys()`;
  if (shown === MAP_VALUES) return `${before}.get(${typeof key === "string" ? JSON.stringify(key) : "…"})`;
  return typeof key === "number" ? `${before}[${key}]` : joinKey(before, key as string);
}
