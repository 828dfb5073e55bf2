import { chmodSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { listen } from "ringbell";
import { describe, expect, it, onTestFinished } from "vitest";
import { type Outcome, runCode } from "../cli/run.js";
import { privateDirectory } from "./setup.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const library = JSON.stringify(new URL("../../dist/index.js", import.meta.url).href);

const flags = process.allowedNodeEnvironmentFlags;
const PERMISSION = flags.has("--permission") ? "--permission" : "--experimental-permission";
/** Since Node 25, sockets need a permission of their own, Unix sockets as well. */
const needsNet = flags.has("--allow-net");
const NET = needsNet ? ["--allow-net"] : [];
const FILES = ["--allow-fs-read=*", "--allow-fs-write=*"];

const listening = (directory: string, transport: string) =>
  `(await listen("n", { directory: ${JSON.stringify(directory)}, transport: "${transport}" })).close()`;
const connecting = (directory: string, transport: string) =>
  `(await connect("n", { directory: ${JSON.stringify(directory)}, transport: "${transport}", retry: false })).close()`;

/** Runs a call in a process with these flags. Prints what came of it. */
function attempt(call: string, flags: readonly string[]): Promise<Outcome> {
  const code = `
    const { connect, endpoints, health, listen, sweep } = await import(${library});
    try {
      await ${call};
      console.log("ok");
    } catch (error) {
      console.log(error.name, error.code, error.message);
    }`;
  return runCode(code, {}, ["--no-warnings", ...flags]);
}

/** A name that a process of its own permissions can connect to. */
async function listenerIn(directory: string): Promise<void> {
  const server = await listen("n", { directory });
  onTestFinished(() => server.close());
}

describe("under Node's permission model", () => {
  it("shared memory works with --allow-addons, without the network", async () => {
    const directory = privateDirectory();
    const allowed = [PERMISSION, "--allow-addons", ...FILES];
    expect(await attempt(listening(directory, "shm"), allowed)).toMatchObject({ stdout: "ok\n" });
    await listenerIn(directory);
    expect(await attempt(connecting(directory, "shm"), allowed)).toMatchObject({ stdout: "ok\n" });
  });

  it.each([
    ["listen", listening],
    ["connect", connecting],
  ])("%s without --allow-addons falls back to the stream, or names the flag", async (_, call) => {
    const directory = privateDirectory();
    if (call === connecting) await listenerIn(directory);
    const allowed = [PERMISSION, ...FILES, ...NET];
    expect(await attempt(call(directory, "auto"), allowed)).toMatchObject({ stdout: "ok\n" });
    const { stdout } = await attempt(call(directory, "shm"), allowed);
    expect(stdout).toMatch(/^TransportError ERR_RINGBELL_TRANSPORT /);
    expect(stdout).toContain("Mend: start Node with --allow-addons");
  });

  it("the warning about the stream names the flag", async () => {
    const code = `const { listen } = await import(${library}); await ${listening(privateDirectory(), "auto")};`;
    const { stderr } = await runCode(code, {}, [PERMISSION, ...FILES, ...NET]);
    expect(stderr).toMatch(/RINGBELL_STREAM_FALLBACK/);
    expect(stderr).toContain("start Node with --allow-addons");
  });

  it.runIf(needsNet).each([
    ["listen", listening],
    ["connect", connecting],
  ])("%s without the addon and without --allow-net names that flag", async (_, call) => {
    const directory = privateDirectory();
    if (call === connecting) await listenerIn(directory);
    for (const transport of ["auto", "stream"]) {
      const { stdout } = await attempt(call(directory, transport), [PERMISSION, ...FILES]);
      expect(stdout).toMatch(/^SystemError ERR_RINGBELL_SYSTEM can't (listen on|connect to) .*--allow-net/);
    }
  });

  it.each([
    ["listen", (directory: string) => listening(directory, "auto"), "--allow-fs-write"],
    ["connect", (directory: string) => connecting(directory, "auto"), "--allow-fs-read"],
    ["health", (directory: string) => `health("n", ${JSON.stringify({ directory })})`, "--allow-fs-read"],
    ["endpoints", (directory: string) => `endpoints(${JSON.stringify({ directory })})`, "--allow-fs-read"],
    ["sweep", (directory: string) => `sweep(${JSON.stringify({ directory })})`, "--allow-fs-read"],
  ])("%s without a right to the files is a SystemError that names the flag", async (_, call, flag) => {
    const directory = join(privateDirectory(), "d");
    mkdirSync(directory, { mode: 0o700 });
    chmodSync(dirname(directory), 0o700);
    const { stdout } = await attempt(call(directory), [
      PERMISSION,
      "--allow-addons",
      ...NET,
      `--allow-fs-read=${join(root, "dist")}/*`,
      `--allow-fs-read=${join(root, "package.json")}`,
      `--allow-fs-read=${join(root, "build")}/*`,
    ]);
    expect(stdout).toMatch(/^SystemError ERR_RINGBELL_SYSTEM can't /);
    expect(stdout).toContain(directory);
    expect(stdout).toContain(flag);
  });
});

describe("with --no-addons", () => {
  it.each([
    ["listen", listening],
    ["connect", connecting],
  ])("%s falls back to the stream, or says which flag to leave out", async (_, call) => {
    const directory = privateDirectory();
    if (call === connecting) await listenerIn(directory);
    expect(await attempt(call(directory, "auto"), ["--no-addons"])).toMatchObject({ stdout: "ok\n" });
    const { stdout } = await attempt(call(directory, "shm"), ["--no-addons"]);
    expect(stdout).toMatch(/^TransportError /);
    expect(stdout).toContain("Mend: start Node without --no-addons");
  });
});
