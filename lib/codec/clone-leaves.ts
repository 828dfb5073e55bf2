import { isSharedArrayBuffer } from "node:util/types";
import { bytesOf, flagsOf, getTime, sourceOf, unboxed } from "./clone-intrinsics.js";
import type { Output } from "./clone-output.js";
import {
  ARRAY_BUFFER,
  BIGINT_OBJECT,
  DATE,
  FALSE_OBJECT,
  HOST_OBJECT,
  NUMBER_OBJECT,
  REGEXP,
  RESIZABLE_ARRAY_BUFFER,
  STRING_OBJECT,
  TRUE_OBJECT,
} from "./clone-tags.js";
import type { Trail } from "./clone-trail.js";
import { BUFFER, numberOfView } from "./clone-views.js";
import { lengthOf } from "./views.js";

/* Writes objects that have content, but no other values in it. */

/** Begins an object that V8 does not know, with the number of its kind. */
export function writeHost(output: Output, number: number): void {
  output.byte(HOST_OBJECT);
  output.varint(number);
}

export function writeDate(output: Output, date: object): void {
  output.byte(DATE);
  output.double(getTime.call(date));
}

export function writeRegExp(output: Output, expression: RegExp): void {
  output.byte(REGEXP);
  output.text(sourceOf(expression));
  output.varint(flagsOf(expression));
}

/** Writes a view with a copy of the bytes that it shows, and of no others. */
export function writeView(output: Output, view: ArrayBufferView, trail: Trail): void {
  const byteLength = lengthOf(view);
  if (byteLength === undefined) throw trail.fault("a view that has lost its memory can't be cloned");
  if (isSharedArrayBuffer(view.buffer))
    trail.refuse("a view of a SharedArrayBuffer can't be shared with another process; send a copy: slice()");
  const number = Buffer.isBuffer(view) ? BUFFER : numberOfView(view);
  if (number === undefined) throw trail.fault("a view of this kind can't be cloned");
  writeHost(output, number);
  output.varint(byteLength);
  output.raw(new Uint8Array(view.buffer, view.byteOffset, byteLength));
}

export function writeArrayBuffer(output: Output, memory: ArrayBuffer, trail: Trail): void {
  const bytes = bytesOf(memory);
  if (bytes === undefined) throw trail.fault("an ArrayBuffer that was transferred can't be cloned");
  const { resizable, maxByteLength } = memory as ArrayBuffer & {
    resizable?: boolean;
    maxByteLength: number;
  };
  output.byte(resizable === true ? RESIZABLE_ARRAY_BUFFER : ARRAY_BUFFER);
  output.varint(bytes.length);
  if (resizable === true) output.varint(maxByteLength);
  output.raw(bytes);
}

/** Writes an object such as `Object(1)`. */
export function writeBoxed(output: Output, object: object, trail: Trail): void {
  const value = unboxed(object);
  switch (typeof value) {
    case "boolean":
      output.byte(value ? TRUE_OBJECT : FALSE_OBJECT);
      break;
    case "number":
      output.byte(NUMBER_OBJECT);
      output.double(value);
      break;
    case "bigint":
      output.byte(BIGINT_OBJECT);
      output.bigint(value);
      break;
    case "string":
      output.byte(STRING_OBJECT);
      output.text(value);
      break;
    default:
      trail.refuse("a symbol can't be cloned");
  }
}
