import { execFileSync } from "node:child_process";
import { readFileSync, realpathSync } from "node:fs";
import { cpus, release, totalmem, type } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { allowedCores } from "./cores.mjs";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** What the figures were measured on. */
export function machine() {
  const processors = cpus();
  const [first = 0] = allowedCores();
  const core = `/sys/devices/system/cpu/cpu${first}`;
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
    /** Of the first core allowed; null where it can't be read, as in most virtual machines. */
    governor: text(`${core}/cpufreq/scaling_governor`),
    /** Which cores are threads of one, such as "0-1"; null as above. */
    threadSiblings: text(`${core}/topology/thread_siblings_list`),
    /** Whether the processor says that it is a virtual one; null where that is not told. */
    virtual: virtual(),
  };
}

function virtual() {
  const flags = /^flags\s*:(.*)$/m.exec(text("/proc/cpuinfo") ?? "")?.[1];
  return flags === undefined ? null : / hypervisor( |$)/.test(flags);
}

/** @param {string} file */
function text(file) {
  try {
    return readFileSync(file, "utf8").trim();
  } catch {
    return null;
  }
}

/**
 * What was measured: the version, the commit, and whether the working tree differed from it.
 * @param {string} [root]  The folder of the package.
 */
export function revision(root = ROOT) {
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const git = (/** @type {string[]} */ ...args) => gitIn(root, args);
  // A copy of the sources may lie in somebody else's repository.
  const ours = git("rev-parse", "--show-toplevel") === realpathSync(root).replace(/\/$/, "");
  return {
    version: /** @type {string} */ (version),
    commit: ours ? (git("rev-parse", "HEAD") ?? null) : null,
    changed: ours ? git("status", "--porcelain") !== "" : null,
  };
}

/** @param {string} cwd @param {string[]} args */
function gitIn(cwd, args) {
  try {
    return execFileSync("git", args, {
      cwd,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  } catch {
    return undefined;
  }
}
