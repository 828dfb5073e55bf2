// Runs test/runtimes in Bun and Deno, from the plain binaries that npm carries of both. They are kept in a folder of the cache.
//
//   node scripts/test-runtimes.mjs [arguments of vitest]
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

const BUN = "1.4.5";
const DENO = "2.9.6";

const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "ringbell-test-runtimes");
const { platform, arch } = process;
const bun = `@oven/bun-${platform}-${arch === "arm64" ? "aarch64" : arch}`;
const deno = `@deno/${platform}-${arch}${platform === "linux" ? "-glibc" : ""}`;

/** Installs the package, unless it is there. Returns the path of the program in it. */
function program(name, version, file) {
  const folder = join(cache, `${name.replaceAll("/", "-")}-${version}`);
  const path = join(folder, "node_modules", name, file);
  if (existsSync(path)) return path;
  mkdirSync(folder, { recursive: true });
  const args = ["install", "--prefix", folder, "--no-save", "--no-audit", "--no-fund", `${name}@${version}`];
  const { status } = spawnSync("npm", args, { stdio: "inherit" });
  if (status !== 0) throw new Error(`npm could not install ${name}@${version}`);
  return path;
}

const { status } = spawnSync(
  process.execPath,
  [
    join("node_modules", "vitest", "vitest.mjs"),
    "run",
    "--project",
    "core",
    "test/runtimes",
    ...process.argv.slice(2),
  ],
  {
    stdio: "inherit",
    env: {
      ...process.env,
      TEST_BUN: process.env.TEST_BUN || program(bun, BUN, "bin/bun"),
      TEST_DENO: process.env.TEST_DENO || program(deno, DENO, "deno"),
    },
  },
);
process.exitCode = status ?? 1;
