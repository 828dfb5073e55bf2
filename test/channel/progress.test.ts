import { EncodeError } from "ringbell";
import { describe, expect, it } from "vitest";
import { pair, transports } from "./setup.js";

async function takeAll(channel: AsyncIterable<unknown>): Promise<unknown[]> {
  const got: unknown[] = [];
  for await (const message of channel) got.push(message);
  return got;
}

const numbers = (count: number) => Array.from({ length: count }, (_, n) => n);
const texts = (count: number) => numbers(count).map((n) => `${n}`.padEnd(500));

describe.each(transports)("%s: sendMany that fails in the middle", (transport) => {
  it.each([0, 2, 5000])(
    "sends the %d messages that an iterable gave before it threw, and counts them",
    async (count) => {
      const { a, b } = await pair(transport);
      const mine = new Error("mine");
      const progress = { sent: -1 };
      let closed = false;
      const messages = (function* () {
        try {
          yield* numbers(count);
          throw mine;
        } finally {
          closed = true;
        }
      })();
      const got = takeAll(b);
      await expect(a.sendMany(messages, { progress })).rejects.toBe(mine);
      expect(closed).toBe(true);
      expect(progress.sent).toBe(count);
      await a.close();
      expect(await got).toEqual(numbers(count));
    },
  );

  it("sends and counts what stands before a message that can't be encoded", async () => {
    const { a, b } = await pair(transport);
    const progress = { sent: -1 };
    let encoded = 0;
    const bad = { toJSON: () => ++encoded && 5n };
    await expect(a.sendMany([1, 2, bad, 4], { progress })).rejects.toThrow(EncodeError);
    expect(progress.sent).toBe(2);
    // Once to send it, once to find the place in it that is bad.
    expect(encoded).toBeLessThanOrEqual(2);
    await a.close();
    expect(await takeAll(b)).toEqual([1, 2]);
  });

  it.each(["abort", "time-out", "close", "destroy"])("counts what went out before the %s", async (how) => {
    const { a, b } = await pair(transport, { capacity: 4096 });
    const controller = new AbortController();
    const progress = { sent: -1 };
    const sending = a.sendMany(texts(100), {
      signal: controller.signal,
      timeout: how === "time-out" ? 5 : undefined,
      progress,
    });
    if (how === "abort") controller.abort(new Error("no more"));
    if (how === "destroy") a.destroy();
    const closing = how === "close" ? a.close({ timeout: 0 }) : undefined;
    await expect(sending).rejects.toThrow();
    await closing;
    if (how === "abort" || how === "time-out") await a.close();
    const got = await takeAll(b);
    expect(got.length).toBe(progress.sent);
    expect(got).toEqual(texts(100).slice(0, got.length));
    expect(got.length).toBeGreaterThan(0);
  });

  it("counts all if nothing fails, also while it goes on", async () => {
    const { a, b } = await pair(transport, { capacity: 4096 });
    const progress = { sent: -1 };
    const sending = a.sendMany(texts(100).values(), { progress });
    expect(progress.sent).toBeGreaterThan(0);
    expect(progress.sent).toBeLessThan(100);
    for (let n = 0; n < 100; n++) await b.receive();
    await sending;
    expect(progress.sent).toBe(100);
  });

  it("goes on from the number of those that went out", async () => {
    const { a, b } = await pair(transport, { capacity: 4096 });
    const progress = { sent: 0 };
    const messages = texts(50);
    let done = 0;
    const got: unknown[] = [];
    while (done < messages.length) {
      await a.sendMany(messages.slice(done), { timeout: 0, progress }).catch(() => {});
      done += progress.sent;
      for (let one = b.tryReceive(); one !== undefined; one = b.tryReceive()) got.push(one);
      await new Promise(setImmediate);
    }
    while (got.length < messages.length) got.push(await b.receive());
    expect(got).toEqual(messages);
  });

  it("trySendMany throws only if none went out", async () => {
    const { a, b } = await pair(transport);
    const messages = [1, 2, 5n, 4];
    const next = a.trySendMany(messages);
    expect(next).toBe(2);
    expect(() => a.trySendMany(messages, next)).toThrow(EncodeError);
    expect(a.trySendMany(messages, next + 1)).toBe(4);
    expect([await b.receive(), await b.receive(), await b.receive()]).toEqual([1, 2, 4]);
  });

  it("refuses a progress that can't count", async () => {
    const { a } = await pair(transport);
    for (const progress of [1, null, "x", Object.freeze({ sent: 0 })]) {
      expect(() => a.sendMany([1], { progress: progress as never })).toThrow(
        expect.objectContaining({ code: "ERR_RINGBELL_INVALID_ARGUMENT", argument: "options.progress" }),
      );
    }
  });
});

describe("sendManySync that fails in the middle", () => {
  it("counts what went out", async () => {
    const { a, b } = await pair("shm", { capacity: 4096 });
    const progress = { sent: -1 };
    const mine = new Error("mine");
    const throws = (function* () {
      yield* ["1", "2"];
      throw mine;
    })();
    expect(() => a.sendManySync(throws, { progress })).toThrow(mine);
    expect(progress.sent).toBe(2);
    expect(() => a.sendManySync(["3", 5n, "4"], { progress })).toThrow(EncodeError);
    expect(progress.sent).toBe(1);
    const sent = a.sendManySync(texts(100), { timeout: 5, progress });
    expect(sent).toBe(progress.sent);
    b.destroy();
    await a.closed;
    expect(() => a.sendManySync(["5", "6"], { progress })).toThrow();
    expect(progress.sent).toBe(0);
  });
});
