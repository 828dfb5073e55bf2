/*
 * Classes whose `instanceof` holds across copies of the package. A program may load ringbell itself, and a
 * library of the program may bring a copy of its own. Each such class has a mark on its prototype: a symbol
 * that all copies share.
 */

type Class = abstract new (...args: never) => object;

/** The mark of each class of this copy. A user's subclass has no mark here. */
const marks = new WeakMap<Class, symbol>();

/** Marks a class. `name` is the same in every copy, and stands for one class only. */
export function brand(type: Class, name: string): void {
  const mark = Symbol.for(`ringbell.${name}`);
  marks.set(type, mark);
  Object.defineProperty(type.prototype, mark, { value: true });
}

/** Returns whether `value` is an instance of a marked class, or of a subclass, of any copy. Classes without a mark are checked as usual. */
export function isInstance(type: Class, value: unknown): boolean {
  const mark = marks.get(type);
  if (mark === undefined) return Function.prototype[Symbol.hasInstance].call(type, value);
  return typeof value === "object" && value !== null && mark in value;
}
