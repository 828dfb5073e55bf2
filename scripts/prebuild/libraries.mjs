// The symbols that a C library has, by the lists that come with Zig.
import { readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * The symbols of the target's C library; undefined for glibc, where the linker gives each one that it found a version.
 *
 * @param {import("../addon/targets.mjs").Target} target
 * @param {string} zig  Directory of the package.
 * @returns {ReadonlySet<string> | undefined}
 */
export function librarySymbols({ platform, arch, libc }, zig) {
  const text = (/** @type {string} */ file) => readFileSync(join(zig, "lib", "libc", file), "utf8");
  if (platform === "darwin")
    return ofStub(text("darwin/libSystem.tbd"), arch === "x64" ? "x86_64-macos" : "arm64-macos");
  return libc === "musl" ? ofAssembly(text("musl/libc.S")) : undefined;
}

/** @param {string} text of an assembly file that defines each symbol. @returns {Set<string>} */
export function ofAssembly(text) {
  return new Set(
    [...text.matchAll(/^(?:\.globl|\.weak|WEAK\w+) (\w+)$/gm)].map(
      ([, name]) => /** @type {string} */ (name),
    ),
  );
}

/** @param {string} text of stubs (tbd, version 4): lists of symbols, each for some targets. @param {string} target @returns {Set<string>} */
export function ofStub(text, target) {
  /** @type {Set<string>} */
  const names = new Set();
  for (const block of text.split(/^\s*- targets:/m)) {
    const [targets = "", ...lists] = block.split("]");
    if (!targets.split(/[[\s,]+/).includes(target)) continue;
    for (const list of lists) {
      const symbols = /symbols:\s*\[([\s\S]*)/.exec(list)?.[1] ?? "";
      // In Mach-O a name of C has an underscore before it; that of assembly (dyld_stub_binder) has none.
      for (const [, name] of symbols.matchAll(/(?:^|[\s,'])_?([\w$]+)/g))
        names.add(/** @type {string} */ (name));
    }
  }
  return names;
}
