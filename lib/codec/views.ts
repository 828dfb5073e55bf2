/* The kind of a view by its inner slots: those of another realm have other prototypes, and others have the prototype of one without being one. */

const TypedArray = Object.getPrototypeOf(Uint8Array.prototype) as object;
const tagGetter = Object.getOwnPropertyDescriptor(TypedArray, Symbol.toStringTag)!.get!;
const indexOf = Reflect.get(TypedArray, "indexOf") as (this: unknown, value: unknown) => number;

/** The name of a typed array's kind; `undefined` for anything else. Hot. */
export function tagOf(value: unknown): string | undefined {
  return tagGetter.call(value) as string | undefined;
}

/** The bytes of a view; `undefined` if it has lost its memory: its ArrayBuffer was transferred, or has shrunk. */
export function lengthOf(view: ArrayBufferView): number | undefined {
  try {
    const { byteLength } = view;
    // A DataView has thrown a TypeError then; a typed array is empty, and throws one when it is used.
    if (byteLength === 0 && tagOf(view) !== undefined) indexOf.call(view, 0);
    return byteLength;
  } catch {
    return undefined;
  }
}

/** Whether a view has lost its memory. */
export function isLost(view: ArrayBufferView): boolean {
  return lengthOf(view) === undefined;
}
