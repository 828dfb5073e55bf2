import { DecodeError } from "../errors.js";
import { type ReadFields, type ReadShape, readInTurn } from "./packed-compile.js";
import { costOf, KEY_BUDGET, MOST_KEYS, MOST_SHAPES } from "./packed-tags.js";

/** A shape that the peer has introduced. */
export class LearntShape implements ReadShape {
  uses = 0;
  read: ReadFields = readInTurn;

  constructor(readonly keys: readonly string[]) {}
}

/** The part of a reader that introductions are read by. */
export interface KeyReader {
  readonly at: number;
  /** Goes to a part of the message. */
  look(from: number, to: number): void;
  u16(): number;
  /** Reads a count of elements that take at least `least` bytes each. */
  count(least: number): number;
  key(): string;
}

/** The shapes that have arrived in a lane. The peer decides what they are; their limits hold whatever it sends. */
export class LearntShapes {
  private readonly shapes: (LearntShape | undefined)[] = [];
  private budget = KEY_BUDGET;

  get(id: number): LearntShape {
    return this.shapes[id] ?? unknown(id);
  }

  /** Takes the introductions between two positions. A sender repeats them where it does not know that they arrived. */
  learn(reader: KeyReader, from: number, to: number): void {
    reader.look(from, to);
    while (reader.at < to) this.introduce(reader.u16(), this.keys(reader));
    if (reader.at !== to) throw new DecodeError("the introductions of shapes end too late", "");
  }

  private keys(reader: KeyReader): string[] {
    const count = reader.count(1);
    if (count > MOST_KEYS)
      throw new DecodeError(`a shape must have up to ${MOST_KEYS} keys; it has ${count}`, "");
    const keys: string[] = [];
    for (let i = 0; i < count; i++) keys.push(reader.key());
    return keys;
  }

  private introduce(id: number, keys: readonly string[]): void {
    if (id >= MOST_SHAPES)
      throw new DecodeError(`the number of a shape must be less than ${MOST_SHAPES}; it is ${id}`, "");
    const before = this.shapes[id];
    if (before !== undefined) {
      const same = before.keys.length === keys.length && before.keys.every((key, i) => key === keys[i]);
      if (!same) throw new DecodeError(`shape ${id} was introduced with other keys before`, "");
      return;
    }
    const cost = costOf(keys);
    if (cost > this.budget)
      throw new DecodeError("the keys of all shapes are longer than a lane may have", "");
    this.budget -= cost;
    while (this.shapes.length < id) this.shapes.push(undefined);
    this.shapes[id] = new LearntShape(keys);
  }
}

function unknown(id: number): never {
  throw new DecodeError(`shape ${id} was not introduced`, "");
}
