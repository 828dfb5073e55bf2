import { createHook } from "node:async_hooks";
import { getEventListeners, once } from "node:events";
import { TimeoutError } from "ringbell";
import { describe, expect, it, onTestFinished } from "vitest";
import { fill, pair, privateDirectory, reported, script, transports } from "./setup.js";

/** The parts of a timer of Node that tell how long it was to run (ms), and whether it was cleared or is over. */
interface NodeTimer {
  readonly _idleTimeout: number;
  readonly _destroyed: boolean;
}

/** Returns a list of the timers that are made from now on in this process, with the times that they were given. */
function timersMade(): { readonly timer: NodeTimer; readonly delay: number }[] {
  const made: { timer: NodeTimer; delay: number }[] = [];
  const hook = createHook({
    init: (_id, type, _trigger, resource) => {
      if (type !== "Timeout") return;
      const timer = resource as NodeTimer;
      made.push({ timer, delay: timer._idleTimeout });
    },
  }).enable();
  onTestFinished(() => void hook.disable());
  return made;
}

/** A promise that is rejected with a TimeoutError, which tells what was missed. */
function timesOut(promise: Promise<unknown>, missed: string, timeout: number): Promise<void> {
  return expect(promise).rejects.toMatchObject({
    name: "TimeoutError",
    code: "ERR_RINGBELL_TIMEOUT",
    message: `${missed} within ${timeout} ms`,
    timeout,
  });
}

describe.each(transports)("the option timeout, over %s,", (transport) => {
  it("of receive gives up when no message comes, and loses none that comes later", async () => {
    const { a, b } = await pair<number>(transport);
    await timesOut(b.receive({ timeout: 5 }), "no message came", 5);
    await a.send(1);
    expect(await b.receive({ timeout: 10_000 })).toBe(1);
    expect(b.tryReceive()).toBe(undefined);
  });

  it("of receive takes what is there, also with 0", async () => {
    const { a, b } = await pair<number>(transport);
    await a.sendMany([1, 2]);
    expect(await b.receive()).toBe(1);
    // They came together.
    expect(await b.receive({ timeout: 0 })).toBe(2);
    await timesOut(b.receive({ timeout: 0 }), "no message came", 0);
  });

  it("of one receive does not touch the others that wait", async () => {
    const { a, b } = await pair<number>(transport);
    const first = b.receive();
    const second = b.receive({ timeout: 5 });
    const third = b.receive();
    await timesOut(second, "no message came", 5);
    await a.send(1);
    await a.send(2);
    expect([await first, await third]).toEqual([1, 2]);
  });

  it("of send takes back the message that found no room", async () => {
    const { a, b } = await pair<string>(transport, { capacity: 4096 });
    const sent = fill(a);
    await timesOut(a.send("lost", { timeout: 5 }), "the message found no room", 5);
    const later = a.send("kept", { timeout: 10_000 });
    const got: string[] = [];
    for await (const message of b) {
      got.push(message);
      if (got.length === sent + 1) break;
    }
    await later;
    expect(got.filter((message) => message === "lost" || message === "kept")).toEqual(["kept"]);
  });

  it("of send gives its blocks back to the program", async () => {
    const { a } = await pair<unknown>(transport, { capacity: 4096 });
    fill(a);
    const block = await a.allocate(100);
    await timesOut(a.send({ block }, { timeout: 5 }), "the message found no room", 5);
    expect(block.bytes.byteLength).toBe(100);
    block.release();
  });

  it("of sendMany stops in the middle", async () => {
    const { a, b } = await pair<string>(transport, { capacity: 4096 });
    const messages = Array.from({ length: 100 }, (_, i) => `${i}`.padEnd(500));
    await timesOut(a.sendMany(messages, { timeout: 5 }), "the messages found no room", 5);
    await a.close();
    const got: string[] = [];
    for await (const message of b) got.push(message);
    expect(got.length).toBeGreaterThan(0);
    expect(got).toEqual(messages.slice(0, got.length));
    expect(got.length).toBeLessThan(messages.length);
  });

  it("of flush gives up when the peer does not take everything", async () => {
    const { a, b } = await pair<number>(transport, { lanes: { side: {} } });
    await a.send(1);
    await timesOut(a.flush({ timeout: 5 }), "the peer has not taken everything", 5);
    await timesOut(a.lane("main").flush({ timeout: 5 }), "the peer has not taken everything", 5);
    const flushed = a.flush({ timeout: 10_000 });
    expect(await b.receive()).toBe(1);
    await flushed;
  });

  it("of allocate gives up when no memory comes back", async () => {
    const { a } = await pair(transport, { maxBulkBytes: 65536 });
    const block = await a.allocate(60_000, { timeout: 0 });
    await timesOut(a.allocate(60_000, { timeout: 5 }), "no memory for a block of 60000 bytes was free", 5);
    const next = a.allocate(60_000, { timeout: 10_000 });
    block.release();
    (await next).release();
  });

  it("leaves neither timers nor listeners behind, whatever ended the wait", async () => {
    const { a, b } = await pair<number>(transport);
    const made = timersMade();
    const abort = new AbortController();
    const { signal } = abort;
    const limits = { timeout: 12_345, signal };
    const received = b.receive(limits);
    await a.send(1, limits);
    expect(await received).toBe(1);
    await a.flush(limits);
    await timesOut(b.receive({ timeout: 3, signal }), "no message came", 3);
    const aborted = b.receive(limits);
    expect(getEventListeners(signal, "abort").length).toBe(1);
    abort.abort(new Error("enough"));
    await expect(aborted).rejects.toThrow("enough");
    await expect(b.receive(limits)).rejects.toThrow("enough");
    expect(getEventListeners(signal, "abort")).toEqual([]);
    const ours = made.filter(({ delay }) => delay > 12_000);
    expect(ours.length).toBeGreaterThan(0);
    expect(ours.filter(({ timer }) => !timer._destroyed)).toEqual([]);
  });
});

describe("the option timeout", () => {
  it("of accept gives up when nobody connects, and the next peer is for those who wait still", async () => {
    const { server } = await pair("stream");
    await timesOut(server.accept({ timeout: 5 }), "no peer connected", 5);
    const waiting = server.accept({ timeout: 10_000 });
    await server.close();
    await expect(waiting).rejects.toMatchObject({ code: "ERR_RINGBELL_CLOSED" });
  });

  it("may be longer than any timer of Node", async () => {
    const { a, b } = await pair<number>("stream");
    const made = timersMade();
    const received = b.receive({ timeout: 2 ** 40 });
    expect(Math.max(...made.map(({ delay }) => delay))).toBe(2 ** 31 - 1);
    await a.send(1);
    expect(await received).toBe(1);
  });

  it("that is none is refused, and Infinity is the same as none", async () => {
    const { a } = await pair<number>("stream");
    const wrong = (timeout: unknown) => async () => a.receive({ timeout } as { timeout: number });
    for (const timeout of [-1, Number.NaN, "5", null]) {
      await expect(wrong(timeout)()).rejects.toMatchObject({ code: "ERR_RINGBELL_INVALID_ARGUMENT" });
    }
    const made = timersMade();
    const received = a.receive({ timeout: Number.POSITIVE_INFINITY });
    expect(made).toEqual([]);
    await a.close();
    await expect(received).rejects.toMatchObject({ code: "ERR_RINGBELL_CLOSED" });
  });

  it("keeps no process alive: that is for the channel to do", async () => {
    const directory = privateDirectory();
    const { child, ended } = script(
      `const server = (await ringbell.listen("n", { directory: ${JSON.stringify(directory)} })).unref();
      server.on("connection", (channel) => {
        channel.unref().receive({ timeout: 600_000 }).catch(() => {});
        report("waiting");
      });
      const channel = (await ringbell.connect("n", { directory: ${JSON.stringify(directory)} })).unref();`,
    );
    expect(await reported(child)).toBe("waiting");
    if (child.exitCode === null) await once(child, "exit");
    expect(await ended).toMatchObject({ code: 0 });
  });

  it("rejects with an error that tells itself from others", async () => {
    const { a } = await pair<number>("stream");
    await expect(a.receive({ timeout: 1 })).rejects.toBeInstanceOf(TimeoutError);
  });
});
