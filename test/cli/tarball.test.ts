import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { run } from "../bench/run-bench.js";
import type { Outcome } from "./run.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

let directory: string;
let installed: string;
let main: string;

/** The package as npm would install it, its dependencies linked, without the binaries that this checkout happens to have. */
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "rb-pack-"));
  const pack = ["pack", "--ignore-scripts", "--silent", "--pack-destination", directory];
  const packed = await run("npm", pack, ROOT);
  expect(packed.code).toBe(0);
  installed = join(directory, "node_modules", "ringbell");
  main = join(installed, "dist", "cli", "main.js");
  mkdirSync(installed, { recursive: true });
  const unpack = ["-xzf", join(directory, packed.stdout.trim()), "--strip-components=1", "-C", installed];
  expect(await run("tar", unpack)).toMatchObject({ code: 0 });
  mkdirSync(join(directory, "node_modules", "@standard-schema"));
  rmSync(join(installed, "prebuilds"), { recursive: true, force: true });
  // The last one is for building the addon, which would fetch it.
  for (const name of ["@standard-schema/spec", "node-addon-api"])
    symlinkSync(join(ROOT, "node_modules", name), join(directory, "node_modules", name));
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe("the packed package", () => {
  it("has the library, what the addon is built from, and the documentation without benchmarks and pictures of them", () => {
    expect(readdirSync(installed).sort()).toEqual(
      [
        ["CHANGELOG.md", "LICENSE", "README.md", "SECURITY.md", "UPGRADING.md", "package.json"],
        ["dist", "docs", "native", "scripts"],
      ]
        .flat()
        .sort(),
    );
    const docs = readdirSync(join(installed, "docs"));
    expect(docs).toEqual(expect.arrayContaining(["api.md", "performance.md", "bulk-ownership.svg"]));
    expect(docs.filter((name) => /benchmarks|requirements/.test(name))).toEqual([]);
    const sourcesIn = (folder: string) =>
      readdirSync(join(folder, "native"), { recursive: true, encoding: "utf8" })
        .filter((name) => /\.\w+$/.test(name) && !name.startsWith("test"))
        .sort();
    expect(sourcesIn(installed)).toEqual(sourcesIn(ROOT));
  });

  it("has one file an entry, and what they share: a cold process reads few files", () => {
    const scripts = readdirSync(join(installed, "dist"), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".js"))
      .sort();
    expect(scripts.filter((name) => !name.startsWith("chunks/"))).toEqual([
      "acp/index.js",
      "bridge/index.js",
      "browser/index.js",
      "cli/main.js",
      "cli/top/page/main.js",
      "index.js",
      "mailbox/index.js",
      "mcp/index.js",
      "rpc/index.js",
      "session/index.js",
      "vscode-jsonrpc/index.js",
    ]);
    // The entries, and what several of them need: the library itself reads few of these.
    const library = readFileSync(join(installed, "dist", "index.js"), "utf8");
    expect(
      library.match(/^(import|export|\}) .*from "\.\/chunks\/|^import "\.\/chunks\//gm)?.length,
    ).toBeLessThanOrEqual(7);
  });

  it("carries a message, by the stream where no addon fits, and after ringbell build-addon by shared memory", {
    timeout: 120_000,
  }, async () => {
    const talk = `
      import { connect, listen } from "ringbell";
      const server = await listen("tarball");
      const accepted = server[Symbol.asyncIterator]().next();
      const channel = await connect("tarball");
      await channel.send("hello");
      console.log(await (await accepted).value.receive(), channel.transport);
      await server.close();
    `;
    const { stdout, stderr } = await runTalk(talk);
    expect(stdout).toBe("hello stream\n");
    expect(stderr).toMatch(/RINGBELL_STREAM_FALLBACK[\s\S]*has addons for [\s\S]*npx ringbell build-addon/);
    const build = await run(process.execPath, [main, "build-addon"], directory);
    expect(build).toMatchObject({ code: 0, stdout: "" });
    expect(await runTalk(talk)).toEqual({ code: 0, stdout: "hello shm\n", stderr: "" });
  });

  it("has no benchmark: ringbell bench says what to run in a checkout, and its exit code is 1", async () => {
    const { code, stdout, stderr } = await run(process.execPath, [main, "bench", "latency", "--rounds", "5"]);
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toBe(
      "ringbell: the benchmark is not in the installed package; in a checkout of the repository, run: " +
        "npm ci && npm run bench -- --quick latency --rounds 5\n",
    );
  });
});

function runTalk(code: string): Promise<Outcome> {
  return run(process.execPath, ["--input-type=module", "-e", code], directory);
}
