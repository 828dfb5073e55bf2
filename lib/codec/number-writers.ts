import type { NumberType } from "./field.js";
import type { Path } from "./path.js";
import { refuse, type Write } from "./writing.js";

/** One closure a type, each with its own inline caches: a table of setters would cost a second call. */
export function numberWriter(type: NumberType, path: Path): Write {
  switch (type) {
    case "u8":
      return (value, { view }, at) => {
        if (typeof value !== "number" || (value & 0xff) !== value) throw refuse(path, value, expected.u8);
        view.setUint8(at, value);
        return true;
      };
    case "i8":
      return (value, { view }, at) => {
        if (typeof value !== "number" || (value << 24) >> 24 !== value)
          throw refuse(path, value, expected.i8);
        view.setInt8(at, value);
        return true;
      };
    case "u16":
      return (value, { view }, at) => {
        if (typeof value !== "number" || (value & 0xffff) !== value) throw refuse(path, value, expected.u16);
        view.setUint16(at, value, true);
        return true;
      };
    case "i16":
      return (value, { view }, at) => {
        if (typeof value !== "number" || (value << 16) >> 16 !== value)
          throw refuse(path, value, expected.i16);
        view.setInt16(at, value, true);
        return true;
      };
    case "u32":
      return (value, { view }, at) => {
        if (typeof value !== "number" || value >>> 0 !== value) throw refuse(path, value, expected.u32);
        view.setUint32(at, value, true);
        return true;
      };
    case "i32":
      return (value, { view }, at) => {
        if (typeof value !== "number" || (value | 0) !== value) throw refuse(path, value, expected.i32);
        view.setInt32(at, value, true);
        return true;
      };
    case "u53":
      return (value, { view }, at) => {
        if (!Number.isSafeInteger(value) || (value as number) < 0) throw refuse(path, value, expected.u53);
        view.setUint32(at, (value as number) >>> 0, true);
        view.setUint32(at + 4, (value as number) / 4294967296, true);
        return true;
      };
    case "i53":
      return (value, { view }, at) => {
        if (!Number.isSafeInteger(value)) throw refuse(path, value, expected.i53);
        view.setUint32(at, (value as number) >>> 0, true);
        view.setInt32(at + 4, Math.floor((value as number) / 4294967296), true);
        return true;
      };
    case "u64":
      return (value, { view }, at) => {
        if (typeof value !== "bigint" || BigInt.asUintN(64, value) !== value) {
          throw refuse(path, value, expected.u64);
        }
        view.setBigUint64(at, value, true);
        return true;
      };
    case "i64":
      return (value, { view }, at) => {
        if (typeof value !== "bigint" || BigInt.asIntN(64, value) !== value)
          throw refuse(path, value, expected.i64);
        view.setBigInt64(at, value, true);
        return true;
      };
    case "f32":
      return (value, { view }, at) => {
        if (typeof value !== "number" || (!Number.isFinite(Math.fround(value)) && Number.isFinite(value))) {
          throw refuse(path, value, expected.f32);
        }
        view.setFloat32(at, value, true);
        return true;
      };
    case "f64":
      return (value, { view }, at) => {
        if (typeof value !== "number") throw refuse(path, value, expected.f64);
        view.setFloat64(at, value, true);
        return true;
      };
  }
}

const expected: Readonly<Record<NumberType, string>> = {
  u8: "an integer from 0 to 255",
  i8: "an integer from -128 to 127",
  u16: "an integer from 0 to 65535",
  i16: "an integer from -32768 to 32767",
  u32: "an integer from 0 to 4294967295",
  i32: "an integer from -2147483648 to 2147483647",
  u53: "an integer from 0 to 9007199254740991",
  i53: "an integer from -9007199254740991 to 9007199254740991",
  u64: "a bigint from 0 to 2^64 - 1",
  i64: "a bigint from -2^63 to 2^63 - 1",
  f32: "a number of single precision",
  f64: "a number",
};
