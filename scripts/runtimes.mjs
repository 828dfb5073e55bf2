// Programs that npm carries as plain binaries, for the tests that run on several runtimes. They are kept in a folder of the cache.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "ringbell-test-runtimes");

/**
 * Installs the package, unless it is there. Returns the path of the program in it.
 * @param {string} name @param {string} version @param {string} file its path in the package
 */
export function program(name, version, file) {
  const folder = join(cache, `${name.replaceAll("/", "-")}-${version}`);
  const path = join(folder, "node_modules", name, file);
  if (existsSync(path)) return path;
  mkdirSync(folder, { recursive: true });
  const args = ["install", "--prefix", folder, "--no-save", "--no-audit", "--no-fund", `${name}@${version}`];
  const { status } = spawnSync("npm", args, { stdio: ["ignore", process.stderr, "inherit"] });
  if (status !== 0) throw new Error(`npm could not install ${name}@${version}`);
  return path;
}
