import { tagOf } from "./views.js";

/*
 * Views on the wire of `clone()`. Each goes by itself: V8 would write the whole ArrayBuffer behind it, which for a small Buffer is a pool that
 * has other data too.
 */

/** The numbers of what V8 calls host objects: each stands behind its tag. The kinds of views are numbered from VIEW on. */
export const BUFFER = 0;
export const BLOCK = 1;
export const DOM_EXCEPTION = 2;
const VIEW = 3;

/** A new kind goes at the end. A version of Node may lack some: `Float16Array` came with Node 24. */
const VIEWS = [
  "DataView",
  "Uint8Array",
  "Uint8ClampedArray",
  "Int8Array",
  "Uint16Array",
  "Int16Array",
  "Uint32Array",
  "Int32Array",
  "Float32Array",
  "Float64Array",
  "BigUint64Array",
  "BigInt64Array",
  "Float16Array",
] as const;

type ViewConstructor = new (memory: ArrayBuffer) => ArrayBufferView;

const numbers = new Map<string | undefined, number>(VIEWS.map((name, index) => [name, VIEW + index]));
const constructors = VIEWS.map(
  (name) => (globalThis as Record<string, unknown>)[name] as ViewConstructor | undefined,
);

/** The number of the kind of a view, of any realm and with any prototype; `undefined` for a kind that has none here. */
export function numberOfView(view: ArrayBufferView): number | undefined {
  return numbers.get(tagOf(view) ?? "DataView");
}

/** Makes a view of the kind with this number; throws where there is none, or where the length does not suit it. */
export function makeView(number: number, memory: ArrayBuffer): ArrayBufferView {
  const name = VIEWS[number - VIEW];
  if (name === undefined) throw new Error(`a view of the unknown kind ${number}`);
  const View = constructors[number - VIEW];
  if (View === undefined) throw new Error(`a ${name}, which this version of Node has not`);
  return new View(memory);
}
