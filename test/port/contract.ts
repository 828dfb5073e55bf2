import { once } from "node:events";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Block, Port } from "ringbell";
import { ConsumerBusyError, json, ValidationError } from "ringbell";
import { describe, expect, it, onTestFinished } from "vitest";

/** Two ports that are joined: what the one sends, the other receives. */
export type Ends = readonly [Port<unknown>, Port<unknown>];

/**
 * A kind of port. The ports carry JSON with blocks, and find no message in a `{ bad: … }`. `capacity`: bytes in flight at most, each way, or
 * about as many.
 */
export interface PortKind {
  readonly name: string;
  pair(capacity: number): Ends | Promise<Ends>;
}

/** The codec of a port to be tested: JSON, of which some is refused where it arrives. */
export const contractCodec = json({
  "~standard": {
    version: 1,
    vendor: "test",
    validate: (value: unknown) =>
      typeof value === "object" && value !== null && "bad" in value
        ? { issues: [{ message: "a bad message" }] }
        : { value },
  },
});

const SMALL = 4096;
const LARGE = 65536;

/** Sends texts until there is no room for any; returns those that went. */
function fill(port: Port<unknown>): string[] {
  const sent: string[] = [];
  for (const length of [500, 50, 5, 0]) {
    while (port.trySend("x".repeat(length))) sent.push("x".repeat(length));
  }
  return sent;
}

/** Takes so many messages by `receive`. */
async function take(port: Port<unknown>, count: number): Promise<unknown[]> {
  const messages: unknown[] = [];
  while (messages.length < count) messages.push(await port.receive());
  return messages;
}

async function all(port: Port<unknown>): Promise<unknown[]> {
  const messages: unknown[] = [];
  for await (const message of port) messages.push(message);
  return messages;
}

const numbers = (count: number) => Array.from({ length: count }, (_, n) => n);

/** What upper floors may rely on: the same tests for every kind of port. */
export function portContract(kind: PortKind): void {
  describe(`${kind.name} keeps the contract of ports:`, () => {
    async function open(capacity = LARGE): Promise<Ends> {
      const ends = await kind.pair(capacity);
      onTestFinished(() => {
        for (const end of ends) end.destroy();
      });
      return ends;
    }

    sending(open);
    receiving(open);
    ending(open);
    blocks(open);
  });
}

type Open = (capacity?: number) => Promise<Ends>;

function sending(open: Open): void {
  it("what is sent arrives in order, each exactly once, in both directions at the same time", async () => {
    const [one, other] = await open(SMALL);
    const sendAll = async (port: Port<unknown>) => {
      for (const n of numbers(1000)) await port.send({ n });
    };
    const expected = numbers(1000).map((n) => ({ n }));
    const [, , there, back] = await Promise.all([
      sendAll(one),
      sendAll(other),
      take(other, 1000),
      take(one, 1000),
    ]);
    expect(there).toEqual(expected);
    expect(back).toEqual(expected);
  });

  it("what arrives is no object of the sender, which may change its own after the call", async () => {
    const [one, other] = await open();
    const message = { list: [1] };
    await one.send(message);
    message.list.push(2);
    const got = (await other.receive()) as typeof message;
    expect(got).toEqual({ list: [1] });
    expect(got).not.toBe(message);
  });

  it("trySend says false where there is no room, queues nothing, and drain comes when there is some", async () => {
    const [one, other] = await open(SMALL);
    const sent = fill(one);
    expect(sent.join("").length).toBeLessThanOrEqual(4 * SMALL);
    expect(one.trySend("refused")).toBe(false);
    const drained = new Promise<void>((resolve) => one.on("drain", resolve));
    expect(await take(other, sent.length)).toEqual(sent);
    await drained;
    expect(one.trySend("later")).toBe(true);
    expect(await other.receive()).toBe("later");
  });

  it("send waits for room, keeps its order, and is not overtaken by trySend", async () => {
    const [one, other] = await open(SMALL);
    const sent = fill(one);
    const waiting = ["a", "b", "c"].map((message) => one.send(message));
    expect(one.trySend("overtakes")).toBe(false);
    expect(await take(other, sent.length + 3)).toEqual([...sent, "a", "b", "c"]);
    await Promise.all(waiting);
  });

  it("a send that is aborted, or times out, takes its message back", async () => {
    const [one, other] = await open(SMALL);
    const sent = fill(one);
    const abort = new AbortController();
    const aborted = one.send("aborted", { signal: abort.signal });
    const late = one.send("late", { timeout: 1 });
    const kept = one.send("kept");
    abort.abort(new Error("enough"));
    await expect(aborted).rejects.toThrow("enough");
    await expect(late).rejects.toMatchObject({ code: "ERR_RINGBELL_TIMEOUT" });
    await expect(one.send("never", { signal: abort.signal })).rejects.toThrow("enough");
    expect(await take(other, sent.length + 1)).toEqual([...sent, "kept"]);
    await kept;
  });

  it("flush resolves when the peer has taken all that was sent, and not while it has taken none", async () => {
    const [one, other] = await open(SMALL);
    const sent = fill(one);
    const last = one.send("last");
    await expect(one.flush({ timeout: 5 })).rejects.toMatchObject({ code: "ERR_RINGBELL_TIMEOUT" });
    let flushed = false;
    const flushing = one.flush().then(() => {
      flushed = true;
    });
    for (let turns = 0; turns < 5; turns++) await nextTurn();
    // Not later: a peer may read ahead of the program that receives, and what it has read counts as taken.
    expect(flushed).toBe(false);
    expect(await take(other, sent.length + 1)).toEqual([...sent, "last"]);
    await Promise.all([flushing, last]);
    await one.flush();
  });

  it("a message that can't be encoded is an error of the call, and of nothing else", async () => {
    const [one, other] = await open();
    const circle: { self?: unknown } = {};
    circle.self = circle;
    expect(() => one.trySend(circle)).toThrow(expect.objectContaining({ code: "ERR_RINGBELL_ENCODE" }));
    await expect(one.send(circle)).rejects.toMatchObject({ code: "ERR_RINGBELL_ENCODE" });
    await one.send("fine");
    expect(await other.receive()).toBe("fine");
  });
}

function receiving(open: Open): void {
  it("several calls of receive wait in order; one that gives up loses no message", async () => {
    const [one, other] = await open();
    const abort = new AbortController();
    const [first, second, third, last] = [
      other.receive(),
      other.receive({ signal: abort.signal }),
      other.receive({ timeout: 1 }),
      other.receive(),
    ];
    abort.abort(new Error("enough"));
    await expect(second).rejects.toThrow("enough");
    await expect(third).rejects.toMatchObject({ code: "ERR_RINGBELL_TIMEOUT" });
    await one.send(1);
    await one.send(2);
    expect([await first, await last]).toEqual([1, 2]);
  });

  it("has one consumer at a time", async () => {
    const [one, other] = await open();
    const listener = () => {};
    other.on("message", listener);
    expect(() => other.on("message", () => {})).toThrow(ConsumerBusyError);
    expect(() => other[Symbol.asyncIterator]()).toThrow(ConsumerBusyError);
    await expect(other.receive()).rejects.toBeInstanceOf(ConsumerBusyError);
    other.off("message", listener);
    const waiting = other.receive();
    expect(() => other.on("message", listener)).toThrow(ConsumerBusyError);
    await one.send("for receive");
    expect(await waiting).toBe("for receive");
    const loop = other[Symbol.asyncIterator]();
    expect(() => other.on("message", listener)).toThrow(ConsumerBusyError);
    await loop.return?.();
    other.on("message", listener);
  });

  it("a loop that is left loses nothing, and leaves the port open", async () => {
    const [one, other] = await open();
    for (const n of numbers(10)) await one.send(n);
    for await (const n of other) if (n === 3) break;
    const rest = new Promise<unknown[]>((resolve) => {
      const got: unknown[] = [];
      other.on("message", (n) => {
        got.push(n);
        if (n === 9) resolve(got);
      });
    });
    expect(await rest).toEqual([4, 5, 6, 7, 8, 9]);
    expect(other.state).toBe("open");
  });

  it("what nobody takes waits, and holds up the sender", async () => {
    const [one, other] = await open(SMALL);
    const sent = fill(one);
    await expect(one.send("more", { timeout: 1 })).rejects.toMatchObject({ code: "ERR_RINGBELL_TIMEOUT" });
    expect(await take(other, sent.length)).toEqual(sent);
  });

  it("a bad message is an error of receive, an event for others, and skipped", async () => {
    const [one, other] = await open();
    const errors: Error[] = [];
    other.on("error", (error) => errors.push(error));
    await one.send({ bad: 1 });
    await one.send("good");
    await expect(other.receive()).rejects.toBeInstanceOf(ValidationError);
    expect(await other.receive()).toBe("good");
    expect(errors).toEqual([]);
    await one.send({ bad: 2 });
    await one.send("better");
    for await (const message of other) {
      expect(message).toBe("better");
      break;
    }
    expect(errors).toEqual([expect.any(ValidationError)]);
  });

  it("a listener that throws is an uncaught exception, and the next message comes", async () => {
    const [one, other] = await open();
    const others = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    try {
      const caught = once(process, "uncaughtException");
      const got: unknown[] = [];
      const last = new Promise((resolve) => {
        other.on("message", (message) => {
          got.push(message);
          if (message === 1) throw new Error("a listener's own");
          resolve(message);
        });
      });
      await one.send(1);
      await one.send(2);
      expect(await last).toBe(2);
      expect(got).toEqual([1, 2]);
      const [error] = await caught;
      expect(error).toMatchObject({ message: "a listener's own" });
    } finally {
      for (const listener of others) process.on("uncaughtException", listener);
    }
  });
}

function ending(open: Open): void {
  it("close lets arrive what was sent, waiting sends included, and tells both sides why, once", async () => {
    const [one, other] = await open(SMALL);
    const events: unknown[] = [];
    one.on("close", (...args) => events.push(["one", ...args]));
    other.on("close", (...args) => events.push(["other", ...args]));
    const sent = fill(one);
    const waiting = one.send("last");
    expect([one.state, other.state]).toEqual(["open", "open"]);
    const closing = one.close();
    expect(one.state).toBe("closing");
    expect(await all(other)).toEqual([...sent, "last"]);
    await waiting;
    await closing;
    expect(await one.closed).toEqual({ reason: "ended", error: undefined });
    expect(await other.closed).toEqual({ reason: "peer-closed", error: undefined });
    await one.close();
    other.destroy();
    expect(events.sort()).toEqual([
      ["one", "ended", undefined],
      ["other", "peer-closed", undefined],
    ]);
    expect([one.state, other.state]).toEqual(["closed", "closed"]);
  });

  it("a listener for close that comes late hears of it, too", async () => {
    const [one, other] = await open();
    await one.close();
    await other.closed;
    const [reason] = await new Promise<unknown[]>((resolve) => {
      other.on("close", (...args) => resolve(args));
    });
    expect(reason).toBe("peer-closed");
  });

  it("after the end nothing is sent or received: every call says so", async () => {
    const [one, other] = await open();
    const waiting = [other.receive(), other.flush().then(() => other.flush())];
    await one.close();
    await other.closed;
    const closed = expect.objectContaining({ code: "ERR_RINGBELL_CLOSED" });
    await expect(waiting[0]).rejects.toEqual(closed);
    await waiting[1]!.catch((error: unknown) => expect(error).toEqual(closed));
    for (const end of [one, other]) {
      expect(() => end.trySend(1)).toThrow(closed);
      await expect(end.send(1)).rejects.toEqual(closed);
      await expect(end.receive()).rejects.toEqual(closed);
      await expect(end.flush()).rejects.toEqual(closed);
      await expect(end.allocate(1)).rejects.toEqual(closed);
      expect(await all(end)).toEqual([]);
    }
  });

  it("destroy ends it at once: what waits fails with the error, what was sent arrives", async () => {
    const [one, other] = await open(SMALL);
    const sent = fill(one);
    const why = new Error("no more");
    const [waiting, flushing] = [one.send("waits"), one.flush()];
    one.destroy(why);
    await expect(waiting).rejects.toBe(why);
    await expect(flushing).rejects.toBe(why);
    await expect(one.send("later")).rejects.toBe(why);
    expect(await one.closed).toEqual({ reason: "ended", error: why });
    expect(await all(other)).toEqual(sent);
    expect(await other.closed).toEqual({ reason: "peer-closed", error: undefined });
  });

  it("it can be told not to keep the process alive, and to do so again", async () => {
    const [one, other] = await open();
    one.unref();
    one.ref();
    await one.send("still here");
    expect(await other.receive()).toBe("still here");
    expect(one.peer).toMatchObject({ pid: expect.any(Number), id: other.peer.id });
    expect(one.capacity).toBeGreaterThanOrEqual(SMALL);
  });
}

function blocks(open: Open): void {
  it("a block is handed over: its bytes there, and gone here", async () => {
    const [one, other] = await open();
    const block = await one.allocate(100_000);
    block.bytes.fill(7);
    await one.send({ name: "frame", block });
    expect(() => block.bytes).toThrow(expect.objectContaining({ code: "ERR_RINGBELL_BLOCK" }));
    const got = (await other.receive()) as { block: Block };
    expect([got.block.byteLength, got.block.bytes.at(-1)]).toEqual([100_000, 7]);
    got.block.release();
  });

  it("a block whose message was not sent is the program's again", async () => {
    const [one] = await open(SMALL);
    fill(one);
    const block = one.tryAllocate(10)!;
    expect(one.trySend({ block })).toBe(false);
    await expect(one.send({ block }, { timeout: 1 })).rejects.toMatchObject({ code: "ERR_RINGBELL_TIMEOUT" });
    expect(block.bytes.byteLength).toBe(10);
    block.release();
  });

  it("a message longer than its capacity is sent as any other", async () => {
    const [one, other] = await open(SMALL);
    const long = "long ".repeat(20_000);
    const sending = one.send({ long });
    expect(await other.receive()).toEqual({ long });
    await sending;
  });
}
