import { spawnSync } from "node:child_process";
import { openSync, readdirSync, readlinkSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, test } from "vitest";
import type { Segment } from "../../lib/native/binding.js";
import { loadBinding } from "../../lib/native/load.js";

// Segments as JavaScript has them; native/test/segment*_test.cc test them without it.
describe.runIf(process.platform === "linux")("a segment", () => {
  const binding = loadBinding();
  const BYTES = 64 * 1024;
  const made: Segment[] = [];
  afterEach(() => {
    for (const segment of made.splice(0)) segment.close();
  });

  function create(bytes = BYTES, name = ""): Segment {
    const segment = binding.segmentCreate(bytes, name);
    made.push(segment);
    return segment;
  }

  /** As a peer has it. */
  function reopen(descriptor: number, immutable = false): Segment {
    const segment = binding.segmentOpen(
      openSync(`/proc/self/fd/${descriptor}`, "r+"),
      BYTES,
      false,
      immutable,
    );
    made.push(segment);
    return segment;
  }

  const openDescriptors = () => readdirSync("/proc/self/fd");

  /** One, and its descriptor, which is the only one of its kind: the others are closed. */
  function createWithDescriptor(): readonly [Segment, number] {
    const segment = create();
    const memory = openDescriptors().filter((descriptor) => nameOf(descriptor).startsWith("/memfd:ringbell"));
    expect(memory.length).toBe(1);
    return [segment, Number(memory[0])];
  }

  function nameOf(descriptor: string): string {
    try {
      return readlinkSync(`/proc/self/fd/${descriptor}`);
    } catch {
      // That of the directory that was read.
      return "";
    }
  }

  test("shows parts of its memory, all of it, and nothing beside it", () => {
    const segment = create();
    expect(segment.bytes).toBe(BYTES);
    const whole = new Uint8Array(segment.view(0, BYTES));
    expect(whole.every((byte) => byte === 0)).toBe(true);
    const part = new Uint8Array(segment.view(64, 128));
    part.fill(7);
    expect(whole.subarray(63, 65)).toEqual(new Uint8Array([0, 7]));
    expect(whole.subarray(191, 193)).toEqual(new Uint8Array([7, 0]));
    expect(segment.view(BYTES, 0).byteLength).toBe(0);
    for (const [offset, length] of [
      [0, BYTES + 1],
      [1, BYTES],
      [BYTES + 1, 0],
      [-1, 1],
      [0, -1],
      [2 ** 53, 2 ** 53],
      [Number.POSITIVE_INFINITY, BYTES + 1],
      [BYTES - 1, 2 ** 63],
    ] as const) {
      expect(() => segment.view(offset, length)).toThrow(/^EINVAL: /);
    }
  });

  test("stays mapped for its views when it was closed; one that is detached has no length", () => {
    const segment = create();
    const kept = new Uint8Array(segment.view(0, BYTES));
    const gone = new Uint8Array(segment.view(0, BYTES));
    kept.fill(3);
    segment.close();
    segment.close();
    expect(() => segment.view(0, 1)).toThrow(/^EINVAL: /);
    expect(kept[BYTES - 1]).toBe(3);
    segment.detach(gone.buffer as ArrayBuffer);
    expect([gone.length, gone[0]]).toEqual([0, undefined]);
    expect(kept[BYTES - 1]).toBe(3);
  });

  test("made immutable keeps its views and what they show", () => {
    const [segment, descriptor] = createWithDescriptor();
    const view = new Uint8Array(segment.view(0, BYTES)).fill(5);
    segment.makeImmutable();
    const other = new Uint8Array(reopen(descriptor, true).view(0, BYTES));
    view[0] = 6;
    other[1] = 7;
    expect([...view.subarray(0, 3)]).toEqual([6, 5, 5]);
    expect([...other.subarray(0, 3)]).toEqual([5, 7, 5]);
    segment.closeDescriptor();
    expect(() => segment.makeImmutable()).toThrow(/^EBADF: /);
    segment.close();
    expect(() => segment.makeImmutable()).toThrow(/^EINVAL: /);
  });

  test("that somebody has mapped can't be made immutable", () => {
    const [segment, descriptor] = createWithDescriptor();
    const view = new Uint8Array(segment.view(0, BYTES));
    const other = new Uint8Array(reopen(descriptor).view(0, BYTES));
    expect(() => segment.makeImmutable()).toThrow(/^EBUSY: /);
    view[0] = 8;
    expect(other[0]).toBe(8);
  });

  test("of a size that can't be is refused, and one that there is no memory for", async () => {
    for (const bytes of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 64]) {
      expect(() => binding.segmentCreate(bytes, "")).toThrow(/^EINVAL: /);
      expect(() => binding.segmentCreateSoon(bytes, "")).toThrow(/^EINVAL: /);
    }
    const before = openDescriptors().length;
    expect(() => binding.segmentCreate(2 ** 50, "")).toThrow(/^ENOSPC: /);
    await expect(binding.segmentCreateSoon(2 ** 50, "")).rejects.toMatchObject({ code: "ENOSPC" });
    expect(openDescriptors().length).toBe(before);
  });

  test("made on another thread is like any other", async () => {
    const segment = await binding.segmentCreateSoon(BYTES, "");
    made.push(segment);
    const view = new Uint8Array(segment.view(0, BYTES));
    expect(segment.bytes).toBe(BYTES);
    view.fill(9);
    segment.makeImmutable();
    expect(view[100]).toBe(9);
  });

  test("that is being made does not hurt a worker that is terminated, nor a process that exits", () => {
    const program = fileURLToPath(new URL("programs/terminated.mjs", import.meta.url));
    const { status, stdout, stderr } = spawnSync(process.execPath, [program], {
      encoding: "utf8",
      timeout: 20_000,
    });
    expect(stderr).toBe("");
    expect(stdout).toBe("alive\n");
    expect(status).toBe(7);
  });
});
