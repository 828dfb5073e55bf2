// The addon's sources, as one translation unit: the hot path of a lane runs through several files, and the compiler sees all of them at
// once without link-time optimisation, which Zig does not have for macOS. It takes a fifth of the time of one file after the other.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** For a binary with the C++ library in it, on macOS only. */
const STATIC_NEW = "native/static_new.cc";

/** The paths of all files that the addon is made of, from the root of the package. @param {string} root @returns {string[]} */
export function sourceFiles(root) {
  return readdirSync(join(root, "native"), { recursive: true, encoding: "utf8" })
    .map((name) => `native/${name.replaceAll("\\", "/")}`)
    .filter((name) => /\.(cc|h)$/.test(name) && !name.startsWith("native/test/"))
    .sort();
}

/** The text of the one file to compile. @param {string} root @param {{ staticNew: boolean }} options */
export function unit(root, { staticNew }) {
  return sourceFiles(root)
    .filter((name) => name.endsWith(".cc") && (staticNew || name !== STATIC_NEW))
    .map((name) => `#include "${name}"\n`)
    .join("");
}

/**
 * A hash of the sources and of all that is given besides: it changes where the binary may.
 *
 * @param {string} root
 * @param {unknown} recipe
 * @returns {string}
 */
export function hashOf(root, recipe) {
  const hash = createHash("sha256").update(JSON.stringify(recipe));
  for (const name of sourceFiles(root)) hash.update(`\0${name}\0`).update(readFileSync(join(root, name)));
  return hash.digest("hex");
}
