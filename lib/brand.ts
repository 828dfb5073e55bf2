/*
 * Classes whose `instanceof` holds across copies of the package: a program may load ringbell itself, and once more by a
 * library that brings its own. Each such class puts a mark on its prototype, a symbol that all copies share.
 */

type Class = abstract new (...args: never) => object;

/** The mark of each class of this copy. A subclass of the user's has none, and is not found here. */
const marks = new WeakMap<Class, symbol>();

/** Marks a class. `name` is the same in every copy, and stands for one class only. */
export function brand(type: Class, name: string): void {
  const mark = Symbol.for(`ringbell.${name}`);
  marks.set(type, mark);
  Object.defineProperty(type.prototype, mark, { value: true });
}

/** Whether `value` is an instance of a marked class, or of a subclass, of any copy. Other classes are asked as usual. */
export function isInstance(type: Class, value: unknown): boolean {
  const mark = marks.get(type);
  if (mark === undefined) return Function.prototype[Symbol.hasInstance].call(type, value);
  return typeof value === "object" && value !== null && mark in value;
}
