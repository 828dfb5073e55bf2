import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readdirSync, readSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { TransportError } from "../../../lib/errors.js";
import type { Binding } from "../../../lib/native/binding.js";
import { tryBinding } from "../../../lib/native/load.js";
import { enter, leave, TURN } from "../../../lib/transport/loop-turn.js";
import { wrapNative } from "../../../lib/transport/wire/addon-wire.js";
import { payload, turns } from "../contract/harness.js";
import { nativePair, netPair, rawPair, WireLog } from "./wires.js";

const binding = tryBinding() as Binding;

describe.skipIf(binding === undefined)("a wire over the addon", () => {
  async function pair(): Promise<readonly [WireLog, WireLog]> {
    const [a, b] = await nativePair(binding);
    return [new WireLog(a), new WireLog(b)];
  }

  it("knows its peer", async () => {
    const [a, b] = await pair();
    for (const end of [a, b]) {
      expect(end.wire.credentials).toEqual({
        pid: process.pid,
        uid: process.getuid?.(),
        gid: process.getgid?.(),
      });
      end.wire.destroy();
    }
  });

  it("passes a descriptor, once, and closes those that nobody takes", async () => {
    const [a, b] = await pair();
    b.wire.setHandler(b);
    const directory = mkdtempSync(join(tmpdir(), "wire-"));
    writeFileSync(join(directory, "file"), "content");
    const descriptor = openSync(join(directory, "file"), "r");
    a.wire.write(Buffer.from("x"), descriptor);
    await b.bytes(1);
    const taken = b.wire.takeDescriptor();
    expect(taken).toBeTypeOf("number");
    expect(b.wire.takeDescriptor()).toBeUndefined();
    const bytes = Buffer.alloc(20);
    expect(readSync(taken!, bytes, 0, 20, 0)).toBe(7);
    closeSync(taken!);

    const before = process.platform === "linux" ? readdirSync("/proc/self/fd").length : 0;
    for (let i = 0; i < 20; i++) {
      a.wire.write(Buffer.from("y"), descriptor);
      await b.bytes(2 + i);
    }
    b.wire.destroy();
    if (before > 0) expect(readdirSync("/proc/self/fd").length).toBe(before - 1);
    closeSync(descriptor);
    rmSync(directory, { recursive: true });
    a.wire.destroy();
  });

  it("reads no more in a turn of the event loop that is used up", async () => {
    const [a, b] = await pair();
    let chunks = 0;
    b.onChunk = () => {
      chunks++;
      enter();
      for (const end = performance.now() + TURN; performance.now() < end; );
      leave();
    };
    b.wire.setHandler(b);
    a.wire.write(payload(1, 1024 * 1024));
    let most = 0;
    while (b.received < 1024 * 1024) {
      chunks = 0;
      await turns(1);
      most = Math.max(most, chunks);
    }
    expect(most).toBe(1);
    a.wire.destroy();
    b.wire.destroy();
  });

  it("passes a descriptor behind bytes that the kernel did not take yet", async () => {
    const [a, b] = await pair();
    a.wire.write(payload(1, 1024 * 1024));
    const descriptor = openSync("/dev/null", "r");
    a.wire.write(Buffer.from("z"), descriptor);
    let at = -1;
    b.onChunk = () => {
      const taken = b.wire.takeDescriptor();
      if (taken === undefined) return;
      closeSync(taken);
      at = b.received;
    };
    b.wire.setHandler(b);
    await b.bytes(1024 * 1024 + 1);
    expect(at).toBe(1024 * 1024 + 1);
    closeSync(descriptor);
    a.wire.destroy();
    b.wire.destroy();
  });

  it("polled, calls the handler with what is there, and is told the end once", async () => {
    const [a, b] = await pair();
    b.wire.setHandler(b);
    b.wire.poll();
    expect([b.text(), b.ends]).toEqual(["", []]);
    a.wire.write(Buffer.from("abc"));
    b.wire.poll();
    expect(b.text()).toBe("abc");
    b.wire.unread(Buffer.from("back"));
    b.wire.setHandler(b);
    b.wire.poll();
    expect(b.text()).toBe("abcback");
    a.wire.destroy();
    b.wire.poll();
    b.wire.poll();
    expect(b.ends.length).toBe(1);
  });

  it("polled, writes what the kernel had not taken", async () => {
    const [a, b] = await pair();
    const bytes = payload(1, 4 * 1024 * 1024);
    b.wire.setHandler(b);
    a.wire.write(bytes);
    expect(a.wire.buffered).toBeGreaterThan(0);
    for (const until = performance.now() + 10_000; a.wire.buffered > 0 && performance.now() < until; ) {
      b.wire.poll();
      a.wire.poll();
    }
    expect(a.wire.buffered).toBe(0);
    while (b.all().length < bytes.length) b.wire.poll();
    expect(b.all().equals(bytes)).toBe(true);
    for (const end of [a, b]) end.wire.destroy();
  });

  it("leaves a handler its chunk while that polls another wire, or this one", async () => {
    const [a, b] = await pair();
    const [c, d] = await pair();
    d.wire.setHandler(d);
    b.onChunk = (chunk) => {
      const copy = Buffer.from(chunk);
      b.onChunk = undefined;
      c.wire.write(Buffer.from("CCCCCC"));
      d.wire.poll();
      a.wire.write(Buffer.from("AAAAAA"));
      b.wire.poll();
      expect(Buffer.compare(copy, chunk)).toBe(0);
    };
    b.wire.setHandler(b);
    a.wire.write(Buffer.from("abcdef"));
    await b.bytes(12);
    expect([b.text(), d.text()]).toEqual(["abcdefAAAAAA", "CCCCCC"]);
    for (const end of [a, b, c, d]) end.wire.destroy();
  });

  it("still reads what a peer sent before it hung up when writing to that peer fails", async () => {
    const [wire, socket] = await rawPair(binding);
    const log = new WireLog(wire);
    const bytes = payload(1, 100_000);
    socket.resume();
    socket.end(bytes);
    socket.destroySoon();
    await once(socket, "close");
    wire.write(Buffer.from("into the void"));
    wire.write(Buffer.from("again"));
    await turns(3);
    wire.setHandler(log);
    await log.ended();
    expect(log.all().equals(bytes)).toBe(true);
    expect(log.ends.length).toBe(1);
  });

  it("gives its descriptor away", async () => {
    const [a, b] = await pair();
    b.wire.setHandler(b);
    const descriptor = b.wire.detach();
    expect(b.wire.detach()).toBe(-1);
    b.wire.destroy();
    const again = new WireLog(wrapNative(binding, descriptor));
    again.wire.setHandler(again);
    a.wire.write(Buffer.from("hello"));
    await again.bytes(5);
    expect([b.text(), b.ends]).toEqual(["", []]);
    a.wire.destroy();
    again.wire.destroy();
  });
});

describe("a wire over node:net", () => {
  it("says what it can't do", async () => {
    const [a, b] = await netPair();
    expect(a.credentials).toBeUndefined();
    expect(a.takeDescriptor()).toBeUndefined();
    a.poll();
    expect(() => a.detach()).toThrow(TransportError);
    expect(() => a.write(Buffer.from("x"), 0)).toThrow(TransportError);
    a.destroy();
    b.destroy();
  });
});
