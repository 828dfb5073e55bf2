import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config";

/** What `npm run test:bench` runs: the benchmark and the demo, which are no part of the library. */
const BENCH = ["test/bench/**/*.test.ts", "test/demo/**/*.test.ts", "test/cli/bench.test.ts"];

const lib = (file: string) => new URL(`./lib/${file}`, import.meta.url).pathname;

function project(name: string, include: string[], exclude: string[]): TestProjectInlineConfiguration {
  return {
    // Tests run lib/ in their own process, one copy of it; what they start as another process runs dist/.
    resolve: {
      alias: {
        "ringbell/rpc": lib("rpc/index.ts"),
        "ringbell/session": lib("session/index.ts"),
        "ringbell/bridge": lib("bridge/index.ts"),
        "ringbell/browser": lib("browser/index.ts"),
        ringbell: lib("index.ts"),
      },
    },
    test: {
      name,
      include,
      exclude,
      pool: "forks",
      // A message that only the watchdog finds is a lost wake-up: tests look at stats().rescues.
      // Views of blocks that were sent or released are taken away, so that tests notice who still uses them.
      env: { RINGBELL_WATCHDOG: "1", RINGBELL_CHECK_BLOCKS: "1" },
      testTimeout: 30_000,
      hookTimeout: 30_000,
    },
  };
}

export default defineConfig({
  test: {
    // Of the whole run, and not of each project: it builds dist/ and the addon where they are older than their sources.
    globalSetup: "test/global-setup.ts",
    maxWorkers: 2,
    projects: [project("core", ["test/**/*.test.ts"], BENCH), project("bench", BENCH, [])],
  },
});
