// Which compiler builds the addon for this machine: that which CXX names, one that is installed, or Zig from npm.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { hostTarget } from "./targets.mjs";
import { cacheDirectory, FetchError, fetchPackage, PINS } from "./toolchain.mjs";

/**
 * @typedef {object} Compiler
 * @property {string[]} command  Compiles C++; the arguments follow.
 * @property {string[]} c  Compiles C.
 * @property {NodeJS.ProcessEnv} env
 * @property {string | undefined} triple  For Zig.
 */

const CANDIDATES = ["g++", "c++", "clang++"];
/** Compiled only if the compiler and its library know C++20. */
const PROBE =
  "#include <atomic>\n#include <span>\nstatic_assert(__cplusplus >= 202002L);\nstd::atomic<std::span<int>*> probe;\n";

/** No compiler is there, and none can be had. The message is one line. */
export class NoCompilerError extends Error {}

/**
 * Returns the compiler for this machine. Throws a NoCompilerError.
 *
 * @param {(line: string) => void} say  Hears that Zig is taken, and that npm fetches it.
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {Compiler}
 */
export function findCompiler(say, env = process.env) {
  const installed = installedCompiler(env);
  if (installed !== undefined) return installed;
  const missing = `no C++20 compiler was found (tried ${candidates(env).join(", ")}; g++ 11 and clang 14 are new enough)`;
  const target = hostTarget();
  if (target?.platform !== "linux" || target.arch !== "x64") {
    throw new NoCompilerError(
      `${missing}, and npm has one for Linux on x64 only, not for ${process.platform}-${process.arch}`,
    );
  }
  try {
    say(`${missing}: Zig ${PINS.zig.version} from npm takes its place`);
    return { ...zig(say), triple: target.triple };
  } catch (error) {
    if (!(error instanceof FetchError)) throw error;
    throw new NoCompilerError(`${missing}, and ${error.message}`);
  }
}

/** Returns Zig, without a target. Throws a FetchError. @param {(line: string) => void} say */
export function zig(say) {
  const program = join(fetchPackage(PINS.zig, say), "zig");
  // What Zig makes once a target, such as the C++ library, is kept.
  const cache = join(cacheDirectory(), "zig-cache");
  const env = { ZIG_GLOBAL_CACHE_DIR: cache, ZIG_LOCAL_CACHE_DIR: cache };
  return { command: [program, "c++"], c: [program, "cc"], env };
}

/** @param {NodeJS.ProcessEnv} env */
function candidates(env) {
  return env.CXX ? [env.CXX] : CANDIDATES;
}

/** @param {NodeJS.ProcessEnv} env @returns {Compiler | undefined} */
function installedCompiler(env) {
  for (const name of candidates(env)) {
    const args = ["-std=c++20", "-x", "c++", "-fsyntax-only", "-"];
    const { status } = spawnSync(name, args, { env, input: PROBE, stdio: ["pipe", "ignore", "ignore"] });
    if (status === 0) return { command: [name], c: [env.CC || "cc"], env: {}, triple: undefined };
  }
  return undefined;
}
