import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { listen } from "ringbell";
import { expect, it, onTestFinished } from "vitest";
import { first, privateDirectory } from "../channel/setup.js";
import { type Outcome, runProgram } from "../cli/run.js";
import { headOf } from "../docs/blocks.js";
import { expectLines, root } from "../docs/workshop.js";
import { bundleSuites } from "./bundle.js";
import { exchange } from "./exchange.js";
import { failedIn } from "./lines.js";

export interface Runtime {
  readonly name: "Bun" | "Deno";
  /** Its executable; `npm run test:runtimes` sets it. */
  readonly program: string | undefined;
  /** The arguments before the path of a script. */
  readonly args: readonly string[];
}

/** These block a thread, which needs shared memory. */
const BLOCKING = ["sync-polling.mjs", "worker.mjs"];
const examples = readdirSync(join(root, "examples"))
  .filter((file) => file.endsWith(".mjs"))
  .filter((file) => !BLOCKING.includes(file));

/** What every transport and every port promises, and the codecs. */
const SUITES = [
  "test/transport/stream/contract.test.ts",
  "test/port/no-addon.test.ts",
  "test/port/memory-pair.test.ts",
  "test/memory-pair.test.ts",
  "test/codec/json.test.ts",
  "test/codec/struct.test.ts",
  "test/codec/union.test.ts",
  "test/codec/text-bytes.test.ts",
];
/** It makes clone() for all of its tests, which needs V8. */
const WITH_CLONE = "test/codec/blocks.test.ts";

/** Tests that can't hold there, with the reason. */
const KNOWN: Readonly<Record<Runtime["name"], readonly RegExp[]>> = {
  Bun: [
    /though a test has replaced the timers/, // There are Vitest's own fakes only in Vitest.
    /getter that throws is the cause/, // It tries clone(), which needs V8.
    /share nothing in clone\(\)/, // As its name says.
    /that were garbage-collected come back/, // Its collector takes what looks like a pointer on the stack for one, and may keep a block.
  ],
  Deno: [
    /though a test has replaced the timers/,
    /keeps no process alive/, // It starts node's --input-type=module, which Deno does not know.
    /moved the memory of one elsewhere/, // What may not be transferred can't be moved there, either.
    /taken away handle by handle/, // A write is never done at once there, so the memory goes a little later.
  ],
};

/** Changes an expected line to the one without shared memory: a child gets a stream, and a loop that never ends its turn sees no cancel. */
const overStreams = (line: string) =>
  line
    .replace("the addon: shm", "the addon: stream")
    .replace("loop was stopped: true", "loop was stopped: false");

/** Declares the tests of a runtime. Each has a file of its own, so that they run side by side. */
export function testRuntime({ name, program, args }: Runtime): void {
  if (program === undefined || program === "") {
    it.skip("needs another runtime: npm run test:runtimes", () => {});
    return;
  }
  const start = (script: string, more: string[] = [], env: Record<string, string> = {}): Promise<Outcome> =>
    runProgram(program, [...args, script, ...more], { RINGBELL_DIRECTORY: privateDirectory(), ...env });

  it.each(examples)("examples/%s prints what its head says", { timeout: 120_000 }, async (file) => {
    const path = join(root, "examples", file);
    const { code, stdout, stderr } = await start(path);
    expect(code, stderr).toBe(0);
    const { prints } = headOf(readFileSync(path, "utf8"));
    expectLines(stdout, prints.map(overStreams));
    expect(stderr).toMatch(/RINGBELL_STREAM_FALLBACK/);
    expect(stderr).toContain(`the addon is not loaded in ${name} `);
  });

  it.each(BLOCKING)("examples/%s is told that a thread can't be blocked", async (file) => {
    const { code, stderr } = await start(join(root, "examples", file));
    expect(code).not.toBe(0);
    expect(stderr).toContain("methods that block need shared memory");
  });

  it("messages and blocks go to and fro with a process of Node", async () => {
    const directory = privateDirectory();
    const server = await listen("n", { directory });
    onTestFinished(() => server.close());
    const ended = start(join(root, "test", "runtimes", "echo.mjs"), [directory]);
    const channel = await first(server);
    expect([channel.transport, channel.stats().fallback]).toEqual(["stream", "peer"]);
    await exchange(channel);
    expect(await ended).toMatchObject({ code: 0, stdout: "" });
  });

  it("the tests of transports, ports and codecs hold, but for those that can't there", {
    timeout: 600_000,
  }, async () => {
    const file = join(root, "build", "test-runtimes", `${name}.mjs`);
    await bundleSuites(name === "Bun" ? SUITES : [...SUITES, WITH_CLONE], file);
    const { stdout, stderr } = await start(file, [], { RINGBELL_NO_ADDON: "1" });
    const failed = failedIn(stdout, stderr, 250);
    const known = (test = "") => KNOWN[name].some((pattern) => pattern.test(test));
    expect(failed.filter((line) => !known(line.name))).toEqual([]);
  });
}
