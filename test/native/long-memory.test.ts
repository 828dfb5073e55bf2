import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { unclearedBytes } from "../../lib/native/long-memory.js";
import { libc } from "../../lib/native/search.js";

const KIB = 1024;
const MIB = 1024 * KIB;
const lengths = [16 * KIB, 64 * KIB, MIB, 40 * MIB + 1];

describe("memory for long copies", () => {
  test.each(lengths)("%i bytes are an array over a buffer of its own", (length) => {
    const bytes = unclearedBytes(length);
    expect(Object.getPrototypeOf(bytes)).toBe(Uint8Array.prototype);
    expect([bytes.byteOffset, bytes.length, bytes.buffer.byteLength]).toEqual([0, length, length]);
    bytes.fill(7);
    expect(bytes.at(-1)).toBe(7);
  });

  test.each(lengths)("%i bytes can be transferred", (length) => {
    const bytes = unclearedBytes(length);
    bytes[length - 1] = 7;
    const moved = structuredClone(bytes, { transfer: [bytes.buffer] });
    expect([bytes.length, moved.length, moved[length - 1]]).toEqual([0, length, 7]);
  });

  const program = (what: string, environment: Record<string, string> = {}) => {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ["--expose-gc", fileURLToPath(new URL("programs/long-memory.mjs", import.meta.url)), what],
      { encoding: "utf8", env: { ...process.env, ...environment }, timeout: 60_000 },
    );
    expect([status, stderr]).toEqual([0, ""]);
    return JSON.parse(stdout);
  };

  test("receiving thousands of long messages does not make the process grow", () => {
    const { residentMiB } = program("flood");
    expect(residentMiB).toBeLessThan(600);
  });

  test("copies outlive the worker that received them, and it can end with copies of its own", () => {
    expect(program("worker")).toEqual({ moved: [MIB, 40 * MIB], sums: [MIB, 40 * MIB] });
  });

  describe.runIf(libc() === "glibc")("under glibc", () => {
    test("comes from its heap from then on", () => {
      // In one process of some hundred V8 has put its code right above the heap, which then can't grow: another one has other addresses.
      let heap = program("heap");
      for (let i = 0; i < 5 && heap.roomMiB! < 64; i++) heap = program("heap");
      expect(heap.grownMiB).toBeGreaterThanOrEqual(24);
    });

    test("comes from where the user's setting of glibc says", () => {
      expect(program("heap", { MALLOC_MMAP_THRESHOLD_: "131072" }).grownMiB).toBeLessThan(8);
    });
  });

  test.runIf(existsSync("/sys/kernel/mm/transparent_hugepage"))("is of huge pages above 32 MiB", () => {
    const { advisedMiB } = program("huge");
    expect(advisedMiB).toBeGreaterThanOrEqual(60);
    expect(advisedMiB).toBeLessThanOrEqual(64);
  });
});
