import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build, type Format } from "esbuild";
import { describe, expect, it } from "vitest";
import { type Outcome, runNode, runProgram } from "../cli/run.js";
import { scratchDirectory } from "../transport/scratch.js";
import { built, inPackage, installed } from "./package.js";

const formats: readonly Format[] = ["esm", "cjs"];

/** A program with ringbell in its node_modules. `addon`: an expression for the option. */
function application(options = "", imports = ""): string {
  const folder = scratchDirectory();
  const library = join(folder, "node_modules", "ringbell");
  mkdirSync(library, { recursive: true });
  installed({}, library);
  mkdirSync(join(library, "prebuilds", inPackage.split("/")[1]!), { recursive: true });
  cpSync(built, join(library, inPackage));
  writeFileSync(
    join(folder, "app.mjs"),
    `${imports}
    import { connect, listen } from "ringbell";
    const options = { directory: ${JSON.stringify(scratchDirectory())}, transport: process.argv[2] };
    async function talk() {
      const server = await listen("app", { ...options, ${options} });
      const channel = await connect("app", options);
      console.log(channel.transport);
      await server.close();
    }
    talk().catch((error) => console.log(error.name, error.cause?.name, error.message));`,
  );
  return folder;
}

/** Bundles the program, and returns the path of the bundle, in a folder where nothing else is. */
async function bundled(folder: string, format: Format, external: string[] = []): Promise<string> {
  // A program that leaves the library out finds it above its own folder.
  const out = external.length > 0 ? join(folder, "out") : scratchDirectory();
  const outfile = join(out, format === "esm" ? "app.mjs" : "app.cjs");
  const { warnings } = await build({
    entryPoints: [join(folder, "app.mjs")],
    bundle: true,
    platform: "node",
    format,
    outfile,
    external,
    loader: { ".node": "file" },
    logLevel: "silent",
  });
  expect(warnings.map(({ text }) => text)).toEqual([]);
  return outfile;
}

const run = (file: string, transport = "auto", env: Record<string, string> = {}): Promise<Outcome> =>
  runNode([file, transport], env);

const overSharedMemory: Outcome = { code: 0, stdout: "shm\n", stderr: "" };

describe.each(formats)("a program that esbuild bundled as %s", (format) => {
  it("finds the addon in a copy of prebuilds/ beside it", async () => {
    const folder = application();
    const file = await bundled(folder, format);
    cpSync(join(folder, "node_modules", "ringbell", "prebuilds"), join(file, "..", "prebuilds"), {
      recursive: true,
    });
    expect(await run(file)).toEqual(overSharedMemory);
  });

  it("finds the addon where the environment says", async () => {
    const file = await bundled(application(), format);
    expect(await run(file, "auto", { RINGBELL_ADDON: built })).toEqual(overSharedMemory);
    expect(await run(file, "auto", { RINGBELL_PREBUILD: join(built, "../../..") })).toEqual(overSharedMemory);
  });

  it("finds the addon that the bundler has copied, by the option", async () => {
    const here =
      format === "esm" ? "new URL(file, import.meta.url)" : `require("node:path").join(__dirname, file)`;
    const folder = application(`addon: ${here}`, `import file from "ringbell/${inPackage}";`);
    expect(await run(await bundled(folder, format))).toEqual(overSharedMemory);
  });

  it.runIf(format === "esm" && inPackage === "prebuilds/linux-x64/ringbell.glibc.node")(
    "is the program of docs/bundlers.md",
    async () => {
      const folder = application();
      cpSync(new URL("./programs/esbuild-file.mjs", import.meta.url), join(folder, "app.mjs"));
      const env = { RINGBELL_DIRECTORY: scratchDirectory() };
      expect(await run(await bundled(folder, format), "auto", env)).toEqual(overSharedMemory);
    },
  );

  it("finds the addon of the package, where the library is left out of the bundle", async () => {
    expect(await run(await bundled(application(), format, ["ringbell"]))).toEqual(overSharedMemory);
  });

  it("runs over the stream without the addon, and is told what was tried and what helps", async () => {
    const file = await bundled(application(), format);
    const { stdout, stderr } = await run(file);
    expect(stdout).toBe("stream\n");
    expect(stderr).toContain("RINGBELL_STREAM_FALLBACK");
    expect(stderr).toContain(`- ${join(file, "..", inPackage)}: no such file`);
    expect(stderr).toContain("Copy the folder prebuilds/ of the package beside the bundle");
  });

  it("gets an AddonError without the addon, where it wants shared memory", async () => {
    const { stdout } = await run(await bundled(application(), format), "shm");
    expect(stdout).toMatch(/^TransportError AddonError .*\n[\s\S]*Mend: a bundler has taken/);
  });
});

/** Node reads and writes itself for it: seconds of work. */
const EXECUTABLE = { timeout: 180_000 };

describe("a single executable", () => {
  it.runIf(makesExecutables())("has shared memory by the addon among its assets", EXECUTABLE, async () => {
    const folder = application();
    cpSync(new URL("./programs/executable.mjs", import.meta.url), join(folder, "app.mjs"));
    const main = await bundled(folder, "cjs");
    const out = join(main, "..");
    const config = join(out, "sea.json");
    const output = join(out, "app");
    const assets = { "ringbell.node": built };
    writeFileSync(config, JSON.stringify({ main, output, assets, disableExperimentalSEAWarning: true }));
    expect(await runNode(["--build-sea", config])).toMatchObject({ code: 0 });
    const env = { RINGBELL_DIRECTORY: scratchDirectory() };
    expect(await runProgram(output, [], env)).toEqual(overSharedMemory);
  });
});

/** Since Node 25.5, without another tool. */
function makesExecutables(): boolean {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  return process.platform === "linux" && (major > 25 || (major === 25 && minor >= 5));
}
