import { setImmediate } from "node:timers/promises";
import {
  bytes,
  InvalidArgumentError,
  memoryPair,
  PeerDiedError,
  SyncUnavailableError,
  struct,
  text,
  UnknownOptionError,
  u32,
} from "ringbell";
import { afterEach, describe, expect, it, vi } from "vitest";
import { script } from "./channel/setup.js";

afterEach(() => void vi.useRealTimers());

describe("memoryPair()", () => {
  it("delivers in a later turn of the event loop, never within the call", async () => {
    const [one, other] = memoryPair<number>();
    const got: number[] = [];
    other.on("message", (n) => got.push(n));
    await setImmediate();
    one.trySend(1);
    await Promise.resolve();
    expect(got).toEqual([]);
    await one.flush();
    expect(got).toEqual([1]);
  });

  it("gives the other end the codecs the other way round, on every lane", async () => {
    const Tick = struct({ at: u32 });
    const [one, other] = memoryPair({
      codec: { send: text(), receive: Tick },
      lanes: { video: { codec: { send: bytes(), receive: text() } }, plain: {} },
    });
    await one.send("go");
    await other.send({ at: 1 });
    await one.lane("video").send(new Uint8Array([1]));
    await other.lane("video").send("more");
    await other.lane("plain").send({ at: 2 });
    expect([await other.receive(), await one.receive()]).toEqual(["go", { at: 1 }]);
    expect(await other.lane("video").receive()).toEqual(new Uint8Array([1]));
    expect([await one.lane("video").receive(), await one.lane("plain").receive()]).toEqual([
      "more",
      { at: 2 },
    ]);
  });

  it("can be cut apart: both ends hear that the other has died, after what it had sent", async () => {
    const [one, other, cut] = memoryPair<number>();
    await one.send(1);
    const loop = other[Symbol.asyncIterator]();
    cut();
    expect(await loop.next()).toEqual({ done: false, value: 1 });
    await expect(loop.next()).rejects.toBeInstanceOf(PeerDiedError);
    for (const end of [one, other]) {
      expect(await end.closed).toMatchObject({ reason: "peer-died", error: expect.any(PeerDiedError) });
      expect(() => end.trySend(2)).toThrow(PeerDiedError);
    }
    cut();
  });

  it("delivers though a test has replaced the timers", async () => {
    vi.useFakeTimers();
    const [one, other] = memoryPair<number>();
    await one.send(1);
    expect(await other.receive()).toBe(1);
    await one.close();
    expect((await other.closed).reason).toBe("peer-closed");
  });

  it("has limits as other channels have", async () => {
    const [one] = memoryPair({ capacity: 8192, maxBulkBytes: 65536, maxMessageBytes: 1000, codec: text() });
    expect(one.capacity).toBe(8192);
    await expect(one.allocate(65537)).rejects.toMatchObject({ code: "ERR_RINGBELL_BLOCK_TOO_LARGE" });
    expect(() => one.trySend("x".repeat(1001))).toThrow(/at most 1000/);
  });

  it("refuses options that it does not have, and values that are none", () => {
    expect(() => memoryPair({ transport: "shm" } as object)).toThrow(UnknownOptionError);
    expect(() => memoryPair({ capacity: 5000 })).toThrow(InvalidArgumentError);
    expect(() => memoryPair(null as never)).toThrow(InvalidArgumentError);
  });

  it("can't block the thread: nothing would come meanwhile", () => {
    const [one] = memoryPair<number>();
    expect(() => one.receiveSync({ timeout: 1 })).toThrow(SyncUnavailableError);
  });

  it("keeps no process alive", async () => {
    const { ended } = script(`
      const [one, other] = ringbell.memoryPair();
      other.on("message", report);
      one.send("the last words");`);
    expect(await ended).toEqual({ code: 0, signal: null, output: "the last words\n" });
  });
});
