import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import type { Record as Saved } from "../../bench/lib/record.mjs";
import { run } from "../bench/run-bench.js";
import { scratchDirectory } from "../transport/scratch.js";
import { ringbell } from "./run.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** The package as npm would install it, its dependencies linked, and the addon where a prebuilt one would be found. */
async function install(directory: string): Promise<string> {
  const packed = await run(
    "npm",
    ["pack", "--ignore-scripts", "--silent", "--pack-destination", directory],
    ROOT,
  );
  expect(packed.code).toBe(0);
  const installed = join(directory, "node_modules", "ringbell");
  mkdirSync(installed, { recursive: true });
  const tarball = join(directory, packed.stdout.trim());
  expect(await run("tar", ["-xzf", tarball, "--strip-components=1", "-C", installed])).toMatchObject({
    code: 0,
  });
  mkdirSync(join(directory, "node_modules", "@standard-schema"));
  for (const name of ["node-gyp-build", "@standard-schema/spec"])
    symlinkSync(join(ROOT, "node_modules", name), join(directory, "node_modules", name));
  const built = join("build", "Release");
  for (const addon of readdirSync(join(ROOT, built)).filter((name) => name.endsWith(".node")))
    cpSync(join(ROOT, built, addon), join(installed, built, addon));
  return installed;
}

describe("ringbell bench", () => {
  it("runs the quick suite from the installed package, with peers that need no installation", async () => {
    const directory = scratchDirectory();
    const installed = await install(directory);
    expect(readdirSync(join(installed, "bench"))).not.toContain("node_modules");
    const main = join(installed, "dist", "cli", "main.js");
    const listed = await run(process.execPath, [main, "bench", "--list"], directory);
    expect(listed).toMatchObject({ code: 0, stderr: "" });
    const peers = /^peers: (.*)$/m.exec(listed.stdout)![1]!.split(", ");
    expect(peers).toEqual(expect.arrayContaining(["net-unix", "ringbell", "ringbell-polling"]));
    for (const absent of ["boost", "flag", "ring", "ws", "zeromq", "grpc"])
      expect(peers).not.toContain(absent);

    // Somebody's own repository.
    await run("git", ["init", "-q"], directory);
    await run("git", "-c user.name=a -c user.email=a@b.c commit -q --allow-empty -m a".split(" "), directory);
    const line = ["bench", "latency", "--peers", "net,loop-struct", "--json", "record.json"];
    const measured = await run(process.execPath, [main, ...line], directory);
    expect(measured).toMatchObject({ code: 0, stderr: "" });
    const record = JSON.parse(readFileSync(join(directory, "record.json"), "utf8")) as Saved;
    // Not the commit of the repository that it happens to be installed in.
    expect(record).toMatchObject({ quick: true, commit: null, changed: null });
    expect(record.suites[0]!.results.map(({ name, status }) => [name, status])).toEqual([
      ["loop-struct", "measured"],
      ["net", "measured"],
    ]);
  });

  it("hands on what the benchmark says of the command line, and its exit code", async () => {
    const { code, stdout, stderr } = await ringbell(["bench", "--peers", "nobody"]);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain('no peer is called "nobody"; there are ');
  });
});
