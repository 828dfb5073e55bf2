import { type WriteFields, type WrittenShape, writeInTurn } from "./packed-compile.js";
import { costOf, KEY_BUDGET, MOST_KEYS, MOST_SHAPES } from "./packed-tags.js";

/** The keys of an object in their order, as a lane sends them: once, and then by number. */
export class Shape implements WrittenShape {
  // No #members: see "The straight line" in docs/architecture.md.

  /** Whether the receiver is certain to have met the introduction before the message that is encoded now. */
  known = false;
  /** The message that introduces the shape, by its number; that of the last one if there are several. */
  message = 0;
  /** How many objects were written. */
  uses = 0;
  /** Writes an object of the shape. */
  write: WriteFields = writeInTurn;

  constructor(
    readonly id: number,
    readonly keys: readonly string[],
  ) {}
}

/** A key in the tree of shapes: the way from the root says which keys came before. */
class Step {
  /** The shape of an object whose keys end here. */
  shape: Shape | undefined;
  /** The key that was the first to follow, and its step. Others are in the map. */
  key: string | undefined;
  next: Step | undefined;
  others: Map<string, Step> | undefined;

  /** Returns the step of a key that follows, and makes it if it is not there. */
  extend(key: string): Step {
    if (this.key === undefined || this.key === key) {
      this.key = key;
      this.next ??= new Step();
      return this.next;
    }
    this.others ??= new Map();
    let step = this.others.get(key);
    if (step === undefined) {
      step = new Step();
      this.others.set(key, step);
    }
    return step;
  }
}

/** Key sequences that were met once are remembered up to this number, and up to this length in characters. */
const MOST_CANDIDATES = 256;
const LONGEST_CANDIDATE = 1024;

const plain = {};

/**
 * The shapes that a lane sends. Keys become a shape when they come a second time: an object that is used as a map, with other keys each time, takes
 * no place. The limits hold for the life of the lane; what goes beyond them is sent with its keys.
 */
export class Dictionary {
  // No #members: see "The straight line" in docs/architecture.md.

  private readonly root = new Step();
  private readonly candidates = new Set<string>();
  private count = 0;
  private budget = KEY_BUDGET;
  /** The number of the last message. */
  private messages = 0;
  /** Whether plain objects inherit properties that `for … in` lists. */
  private polluted = false;

  /** Begins a message. Returns its number. */
  begin(): number {
    this.polluted = false;
    for (const _ in plain) this.polluted = true;
    return ++this.messages;
  }

  /**
   * Returns the shape of an object if there is one. Only what is no plain object may have other keys of its own than those of the
   * shape: inherited ones were taken for them. Hot.
   */
  shapeOf(object: object): Shape | undefined {
    if (this.polluted) return undefined;
    let step: Step | undefined = this.root;
    for (const key in object) {
      step = step.key === key ? step.next : step.others?.get(key);
      if (step === undefined) return undefined;
    }
    return step.shape;
  }

  /** Returns the shape with these keys. It is made if they came before, and there is room for it. */
  shapeWith(keys: readonly string[]): Shape | undefined {
    if (keys.length > MOST_KEYS) return undefined;
    let step: Step | undefined = this.root;
    for (const key of keys) {
      step = step.key === key ? step.next : step.others?.get(key);
      if (step === undefined) break;
    }
    return step?.shape ?? this.learn(keys);
  }

  private learn(keys: readonly string[]): Shape | undefined {
    if (this.count === MOST_SHAPES) return undefined;
    const cost = costOf(keys);
    if (cost > LONGEST_CANDIDATE || cost > this.budget) return undefined;
    const name = keys.join("\0");
    if (!this.candidates.delete(name)) {
      if (this.candidates.size === MOST_CANDIDATES) this.candidates.clear();
      this.candidates.add(name);
      return undefined;
    }
    this.budget -= cost;
    let step = this.root;
    for (const key of keys) step = step.extend(key);
    step.shape = new Shape(this.count++, keys);
    return step.shape;
  }
}
