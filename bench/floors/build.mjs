import { execFile } from "node:child_process";
import { mkdir, readdir, stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const SOURCES = new URL("./", import.meta.url);
const OUTPUT = new URL("../../build/bench/", import.meta.url);

/** -O2 and the plain instruction set: what a distribution's C++ program gets, and what the addon is built with. */
export const FLAGS = ["-std=c++20", "-O2", "-Wall", "-Wextra"];

/** What a program needs to be built, where that is not g++ alone: packages of Debian. */
const NEEDS = new Map([["spsc_queue", "g++ and libboost-dev"]]);

/** Where the headers are that a floor may include. */
const HEADERS = [SOURCES, new URL("../../native/", import.meta.url)];

/**
 * Builds floors/NAME.cc into build/bench/NAME unless it is newer than its sources.
 * @param {string} name
 * @returns {Promise<{ program: string } | { reason: string }>} the program, or why there is none
 */
export async function buildFloor(name) {
  const source = new URL(`${name}.cc`, SOURCES);
  const program = new URL(name, OUTPUT);
  const path = fileURLToPath(program);
  if (await isNewer(program, [source, ...(await headers())])) return { program: path };
  await mkdir(OUTPUT, { recursive: true });
  try {
    await run(process.env.CXX ?? "g++", [...FLAGS, "-o", path, fileURLToPath(source)]);
    return { program: path };
  } catch (error) {
    const { code, stderr = "" } = /** @type {{ code?: string | number, stderr?: string }} */ (error);
    const missing = code === "ENOENT" || /boost\/\S+: No such file|boost\/\S+' file not found/.test(stderr);
    const why = missing ? `install ${NEEDS.get(name) ?? "g++"}` : stderr.trim().split("\n", 1)[0];
    return { reason: `not built: ${why}` };
  }
}

async function headers() {
  const names = await Promise.all(HEADERS.map((directory) => readdir(directory)));
  return names.flatMap((inside, i) =>
    inside.filter((name) => name.endsWith(".h")).map((name) => new URL(name, HEADERS[i])),
  );
}

/**
 * @param {URL} file
 * @param {URL[]} others
 */
async function isNewer(file, others) {
  try {
    const [built, ...sources] = await Promise.all([file, ...others].map((url) => stat(url)));
    return built !== undefined && sources.every((source) => source.mtimeMs < built.mtimeMs);
  } catch {
    return false;
  }
}
