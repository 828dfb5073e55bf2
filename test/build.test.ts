import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { buildForHost } from "../scripts/addon/host.mjs";
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
  const compiling = 120_000;

  function smallAddon() {
    const small = smallPackage();
    small.write("package.json", "{}");
    small.write("native/test/README", "");
    small.write(
      "native/one.cc",
      'extern "C" __attribute__((visibility("default"))) int one() { return 1; }\n',
    );
    const said: string[] = [];
    const build = (options: { force?: boolean; output?: string } = {}) =>
      buildForHost(small.directory, {
        force: options.force ?? false,
        output: options.output,
        say: (line) => void said.push(line),
      });
    return { ...small, build, said, addon: join(small.directory, "build/Release/ringbell.node") };
  }

  it("is built where it is missing, follows each change of native/, and is left alone else", {
    timeout: compiling,
  }, async () => {
    const { write, build, addon } = smallAddon();
    expect(await build()).toBe(true);
    expect(existsSync(addon)).toBe(true);
    writeFileSync(addon, "untouched");
    expect(await build()).toBe(false);
    expect(readFileSync(addon, "utf8")).toBe("untouched");
    write("native/two.h", "#pragma once\n");
    expect(await build()).toBe(true);
    expect(readFileSync(addon).length).toBeGreaterThan(1000);
    expect(readdirSync(dirname(addon)).sort()).toEqual(["ringbell.made", "ringbell.node"]);
  });

  it("is not built of sources with an error, nor in a checkout with a warning: the compiler's text is told", {
    timeout: compiling,
  }, async () => {
    const { write, build, addon } = smallAddon();
    write("native/two.cc", "int two() { return many; }\n");
    await expect(build()).rejects.toThrow(/many[\s\S]* ended with exit code 1$/);
    write("native/two.cc", "static int two() { return 2; }\n");
    await expect(build()).rejects.toThrow(/unused/);
    expect(readdirSync(dirname(addon))).toEqual([]);
  });

  it("goes to another place if that is asked for", { timeout: compiling }, async () => {
    const { directory, build, addon } = smallAddon();
    const output = join(directory, "deep/other.node");
    expect(await build({ output })).toBe(true);
    expect([existsSync(output), existsSync(addon)]).toEqual([true, false]);
  });

  it("is not built without a compiler and without npm's registry: one line says what is missing, and the rest of the build goes on", {
    timeout: compiling,
  }, async () => {
    const offline = {
      ...process.env,
      CXX: "no-such-compiler",
      XDG_CACHE_HOME: scratchDirectory(),
      npm_config_cache: scratchDirectory(),
      npm_config_registry: "http://127.0.0.1:9/",
      npm_config_fetch_retries: "0",
    };
    const build = (...options: string[]) => {
      // Another place, so that the addon of the other tests stays.
      const args = [
        join(root, "scripts/build-native.mjs"),
        "--output",
        join(scratchDirectory(), "a.node"),
        ...options,
      ];
      const { status, stdout, stderr } = spawnSync(process.execPath, args, {
        env: offline,
        encoding: "utf8",
      });
      return { status, stdout, last: stderr.trim().split("\n").at(-1) };
    };
    const last = expect.stringMatching(
      /^The addon was not built: no C\+\+20 compiler was found \(tried no-such-compiler; .*Without it ringbell runs over sockets\.$/,
    );
    expect(build("--optional")).toEqual({ status: 0, stdout: "", last });
    expect(build()).toEqual({ status: 1, stdout: "", last });
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
