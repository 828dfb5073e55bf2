// Reads what the checks need from an ELF shared library: 64 bits, little endian, as all of ours are.

const CLASS_64 = 2;
const LITTLE_ENDIAN = 1;
/** e_machine. @type {Readonly<Record<number, string>>} */
const MACHINES = { 62: "x64", 183: "arm64" };
const SECTION = { dynamic: 6, dynamicSymbols: 11, versions: 0x6fffffff, needs: 0x6ffffffe };
const TAG = { end: 0, needed: 1, bindNow: 24, flags: 30, flags1: 0x6ffffffb };
const DF_BIND_NOW = 8n;
const DF_1_NOW = 1n;
const SYMBOL_BYTES = 24;
const WEAK = 2;
/** Visibilities that leave a symbol to others: default and protected. */
const VISIBLE = [0, 3];

/**
 * @typedef {object} Import
 * @property {string} name
 * @property {string | undefined} version  Such as GLIBC_2.17.
 * @property {boolean} weak  May be missing.
 */

/**
 * Throws an Error if the bytes are something else.
 *
 * @param {Buffer} bytes
 */
export function readElf(bytes) {
  if (bytes.length < 64 || bytes.readUInt32BE(0) !== 0x7f454c46) throw new Error("expected an ELF file");
  if (bytes[4] !== CLASS_64 || bytes[5] !== LITTLE_ENDIAN)
    throw new Error("expected an ELF file of 64 bits, little endian");
  const machine = bytes.readUInt16LE(18);
  const sections = sectionsOf(bytes);
  const dynamic = dynamicOf(bytes, sections);
  return {
    arch: MACHINES[machine] ?? `machine ${machine}`,
    bindNow:
      dynamic.has(TAG.bindNow) ||
      ((dynamic.get(TAG.flags)?.[0] ?? 0n) & DF_BIND_NOW) !== 0n ||
      ((dynamic.get(TAG.flags1)?.[0] ?? 0n) & DF_1_NOW) !== 0n,
    ...symbolsOf(bytes, sections),
  };
}

/**
 * @typedef {{ type: number, offset: number, size: number, link: number }} Section
 * @param {Buffer} bytes
 * @returns {Section[]}
 */
function sectionsOf(bytes) {
  const at = Number(bytes.readBigUInt64LE(40));
  const size = bytes.readUInt16LE(58);
  return Array.from({ length: bytes.readUInt16LE(60) }, (_, index) => {
    const header = at + index * size;
    return {
      type: bytes.readUInt32LE(header + 4),
      offset: Number(bytes.readBigUInt64LE(header + 24)),
      size: Number(bytes.readBigUInt64LE(header + 32)),
      link: bytes.readUInt32LE(header + 40),
    };
  });
}

/** The values of each tag of the dynamic section. @param {Buffer} bytes @param {Section[]} sections */
function dynamicOf(bytes, sections) {
  /** @type {Map<number, bigint[]>} */
  const values = new Map();
  const section = sections.find(({ type }) => type === SECTION.dynamic);
  if (section === undefined) throw new Error("expected an ELF file with a dynamic section");
  for (let at = section.offset; at < section.offset + section.size; at += 16) {
    const tag = Number(bytes.readBigUInt64LE(at));
    if (tag === TAG.end) break;
    values.set(tag, [...(values.get(tag) ?? []), bytes.readBigUInt64LE(at + 8)]);
  }
  return values;
}

/** @param {Buffer} bytes @param {Section[]} sections */
function symbolsOf(bytes, sections) {
  const table = sections.find(({ type }) => type === SECTION.dynamicSymbols);
  if (table === undefined) throw new Error("expected an ELF file with dynamic symbols");
  const versions = sections.find(({ type }) => type === SECTION.versions);
  const names = versionNames(bytes, sections);
  /** @type {string[]} */
  const exports = [];
  /** @type {Import[]} */
  const imports = [];
  for (let index = 1; index < table.size / SYMBOL_BYTES; index++) {
    const at = table.offset + index * SYMBOL_BYTES;
    const name = text(bytes, sections, table.link, bytes.readUInt32LE(at));
    const binding = /** @type {number} */ (bytes[at + 4]) >> 4;
    if (bytes.readUInt16LE(at + 6) === 0) {
      const version = versions === undefined ? 0 : bytes.readUInt16LE(versions.offset + 2 * index) & 0x7fff;
      imports.push({ name, version: names.get(version), weak: binding === WEAK });
    } else if (binding !== 0 && VISIBLE.includes(/** @type {number} */ (bytes[at + 5]) & 3)) {
      exports.push(name);
    }
  }
  return { exports, imports };
}

/** The names of the versions that are needed of other libraries, by their number. @param {Buffer} bytes @param {Section[]} sections */
function versionNames(bytes, sections) {
  /** @type {Map<number, string>} */
  const names = new Map();
  const section = sections.find(({ type }) => type === SECTION.needs);
  if (section === undefined) return names;
  for (let at = section.offset, next = -1; next !== 0; at += next) {
    let entry = at + bytes.readUInt32LE(at + 8);
    for (let count = bytes.readUInt16LE(at + 2); count > 0; count--) {
      names.set(
        bytes.readUInt16LE(entry + 6),
        text(bytes, sections, section.link, bytes.readUInt32LE(entry + 8)),
      );
      entry += bytes.readUInt32LE(entry + 12);
    }
    next = bytes.readUInt32LE(at + 12);
  }
  return names;
}

/** @param {Buffer} bytes @param {Section[]} sections @param {number} table @param {number} offset */
function text(bytes, sections, table, offset) {
  const at = /** @type {Section} */ (sections[table]).offset + offset;
  return bytes.toString("latin1", at, bytes.indexOf(0, at));
}
