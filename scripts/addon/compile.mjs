// Compiles the addon into one file.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { exportFlag, flagsFor } from "./flags.mjs";
import { unit } from "./sources.mjs";
import { fetchPackage, PINS } from "./toolchain.mjs";

/**
 * @typedef {object} Build
 * @property {string[]} command  The compiler: `["g++"]`, or `[…/zig, "c++"]`.
 * @property {NodeJS.ProcessEnv} [env]  Set for the compiler besides.
 * @property {NodeJS.Platform} platform
 * @property {"glibc" | "musl" | undefined} libc
 * @property {string | undefined} triple  For Zig.
 * @property {boolean} strict
 * @property {string[]} includes  Directories of headers.
 * @property {string} output
 */

/** The compiler ended with an error, whose text is the message. */
export class CompileError extends Error {}

/** Throws a CompileError. A file at `output` is replaced as a whole, or left as it was. @param {string} root @param {Build} build */
export async function compile(root, { command, env, platform, libc, triple, strict, includes, output }) {
  mkdirSync(dirname(output), { recursive: true });
  const own = `${output}.${process.pid}`;
  const source = `${own}.cc`;
  const list = `${own}.exports`;
  const made = `${own}.made`;
  try {
    writeFileSync(source, unit(root, { staticNew: triple !== undefined && platform === "darwin" }));
    const [compiler, ...first] = command;
    const args = [...first, ...flagsFor({ platform, libc, triple, strict }), "-I", root];
    for (const directory of includes) args.push("-isystem", directory);
    const exported = exportFlag(platform, triple !== undefined);
    if (exported !== undefined) {
      writeFileSync(list, exported.text);
      args.push(`${exported.flag}${list}`);
    }
    args.push(source, "-o", made);
    await run(/** @type {string} */ (compiler), args, { ...process.env, ...env });
    renameSync(made, output);
  } finally {
    for (const file of [source, list, made]) rmSync(file, { force: true });
  }
}

/**
 * The headers of node-addon-api and of Node: those that are installed here, else npm's.
 *
 * @param {string} root
 * @param {(line: string) => void} say
 */
export function hostIncludes(root, say) {
  return [addonApi(root, say), join(headers(say), "include", "node")];
}

/** The headers for a binary that others get: always the same. @param {(line: string) => void} say */
export function pinnedIncludes(say) {
  return [fetchPackage(PINS.addonApi, say), join(fetchPackage(PINS.headers, say), "include", "node")];
}

/** @param {string} root @param {(line: string) => void} say */
function addonApi(root, say) {
  try {
    return dirname(createRequire(join(root, "package.json")).resolve("node-addon-api/package.json"));
  } catch {
    return fetchPackage(PINS.addonApi, say);
  }
}

/** @param {(line: string) => void} say */
function headers(say) {
  const prefix = dirname(dirname(process.execPath));
  const complete = ["node_api.h", "uv.h"].every((name) => existsSync(join(prefix, "include", "node", name)));
  return complete ? prefix : fetchPackage(PINS.headers, say);
}

/** @param {string} compiler @param {string[]} args @param {NodeJS.ProcessEnv} env @returns {Promise<void>} */
function run(compiler, args, env) {
  return new Promise((resolve, reject) => {
    const child = spawn(compiler, args, { env, stdio: ["ignore", "pipe", "pipe"] });
    let text = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (part) => {
        text += part;
      });
    }
    child.on("error", (error) => reject(new CompileError(`${compiler}: ${error.message}`)));
    child.on("close", (code, signal) => {
      if (code === 0) resolve();
      else
        reject(
          new CompileError(`${text.trimEnd()}\n${compiler} ended with ${signal ?? `exit code ${code}`}`),
        );
    });
  });
}
