import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { expect, it, onTestFinished } from "vitest";

const MODULE = new URL("../../bench/lib/private.mjs", import.meta.url).href;

/** A process that has a private directory; resolves with both. */
async function owner() {
  const code = `import { privateDirectory } from ${JSON.stringify(MODULE)};
    setInterval(() => {}, 1000);
    process.stdout.write(privateDirectory());`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", code]);
  onTestFinished(() => void child.kill("SIGKILL"));
  const [directory] = await once(child.stdout.setEncoding("utf8"), "data");
  return { child, directory: directory as string };
}

it.each(["SIGHUP", "SIGINT", "SIGTERM"] as const)(
  "a private directory goes with its process, by %s",
  async (signal) => {
    const { child, directory } = await owner();
    expect(existsSync(directory)).toBe(true);
    child.kill(signal);
    await once(child, "exit");
    expect(existsSync(directory)).toBe(false);
  },
);

it("one whose process was killed goes with the next run, and others stay", async () => {
  const [killed, other] = [await owner(), await owner()];
  killed.child.kill("SIGKILL");
  await once(killed.child, "exit");
  expect(existsSync(killed.directory)).toBe(true);
  await owner();
  expect([killed, other].map(({ directory }) => existsSync(directory))).toEqual([false, true]);
});
