// What the package on npm holds, and what is wrong with it.
import { TARGETS } from "../addon/targets.mjs";
import { stateOf } from "./stamps.mjs";

/** Packed. */
export const LARGEST = 1_600_000;

/** What may be in it besides the binaries: one of these each. */
const EXPECTED = [
  /^(package\.json|README\.md|LICENSE|CHANGELOG\.md|SECURITY\.md)$/,
  /^dist\/(index|cli\/main|chunks\/\w+)\.js$/,
  /^dist\/[\w/-]+\.d\.ts$/,
  /^docs\/[\w-]+\.(md|svg)$/,
  // For `ringbell build-addon`. A binding.gyp would make package managers run node-gyp, or complain that they did not.
  /^native\/(js\/)?\w+\.(cc|h)$/,
  /^scripts\/(build-native\.mjs|addon\/[\w-]+\.(mjs|json))$/,
];
/** Some that a package without which would not work. */
const NEEDED = [
  "dist/index.js",
  "dist/index.d.ts",
  "dist/cli/main.js",
  "scripts/build-native.mjs",
  "native/addon.cc",
];

/** What `npm pack --json` says of a package. @typedef {{ size: number, files: { path: string }[] }} Packed */

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
  const foreign = paths.filter(
    (path) => !binaries.includes(path) && !EXPECTED.some((pattern) => pattern.test(path)),
  );
  const missing = [...binaries, ...NEEDED].filter((path) => !paths.includes(path));
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
