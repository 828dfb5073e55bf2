// Builds dist/ from lib/, and takes out of dist/ what no file of lib/ makes any more.
//
//   node scripts/build-ts.mjs [--if-stale]     --if-stale: only if a file of dist/ is missing, older than its source, or too many
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, rmSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

/** The paths of all files in a folder, without the folder; none if it is not there. */
function filesIn(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
}

const stem = (file) => file.replace(/(\.d)?\.[jt]s$/, "");
const written = (...path) => statSync(join(...path), { throwIfNoEntry: false })?.mtimeMs;

function orphans(sources) {
  const stems = new Set(sources.map(stem));
  return filesIn("dist").filter((file) => !stems.has(stem(file)));
}

function isStale(sources) {
  const settings = written("tsconfig.json");
  const newest = (file) => Math.max(written("lib", file), settings);
  const outputs = (file) => [`${stem(file)}.js`, `${stem(file)}.d.ts`];
  return sources.some((file) =>
    outputs(file).some((output) => (written("dist", output) ?? 0) < newest(file)),
  );
}

const sources = filesIn("lib").filter((file) => file.endsWith(".ts"));
for (const file of orphans(sources)) rmSync(join("dist", file));
if (!process.argv.includes("--if-stale") || isStale(sources)) {
  const compiler = join(
    dirname(createRequire(import.meta.url).resolve("typescript/package.json")),
    "bin",
    "tsc",
  );
  const { status } = spawnSync(process.execPath, [compiler, "-p", "tsconfig.json"], { stdio: "inherit" });
  process.exitCode = status ?? 1;
}
