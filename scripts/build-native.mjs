// Builds the addon into build/Release. Node's own headers are used where this installation has them; otherwise
// node-gyp fetches them.
//
//   node scripts/build-native.mjs [--verbose] [--if-stale]     --if-stale: only if the addon is missing or older than a source
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, statSync, utimesSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const ADDON = "build/Release/ringbell.node";
const prefix = dirname(dirname(process.execPath));
const quiet = !process.argv.includes("--verbose");

const written = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;

function isStale() {
  const sources = readdirSync("native", { recursive: true })
    .filter((name) => /\.(cc|h)$/.test(name) && !name.startsWith("test"))
    .map((name) => join("native", name));
  return ["binding.gyp", ...sources].some((path) => written(path) > written(ADDON));
}

function gyp(...command) {
  const args = [createRequire(import.meta.url).resolve("node-gyp/bin/node-gyp.js"), ...command, "--jobs=max"];
  if (existsSync(join(prefix, "include/node/node_api.h"))) args.push(`--nodedir=${prefix}`);
  if (quiet) args.push("--silent");
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  const output = `${stdout ?? ""}${stderr ?? ""}`;
  if (!quiet) process.stdout.write(output);
  return { done: status === 0, output };
}

function build() {
  // A Makefile that is older than what it was made from is made anew.
  const configured = existsSync("build/config.gypi") && written("build/Makefile") > written("binding.gyp");
  if (!configured) return gyp("rebuild");
  const result = gyp("build");
  // The Makefile has paths from its folder to Node's headers: it is of no use in a copy of the folder at another place.
  return result.output.includes("No rule to make target") ? gyp("rebuild") : result;
}

if (!process.argv.includes("--if-stale") || isStale()) {
  const { done, output } = build();
  if (done) {
    // A source that changed nothing in the addon leaves the file as it was: it is up to date now, and its time says so.
    utimesSync(ADDON, new Date(), new Date());
  } else {
    process.stderr.write(
      `${quiet ? output : ""}\n` +
        "The addon could not be built. It needs a C++20 compiler (g++ 11 or clang 14), make and python3.\n" +
        "Without it, npm run build:ts gives you ringbell over sockets.\n",
    );
    process.exitCode = 1;
  }
}
