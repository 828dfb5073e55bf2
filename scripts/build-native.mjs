// Builds the addon into build/Release. Node's own headers are used where this installation has them; otherwise
// node-gyp fetches them.
import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const prefix = dirname(dirname(process.execPath));
const args = [createRequire(import.meta.url).resolve("node-gyp/bin/node-gyp.js"), "build"];
// A Makefile that is older than what it was made from is made anew.
const configured =
  existsSync("build/config.gypi") &&
  existsSync("build/Makefile") &&
  statSync("build/Makefile").mtimeMs > statSync("binding.gyp").mtimeMs;
if (!configured) args[1] = "rebuild";
if (existsSync(join(prefix, "include/node/node_api.h"))) args.push(`--nodedir=${prefix}`);
const quiet = !process.argv.includes("--verbose");
const { status, stdout, stderr } = spawnSync(process.execPath, quiet ? [...args, "--silent"] : args, {
  stdio: quiet ? ["ignore", "pipe", "pipe"] : "inherit",
  encoding: "utf8",
});
if (status !== 0) {
  process.stderr.write(`${stdout ?? ""}${stderr ?? ""}\n`);
  process.stderr.write(
    "The addon could not be built. It needs a C++20 compiler (g++ 11 or clang 14), make and python3.\n" +
      "Without it, npm run build:ts gives you ringbell over sockets.\n",
  );
  process.exit(1);
}
