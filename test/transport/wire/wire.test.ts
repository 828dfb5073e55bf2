import { describe, expect, it } from "vitest";
import { tryBinding } from "../../../lib/native/load.js";
import { connectNative } from "../../../lib/transport/wire/addon-wire.js";
import { connectNet } from "../../../lib/transport/wire/net-wire.js";
import { payload, turns, uncaught } from "../contract/harness.js";
import { inDirectory, nativePair, netPair, WireLog, type WirePair } from "./wires.js";

const binding = tryBinding();

function wireTests(
  name: string,
  makePair: () => Promise<WirePair>,
  connect: (path: string) => Promise<unknown>,
) {
  describe(`a wire over ${name}`, () => {
    async function pair(): Promise<readonly [WireLog, WireLog]> {
      const [a, b] = await makePair();
      return [new WireLog(a), new WireLog(b)];
    }

    it("is quiet until it has a handler, and loses nothing", async () => {
      const [a, b] = await pair();
      a.wire.write(Buffer.from("hello"));
      await turns(5);
      expect(b.text()).toBe("");
      b.wire.setHandler(b);
      expect(b.text()).toBe("");
      await b.bytes(5);
      expect(b.text()).toBe("hello");
    });

    it("stops reading without a handler, and goes on with the next", async () => {
      const [a, b] = await pair();
      b.wire.setHandler(b);
      a.wire.write(Buffer.from("one"));
      await b.bytes(3);
      b.wire.setHandler(undefined);
      a.wire.write(Buffer.from("two"));
      await turns(5);
      expect(b.text()).toBe("one");
      const next = new WireLog(b.wire);
      b.wire.setHandler(next);
      await next.bytes(3);
      expect(next.text()).toBe("two");
    });

    it("hands what was put back to the next handler first, and not at once", async () => {
      const [a, b] = await pair();
      const next = new WireLog(b.wire);
      b.onChunk = (chunk) => {
        b.wire.unread(chunk.subarray(2));
        b.wire.setHandler(next);
        expect(next.text()).toBe("");
      };
      b.wire.setHandler(b);
      a.wire.write(Buffer.from("abcdef"));
      await next.bytes(4);
      a.wire.write(Buffer.from("ghi"));
      await next.bytes(7);
      expect(next.text()).toBe("cdefghi");
      expect(b.chunks).toBe(1);
    });

    it("hands what was put back to the next handler in whatever order the two calls are made", async () => {
      const [a, b] = await pair();
      const next = new WireLog(b.wire);
      b.onChunk = (chunk) => {
        b.wire.setHandler(next);
        b.wire.unread(chunk.subarray(3));
        b.wire.unread(chunk.subarray(1, 3));
      };
      b.wire.setHandler(b);
      a.wire.write(Buffer.from("abcdef"));
      await next.bytes(5);
      expect(next.text()).toBe("bcdef");
    });

    it("tells the end after what was put back", async () => {
      const [a, b] = await pair();
      a.wire.write(Buffer.from("abc"));
      b.onChunk = (chunk) => {
        b.wire.unread(chunk);
        b.wire.setHandler(undefined);
      };
      b.wire.setHandler(b);
      await b.bytes(3);
      await a.wire.end();
      await turns(5);
      expect(b.ends).toEqual([]);
      const next = new WireLog(b.wire);
      b.wire.setHandler(next);
      await next.ended();
      expect(next.text()).toBe("abc");
      expect(next.ends).toEqual([undefined]);
    });

    it("queues what the kernel does not take, keeps a copy of it, and says when all is through", async () => {
      const [a, b] = await pair();
      a.wire.setHandler(a);
      const bytes = payload(1, 4 * 1024 * 1024);
      const sent = Buffer.from(bytes);
      a.wire.write(sent.subarray(0, 3 * 1024 * 1024));
      for (let at = 3 * 1024 * 1024; at < sent.length; at += 1000) a.wire.write(sent.subarray(at, at + 1000));
      sent.fill(0);
      expect(a.wire.buffered).toBeGreaterThan(2 * 1024 * 1024);
      expect(a.drains).toBe(0);
      b.wire.setHandler(b);
      await b.bytes(bytes.length);
      await a.signal.until(() => a.drains > 0);
      expect([a.wire.buffered, a.drains]).toEqual([0, 1]);
      expect(b.all().equals(bytes)).toBe(true);
    });

    it("ends after all that was written before, without an error at the other side", async () => {
      const [a, b] = await pair();
      a.wire.setHandler(a);
      const bytes = payload(2, 1024 * 1024);
      a.wire.write(bytes);
      const ended = a.wire.end();
      expect(a.wire.end()).toBe(ended);
      a.wire.write(Buffer.from("too late"));
      b.wire.setHandler(b);
      await Promise.all([ended, b.ended()]);
      expect(b.all().equals(bytes)).toBe(true);
      expect([b.ends, a.ends, a.drains]).toEqual([[undefined], [], 0]);
      b.wire.write(Buffer.from("ignored"));
      await b.wire.end();
      a.wire.destroy();
    });

    it("ends also when both sides have much to write and none reads", async () => {
      const [a, b] = await pair();
      a.wire.write(payload(1, 1024 * 1024));
      b.wire.write(payload(2, 1024 * 1024));
      await Promise.all([a.wire.end(), b.wire.end()]);
    });

    it("that is destroyed tells the other side, and its own handler nothing", async () => {
      const [a, b] = await pair();
      a.wire.setHandler(a);
      b.wire.setHandler(b);
      a.wire.destroy();
      a.wire.destroy();
      await b.ended();
      await turns(3);
      expect([b.ends.length, a.ends.length]).toEqual([1, 0]);
      await a.wire.end();
    });

    it("hands exceptions of handlers to the process and goes on", async () => {
      const [a, b] = await pair();
      b.onChunk = (chunk) => {
        throw new Error(`at ${chunk.toString()}`);
      };
      b.wire.setHandler(b);
      const first = await uncaught(1, () => a.wire.write(Buffer.from("one")));
      b.onChunk = undefined;
      a.wire.write(Buffer.from("two"));
      await b.bytes(6);
      b.onFinish = () => {
        throw new Error("at the end");
      };
      const second = await uncaught(1, () => void a.wire.end());
      expect([...first, ...second].map((error) => (error as Error).message)).toEqual([
        "at one",
        "at the end",
      ]);
    });

    it("can't be had where nobody listens: the system's error says so", async () => {
      await inDirectory(async (path) => {
        await expect(connect(path)).rejects.toMatchObject({ code: "ENOENT", syscall: "connect" });
      });
    });
  });
}

wireTests("node:net", netPair, connectNet);
if (binding === undefined) {
  describe("a wire over the addon", () => it.skip("needs the addon", () => {}));
} else {
  const native = binding;
  wireTests(
    "the addon",
    () => nativePair(native),
    async (path) => connectNative(native, path),
  );
}
