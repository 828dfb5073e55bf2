import { spawnSync } from "node:child_process";
import { closeSync, openSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, test } from "vitest";
import type { NativeConnection, Segment } from "../../lib/native/binding.js";
import { loadBinding } from "../../lib/native/load.js";
import { Signal } from "../transport/contract/harness.js";
import { inDirectory } from "../transport/wire/wires.js";

// Segments that are passed over the socket of a connection, and what else may come over it.
describe.runIf(process.platform === "linux")("a connection's socket", () => {
  const binding = loadBinding();
  const BYTES = 64 * 1024;
  const BELL = 1;
  const SEGMENT = 4;
  const closers: (() => void)[] = [];
  afterEach(() => {
    for (const close of closers.splice(0).reverse()) close();
  });

  /** Two connected sockets. */
  function sockets(): Promise<readonly [number, number]> {
    return inDirectory(async (path) => {
      const listening = binding.socketListen(path, 0o600, 1);
      const connected = binding.socketConnect(path);
      const accepted = binding.socketAccept(listening);
      binding.closeDescriptor(listening);
      return [connected, accepted];
    });
  }

  class End {
    readonly native: NativeConnection;
    readonly signal = new Signal();
    why: number | undefined;
    rooms = 0;

    constructor(descriptor: number, pending: readonly number[] = [], passed?: number) {
      const region = binding.regionCreate([4096, 16_384], "");
      region.closeDescriptor();
      const handlers = {
        onRecords: () => {},
        onRoom: (lane: number) => {
          expect(lane).toBe(1);
          this.rooms++;
          this.signal.notify();
        },
        onTaken: () => {},
        onEnd: (why: number) => {
          this.why = why;
          this.signal.notify();
        },
      };
      const { buffer } = new Uint8Array(pending);
      this.native = binding.connect(descriptor, region, true, 0, new Uint8Array(buffer), handlers, passed);
      region.close();
      closers.push(() => this.native.close(0));
    }

    async ended(): Promise<number | undefined> {
      await this.signal.until(() => this.why !== undefined);
      return this.why;
    }
  }

  async function pair(): Promise<readonly [End, End]> {
    const [a, b] = await sockets();
    return [new End(a), new End(b)];
  }

  /** A connection, and the bare socket at its other end. */
  async function stranger(): Promise<readonly [End, number]> {
    const [a, b] = await sockets();
    closers.push(() => binding.closeDescriptor(b));
    return [new End(a), b];
  }

  function segment(text: string): Segment {
    const made = binding.segmentCreate(BYTES, "");
    closers.push(() => made.close());
    Buffer.from(made.view(0, BYTES)).write(text);
    return made;
  }

  function read(opened: Segment): string {
    const text = Buffer.from(opened.view(0, BYTES)).toString("latin1");
    return text.slice(0, text.indexOf("\0"));
  }

  function take(end: End): string | undefined {
    const descriptor = end.native.takeDescriptor();
    return descriptor === -1 ? undefined : read(binding.segmentOpen(descriptor, BYTES, false, false));
  }

  const openDescriptors = () => readdirSync("/proc/self/fd").length;

  test("brings segments in their order, among bells, to whom asks for them", async () => {
    const [a, b] = await pair();
    const texts = Array.from({ length: 40 }, (_, n) => `segment ${n}`);
    for (const text of texts) {
      a.native.ring();
      expect(a.native.pass(segment(text))).toBe(true);
      a.native.ring();
    }
    expect(texts.map(() => take(b))).toEqual(texts);
    expect(take(b)).toBeUndefined();
    expect(take(a)).toBeUndefined();
    // Both at once, and both ways.
    a.native.pass(segment("there"));
    b.native.pass(segment("back"));
    expect([take(a), take(b)]).toEqual(["back", "there"]);
  });

  test("brings what was passed before the peer closed, and closes what nobody asked for", async () => {
    const before = openDescriptors();
    const [a, b] = await pair();
    const passed = ["one", "two", "three"].map(segment);
    for (const each of passed) {
      a.native.pass(each);
      each.closeDescriptor();
    }
    a.native.close(0);
    expect(await b.ended()).toBe(1);
    expect(take(b)).toBe("one");
    b.native.close(0);
    expect(take(b)).toBeUndefined();
    expect(openDescriptors()).toBe(before);
  });

  test("says when a full socket takes more, once each time that it was full", async () => {
    const [a, b] = await pair();
    const each = segment("again");
    for (let round = 1; round <= 3; round++) {
      let sent = 0;
      while (a.native.pass(each)) sent++;
      expect(sent).toBeGreaterThan(10);
      expect(a.native.pass(each)).toBe(false);
      expect(a.rooms).toBe(round - 1);
      for (; sent > 0; sent--) expect(take(b)).toBe("again");
      await a.signal.until(() => a.rooms > round - 1);
      expect(a.native.pass(each)).toBe(true);
      expect(take(b)).toBe("again");
      for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
      expect(a.rooms).toBe(round);
    }
    expect([a.why, b.why]).toEqual([undefined, undefined]);
  });

  test("is not waited for any more once the peer has gone", async () => {
    const [a, b] = await pair();
    const each = segment("in vain");
    while (a.native.pass(each));
    b.native.close(0);
    expect(await a.ended()).toBeTypeOf("number");
    expect(a.rooms).toBeLessThanOrEqual(1);
  });

  test("throws EPIPE where the peer, or this side, has closed", async () => {
    const [a, b] = await pair();
    b.native.close(0);
    expect(() => a.native.pass(segment("too late"))).toThrow(/^EPIPE: /);
    expect(await a.ended()).toBe(1);
    expect(() => a.native.pass(segment("too late"))).toThrow(/^EPIPE: /);
    a.native.close(0);
    expect(() => a.native.pass(segment("too late"))).toThrow(/^EPIPE: /);
  });

  test("refuses to pass a segment that has no descriptor any more", async () => {
    const [a] = await pair();
    const without = segment("without");
    without.closeDescriptor();
    expect(() => a.native.pass(without)).toThrow(/^EBADF: /);
    without.close();
    expect(() => a.native.pass(without)).toThrow(/^EBADF: /);
  });

  test("keeps a segment that came together with the end of the handshake", async () => {
    const [a, b] = await sockets();
    const early = segment("early");
    const other = new End(a);
    other.native.pass(early);
    const bytes = new Uint8Array(100);
    expect(binding.socketReceive(b, bytes)).toBe(1);
    const end = new End(b, [BELL, bytes[0]!], binding.socketTakeDescriptor());
    other.native.pass(segment("next"));
    expect([take(end), take(end)]).toEqual(["early", "next"]);
    expect(end.why).toBeUndefined();
  });

  test.each([
    ["that comes with a bell", BELL],
    ["that comes with nothing known", 9],
  ])("refuses a descriptor %s", async (_, byte) => {
    const before = openDescriptors();
    const [end, socket] = await stranger();
    const file = openSync("/dev/null", "r");
    binding.socketSend(socket, new Uint8Array([BELL, byte]), 0, file);
    closeSync(file);
    expect(await end.ended()).toBe(3);
    expect(end.native.takeDescriptor()).toBe(-1);
    const told = new Uint8Array(10);
    expect(binding.socketReceive(socket, told)).toBe(1);
    expect(told[0]).toBe(3);
    for (const close of closers.splice(0).reverse()) close();
    expect(openDescriptors()).toBe(before);
  });

  test("refuses the announcement of a descriptor that does not come, and two for one", async () => {
    const [none, socketOfNone] = await stranger();
    binding.socketSend(socketOfNone, new Uint8Array([SEGMENT]), 0, -1);
    expect(await none.ended()).toBe(3);
    const [two, socketOfTwo] = await stranger();
    const file = openSync("/dev/null", "r");
    binding.socketSend(socketOfTwo, new Uint8Array([SEGMENT, SEGMENT]), 0, file);
    closeSync(file);
    expect(await two.ended()).toBe(3);
  });

  test("refuses more descriptors than a peer can have announced", async () => {
    const before = openDescriptors();
    const [end, socket] = await stranger();
    const file = openSync("/dev/null", "r");
    const one = new Uint8Array([SEGMENT]);
    for (let sent = 0; end.why === undefined && sent < 5000; ) {
      if (binding.socketSend(socket, one, 0, file) === 1) sent++;
      else await new Promise(setImmediate);
    }
    expect(await end.ended()).toBe(3);
    closeSync(file);
    for (const close of closers.splice(0).reverse()) close();
    expect(openDescriptors()).toBe(before);
  });

  test("tells of a segment that there was no room for, and does not take the next for it", async () => {
    await inDirectory(async (path) => {
      const program = fileURLToPath(new URL("programs/out-of-descriptors.mjs", import.meta.url));
      const limited = 'ulimit -n 100 && exec "$0" "$@"';
      const { stdout, stderr } = spawnSync(
        "sh",
        ["-c", limited, process.execPath, program, join(path, "..", "s")],
        {
          encoding: "utf8",
          timeout: 20_000,
        },
      );
      expect(stderr).toBe("");
      expect(stdout.split("\n")).toEqual(["EMFILE", "EMFILE recvmsg", "second", "-1", ""]);
    });
  });
});
