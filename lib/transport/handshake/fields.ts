import { HandshakeError } from "../../errors.js";

/**
 * Reads the fields of JSON that a stranger sent. Each function returns a value of its type within its limits,
 * or throws a HandshakeError that names the field.
 */

type Fields = Readonly<Record<string, unknown>>;

function wrong(field: string, expected: string, value: unknown): HandshakeError {
  return new HandshakeError(
    `the field "${field}" of a handshake frame must be ${expected}; it is ${describe(value)}`,
  );
}

/** Describes a wrong value in words. Of the stranger's own text it repeats only numbers. */
function describe(value: unknown): string {
  if (value === undefined) return "missing";
  if (typeof value === "string") return `a string of ${value.length} characters`;
  if (Array.isArray(value)) return `a list of ${value.length}`;
  return typeof value === "object" && value !== null ? "an object" : String(value);
}

function own(from: Fields, field: string): unknown {
  return Object.hasOwn(from, field) ? from[field] : undefined;
}

/** Reads a string of at most `longest` UTF-16 units. */
export function readString(from: Fields, field: string, longest: number): string {
  const value = own(from, field);
  if (typeof value !== "string" || value.length > longest) {
    throw wrong(field, `a string of at most ${longest} characters`, value);
  }
  return value;
}

export function readOptionalString(from: Fields, field: string, longest: number): string | undefined {
  return own(from, field) === undefined ? undefined : readString(from, field, longest);
}

/** Reads an integer from `least` to `most`. */
export function readInteger(from: Fields, field: string, least: number, most: number): number {
  const value = own(from, field);
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < least || value > most) {
    throw wrong(field, `an integer from ${least} to ${most}`, value);
  }
  return value;
}

export function readOptionalInteger(
  from: Fields,
  field: string,
  least: number,
  most: number,
): number | undefined {
  return own(from, field) === undefined ? undefined : readInteger(from, field, least, most);
}

export function readObject(from: Fields, field: string): Fields {
  const value = own(from, field);
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw wrong(field, "an object", value);
  return value as Fields;
}

export function readOptionalObject(from: Fields, field: string): Fields | undefined {
  return own(from, field) === undefined ? undefined : readObject(from, field);
}

/** Reads a list of at most `most` objects. */
export function readObjects(from: Fields, field: string, most: number): readonly Fields[] {
  const list = readList(from, field, most);
  for (const [i, item] of list.entries()) {
    if (typeof item !== "object" || item === null || Array.isArray(item)) {
      throw wrong(`${field}[${i}]`, "an object", item);
    }
  }
  return list as Fields[];
}

/** Reads a list of at most `most` strings of at most `longest` characters. */
export function readStrings(from: Fields, field: string, most: number, longest: number): readonly string[] {
  const list = readList(from, field, most);
  for (const [i, item] of list.entries()) {
    if (typeof item !== "string" || item.length > longest) {
      throw wrong(`${field}[${i}]`, `a string of at most ${longest} characters`, item);
    }
  }
  return list as string[];
}

function readList(from: Fields, field: string, most: number): readonly unknown[] {
  const value = own(from, field);
  if (!Array.isArray(value) || value.length > most) throw wrong(field, `a list of at most ${most}`, value);
  return value;
}

/** Makes a stranger's text fit for a message or a log: without control characters, and not too long. */
export function printable(text: string, longest: number): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is to be removed.
  const clean = text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, " ");
  return clean.length > longest ? `${clean.slice(0, longest - 1)}…` : clean;
}
