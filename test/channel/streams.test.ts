import { once } from "node:events";
import { ReadableStream, WritableStream } from "node:stream/web";
import { text } from "ringbell";
import { describe, expect, it } from "vitest";
import { fill, pair, peer, reported, TAKES_ALL, TAKES_ALL_BLOCKING, transports } from "./setup.js";

const busy = expect.objectContaining({ code: "ERR_RINGBELL_CONSUMER_BUSY" });
const closed = expect.objectContaining({ code: "ERR_RINGBELL_CLOSED" });

async function all<T>(messages: AsyncIterable<T>): Promise<T[]> {
  const got: T[] = [];
  for await (const message of messages) got.push(message);
  return got;
}

describe.each(transports)("channel.readable over %s", (transport) => {
  it("gives what arrives, in order, and closes when the peer closes the channel", async () => {
    const { a, b } = await pair<number>(transport);
    expect(b.readable).toBe(b.readable);
    expect(b.readable).toBeInstanceOf(ReadableStream);
    const got = all(b.readable);
    for (let n = 0; n < 1000; n++) await a.send(n);
    await a.close();
    expect(await got).toEqual(Array.from({ length: 1000 }, (_, n) => n));
  });

  it("becomes the consumer with its first read, and takes what is asked for and no more", async () => {
    const { a, b } = await pair<number>(transport);
    const reader = b.readable.getReader();
    await a.sendMany([1, 2, 3, 4, 5]);
    expect(await b.receive()).toBe(1);
    expect(await reader.read()).toEqual({ done: false, value: 2 });
    expect(() => b.tryReceive()).toThrow(busy);
    await reader.cancel();
    expect(b.tryReceive()).toBe(3);
    for await (const n of b.readable) {
      expect(n).toBe(4);
      break; // This cancels it too.
    }
    expect(await b.receive()).toBe(5);
    expect(b.state).toBe("open");
  });

  it("takes nothing more while its destination is busy, so that the sender has to wait", async () => {
    const { a, b } = await pair<string>(transport, { codec: text(), capacity: 4096 });
    let release = () => {};
    const slow = new WritableStream<string>({
      write: () =>
        new Promise((resolve) => {
          release = resolve;
        }),
    });
    const piping = b.readable.pipeTo(slow, { signal: AbortSignal.timeout(20_000) });
    piping.catch(() => {});
    // What the ring and the receiver's inbox hold, and no more: then there is no room for long.
    let sent = 0;
    while (sent < 1000 && a.trySend("x".repeat(1000))) {
      sent++;
      await new Promise(setImmediate);
    }
    expect(sent).toBeLessThan(12);
    const room = once(a, "drain");
    for (let n = 0; n < sent; n++) {
      release();
      await new Promise(setImmediate);
    }
    await room;
    b.destroy();
    release();
    await piping;
  });

  it("fails a read where something else receives, and is there again afterwards", async () => {
    const { a, b } = await pair<number>(transport);
    const loop = b[Symbol.asyncIterator]();
    const { readable } = b;
    await expect(readable.getReader().read()).rejects.toEqual(busy);
    await loop.return?.();
    await a.send(1);
    expect(await b.readable.getReader().read()).toEqual({ done: false, value: 1 });
    expect(() => b[Symbol.asyncIterator]()).toThrow(busy);
  });

  it("ends a read that waits when it is cancelled", async () => {
    const { a, b } = await pair<number>(transport);
    const reader = b.readable.getReader();
    const waiting = reader.read();
    await new Promise(setImmediate);
    await reader.cancel();
    expect(await waiting).toEqual({ done: true, value: undefined });
    await a.send(7);
    expect(await b.receive()).toBe(7);
  });

  it("closes when this side closes the channel, and fails when it destroys it with an error", async () => {
    const first = await pair<number>(transport);
    const reader = first.b.readable.getReader();
    const waiting = reader.read();
    await first.b.close();
    expect(await waiting).toEqual({ done: true, value: undefined });
    const second = await pair<number>(transport);
    const failure = new Error("no longer wanted");
    const lost = expect(second.b.readable.getReader().read()).rejects.toBe(failure);
    second.b.destroy(failure);
    await lost;
  });

  it("fails with a PeerDiedError when the peer is killed, after what it had sent", async () => {
    const { child, channel } = await peer(transport, `await channel.sendMany([1, 2, 3]); report("sent");`);
    await reported(child);
    child.kill("SIGKILL");
    await channel.closed;
    const reader = channel.readable.getReader();
    for (const value of [1, 2, 3]) expect(await reader.read()).toEqual({ done: false, value });
    await expect(reader.read()).rejects.toMatchObject({ code: "ERR_RINGBELL_PEER_DIED" });
  });
});

describe.each(transports)("channel.writable over %s", (transport) => {
  it("ends the channel when a pipe into it is over, after everything was taken", async () => {
    const { a, b } = await pair<string>(transport, { codec: text(), capacity: 4096 });
    expect(a.writable).toBe(a.writable);
    expect(a.writable).toBeInstanceOf(WritableStream);
    const lines = Array.from({ length: 500 }, (_, n) => `line ${n} ${"x".repeat(n)}`);
    const piping = (ReadableStream as unknown as { from(list: string[]): ReadableStream<string> })
      .from(lines)
      .pipeTo(a.writable);
    expect(await all(b)).toEqual(lines);
    await piping;
    expect(await a.closed).toEqual({ reason: "ended", error: undefined });
    expect((await b.closed).reason).toBe("peer-closed");
  });

  it("reaches another process, through a transform, and comes back", async () => {
    const { channel } = await peer(
      transport,
      `const double = new TransformStream({ transform: (n, controller) => controller.enqueue(2 * n) });
       await channel.lane("in").readable.pipeThrough(double).pipeTo(channel.lane("out").writable);
       await channel.close();`,
      { lanes: { in: {}, out: {} } },
    );
    const [into, out] = [channel.lane<number>("in"), channel.lane<number>("out")];
    const writer = into.writable.getWriter();
    const reader = out.readable.getReader();
    for (const n of [1, 2, 3]) {
      await writer.write(n);
      expect((await reader.read()).value).toBe(2 * n);
    }
  });

  it("is ready when there is room, and not before", async () => {
    const { a, b } = await pair<string>(transport, { codec: text(), capacity: 4096 });
    const sent = fill(a);
    const writer = a.writable.getWriter();
    await writer.ready;
    expect(writer.desiredSize).toBe(1);
    const writing = writer.write("x".repeat(1000));
    expect(writer.desiredSize).toBe(0);
    let ready = false;
    const waiting = writer.ready.then(() => {
      ready = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(ready).toBe(false);
    for (let taken = 0; taken < sent; taken++) await b.receive();
    await Promise.all([waiting, writing]);
    expect(await b.receive()).toBe("x".repeat(1000));
  });

  it("leaves timers their turn while a source that never waits is piped to a peer that is fast", async () => {
    const { channel } = await peer(
      transport,
      `report("ready"); ${transport === "shm" ? TAKES_ALL_BLOCKING : TAKES_ALL}`,
      { capacity: 1 << 24 },
    );
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    const tooLong = performance.now() + 5000;
    let written = 0;
    const source = new ReadableStream<number>({
      pull(controller) {
        if (ticks < 3 && performance.now() < tooLong) controller.enqueue(written++);
        else controller.close();
      },
    });
    await source.pipeTo(channel.writable, { preventClose: true });
    clearInterval(timer);
    expect(ticks).toBeGreaterThanOrEqual(3);
  });

  it("fails when the peer dies, also while its source is silent", async () => {
    const { child, channel } = await peer(transport, `report("ready");`, {
      lanes: { other: {} },
    });
    let cancelled: unknown;
    const silent = () =>
      new ReadableStream({
        cancel: (reason) => {
          cancelled = reason;
        },
      });
    const died = { code: "ERR_RINGBELL_PEER_DIED" };
    const pipes = [channel, channel.lane("other")].map((lane) => {
      const piping = silent().pipeTo(lane.writable);
      return expect(piping).rejects.toMatchObject(died);
    });
    child.kill("SIGKILL");
    await Promise.all(pipes);
    expect(cancelled).toMatchObject(died);
  });

  it("destroys the channel with the reason when it is aborted", async () => {
    const first = await pair<number>(transport);
    const failure = new Error("the source has failed");
    await first.a.writable.abort(failure);
    expect(await first.a.closed).toEqual({ reason: "ended", error: failure });
    expect((await first.b.closed).reason).toBe("peer-closed");
    const second = await pair<number>(transport);
    await second.a.writable.abort("a word");
    expect((await second.a.closed).error).toMatchObject({ code: "ERR_RINGBELL_CLOSED", cause: "a word" });
  });

  it("gives up what waits for room when it is aborted, and on other lanes than main leaves it at that", async () => {
    const { a, b } = await pair<string>(transport, { codec: text(), capacity: 4096, lanes: { other: {} } });
    const [here, there] = [a.lane<string>("other"), b.lane<string>("other")];
    for (const lane of [here, a]) {
      const sent = fill(lane);
      const { writable } = lane;
      const writer = writable.getWriter();
      const writing = expect(writer.write("x".repeat(1000))).rejects.toThrow("enough");
      await new Promise(setImmediate);
      await writer.abort(new Error("enough"));
      await writing;
      expect(lane.writable).not.toBe(writable);
      if (lane === a) break;
      expect(a.state).toBe("open");
      for (let taken = 0; taken < sent; taken++) await there.receive();
      await lane.send("next");
      expect(await there.receive()).toBe("next");
    }
    expect((await a.closed).error).toMatchObject({ message: "enough" });
  });

  it("destroys the channel when a pipe into it is aborted by its signal", async () => {
    const { a, b } = await pair<string>(transport);
    const abort = new AbortController();
    const piping = new ReadableStream<string>().pipeTo(a.writable, { signal: abort.signal });
    abort.abort();
    await expect(piping).rejects.toMatchObject({ name: "AbortError" });
    expect((await a.closed).error).toMatchObject({ name: "AbortError" });
    expect((await b.closed).reason).toBe("peer-closed");
  });

  it("gives up waiting for the peer to take the rest when it is aborted while it closes", async () => {
    const { a } = await pair<string>(transport);
    const writer = a.writable.getWriter();
    await writer.write("nobody takes it");
    const closing = expect(writer.close()).rejects.toThrow("no time");
    await new Promise(setImmediate);
    await writer.abort(new Error("no time")).catch(() => {});
    await closing;
    expect((await a.closed).error).toMatchObject({ message: "no time" });
  });

  it("leaves other lanes than main open when it is closed, and can be used again", async () => {
    const { a, b } = await pair<number>(transport, { lanes: { other: {} } });
    const [here, there] = [a.lane<number>("other"), b.lane<number>("other")];
    const got = there.readable.getReader();
    for (const n of [1, 2]) {
      const writer = here.writable.getWriter();
      await writer.write(n);
      const closing = writer.close();
      expect(await got.read()).toEqual({ done: false, value: n });
      await closing;
    }
    expect(a.state).toBe("open");
  });

  it("fails by a message that can't be sent, and leaves the channel as it is", async () => {
    const { a, b } = await pair<unknown>(transport);
    const { writable } = a;
    await expect(writable.getWriter().write(10n)).rejects.toMatchObject({ code: "ERR_RINGBELL_ENCODE" });
    expect(a.writable).not.toBe(writable);
    await a.writable.getWriter().write("fine");
    expect(await b.receive()).toBe("fine");
  });

  it("fails when the channel is closed under it", async () => {
    const { a, b } = await pair<number>(transport);
    const idle = a.writable.getWriter();
    await b.close();
    await expect(idle.closed).rejects.toEqual(closed);
    await expect(idle.write(1)).rejects.toEqual(closed);
  });
});
