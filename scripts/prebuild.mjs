// Builds the addon for every system that the package has a binary for into prebuilds/, from one machine: Linux on x64, with network the
// first time. What is made of the same sources already is left as it is. Then it looks into each binary and prints what it found.
//
//   npm run prebuild -- [--only TARGET,…] [--check]
//     --check  builds nothing, and fails if a binary is missing, or older than its sources
import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { CompileError, compile, pinnedIncludes } from "./addon/compile.mjs";
import { zig } from "./addon/compiler.mjs";
import { FetchError, fetched, PINS } from "./addon/toolchain.mjs";
import { inspect, unknownImports } from "./prebuild/inspect.mjs";
import { librarySymbols } from "./prebuild/libraries.mjs";
import { parseOptions, USAGE, UsageError } from "./prebuild/options.mjs";
import { fileOf, sourcesOf, stamp, stateOf } from "./prebuild/stamps.mjs";
import { faultsIn, table } from "./prebuild/table.mjs";

const AT_ONCE = 2;
/** What stateOf says, for people. @type {Readonly<Record<string, string>>} */
const STATES = {
  current: "up to date",
  built: "built",
  missing: "missing",
  stale: "older than its sources",
  changed: "not the file that was built",
};
const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** @typedef {import("./addon/targets.mjs").Target} Target */

/** @param {string} text */
function say(text) {
  process.stderr.write(`${text}\n`);
}

/** @param {readonly Target[]} targets */
async function buildAll(targets) {
  if (targets.length === 0) return;
  if (process.platform !== "linux" || process.arch !== "x64")
    throw new FetchError(
      `npm has Zig for Linux on x64, not for ${process.platform}-${process.arch}: run it there`,
    );
  const { command, env } = zig(say);
  const includes = pinnedIncludes(say);
  const waiting = [...targets];
  const builder = async () => {
    for (let target = waiting.shift(); target !== undefined; target = waiting.shift()) {
      const begin = performance.now();
      const { platform, libc, triple } = target;
      const sources = sourcesOf(root, target);
      const output = fileOf(root, target);
      await compile(root, { command, env, platform, libc, triple, strict: true, includes, output });
      stamp(root, target, sources);
      say(`${target.name}: ${((performance.now() - begin) / 1000).toFixed(0)} s`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, builder));
}

/** @param {Target} target */
function factsOf(target) {
  const facts = inspect(target, readFileSync(fileOf(root, target)));
  const compiler = fetched(PINS.zig);
  const symbols = compiler === undefined ? undefined : librarySymbols(target, compiler);
  const unknown = symbols === undefined ? [] : unknownImports(facts.imports, symbols);
  if (unknown.length > 0)
    facts.faults.push(`expected only symbols of Node and the C library, got ${unknown.join(", ")}`);
  return facts;
}

/** @returns {Promise<number>} exit status */
async function main() {
  const { targets, check, help } = parseOptions(process.argv.slice(2));
  if (help) {
    process.stdout.write(`${USAGE}\n`);
    return 0;
  }
  const before = new Map(targets.map((target) => [target, stateOf(root, target)]));
  const old = targets.filter((target) => before.get(target) !== "current");
  if (!check) await buildAll(old);
  const rows = targets.map((target) => {
    const state = check || before.get(target) === "current" ? before.get(target) : "built";
    return {
      target,
      state: STATES[state ?? ""] ?? "",
      facts: state === "missing" ? undefined : factsOf(target),
    };
  });
  process.stdout.write(`${table(rows)}\n`);
  const faults = faultsIn(rows);
  for (const fault of faults) say(fault);
  if (check && old.length > 0)
    say(`Not up to date: ${old.map(({ name }) => name).join(", ")}. npm run prebuild builds them.`);
  return faults.length > 0 || (check && old.length > 0) ? 1 : 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  if (error instanceof UsageError) {
    say(`${error.message}\n${USAGE}`);
    process.exitCode = 2;
  } else if (error instanceof CompileError || error instanceof FetchError) {
    say(error.message);
    process.exitCode = 1;
  } else throw error;
}
