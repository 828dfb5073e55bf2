import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createReadStream, createWriteStream, openSync, readFileSync, writeSync } from "node:fs";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { type Duplex, PassThrough, Readable, Transform, Writable } from "node:stream";
import { buffer, text } from "node:stream/consumers";
import { finished, pipeline } from "node:stream/promises";
import { bytes, type Channel, type ListenOptions, listen } from "ringbell";
import { describe, expect, it, onTestFinished } from "vitest";
import {
  type Pair,
  pair,
  privateDirectory,
  reported,
  script,
  TAKES_ALL,
  TAKES_ALL_BLOCKING,
  type TransportName,
  transports,
} from "./setup.js";

const MiB = 1024 * 1024;
const busy = expect.objectContaining({ code: "ERR_RINGBELL_CONSUMER_BUSY" });
const died = expect.objectContaining({ code: "ERR_RINGBELL_PEER_DIED" });
const cutOff = expect.objectContaining({
  code: "ERR_RINGBELL_CLOSED",
  message: expect.stringContaining("before the end"),
});

function bytesPair(
  transport: TransportName,
  options: ListenOptions<Uint8Array, Uint8Array> = {},
): Promise<Pair<Uint8Array, Uint8Array>> {
  return pair<Uint8Array>(transport, { codec: bytes(), ...options }, { codec: bytes() });
}

/** A channel to a process that runs `code`, with `channel`, `report`, `fs` and `pipeline` in scope. */
async function bytesPeer(
  transport: TransportName,
  code: string,
  options: ListenOptions<Uint8Array, Uint8Array> = {},
) {
  const directory = privateDirectory();
  const server = await listen<Uint8Array, Uint8Array>("bytes", {
    transport,
    directory,
    codec: bytes(),
    ...options,
  });
  onTestFinished(() => server.close());
  const { child, ended } = script(
    `import fs from "node:fs";
     import { Transform } from "node:stream";
     import { pipeline } from "node:stream/promises";
     const channel = await ringbell.connect("bytes", { directory: ${JSON.stringify(directory)}, codec: ringbell.bytes() });
     ${code}`,
  );
  const early = ended.then(({ output }) => {
    throw new Error(`the child ended early: ${output}`);
  });
  early.catch(() => {});
  const channel: Channel<Uint8Array> = await Promise.race([server.accept(), early]);
  return { child, channel, ended };
}

/** A file of `size` bytes, and the digest of what stands in it. */
function someFile(size: number): { path: string; digest: string } {
  const path = join(privateDirectory(), "file");
  const file = openSync(path, "w");
  const hash = createHash("sha256");
  const block = randomBytes(MiB);
  for (let left = size; left > 0; left -= block.length) {
    block.writeUInt32LE(left);
    const part = block.subarray(0, Math.min(left, block.length));
    writeSync(file, part);
    hash.update(part);
  }
  return { path, digest: hash.digest("hex") };
}

function digestOf(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

/** All that comes until the end; what is emitted besides goes into `events`. */
function told(duplex: Duplex): string[] {
  const events: string[] = [];
  for (const name of ["end", "finish", "error", "close"]) {
    duplex.on(name, (error?: Error & { code?: string }) =>
      events.push(error === undefined ? name : `${name} ${error.code ?? error.message}`),
    );
  }
  return events;
}

/** All that comes. (A loop, and `node:stream/consumers`, would destroy the stream when they have read it.) */
async function readAll(duplex: Duplex): Promise<Buffer> {
  const chunks: Buffer[] = [];
  duplex.on("data", (chunk: Buffer) => chunks.push(chunk));
  await once(duplex, "end");
  return Buffer.concat(chunks);
}

function whenClosed(duplex: Duplex): Promise<unknown> {
  return new Promise((resolve) => (duplex.closed ? setImmediate(resolve) : duplex.once("close", resolve)));
}

/** Resolves when so many messages of 2000 bytes, and the mark of the end, wait to be taken. */
async function arrived(channel: Channel<Uint8Array>, messages: number): Promise<void> {
  while (channel.stats().lanes[0]!.receiveFill < messages * 2008 + 8) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe.each(transports)("a byte stream over %s", (transport) => {
  it("carries a file of 64 MiB to another process and back", { timeout: 60_000 }, async () => {
    const { path, digest } = someFile(64 * MiB);
    const { channel, ended } = await bytesPeer(
      transport,
      `const duplex = channel.toDuplex({ allowHalfOpen: true });
       const invert = new Transform({ transform(chunk, _, done) { done(null, chunk.map((byte) => ~byte)); } });
       await pipeline(duplex, invert, duplex);`,
    );
    const back = join(privateDirectory(), "back");
    const invert = new Transform({
      transform: (chunk: Buffer, _, done) =>
        done(
          null,
          chunk.map((byte) => ~byte),
        ),
    });
    await pipeline(createReadStream(path), channel.toDuplex(), invert, createWriteStream(back));
    expect(digestOf(back)).toBe(digest);
    expect((await channel.closed).error).toBeUndefined();
    expect((await ended).code).toBe(0);
  });

  it("carries the output of a child process, and the peer's files", async () => {
    const { path, digest } = someFile(3 * MiB + 17);
    const copy = join(privateDirectory(), "copy");
    const { channel, ended } = await bytesPeer(
      transport,
      `await pipeline(channel.toDuplex(), fs.createWriteStream(${JSON.stringify(copy)}));`,
    );
    const cat = spawn("cat", [path], { stdio: ["ignore", "pipe", "inherit"] });
    cat.stdout.pipe(channel.toDuplex());
    expect((await ended).output).toBe("");
    expect(digestOf(copy)).toBe(digest);
    expect((await channel.closed).error).toBeUndefined();
  });

  it("carries the bodies of an HTTP request and its response", async () => {
    const server = await listen("backend", { transport, directory: privateDirectory(), codec: bytes() });
    onTestFinished(() => server.close());
    const { ended } = script(
      `const server = ${JSON.stringify(server.path)};
       for (let n = 0; n < 3; n++) {
         const channel = await ringbell.connect(server, { codec: ringbell.bytes() });
         const duplex = channel.toDuplex();
         duplex.pipe(duplex);
         await channel.closed;
       }`,
    );
    const proxy = createServer(async (incoming, outgoing) => {
      const channel = await server.accept();
      await pipeline(incoming, channel.toDuplex(), outgoing);
    });
    onTestFinished(() => void proxy.close());
    await once(proxy.listen(0, "127.0.0.1"), "listening");
    const { port } = proxy.address() as AddressInfo;
    for (const body of [randomBytes(2 * MiB), Buffer.from("short"), Buffer.alloc(0)]) {
      const asking = request({ port, host: "127.0.0.1", method: "POST", agent: false });
      const [answer] = await Promise.all([
        once(asking, "response").then(([response]) => buffer(response as Readable)),
        pipeline(Readable.from([body]), asking),
      ]);
      expect(answer.equals(body)).toBe(true);
    }
    expect((await ended).output).toBe("");
  });

  it("ends each direction by itself, and closes the channel when both have ended", async () => {
    const { a, b } = await bytesPair(transport);
    const [here, there] = [a.toDuplex({ allowHalfOpen: true }), b.toDuplex({ allowHalfOpen: true })];
    const events = told(here);
    here.end("question");
    expect((await readAll(there)).toString()).toBe("question");
    if (!here.writableFinished) await once(here, "finish");
    there.write("ans");
    there.end("wer");
    expect((await readAll(here)).toString()).toBe("answer");
    await Promise.all([whenClosed(here), whenClosed(there)]);
    expect(events).toEqual(["finish", "end", "close"]);
    for (const channel of [a, b]) expect((await channel.closed).error).toBeUndefined();
  });

  it("ends its own direction when the peer's has ended, unless it may stay half open", async () => {
    const { a, b } = await bytesPair(transport);
    const [here, there] = [a.toDuplex(), b.toDuplex()];
    there.resume();
    const events = told(there);
    here.end("all");
    // Nobody reads here, and yet it hears that the other direction has ended.
    await Promise.all([whenClosed(here), whenClosed(there)]);
    expect(events).toEqual(["end", "finish", "close"]);
    expect((await a.closed).error).toBeUndefined();
  });

  it("ends well where both sides read by loops, which destroy the stream at the end", async () => {
    for (let n = 0; n < 50; n++) {
      const { a, b } = await bytesPair(transport, { capacity: 4096 });
      const [here, there] = [a.toDuplex(), b.toDuplex()];
      const events = told(here);
      const question = randomBytes(n * 300);
      const writing = pipeline(Readable.from([question]), here);
      if (n % 2 === 0) there.write("answer");
      expect(await buffer(there)).toEqual(question);
      expect(await text(here)).toBe(n % 2 === 0 ? "answer" : "");
      await writing;
      await Promise.all([whenClosed(here), whenClosed(there)]);
      expect(events).not.toContain("error");
      expect([here.errored, there.errored]).toEqual([null, null]);
      for (const channel of [a, b]) expect((await channel.closed).error).toBeUndefined();
    }
  });

  it("ends well in the middle of a pipeline, which destroys it when all else is done", async () => {
    for (let n = 1; n <= 20; n++) {
      const { a, b } = await bytesPair(transport);
      const there = b.toDuplex();
      there.pipe(there);
      const here = a.toDuplex();
      const events = told(here);
      let read = 0;
      const sink = new Writable({
        write(chunk: Buffer, _, done) {
          read += chunk.length;
          done();
        },
      });
      await pipeline(Readable.from([Buffer.alloc(n * 700)]), here, new PassThrough(), sink);
      await whenClosed(here);
      expect(read).toBe(n * 700);
      expect(events.sort()).toEqual(["close", "end", "finish"]);
      for (const channel of [a, b]) expect((await channel.closed).error).toBeUndefined();
    }
  });

  it("ends its direction also where that has to wait for room while the stream is destroyed by a loop", async () => {
    const { a, b } = await bytesPair(transport, { capacity: 4096 });
    // So many that in shared memory not even the mark of the end fits behind them.
    let length = 9;
    expect(b.trySend(Buffer.alloc(9))).toBe(true);
    while (b.trySend(Buffer.alloc(1))) length++;
    await a.send(Buffer.from("question"));
    await a.send(Buffer.alloc(0));
    expect(await text(b.toDuplex())).toBe("question");
    expect(await readAll(a.toDuplex())).toHaveLength(length);
    expect((await a.closed).error).toBeUndefined();
  });

  it("stops the writer, within bounds, as long as nobody reads", async () => {
    const { a, b } = await bytesPair(transport, { capacity: 64 * 1024 });
    const [here, there] = [a.toDuplex(), b.toDuplex()];
    let produced = 0;
    const source = new Readable({
      read() {
        produced += 16 * 1024;
        this.push(Buffer.alloc(16 * 1024));
      },
    });
    const filter = new PassThrough();
    const piping = pipeline(source, filter, here);
    piping.catch(() => {});
    let before = -1;
    while (before !== produced) {
      before = produced;
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
    // The buffers of four streams, the ring, and what the other side has drained of it.
    expect(produced).toBeLessThan(640 * 1024);
    expect(there.readableLength).toBeLessThanOrEqual(128 * 1024);
    expect(here.writableLength).toBeLessThanOrEqual(128 * 1024);
    let read = 0;
    for await (const chunk of there) {
      read += (chunk as Buffer).length;
      if (read > 4 * MiB) break;
    }
    expect(produced).toBeGreaterThan(4 * MiB);
    await expect(piping).rejects.toMatchObject({ code: "ERR_RINGBELL_CLOSED" });
  });

  it("stops a pipeline in another process while this one does not read", async () => {
    const { path, digest } = someFile(16 * MiB);
    const { child, channel } = await bytesPeer(
      transport,
      `const file = fs.createReadStream(${JSON.stringify(path)});
       const done = pipeline(file, channel.toDuplex());
       let before = -1;
       while (before !== file.bytesRead) {
         before = file.bytesRead;
         await new Promise((resolve) => setTimeout(resolve, 30));
       }
       report(String(before));
       await done;`,
    );
    const duplex = channel.toDuplex();
    expect(Number(await reported(child))).toBeLessThan(2 * MiB);
    const hash = createHash("sha256");
    for await (const chunk of duplex) hash.update(chunk as Buffer);
    expect(hash.digest("hex")).toBe(digest);
  });

  it("leaves timers their turn while a source that never waits is piped to a peer that is fast", async () => {
    const { channel } = await bytesPeer(transport, transport === "shm" ? TAKES_ALL_BLOCKING : TAKES_ALL, {
      capacity: 1 << 24,
    });
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    const tooLong = performance.now() + 5000;
    const source = Readable.from(
      (function* () {
        while (ticks < 3 && performance.now() < tooLong) yield Buffer.alloc(100);
      })(),
    );
    source.pipe(channel.toDuplex(), { end: false });
    await once(source, "end");
    clearInterval(timer);
    expect(ticks).toBeGreaterThanOrEqual(3);
    channel.destroy();
  });

  it("joins short writes, cuts long ones, and drops those of no bytes", async () => {
    const { a, b } = await bytesPair(transport, { capacity: 4096, maxMessageBytes: 1000 });
    const [here, there] = [a.toDuplex(), b.toDuplex()];
    const sent: Buffer[] = [];
    const write = (length: number) => {
      const chunk = randomBytes(length);
      sent.push(chunk);
      here.write(chunk);
    };
    for (let n = 0; n < 300; n++) write(n % 7);
    write(10_000);
    for (let n = 0; n < 300; n++) write(n % 7);
    here.write("");
    here.end();
    const got = await buffer(there);
    expect(got.equals(Buffer.concat(sent))).toBe(true);
    const { sentMessages, sentBytes } = a.stats().lanes[0]!;
    expect(sentBytes).toBe(got.length);
    expect(sentMessages).toBeLessThan(20);
    await Promise.all([whenClosed(here), whenClosed(there)]);
  });

  it("gives the reader memory of its own, also with a codec that does not copy", async () => {
    const codec = bytes({ copy: false });
    const { a, b } = await pair<Uint8Array>(transport, { codec }, { codec });
    const [here, there] = [a.toDuplex(), b.toDuplex()];
    const first = once(there, "data");
    here.write("first");
    const [chunk] = (await first) as [Buffer];
    expect(chunk).toBeInstanceOf(Buffer);
    for (let n = 0; n < 100; n++) {
      const next = once(there, "data");
      here.write("other");
      await next;
    }
    expect(chunk.toString()).toBe("first");
  });

  it("is the only consumer of its lane, and wants bytes in both directions", async () => {
    const { a, b } = await bytesPair(transport, { lanes: { other: {} } });
    const duplex = a.toDuplex();
    duplex.on("error", () => {});
    expect(() => a.toDuplex()).toThrow(busy);
    expect(() => a.tryReceive()).toThrow(busy);
    const loop = b[Symbol.asyncIterator]();
    expect(() => b.toDuplex()).toThrow(busy);
    await loop.return?.();
    for (const wrong of [
      { allowHalfOpen: 1 },
      { readableHighWaterMark: -1 },
      { writableHighWaterMark: 0.5 },
    ]) {
      expect(() => b.toDuplex(wrong as object)).toThrow(
        expect.objectContaining({ code: "ERR_RINGBELL_INVALID_ARGUMENT" }),
      );
    }
    expect(() => b.toDuplex({ highWaterMark: 1 } as object)).toThrow(
      expect.objectContaining({ code: "ERR_RINGBELL_UNKNOWN_OPTION" }),
    );
    const json = await pair<string>(transport);
    // @ts-expect-error: a lane of strings is no stream of bytes.
    expect(() => json.a.toDuplex()).toThrow(
      expect.objectContaining({
        code: "ERR_RINGBELL_INVALID_ARGUMENT",
        message: expect.stringContaining("bytes(), in both directions"),
      }),
    );
  });

  it("carries one stream after another over a lane that is not main, which stays open", async () => {
    const { a, b } = await bytesPair(transport, { lanes: { other: {} } });
    for (const message of ["one", "two", "three"]) {
      const here = a.lane<Uint8Array>("other").toDuplex();
      const there = b.lane<Uint8Array>("other").toDuplex();
      here.end(message);
      expect(await text(there)).toBe(message);
      await Promise.all([whenClosed(here), whenClosed(there)]);
    }
    expect(a.state).toBe("open");
  });

  it("takes back what waits, and leaves the lane free, when it is destroyed on a lane that is not main", async () => {
    const { a, b } = await bytesPair(transport, { capacity: 4096, maxBulkBytes: 0, lanes: { other: {} } });
    const [here, there] = [a.lane<Uint8Array>("other"), b.lane<Uint8Array>("other")];
    const duplex = here.toDuplex();
    duplex.write(Buffer.alloc(100_000, 1));
    await new Promise(setImmediate);
    duplex.destroy();
    await whenClosed(duplex);
    await new Promise(setImmediate);
    expect(duplex.errored).toBeNull();
    let length = (await there.receive()).length;
    for (let more = there.tryReceive(); more !== undefined; more = there.tryReceive()) length += more.length;
    expect(length).toBeLessThan(5000);
    await here.send(Buffer.from("next"));
    expect(Buffer.from(await there.receive()).toString()).toBe("next");
    await there.send(Buffer.from("free"));
    expect(Buffer.from(await here.receive()).toString()).toBe("free");
    expect(a.state).toBe("open");
  });
});

describe.each(transports)("the end of a byte stream over %s", (transport) => {
  it("is a PeerDiedError when the peer is killed in the middle: for who reads, and for who writes", async () => {
    for (const direction of ["reads", "writes"]) {
      const { child, channel } = await bytesPeer(
        transport,
        direction === "reads"
          ? `pipeline(fs.createReadStream("/dev/zero"), channel.toDuplex()).catch(() => {});`
          : `let length = 0;
             for await (const chunk of channel.toDuplex()) if ((length += chunk.length) > 5_000_000) report("much");`,
      );
      const duplex = channel.toDuplex();
      let read = 0;
      const sink = new Writable({
        write(chunk: Buffer, _, done) {
          read += chunk.length;
          if (read > 5 * MiB) child.kill("SIGKILL");
          done();
        },
      });
      const piping =
        direction === "reads" ? pipeline(duplex, sink) : pipeline(createReadStream("/dev/zero"), duplex);
      child.once("report", () => child.kill("SIGKILL"));
      await expect(piping).rejects.toEqual(died);
      expect(duplex.errored).toEqual(died);
      expect((await channel.closed).reason).toBe("peer-died");
    }
  });

  it("is a PeerDiedError for a writer that is idle", async () => {
    const { child, channel } = await bytesPeer(transport, `channel.toDuplex(); report("ready");`);
    const piping = pipeline(new PassThrough(), channel.toDuplex());
    await reported(child);
    child.kill("SIGKILL");
    await expect(piping).rejects.toEqual(died);
  });

  it("is a ClosedError for the reader when the peer closes the channel, or destroys its stream, without an end", async () => {
    for (const how of ["close", "destroy", "destroy with an error"]) {
      const { a, b } = await bytesPair(transport);
      const there = b.toDuplex();
      await a.send(Buffer.from("half of it"));
      if (how === "close") {
        await a.close();
      } else {
        const here = a.toDuplex();
        here.on("error", () => {});
        here.destroy(how === "destroy" ? undefined : new Error("no more"));
      }
      await expect(text(there)).rejects.toEqual(cutOff);
      expect(there.errored).toEqual(cutOff);
    }
  });

  it("is no error where this side closes the channel, and the given one where it destroys it", async () => {
    const first = await bytesPair(transport);
    const closing = first.a.toDuplex();
    const events = told(closing);
    const reading = expect(text(closing)).rejects.toMatchObject({ code: "ERR_STREAM_PREMATURE_CLOSE" });
    await first.a.close();
    await reading;
    expect(events).toEqual(["close"]);
    const second = await bytesPair(transport);
    const destroyed = second.a.toDuplex();
    const failure = new Error("no longer wanted");
    const lost = expect(text(destroyed)).rejects.toBe(failure);
    second.a.destroy(failure);
    await lost;
    const third = await bytesPair(transport);
    third.a.toDuplex().destroy();
    expect(await third.a.closed).toEqual({ reason: "ended", error: undefined });
  });

  it("is no error where this side destroys the channel while it writes, or waits to hear that all was taken", async () => {
    for (const ending of [false, true]) {
      const { a } = await bytesPair(transport, { capacity: 4096 });
      const here = a.toDuplex();
      const events = told(here);
      // Nobody takes it at the other end: the write waits for room, or the end for its report.
      here.write(Buffer.alloc(ending ? 100 : MiB));
      if (ending) here.end();
      await new Promise((resolve) => setImmediate(resolve));
      a.destroy();
      await whenClosed(here);
      expect(events).toEqual(["close"]);
      expect(here.writableFinished).toBe(false);
    }
  });

  it("destroys the channel when a pipeline or the stream is aborted by a signal", async () => {
    for (const whose of ["pipeline", "stream"]) {
      const { a, b } = await bytesPair(transport);
      const abort = new AbortController();
      const { signal } = abort;
      const here = a.toDuplex(whose === "stream" ? { signal } : {});
      const there = b.toDuplex();
      const source = createReadStream("/dev/zero");
      const piping = pipeline(source, here, whose === "pipeline" ? { signal } : {});
      await once(there, "data");
      const cut = expect(finished(there)).rejects.toEqual(cutOff);
      abort.abort();
      await expect(piping).rejects.toMatchObject({ name: "AbortError" });
      expect((await a.closed).error).toMatchObject({ name: "AbortError" });
      await cut;
    }
    const { a } = await bytesPair(transport);
    const late = a.toDuplex({ signal: AbortSignal.abort() });
    await expect(finished(late)).rejects.toMatchObject({ name: "AbortError" });
    expect(a.state).toBe("closed");
  });

  it("fails for the writer when the reader has failed", async () => {
    const { a, b } = await bytesPair(transport);
    const writing = pipeline(createReadStream("/dev/zero"), a.toDuplex());
    const full = new Writable({ write: (_chunk, _encoding, done) => done(new Error("disk full")) });
    await expect(pipeline(b.toDuplex(), full)).rejects.toThrow("disk full");
    await expect(writing).rejects.toMatchObject({ code: "ERR_RINGBELL_CLOSED" });
    expect((await b.closed).error).toMatchObject({ message: "disk full" });
  });

  it("is no error for who has written everything, reads nothing, and whose peer is killed then", async () => {
    const { child, channel } = await bytesPeer(
      transport,
      `const duplex = channel.toDuplex({ allowHalfOpen: true });
       duplex.resume().on("end", () => report("got it"));`,
    );
    const duplex = channel.toDuplex();
    const events = told(duplex);
    const got = reported(child);
    await pipeline(Readable.from(["all of it"]), duplex);
    await got;
    child.kill("SIGKILL");
    await whenClosed(duplex);
    expect(events).toEqual(["finish", "close"]);
  });

  it("comes after all that was read, where the peer answers, ends, and is gone without closing the channel", async () => {
    const { channel, ended } = await bytesPeer(
      transport,
      `const duplex = channel.toDuplex({ allowHalfOpen: true });
       duplex.once("data", async () => {
         for (let n = 0; n < 20; n++) await new Promise((resolve) => duplex.write(Buffer.alloc(2000, n), resolve));
         duplex.end(() => process.exit());
       });`,
    );
    await channel.send(Buffer.from("question"));
    await arrived(channel, 20);
    // What has arrived is taken at once, and given to the reader little by little.
    const duplex = channel.toDuplex({ readableHighWaterMark: 1000 });
    const events = told(duplex);
    await ended;
    expect((await channel.closed).reason).toBe("peer-died");
    expect(duplex.readableEnded).toBe(false);
    expect(await readAll(duplex)).toHaveLength(40_000);
    await whenClosed(duplex);
    expect(events).toEqual(["end", "finish", "close"]);
  });

  it("comes after all that was read, where this side ends late and the peer closes at once", async () => {
    const { a, b } = await bytesPair(transport);
    const there = b.toDuplex({ allowHalfOpen: true });
    there.resume();
    for (let n = 0; n < 20; n++) {
      there.write(Buffer.alloc(2000, n));
      await new Promise(setImmediate);
    }
    const finish = once(there.end(), "finish");
    await arrived(a, 20);
    const here = a.toDuplex({ readableHighWaterMark: 1000 });
    const events = told(here);
    await finish;
    // The mark of the peer's end has left the ring; the reader is far from it.
    here.end("last");
    await a.closed;
    expect(await readAll(here)).toHaveLength(40_000);
    await whenClosed(here);
    // Which of its two sides ends first is a matter of time.
    expect([events.slice(0, 2).sort(), events[2]]).toEqual([["end", "finish"], "close"]);
  });

  it("is no error for the reader, where the writer closes the channel, or is gone, as soon as it has ended", async () => {
    for (const how of ["await channel.close()", "process.exit()"]) {
      const { channel, ended } = await bytesPeer(
        transport,
        `await pipeline(fs.createReadStream(${JSON.stringify(process.execPath)}, { end: 999_999 }), channel.toDuplex());
         ${how};`,
      );
      const duplex = channel.toDuplex();
      const events = told(duplex);
      let read = 0;
      const slow = new Writable({
        write(chunk: Buffer, _, done) {
          read += chunk.length;
          setTimeout(done, 1);
        },
      });
      await pipeline(duplex, slow);
      await whenClosed(duplex);
      expect(read).toBe(1_000_000);
      expect(events).toEqual(["end", "finish", "close"]);
      expect((await ended).code).toBe(0);
    }
  });

  it("is an uncaught exception where a listener throws, as with any stream", async () => {
    const { ended, channel } = await bytesPeer(
      transport,
      `process.on("uncaughtException", (error) => { report(error.message); process.exit(3); });
       channel.toDuplex().on("error", () => {}).on("data", () => { throw new Error("the listener's own"); });`,
    );
    await channel.send(Buffer.from("data"));
    expect(await ended).toMatchObject({ code: 3, output: "the listener's own\n" });
  });

  it("is told to a stream that is made after it", async () => {
    const { a, b } = await bytesPair(transport);
    await a.send(Buffer.from("first"));
    await a.close();
    await b.closed;
    const duplex = b.toDuplex();
    expect((await once(duplex, "data")).toString()).toBe("first");
    await expect(finished(duplex)).rejects.toEqual(cutOff);
    await expect(finished(a.toDuplex())).rejects.toMatchObject({ code: "ERR_STREAM_PREMATURE_CLOSE" });
  });
});
