import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: { alias: { ringbell: new URL("./lib/index.ts", import.meta.url).pathname } },
  test: {
    include: ["test/**/*.test.ts"],
    pool: "forks",
    globalSetup: "test/global-setup.ts",
    // A message that only the watchdog finds is a lost wake-up: tests look at stats().rescues.
    // Views of blocks that were sent or released are taken away, so that tests notice who still uses them.
    env: { RINGBELL_WATCHDOG: "1", RINGBELL_CHECK_BLOCKS: "1" },
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});
