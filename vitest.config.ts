import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config";

/** What `npm run test:bench` runs: the benchmark and the demo, which are no part of the library. */
const BENCH = ["test/bench/**/*.test.ts", "test/demo/**/*.test.ts", "test/cli/bench.test.ts"];

/** The entries of the package beside the core. */
const UPPER = ["rpc", "mailbox", "mcp", "vscode-jsonrpc", "acp", "session", "bridge", "browser"];

const lib = (file: string) => new URL(`./lib/${file}`, import.meta.url).pathname;

function project(name: string, include: string[], exclude: string[]): TestProjectInlineConfiguration {
  return {
    // Tests run lib/ in their own process, one copy of it; what they start as another process runs dist/.
    resolve: {
      alias: {
        ...Object.fromEntries(UPPER.map((floor) => [`ringbell/${floor}`, lib(`${floor}/index.ts`)])),
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
      // Short messages go inline from the first one on, so that tests of few messages try that as well.
      env: { RINGBELL_WATCHDOG: "1", RINGBELL_CHECK_BLOCKS: "1", RINGBELL_RING: "inline" },
      testTimeout: 30_000,
      hookTimeout: 30_000,
    },
  };
}

/** What `npm run test:protocols` runs: programs of others, which are installed into bench/. */
const PROTOCOLS = ["test/protocols/**/*.test.ts"];

export default defineConfig({
  test: {
    // Of the whole run, and not of each project: it builds dist/ and the addon where they are older than their sources.
    globalSetup: "test/global-setup.ts",
    maxWorkers: 2,
    projects: [
      project("core", ["test/**/*.test.ts"], [...BENCH, ...PROTOCOLS]),
      project("bench", BENCH, []),
      project("protocols", PROTOCOLS, []),
    ],
  },
});
