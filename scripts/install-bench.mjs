// Installs what the benchmark needs beside the library (bench/package.json) where it is missing. What can't be installed is
// left out there: the peers that need it say so, the others are measured.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const bench = join(dirname(dirname(fileURLToPath(import.meta.url))), "bench");
/** Of what npm says when it fails. */
const LINES = 6;

/** The version in a package.json; undefined if there is none. */
function versionIn(...path) {
  try {
    return JSON.parse(readFileSync(join(...path, "package.json"), "utf8")).version;
  } catch {
    return undefined;
  }
}

const { devDependencies } = JSON.parse(readFileSync(join(bench, "package.json"), "utf8"));
const missing = Object.entries(devDependencies)
  .filter(([name, version]) => versionIn(bench, "node_modules", name) !== version)
  .map(([name]) => name);
if (missing.length > 0) {
  console.error(`Installing into bench/node_modules: ${missing.join(", ")} (npm ci)`);
  // Some are C++ and are built or unpacked by scripts of their own; bench/package.json says which may.
  const { status, error, stderr } = spawnSync("npm", ["ci", "--no-audit", "--no-fund"], {
    cwd: bench,
    stdio: ["ignore", "ignore", "pipe"],
    encoding: "utf8",
    // `npm run` tells its children what it was called with, and our .npmrc; this is another npm, for another package.
    env: Object.fromEntries(
      Object.entries(process.env).filter(
        ([name]) => !/^npm_(config_local_prefix|config_ignore_scripts|package_)/.test(name),
      ),
    ),
  });
  if (status !== 0) {
    const why = (error?.message ?? stderr).trim().split("\n").slice(0, LINES).join("\n");
    console.error(`${why}\nThat failed; the peers that need these packages are left out.`);
  }
}
