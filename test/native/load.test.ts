import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { connect, listen } from "ringbell";
import { describe, expect, it } from "vitest";
import { libc, target } from "../../lib/native/search.js";
import { type Outcome, runCode } from "../cli/run.js";
import { built, folderWith, inPackage, installed, prebuilt, root } from "../packaging/package.js";
import { scratchDirectory } from "../transport/scratch.js";

const libraryIn = (folder: string) => JSON.stringify(pathToFileURL(join(folder, "dist", "index.js")).href);

/** A program that prints by what it got the addon, or the error's class and text. */
function tries(options: object = {}, folder = root, before = ""): string {
  return `${before}
    const { listen } = await import(${libraryIn(folder)});
    await listen("n", ${JSON.stringify({ directory: scratchDirectory(), transport: "shm", ...options })}).then(
      async (server) => { await server.close(); console.log("loaded"); },
      (error) => console.log(error.name, error.cause?.name, error.cause?.message),
    );`;
}

const loaded: Outcome = { code: 0, stdout: "loaded\n", stderr: "" };

describe("the addon is loaded from", () => {
  it("the file that RINGBELL_ADDON names, whatever it is called", async () => {
    const file = join(folderWith({ "mine.bin": undefined }), "mine.bin");
    expect(await runCode(tries(), { RINGBELL_ADDON: file })).toEqual(loaded);
    expect(await runCode(tries(), { RINGBELL_PREBUILD: file })).toEqual(loaded);
  });

  it.each([
    [inPackage],
    [join("build", "Release", "ringbell.node")],
    [prebuilt],
    [join(target(), prebuilt)],
    ["ringbell.node"],
  ])("the folder that RINGBELL_ADDON names, where it has %s", async (file) => {
    const folder = folderWith({ [file]: undefined });
    expect(await runCode(tries(), { RINGBELL_ADDON: folder })).toEqual(loaded);
    expect(await runCode(tries(), { RINGBELL_PREBUILD: folder })).toEqual(loaded);
  });

  it("where the option says, a path or a URL, which goes before the environment", async () => {
    const folder = folderWith({ "a.node": undefined });
    const file = join(folder, "a.node");
    const env = { RINGBELL_ADDON: "/no/such/file" };
    expect(await runCode(tries({ addon: file }), env)).toEqual(loaded);
    const byUrl = tries({ addon: "?" }).replace(
      '"?"',
      `new URL(${JSON.stringify(pathToFileURL(file).href)})`,
    );
    expect(await runCode(byUrl, env)).toEqual(loaded);
  });

  it("prebuilds/ of the package, in a folder for the platform with a file for the libc", async () => {
    expect(await runCode(tries({}, installed({ [inPackage]: undefined })))).toEqual(loaded);
  });

  it("prebuilds/ where the package was linked into node_modules", async () => {
    const folder = installed({ [inPackage]: undefined });
    const link = join(scratchDirectory(), "ringbell");
    symlinkSync(folder, link);
    expect(await runCode(tries({}, link))).toEqual(loaded);
  });

  it("prebuilds/ where an own build does not load", async () => {
    const folder = installed({ "build/Release/ringbell.node": "no addon", [inPackage]: undefined });
    expect(await runCode(tries({}, folder))).toEqual(loaded);
  });

  it("another path after one that did not load", async () => {
    const code = `
      const { connect, listen } = await import(${libraryIn(root)});
      const options = { directory: ${JSON.stringify(scratchDirectory())}, transport: "shm" };
      await listen("n", options).catch((error) => console.log(error.code));
      const server = await listen("n", { ...options, addon: ${JSON.stringify(built)} });
      console.log((await connect("n", options)).transport);
      process.exit();`;
    const { stdout } = await runCode(code, { RINGBELL_ADDON: "/no/such/file" });
    expect(stdout).toBe("ERR_RINGBELL_TRANSPORT\nshm\n");
  });
});

describe("an addon that does not load", () => {
  it("is an AddonError that names the variable, the file and the mend", async () => {
    for (const source of ["RINGBELL_ADDON", "RINGBELL_PREBUILD"]) {
      const { stdout } = await runCode(tries(), { [source]: "/no/such/file" });
      expect(stdout).toMatch(/^TransportError AddonError the addon could not be loaded on /);
      expect(stdout).toContain("- /no/such/file: no such file");
      expect(stdout).toContain(`Mend: correct ${source}, which is /no/such/file`);
    }
    const { stdout } = await runCode(tries({ addon: "/no/such/file" }));
    expect(stdout).toContain("Mend: correct options.addon, which is /no/such/file");
  });

  it("is named with what the system says of it", async () => {
    const folder = folderWith({ "a.node": "this is a text" });
    const { stdout } = await runCode(tries(), { RINGBELL_ADDON: join(folder, "a.node") });
    expect(stdout).toMatch(/- \S+a\.node: .*(invalid ELF header|file too short|not a mach-o)/i);
  });

  it("of another version of the interface is refused, with both versions", async () => {
    const older = "process.dlopen = (module) => { module.exports = { interfaceVersion: 1 }; };";
    const { stdout } = await runCode(tries({}, root, older));
    expect(stdout).toMatch(
      /- \S+ringbell\.node: it has interface version 1; this version of ringbell needs \d/,
    );
    expect(stdout).toContain("Mend: run `npm run build` in ");
  });

  it("is missing in an installed package: the error lists what was tried and what the package has", async () => {
    const folder = installed({ "prebuilds/sunos-sparc/ringbell.node": "" });
    const { stdout } = await runCode(tries({}, folder));
    expect(stdout).toContain(`- ${join(folder, "build", "Release", "ringbell.node")}: no such file`);
    expect(stdout).toContain(`- ${join(folder, inPackage)}: no such file`);
    expect(stdout).toContain("has addons for sunos-sparc (ringbell.node). For this machine run");
    expect(stdout).not.toMatch(/node-gyp/);
  });

  it.each(["bun", "deno"])("is not tried in %s, which would end in the midst of it", async (runtime) => {
    const disguise = `Object.defineProperty(process.versions, "${runtime}", { value: "9.9.9" });
      process.dlopen = () => process.abort();`;
    const { stdout } = await runCode(tries({}, root, disguise), { RINGBELL_ADDON: built });
    expect(stdout).toMatch(/^TransportError AddonError the addon is not loaded in (Bun|Deno) 9\.9\.9: /);
  });

  it("is refused as an option that is no path", async () => {
    for (const addon of ["", 7, new URL("http://localhost/a.node"), "a\0b"] as string[]) {
      const refused = { name: "InvalidArgumentError", argument: "options.addon" };
      await expect(listen("n", { addon })).rejects.toMatchObject(refused);
      await expect(connect("n", { addon })).rejects.toMatchObject(refused);
    }
  });
});

describe("the libc", () => {
  it.runIf(process.platform === "linux")("is that which Node reports", () => {
    const { header } = process.report.getReport() as unknown as { header: Record<string, unknown> };
    expect(libc()).toBe(header.glibcVersionRuntime === undefined ? "musl" : "glibc");
  });

  it("is found without Node's report, which may look up names in the network", async () => {
    const deaf = `process.report.getReport = () => process.abort();`;
    expect(await runCode(tries({}, root, deaf))).toEqual(loaded);
  });

  it.runIf(process.platform === "linux")(
    "is found where /proc can't be read, without the network",
    async () => {
      const folder = installed({ [inPackage]: undefined });
      const blind = `
      const { default: fs } = await import("node:fs");
      const { syncBuiltinESMExports } = await import("node:module");
      const read = fs.readFileSync;
      fs.readFileSync = (path, ...rest) => {
        if (path === "/proc/self/maps") throw new Error("denied");
        return read(path, ...rest);
      };
      syncBuiltinESMExports();
      const report = process.report.getReport;
      process.report.getReport = function () {
        if (!process.report.excludeNetwork) process.abort();
        return report.call(process.report);
      };`;
      expect(await runCode(tries({}, folder, blind))).toEqual(loaded);
    },
  );
});
