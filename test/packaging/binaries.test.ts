import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { hostTarget, TARGETS, type Target } from "../../scripts/addon/targets.mjs";
import { readElf } from "../../scripts/prebuild/elf.mjs";
import { inspect, unknownImports } from "../../scripts/prebuild/inspect.mjs";
import { ofAssembly, ofStub } from "../../scripts/prebuild/libraries.mjs";
import { readMachO } from "../../scripts/prebuild/macho.mjs";
import { canCompileC, compileC } from "../c-compiler.js";
import { scratchDirectory } from "../transport/scratch.js";

const fixtures = fileURLToPath(new URL("./fixtures/", import.meta.url));
const EXPORTS = ["napi_register_module_v1", "node_api_module_get_api_version_v1"];

function target(name: string): Target {
  return TARGETS.find((one) => one.name === name)!;
}

function machO(name: string): Buffer {
  return gunzipSync(readFileSync(join(fixtures, `${name}.dylib.gz`)));
}

/** The fixtures' source as a library for this machine. */
function elf(...flags: string[]): Buffer {
  const output = join(scratchDirectory(), "small.so");
  compileC([
    "-shared",
    "-fPIC",
    "-O2",
    "-fvisibility=hidden",
    ...flags,
    join(fixtures, "small.c"),
    "-o",
    output,
  ]);
  return readFileSync(output);
}

describe.runIf(hostTarget()?.libc === "glibc" && canCompileC())("a binary for Linux", () => {
  const own = `linux-${process.arch}-glibc`;
  const other = `linux-${process.arch === "x64" ? "arm64" : "x64"}-glibc`;

  it("is read: machine, exports, imports with their versions, and when symbols are bound", () => {
    const facts = readElf(elf("-Wl,-z,now"));
    expect(facts).toMatchObject({ arch: process.arch, bindNow: true });
    expect(facts.exports.sort()).toEqual(EXPORTS);
    const named = (name: string) => facts.imports.find((one) => one.name === name);
    expect(named("napi_missing")).toEqual({ name: "napi_missing", version: undefined, weak: false });
    expect(named("close")?.weak).toBe(false);
    expect(readElf(elf("-Wl,-z,lazy")).bindNow).toBe(false);
  });

  it("has a fault where it is for another machine, binds late, or exports more or less than Node looks up", () => {
    expect(inspect(target(own), elf("-Wl,-z,now")).faults).toEqual([]);
    const faults = (name: string, ...flags: string[]) =>
      inspect(target(name), elf(...flags)).faults.join("\n");
    expect(faults(other, "-Wl,-z,now")).toMatch(/^expected code for \w+, got \w+$/);
    expect(faults(own, "-Wl,-z,lazy")).toMatch(/BIND_NOW/);
    expect(faults(own, "-Wl,-z,now", "-DEXTRA")).toMatch(/got node_api_module_other$/);
    expect(faults(own, "-Wl,-z,now", `-D${EXPORTS[0]}=other_name`)).toMatch(
      /got other_name\n.*the export napi_reg/,
    );
  });

  it("has a fault where it needs a newer glibc, or symbols that neither Node nor glibc has", () => {
    // A symbol's version stands in the file as text.
    const bytes = elf("-Wl,-z,now");
    const text = bytes.toString("latin1");
    const version = /GLIBC_2\.\d+/.exec(text)![0];
    const newer = Buffer.from(text.replaceAll(version, "GLIBC_9.99999".slice(0, version.length)), "latin1");
    expect(inspect(target(own), newer).faults).toEqual([
      expect.stringMatching(/^expected symbols of glibc 2\.28 at most, got one of 9\.9/),
    ]);
    const foreign = inspect(target(own), elf("-Wl,-z,now", "-Dnapi_missing=somebody_else"));
    expect(foreign.faults).toEqual(["expected only symbols of Node and of glibc 2.28, got somebody_else"]);
  });
});

describe("a binary for macOS", () => {
  it("is read: machine, oldest system, exports, imports", () => {
    const { imports, exports, ...facts } = readMachO(machO("arm64-macos11"));
    expect(facts).toEqual({ arch: "arm64", minimum: "11.0" });
    expect(exports.sort()).toEqual([
      "___dso_handle",
      "__mh_dylib_header",
      ...EXPORTS.map((name) => `_${name}`),
    ]);
    expect(imports).toEqual(expect.arrayContaining(["_close", "_napi_missing"]));
  });

  it("has a fault where it is for another machine, needs another system, or exports more than Node looks up", () => {
    const faults = (name: string, fixture: string) => inspect(target(name), machO(fixture)).faults;
    expect(faults("darwin-arm64", "arm64-macos11")).toEqual([]);
    expect(faults("darwin-x64", "arm64-macos11")).toEqual(["expected code for x64, got arm64"]);
    expect(faults("darwin-arm64", "arm64-macos13")).toEqual(["expected 11.0 as the oldest macOS, got 13.0"]);
    expect(faults("darwin-x64", "x64-macos11-one-export-more")).toEqual([
      `expected no export but ${EXPORTS.join(", ")}, got node_api_module_other`,
    ]);
  });
});

describe("what is no such binary", () => {
  it("is refused: an ELF file as Mach-O, the reverse, and a text", () => {
    const text = Buffer.from("not a binary at all ".repeat(20));
    expect(() => readElf(text)).toThrow("expected an ELF file");
    expect(() => readMachO(text)).toThrow("expected a Mach-O file");
    expect(() => inspect(target("linux-x64-glibc"), machO("arm64-macos11"))).toThrow("expected an ELF file");
  });
});

describe("imports", () => {
  it("are looked for in the lists of the C library; Node's own are not", () => {
    const musl = ofAssembly(
      ".globl close\n.type close, %function;\nclose:\nWEAKTIME64 fstat\n.weak getpid\n",
    );
    expect(unknownImports(["close", "fstat", "getpid", "napi_typeof", "uv_close", "gone"], musl)).toEqual([
      "gone",
    ]);
    const stub = `exports:
  - targets:         [ x86_64-macos ]
    symbols:         [ '_close$NOCANCEL', _old ]
  - targets:         [ x86_64-macos, arm64-macos, 
                       arm64e-macos ]
    symbols:         [ _close, dyld_stub_binder, 
                       ___error ]
    weak-symbols:    [ _weak ]
`;
    expect([...ofStub(stub, "arm64-macos")]).toEqual(["close", "dyld_stub_binder", "__error", "weak"]);
    expect([...ofStub(stub, "x86_64-macos")]).toEqual([
      "close$NOCANCEL",
      "old",
      "close",
      "dyld_stub_binder",
      "__error",
      "weak",
    ]);
  });
});
