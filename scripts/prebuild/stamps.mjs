// Which sources each binary in prebuilds/ was made of, and whether they are still those.
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { exportFlag, flagsFor } from "../addon/flags.mjs";
import { hashOf } from "../addon/sources.mjs";
import { PINS } from "../addon/toolchain.mjs";

/**
 * @typedef {import("../addon/targets.mjs").Target} Target
 * @typedef {{ sources: string, file: string }} Stamp  Hashes: of what it was made of, and of the binary.
 */

/** The binary of a target. @param {string} root @param {Target} target */
export function fileOf(root, target) {
  return join(root, "prebuilds", target.file);
}

/** The flags of a target's build. @param {Target} target */
export function flagsOf({ platform, libc, triple }) {
  return flagsFor({ platform, libc, triple, strict: true });
}

/** The hash of everything that the binary of a target is made of. @param {string} root @param {Target} target */
export function sourcesOf(root, target) {
  const pins = [PINS.zig, PINS.headers, PINS.addonApi].map(({ integrity }) => integrity);
  return hashOf(root, [flagsOf(target), exportFlag(target.platform, true), pins]);
}

/** @param {string} root @param {Target} target @returns {"current" | "missing" | "stale" | "changed"} */
export function stateOf(root, target) {
  const file = fileOf(root, target);
  if (!existsSync(file)) return "missing";
  const stamp = read(root)[target.name];
  if (stamp?.sources !== sourcesOf(root, target)) return "stale";
  return stamp.file === digest(file) ? "current" : "changed";
}

/** Notes that the binary is made of these sources. @param {string} root @param {Target} target @param {string} sources */
export function stamp(root, target, sources) {
  const stamps = { ...read(root), [target.name]: { sources, file: digest(fileOf(root, target)) } };
  writeFileSync(stampsIn(root), `${JSON.stringify(stamps, null, 2)}\n`);
}

/** @param {string} root @returns {Record<string, Stamp>} */
function read(root) {
  const file = stampsIn(root);
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {};
}

/** @param {string} root */
function stampsIn(root) {
  return join(root, "prebuilds", "made.json");
}

/** @param {string} file */
function digest(file) {
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}
