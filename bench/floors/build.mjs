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

/** Builds all of them, before the clock of a run starts. Those that can't be built say why when they are asked for. */
export async function buildFloors() {
  const names = (await readdir(SOURCES)).filter((name) => name.endsWith(".cc"));
  await Promise.all(names.map((name) => buildFloor(name.slice(0, -".cc".length))));
}

/**
 * What the floors are built with, for the record; what is not there is left out.
 * @returns {Promise<Record<string, string>>}
 */
export async function toolchain() {
  const compiler = process.env.CXX ?? "g++";
  const ask = async (/** @type {string[]} */ ...args) => (await run(compiler, args)).stdout;
  const [version, boost] = await Promise.all([
    ask("-dumpfullversion", "-dumpversion").catch(() => ""),
    ask("-E", "-dM", "-x", "c++", "-include", "boost/version.hpp", "/dev/null").catch(() => ""),
  ]);
  const found = {
    [compiler]: version.trim(),
    boost: /BOOST_LIB_VERSION "(.*)"/.exec(boost)?.[1]?.replaceAll("_", "."),
  };
  return Object.fromEntries(Object.entries(found).filter(([, text]) => text));
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
