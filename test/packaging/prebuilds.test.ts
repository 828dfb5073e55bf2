import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { sourceFiles, unit } from "../../scripts/addon/sources.mjs";
import { TARGETS } from "../../scripts/addon/targets.mjs";
import { PINS } from "../../scripts/addon/toolchain.mjs";
import { parseOptions } from "../../scripts/prebuild/options.mjs";
import { fileOf, sourcesOf, stamp, stateOf } from "../../scripts/prebuild/stamps.mjs";
import { table } from "../../scripts/prebuild/table.mjs";
import { LARGEST, type Packed, tarballFaults } from "../../scripts/prebuild/tarball.mjs";
import { run } from "../bench/run-bench.js";
import { scratchDirectory } from "../transport/scratch.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));

/** A package with two sources, and a binary of each target that claims to be made of them. */
function smallPackage() {
  const root = scratchDirectory();
  const write = (file: string, text: string) => {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), text);
  };
  write("native/one.cc", "int one() { return 1; }\n");
  write("native/js/two.h", "int two();\n");
  write("native/test/one_test.cc", "// A test.\n");
  const entry = (path: string) => ({ types: `./dist/${path}.d.ts`, default: `./dist/${path}.js` });
  write(
    "package.json",
    JSON.stringify({
      exports: { ".": entry("index"), "./rpc": entry("rpc/index"), "./prebuilds/*": "./prebuilds/*" },
      bin: { ringbell: "dist/cli/main.js" },
    }),
  );
  for (const target of TARGETS) {
    write(`prebuilds/${target.file}`, target.name);
    stamp(root, target, sourcesOf(root, target));
  }
  const states = () => TARGETS.map((target) => stateOf(root, target));
  return { root, write, states };
}

const all = (state: string) => TARGETS.map(() => state);

describe("the binaries in prebuilds/", () => {
  it("have the names that the loader looks for", () => {
    for (const { platform, arch, libc, file } of TARGETS) {
      expect(file).toBe(`${platform}-${arch}/ringbell${libc === undefined ? "" : `.${libc}`}.node`);
    }
    expect(new Set(TARGETS.map(({ file }) => file)).size).toBe(6);
  });

  it("are up to date until a source changes, by a byte, a name, or a file more; tests are no sources", () => {
    for (const [file, text] of [
      ["native/one.cc", "int one() { return 2; }\n"],
      ["native/js/two.h", "int two(void);\n"],
      ["native/three.cc", ""],
    ] as const) {
      const { write, states } = smallPackage();
      expect(states()).toEqual(all("current"));
      write("native/test/one_test.cc", "// Another test.\n");
      expect(states()).toEqual(all("current"));
      write(file, text);
      expect(states(), file).toEqual(all("stale"));
    }
  });

  it("are missing, or not the file that was built, one by one", () => {
    const { root, write, states } = smallPackage();
    write(`prebuilds/${TARGETS[0]!.file}`, "something else");
    expect(states()).toEqual(["changed", ...all("current").slice(1)]);
    const other = scratchDirectory();
    mkdirSync(join(other, "native"));
    expect(TARGETS.map((target) => stateOf(other, target))).toEqual(all("missing"));
    expect(fileOf(root, TARGETS[0]!)).toBe(join(root, "prebuilds/linux-x64/ringbell.glibc.node"));
  });

  it("have hashes of their own: flags and systems are part of them", () => {
    const { root } = smallPackage();
    expect(new Set(TARGETS.map((target) => sourcesOf(root, target))).size).toBe(TARGETS.length);
  });
});

describe("the sources of the addon", () => {
  it("are every file of native/ but the tests, each once in the unit; the allocation of macOS only where it is asked for", () => {
    const files = sourceFiles(ROOT);
    expect(files).toEqual(expect.arrayContaining(["native/addon.cc", "native/js/lanes.cc", "native/ring.h"]));
    expect(files.filter((file) => file.startsWith("native/test/"))).toEqual([]);
    const included = (staticNew: boolean) =>
      [...unit(ROOT, { staticNew }).matchAll(/^#include "(.*)"$/gm)].map(([, file]) => file);
    expect(included(true)).toEqual(files.filter((file) => file.endsWith(".cc")));
    expect(included(false)).toEqual(included(true).filter((file) => file !== "native/static_new.cc"));
  });

  it("are compiled with pinned headers: node-addon-api of package.json, and the oldest Node that package.json allows", () => {
    expect(PINS.addonApi.version).toBe(manifest.devDependencies["node-addon-api"]);
    expect(`>=${PINS.headers.version.split(".").slice(0, 2).join(".")}`).toBe(manifest.engines.node);
    for (const { integrity } of Object.values(PINS)) expect(integrity).toMatch(/^sha512-[\w+/]{86}==$/);
  });
});

describe("npm run prebuild", () => {
  it("takes targets by name, and refuses others with the list", () => {
    expect(parseOptions([])).toEqual({ targets: TARGETS, check: false, help: false });
    const { targets, check } = parseOptions(["--only", "darwin-arm64,linux-x64-musl", "--check"]);
    expect(targets.map(({ name }) => name)).toEqual(["linux-x64-musl", "darwin-arm64"]);
    expect(check).toBe(true);
    expect(() => parseOptions(["--only", "win32-x64"])).toThrow(/linux-x64-glibc, .*got "win32-x64"$/);
    expect(() => parseOptions(["--olny", "x"])).toThrow(/--olny/);
  });

  it("does not run as npm's hook before npm run build", async () => {
    const asked = await run("npm", ["config", "get", "ignore-scripts"], ROOT);
    expect(asked.stdout.trim()).toBe("true");
  });

  it("prints a row for each binary, also for one that is not there", () => {
    const [x64, arm64] = TARGETS as [(typeof TARGETS)[number], (typeof TARGETS)[number]];
    const facts = { size: 345678, arch: "x64", newest: "GLIBC_2.27", exports: 2, imports: [], faults: [] };
    expect(
      table([
        { target: x64, state: "built", facts },
        { target: arm64, state: "missing", facts: undefined },
      ]).split("\n"),
    ).toEqual([
      "target                size  newest symbol  runs from   exports",
      "linux-x64-glibc    345,678  GLIBC_2.27     glibc 2.28        2  built",
      "linux-arm64-glibc        -  -              glibc 2.28        -  missing",
    ]);
  });
});

describe("the check of the package", () => {
  const expected = [
    [
      "package.json",
      "README.md",
      "LICENSE",
      "dist/index.js",
      "dist/index.d.ts",
      "dist/rpc/index.js",
      "dist/rpc/index.d.ts",
      "dist/cli/main.js",
      "dist/cli/top/page/index.html",
      "dist/chunks/A1.js",
    ],
    [
      "dist/transport/shm/region.d.ts",
      "docs/api.md",
      "native/addon.cc",
      "native/js/lanes.h",
      "scripts/build-native.mjs",
    ],
    ["scripts/addon/toolchain.json", ...TARGETS.map(({ file }) => `prebuilds/${file}`)],
  ].flat();
  const packed = (paths: string[], size = LARGEST) => ({ size, files: paths.map((path) => ({ path })) });

  it("passes with all binaries, up to the largest size", () => {
    const { root } = smallPackage();
    expect(tarballFaults(root, packed(expected))).toEqual([]);
    expect(tarballFaults(root, packed(expected, LARGEST + 1))).toEqual([
      "expected 1,600,000 bytes at most, got 1,600,001",
    ]);
  });

  it("fails for each file that is missing, and for each that should not be there", () => {
    const { root } = smallPackage();
    for (const path of ["prebuilds/darwin-arm64/ringbell.node", "dist/index.js", "dist/rpc/index.js"]) {
      const rest = expected.filter((one) => one !== path);
      expect(tarballFaults(root, packed(rest))).toEqual([`${path} is missing`]);
    }
    for (const path of [
      "binding.gyp",
      "prebuilds/made.json",
      "native/test/ring_test.cc",
      "dist/port.js",
      "bench/main.mjs",
    ])
      expect(tarballFaults(root, packed([...expected, path]))).toEqual([`${path} has no business in it`]);
  });

  it("finds nothing in this package but binaries that may not have been built", () => {
    const args = ["pack", "--dry-run", "--json", "--ignore-scripts", "--loglevel=error"];
    const { stdout } = spawnSync("npm", args, { cwd: ROOT, encoding: "utf8" });
    const [found] = Object.values(JSON.parse(stdout)) as Packed[];
    const binaries = new RegExp(`^prebuilds/(${TARGETS.map(({ file }) => file).join("|")}) is `);
    expect(tarballFaults(ROOT, found!).filter((fault) => !binaries.test(fault))).toEqual([]);
  });

  it("fails for a binary that is older than its sources", () => {
    const { root, write } = smallPackage();
    write("native/one.cc", "int one() { return 2; }\n");
    expect(tarballFaults(root, packed(expected))).toEqual(
      TARGETS.map(
        ({ file }) => `prebuilds/${file} is older than its sources, or not the file that was built`,
      ),
    );
  });
});
