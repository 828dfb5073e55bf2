// What the package on npm holds, and what is wrong with it.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { TARGETS } from "../addon/targets.mjs";
import { stateOf } from "./stamps.mjs";

/** Packed. */
export const LARGEST = 1_600_000;

/** What may be in it besides the binaries and the entries: one of these each. */
const EXPECTED = [
  /^(package\.json|README\.md|LICENSE|CHANGELOG\.md|SECURITY\.md|UPGRADING\.md)$/,
  /^dist\/chunks\/\w+\.js$/,
  /^dist\/cli\/top\/page\/(index\.html|main\.js|style\.css)$/,
  /^dist\/[\w/-]+\.d\.ts$/,
  /^docs\/[\w-]+\.(md|svg)$/,
  // For `ringbell build-addon`. A binding.gyp would make package managers run node-gyp, or complain that they did not.
  /^native\/(js\/)?\w+\.(cc|h)$/,
  /^scripts\/(build-native\.mjs|addon\/[\w-]+\.(mjs|json))$/,
];
/** Some that a package without which would not work, beside the entries. */
const NEEDED = ["dist/cli/top/page/index.html", "scripts/build-native.mjs", "native/addon.cc"];

/** What `npm pack --json` says of a package. @typedef {{ size: number, files: { path: string }[] }} Packed */

/** What package.json sends users to: the modules that they import, their types, and the program. @param {string} root @returns {string[]} */
function entriesOf(root) {
  const { exports, bin } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const targets = [...Object.values(exports), ...Object.values(bin)].flatMap((target) =>
    typeof target === "string" ? [target] : Object.values(target),
  );
  return targets.map((path) => path.replace(/^\.\//, "")).filter((path) => path.startsWith("dist/"));
}

/**
 * Returns what is wrong: sentences.
 *
 * @param {string} root
 * @param {Packed} packed
 * @returns {string[]}
 */
export function tarballFaults(root, { size, files }) {
  const paths = files.map(({ path }) => path);
  const binaries = TARGETS.map(({ file }) => `prebuilds/${file}`);
  const entries = entriesOf(root);
  const foreign = paths.filter(
    (path) => ![...binaries, ...entries].includes(path) && !EXPECTED.some((pattern) => pattern.test(path)),
  );
  const missing = [...binaries, ...entries, ...NEEDED].filter((path) => !paths.includes(path));
  const old = TARGETS.filter((target) => !["current", "missing"].includes(stateOf(root, target)));
  return [
    ...missing.map((path) => `${path} is missing`),
    ...foreign.map((path) => `${path} has no business in it`),
    ...old.map(({ file }) => `prebuilds/${file} is older than its sources, or not the file that was built`),
    ...(size > LARGEST
      ? [`expected ${LARGEST.toLocaleString("en")} bytes at most, got ${size.toLocaleString("en")}`]
      : []),
  ];
}
