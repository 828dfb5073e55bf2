import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { listen } from "ringbell";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { addonPath, loadBinding } from "../../lib/native/load.js";
import { canCompileC, compileC } from "../c-compiler.js";
import { privateDirectory, script } from "../channel/setup.js";

const NAME = "napi_create_external_arraybuff";

/** The environment of a process whose engine allows no memory from outside its heap, as Electron's does not. */
function withoutExternalBuffers(directory: string): Record<string, string> {
  const library = join(directory, "refuse.so");
  compileC([
    "-shared",
    "-fPIC",
    "-o",
    library,
    fileURLToPath(new URL("programs/no-external-buffers.c", import.meta.url)),
  ]);
  loadBinding();
  const addon = readFileSync(addonPath()!);
  for (let at = addon.indexOf(`${NAME}er\0`); at >= 0; at = addon.indexOf(`${NAME}er\0`, at)) {
    addon.write(`${NAME}XX`, at, "latin1");
  }
  const patched = join(directory, "ringbell.node");
  writeFileSync(patched, addon);
  return { LD_PRELOAD: library, RINGBELL_ADDON: patched };
}

describe.runIf(process.platform === "linux" && canCompileC())("in a process like Electron's", () => {
  const made = mkdtempSync(join(tmpdir(), "ringbell-test-"));
  let environment: Record<string, string>;
  beforeAll(() => {
    environment = withoutExternalBuffers(made);
  }, 120_000);
  afterAll(() => rmSync(made, { recursive: true, force: true }));

  /** Runs the code, which has `channel`: to this process, in the namespace `directory`. */
  async function electron(code: string, answer: (message: unknown) => unknown) {
    const directory = privateDirectory();
    const server = await listen<unknown, unknown>("s", { directory });
    onTestFinished(() => server.close());
    const { ended } = script(
      `const channel = await ringbell.connect("s", { directory: ${JSON.stringify(directory)} });
      const tell = (error) => ({ code: error.code, message: error.message });
      ${code}
      process.exit(0);`,
      environment,
    );
    const accepted = await Promise.race([server.accept(), ended.then(({ output }) => output)]);
    if (typeof accepted === "string") throw new Error(accepted);
    accepted.on("message", (message) => void accepted.send(answer(message)));
    return { output: async () => JSON.parse((await ended).output), channel: accepted };
  }

  it("messages go through shared memory, as long as half a ring", async () => {
    const { output } = await electron(
      `const lengths = [];
      for (const length of [0, 100, 60_000, 131_000]) {
        await channel.send("x".repeat(length));
        lengths.push((await channel.receive()).length);
      }
      const long = await channel.send("x".repeat(200_000)).catch(tell);
      channel.sendSync("sync");
      const sync = channel.receiveSync();
      report(JSON.stringify({ transport: channel.transport, lengths, long, sync }));`,
      (message) => message,
    );
    expect(await output()).toEqual({
      transport: "shm",
      lengths: [0, 100, 60_000, 131_000],
      long: {
        code: "ERR_RINGBELL_MESSAGE_TOO_LARGE",
        message: expect.stringContaining("raise the capacity"),
      },
      sync: "sync",
    });
  });

  it("there are no blocks, on either side, and the error says why", async () => {
    const { output, channel } = await electron(
      `const refused = await channel.allocate(100).catch(tell);
      await channel.send("allocate");
      report(JSON.stringify([refused, await channel.receive(), channel.stats().bulk.limit, channel.cells === undefined]));`,
      () => channel.stats().bulk.limit,
    );
    const here = channel.allocate(100).catch((error: unknown) => error);
    const refused = { code: "ERR_RINGBELL_BLOCK_TOO_LARGE", message: expect.stringContaining("Electron") };
    expect(await output()).toEqual([refused, 0, 0, true]);
    expect(await here).toMatchObject(refused);
  });
});
