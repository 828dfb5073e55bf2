import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { listen } from "ringbell";
import { describe, expect, it, onTestFinished } from "vitest";
import { first, privateDirectory } from "../channel/setup.js";
import { type Outcome, runProgram } from "../cli/run.js";
import { headOf } from "../docs/blocks.js";
import { expectLines, root } from "../docs/workshop.js";
import { bundleSuites } from "./bundle.js";
import { exchange } from "./exchange.js";
import { failedIn } from "./lines.js";

/** Node for arm64 under emulation; `npm run test:arm64` sets it. */
const node = process.env.TEST_ARM64;
const examples = readdirSync(join(root, "examples")).filter((file) => file.endsWith(".mjs"));
/** What shared memory promises, and the codecs that write into it. */
const SUITES = [
  "test/transport/shm/contract.test.ts",
  "test/codec/struct.test.ts",
  "test/codec/union.test.ts",
];
/** Tests that can't hold there, with the reason. */
const KNOWN = [
  /though a test has replaced the timers/, // There are Vitest's own fakes only in Vitest.
];

if (node === undefined) it.skip("needs arm64 Node: npm run test:arm64", () => {});

describe.runIf(node)("on arm64, emulated", () => {
  const start = (script: string, more: string[] = [], env: Record<string, string> = {}): Promise<Outcome> =>
    runProgram(node!, [script, ...more], {
      RINGBELL_DIRECTORY: privateDirectory(),
      RINGBELL_PREBUILD: join(root, "prebuilds"),
      ...env,
    });

  it.each(examples)("examples/%s prints what its head says", { timeout: 300_000 }, async (file) => {
    const path = join(root, "examples", file);
    const { code, stdout, stderr } = await start(path);
    expect(code, stderr).toBe(0);
    expectLines(stdout, headOf(readFileSync(path, "utf8")).prints);
    expect(stderr).not.toMatch(/RINGBELL_STREAM_FALLBACK/);
  });

  it("an x64 and an arm64 process share one region: messages and blocks go to and fro", {
    timeout: 120_000,
  }, async () => {
    const directory = privateDirectory();
    const server = await listen("n", { directory });
    onTestFinished(() => server.close());
    const ended = start(join(root, "test", "runtimes", "echo.mjs"), [directory]);
    const channel = await first(server);
    expect(channel.transport).toBe("shm");
    await exchange(channel);
    expect(await ended).toMatchObject({ code: 0, stdout: "" });
  });

  it("the tests of shared memory and of codecs hold", { timeout: 1_200_000 }, async () => {
    const file = join(root, "build", "test-runtimes", "arm64.mjs");
    await bundleSuites(SUITES, file);
    const { stdout, stderr } = await start(file);
    const failed = failedIn(stdout, stderr, 200);
    expect(failed.filter(({ name = "" }) => !KNOWN.some((known) => known.test(name)))).toEqual([]);
  });
});
