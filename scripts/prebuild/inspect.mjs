// What is in a binary, and what is wrong with it.
import { EXPORTS } from "../addon/flags.mjs";
import { GLIBC, MACOS } from "../addon/targets.mjs";
import { readElf } from "./elf.mjs";
import { readMachO } from "./macho.mjs";

/**
 * @typedef {object} Facts
 * @property {number} size
 * @property {string} arch
 * @property {string} newest  The newest version that it asks of the system; `-` if its symbols have none.
 * @property {number} exports  How many.
 * @property {string[]} imports
 * @property {string[]} faults  Sentences.
 */

/** Zig's linker puts these two markers of the image itself into the trie. Nobody looks them up. */
const MARKERS = ["__mh_dylib_header", "___dso_handle"];
const OF_NODE = /^(napi|node_api|uv)_/;

/** @param {import("../addon/targets.mjs").Target} target @param {Buffer} bytes @returns {Facts} */
export function inspect(target, bytes) {
  const facts = target.platform === "darwin" ? inspectMachO(bytes) : inspectElf(target, bytes);
  if (facts.arch !== target.arch) facts.faults.unshift(`expected code for ${target.arch}, got ${facts.arch}`);
  return { size: bytes.length, ...facts };
}

/** @param {import("../addon/targets.mjs").Target} target @param {Buffer} bytes */
function inspectElf(target, bytes) {
  const { arch, bindNow, exports, imports } = readElf(bytes);
  const faults = exportFaults(exports);
  const versions = imports.map(({ version }) => /^GLIBC_([\d.]+)$/.exec(version ?? "")?.[1]);
  const newest = versions
    .filter((version) => version !== undefined)
    .sort(compareVersions)
    .at(-1);
  if (newest !== undefined && compareVersions(newest, GLIBC) > 0)
    faults.push(`expected symbols of glibc ${GLIBC} at most, got one of ${newest}`);
  if (newest !== undefined && target.libc === "musl")
    faults.push("expected no symbols of glibc in a binary for musl");
  // The linker versions what it found in the C library that it linked against.
  const unknown = imports.filter(
    ({ name, version, weak }) => !weak && version === undefined && !OF_NODE.test(name),
  );
  if (target.libc === "glibc" && unknown.length > 0)
    faults.push(
      `expected only symbols of Node and of glibc ${GLIBC}, got ${unknown.map(({ name }) => name).join(", ")}`,
    );
  if (!bindNow) faults.push("expected all symbols to be bound when it is loaded (BIND_NOW)");
  return {
    arch,
    newest: newest === undefined ? "-" : `GLIBC_${newest}`,
    exports: exports.length,
    imports: imports.filter(({ weak }) => !weak).map(({ name }) => name),
    faults,
  };
}

/** @param {Buffer} bytes */
function inspectMachO(bytes) {
  const { arch, minimum, exports, imports } = readMachO(bytes);
  const plain = (/** @type {string} */ name) => name.replace(/^_/, "");
  const ours = exports.filter((name) => !MARKERS.includes(name)).map(plain);
  const faults = exportFaults(ours);
  if (minimum !== MACOS) faults.push(`expected ${MACOS} as the oldest macOS, got ${minimum ?? "none"}`);
  return { arch, newest: `macOS ${minimum}`, exports: ours.length, imports: imports.map(plain), faults };
}

/** @param {string[]} exports @returns {string[]} */
function exportFaults(exports) {
  const foreign = exports.filter((name) => !EXPORTS.includes(name));
  const missing = EXPORTS.filter((name) => !exports.includes(name));
  return [
    ...(foreign.length > 0
      ? [`expected no export but ${EXPORTS.join(", ")}, got ${foreign.join(", ")}`]
      : []),
    ...(missing.length > 0 ? [`expected the export ${missing.join(", ")}`] : []),
  ];
}

/**
 * The imports that neither Node has nor the C library whose symbols these are.
 *
 * @param {readonly string[]} imports
 * @param {ReadonlySet<string>} library
 */
export function unknownImports(imports, library) {
  return imports.filter((name) => !OF_NODE.test(name) && !library.has(name));
}

/** @param {string} a @param {string} b */
function compareVersions(a, b) {
  const [left, right] = [a, b].map((version) => version.split(".").map(Number));
  for (let index = 0; index < 3; index++) {
    const difference = (left?.[index] ?? 0) - (right?.[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
