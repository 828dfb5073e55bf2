import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { scratchDirectory } from "./transport/scratch.js";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** A package of one source, in a directory of its own. */
function smallPackage() {
  const directory = scratchDirectory();
  const write = (file: string, text: string) => {
    mkdirSync(dirname(join(directory, file)), { recursive: true });
    writeFileSync(join(directory, file), text);
  };
  const age = (file: string, seconds: number) => {
    const time = new Date(Date.now() - seconds * 1000);
    utimesSync(join(directory, file), time, time);
  };
  const script = (name: string) =>
    spawnSync(process.execPath, [join(root, "scripts", name), "--if-stale"], {
      cwd: directory,
      encoding: "utf8",
    });
  return { directory, write, age, script };
}

function smallSource() {
  const small = smallPackage();
  const options = JSON.parse(readFileSync(join(root, "tsconfig.json"), "utf8")) as {
    compilerOptions: object;
  };
  const compilerOptions = { ...options.compilerOptions, types: [] };
  small.write("tsconfig.json", JSON.stringify({ compilerOptions, include: ["lib"] }));
  small.write("package.json", `{ "type": "module" }`);
  small.write("lib/folder/one.ts", "export const one = 1;\n");
  const dist = (file: string) => join(small.directory, "dist", file);
  return { ...small, build: () => small.script("build-ts.mjs"), dist };
}

describe("before the tests, dist/", () => {
  it("is built where it is missing, and follows each change of lib/", () => {
    const { write, build, dist } = smallSource();
    expect(build().status).toBe(0);
    expect(readFileSync(dist("folder/one.js"), "utf8")).toContain("one = 1");
    write("lib/folder/one.ts", "export const one = 2;\n");
    write("lib/two.ts", "export const two = 2;\n");
    expect(build().status).toBe(0);
    expect(readFileSync(dist("folder/one.js"), "utf8")).toContain("one = 2");
    expect(existsSync(dist("two.d.ts"))).toBe(true);
  });

  it("is left alone while it is newer than lib/", () => {
    const { write, age, build, dist } = smallSource();
    build();
    write("dist/folder/one.js", "// untouched\n");
    age("lib/folder/one.ts", 60);
    age("tsconfig.json", 60);
    expect(build()).toMatchObject({ status: 0, stdout: "", stderr: "" });
    expect(readFileSync(dist("folder/one.js"), "utf8")).toBe("// untouched\n");
  });

  it("keeps nothing of a source that is gone", () => {
    const { directory, write, build, dist } = smallSource();
    write("lib/two.ts", "export const two = 2;\n");
    build();
    rmSync(join(directory, "lib/folder"), { recursive: true });
    expect(build().status).toBe(0);
    expect(
      readdirSync(dist("."), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()),
    ).toHaveLength(2);
  });

  it("has an entry as one file, with what it imports", () => {
    const { write, build, dist } = smallSource();
    write("lib/index.ts", `export { one } from "./folder/one.js";\n`);
    write("dist/chunks/OLD.js", "");
    expect(build().status).toBe(0);
    expect(readFileSync(dist("index.js"), "utf8")).toMatch(/one = 1/);
    expect(readFileSync(dist("index.js"), "utf8")).not.toMatch(/import|from "/);
    expect(existsSync(dist("chunks/OLD.js"))).toBe(false);
    expect(build()).toMatchObject({ status: 0, stdout: "", stderr: "" });
  });

  it("is not built of sources with a wrong type: the error is told, again and again", () => {
    const { write, build, dist } = smallSource();
    build();
    write("lib/folder/one.ts", "export const one: string = 2;\n");
    for (let turn = 0; turn < 2; turn++) {
      const { status, stdout } = build();
      expect(status).not.toBe(0);
      expect(stdout).toContain("TS2322");
    }
    expect(readFileSync(dist("folder/one.js"), "utf8")).toContain("one = 1");
  });
});

describe("before the tests, the addon", () => {
  it("is left alone while it is newer than native/, and else built, or that it could not be is told", () => {
    const { write, age, script } = smallPackage();
    write("binding.gyp", "{ no gyp");
    write("native/ring.h", "");
    write("build/Release/ringbell.node", "");
    age("native/ring.h", 60);
    age("binding.gyp", 60);
    expect(script("build-native.mjs")).toMatchObject({ status: 0, stdout: "", stderr: "" });
    age("native/ring.h", -60);
    const { status, stderr } = script("build-native.mjs");
    expect(status).toBe(1);
    expect(stderr).toContain("The addon could not be built.");
  });
});

describe("a test", () => {
  it("runs lib/ in its own process, in one copy: instanceof is about one class", async () => {
    const ours = await import("../lib/index.js");
    const packaged = await import("ringbell");
    expect(packaged.RingbellError).toBe(ours.RingbellError);
    expect(packaged.Channel).toBe(ours.Channel);
  });

  it("imports nothing of dist/, which is for the programs that tests start", () => {
    const tests = readdirSync(join(root, "test"), { recursive: true, encoding: "utf8" });
    const wrong = tests
      .filter((file) => file.endsWith(".ts"))
      .filter((file) =>
        /^(import\s|export\s.*\sfrom\s|\} from\s).*"[./]+\/dist\//m.test(
          readFileSync(join(root, "test", file), "utf8"),
        ),
      );
    expect(wrong).toEqual([]);
  });
});
