// Runs test/runtimes in Bun and Deno, from the plain binaries that npm carries of both.
//
//   node scripts/test-runtimes.mjs [arguments of vitest]
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { program } from "./runtimes.mjs";

const BUN = "1.4.5";
const DENO = "2.9.6";

const { platform, arch } = process;
const bun = `@oven/bun-${platform}-${arch === "arm64" ? "aarch64" : arch}`;
const deno = `@deno/${platform}-${arch}${platform === "linux" ? "-glibc" : ""}`;
const vitest = join("node_modules", "vitest", "vitest.mjs");

const { status } = spawnSync(
  process.execPath,
  [vitest, "run", "--project", "core", "test/runtimes", ...process.argv.slice(2)],
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
