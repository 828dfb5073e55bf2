// Runs the whole suite on each supported version of Node, with one and the same prebuilt binary of the addon.
//
//   node scripts/test-nodes.mjs [--only 20,26] [arguments of vitest]
//
// The suite runs in a copy of the last commit, in which that binary stands where the addon is built, too: no other is there to load.
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { hostTarget } from "./addon/targets.mjs";
import { fileOf, stateOf } from "./prebuild/stamps.mjs";
import { program } from "./runtimes.mjs";

/** The oldest version that package.json allows, and the newest of each line. */
const VERSIONS = ["20.19.6", "22.23.5", "24.22.3", "26.12.1"];
const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** @param {string} text */
function say(text) {
  process.stderr.write(`${text}\n`);
}

/** @param {string} command @param {string[]} args @param {string} cwd @param {NodeJS.ProcessEnv} [env] */
function run(command, args, cwd, env) {
  const { status, error } = spawnSync(command, args, { cwd, env, stdio: ["ignore", "inherit", "inherit"] });
  if (error !== undefined) throw error;
  return status ?? 1;
}

/** A copy of the last commit with the modules of this one, the prebuilt binaries, and one of them as its build. @param {string} folder @param {string} binary */
function copyInto(folder, binary) {
  const steps = [
    ["git", "clone", "--quiet", root, folder],
    ["cp", "-al", join(root, "node_modules"), folder],
  ];
  for (const [command, ...args] of steps) {
    if (run(/** @type {string} */ (command), args, root) !== 0) throw new Error(`${command} failed`);
  }
  cpSync(join(root, "prebuilds"), join(folder, "prebuilds"), { recursive: true });
  cpSync(binary, join(folder, "build", "Release", "ringbell.node"));
  if (run("npm", ["run", "--silent", "build:ts"], folder) !== 0) throw new Error("the build failed");
}

/** @param {string} version @param {string} folder @param {string[]} args @returns {{ version: string, status: number, seconds: number }} */
function suite(version, folder, args) {
  const node = program(`node-${process.platform}-${process.arch}`, version, "bin/node");
  const begin = performance.now();
  say(`=== Node ${version}`);
  const path = `${dirname(node)}${delimiter}${process.env.PATH}`;
  const vitest = join(folder, "node_modules", "vitest", "vitest.mjs");
  const status = run(node, [vitest, "run", "--project", "core", ...args], folder, {
    ...process.env,
    PATH: path,
    // The suite's set-up builds no addon then.
    RINGBELL_PREBUILT_ONLY: "1",
  });
  return { version, status, seconds: (performance.now() - begin) / 1000 };
}

function main() {
  const args = process.argv.slice(2);
  const at = args.indexOf("--only");
  const only = at < 0 ? undefined : args.splice(at, 2)[1]?.split(",");
  const versions = VERSIONS.filter((version) => only?.includes(version.split(".")[0] ?? "") ?? true);
  if (versions.length === 0) {
    say(`expected --only with some of ${VERSIONS.map((version) => version.split(".")[0]).join(",")}`);
    return 2;
  }
  const target = hostTarget();
  const state = target === undefined ? "missing" : stateOf(root, target);
  if (target === undefined || state !== "current") {
    say(`the binary for this machine in prebuilds/ is ${state}: npm run prebuild`);
    return 1;
  }
  const folder = mkdtempSync(join(tmpdir(), "ringbell-nodes-"));
  try {
    copyInto(join(folder, "checkout"), fileOf(root, target));
    const results = versions.map((version) => suite(version, join(folder, "checkout"), args));
    for (const { version, status, seconds } of results)
      say(
        `Node ${version}: ${status === 0 ? "passed" : `failed, exit code ${status}`}, ${seconds.toFixed(0)} s`,
      );
    return results.every(({ status }) => status === 0) ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

process.exitCode = main();
