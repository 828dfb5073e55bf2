import { execFileSync } from "node:child_process";
import { cpus, release, totalmem, type } from "node:os";
import { fileURLToPath } from "node:url";
import { allowedCores } from "./cores.mjs";

/** What the figures were measured on. */
export function machine() {
  const processors = cpus();
  return {
    processor: processors[0]?.model ?? "unknown",
    cores: processors.length,
    allowedCores: allowedCores(),
    memoryBytes: totalmem(),
    system: type(),
    kernel: release(),
    architecture: process.arch,
    node: process.versions.node,
    v8: process.versions.v8,
  };
}

/** What was measured: the commit, and whether the working tree differed from it. */
export function revision() {
  return { commit: git("rev-parse", "HEAD"), changed: git("status", "--porcelain") !== "" };
}

/** @param {string[]} args */
function git(...args) {
  try {
    const cwd = fileURLToPath(new URL("../", import.meta.url));
    return execFileSync("git", args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  } catch {
    return undefined;
  }
}
