import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { connect, listen, struct, text, u32 } from "ringbell";
import { describe, expect, it } from "vitest";
import { collect, first, pair, peer, privateDirectory, reported, script, transports } from "./setup.js";

const module = new URL("../../dist/index.js", import.meta.url).href;

/** What lies in the namespace; the directory itself goes with the last name. */
function leftIn(directory: string): string[] {
  return existsSync(`${directory}/default`) ? readdirSync(`${directory}/default`) : [];
}

/** Not a zombie, which waits for this very process to come back to its event loop. */
function isRunning(pid: number): boolean {
  const state = /\) (\w)/.exec(readFileSync(`/proc/${pid}/stat`, "utf8"))?.[1];
  return state !== "Z" && state !== "X";
}

function worker(code: string): Worker {
  return new Worker(
    `const { parentPort } = require("node:worker_threads");
     import(${JSON.stringify(module)}).then(async (ringbell) => { ${code} });`,
    { eval: true },
  );
}

describe.each(transports)("hazards over %s", (transport) => {
  it("works between worker threads, each with an event loop of its own", async () => {
    const directory = privateDirectory();
    const options = JSON.stringify({ directory, transport });
    const listener = worker(`
      const server = await ringbell.listen("w", ${options});
      parentPort.postMessage("listening");
      for await (const channel of server) {
        for await (const message of channel) await channel.send({ echo: message });
        break;
      }
      await server.close();
      parentPort.postMessage("done");`);
    await once(listener, "message");
    const connector = worker(`
      const channel = await ringbell.connect("w", { directory: ${JSON.stringify(directory)} });
      let sum = 0;
      for (let n = 0; n < 1000; n++) { await channel.send(n); sum += (await channel.receive()).echo; }
      if (channel.transport === "shm") {
        channel.sendSync(-1);
        sum += channel.receiveSync().echo + 1;
      }
      await channel.close();
      parentPort.postMessage(sum);`);
    const ends = [connector, listener].map((thread) => once(thread, "exit"));
    const done = once(listener, "message");
    const [sum] = await once(connector, "message");
    expect(sum).toBe(499_500);
    expect(await done).toEqual(["done"]);
    expect(await Promise.all(ends)).toEqual([[0], [0]]);
  });

  it("survives a worker that is terminated in the middle of traffic; its peer hears that it died", async () => {
    const directory = privateDirectory();
    const server = await listen<unknown>("t", { directory, transport });
    for (let round = 0; round < 5; round++) {
      const flooding = worker(`
        const channel = await ringbell.connect("t", ${JSON.stringify({ directory })});
        channel.on("message", () => { for (;;) channel.trySend(1); });
        channel.trySend("up");`);
      const channel = await first(server);
      expect(await channel.receive()).toBe("up");
      channel.trySend("go");
      let got = 0;
      channel.on("message", () => {
        got++;
        if (got === 1000) void flooding.terminate();
      });
      expect((await channel.closed).reason).toBe("peer-died");
      expect(got).toBeGreaterThanOrEqual(1000);
    }
    await server.close();
  });

  it("lets timers run while a peer floods (S1.10)", async () => {
    const { channel } = await peer(transport, `for (;;) await channel.send(1);`);
    let messages = 0;
    channel.on("message", () => messages++);
    await once(channel, "message").catch(() => {});
    let latest = 0;
    for (let i = 0; i < 50; i++) {
      const due = performance.now() + 5;
      await new Promise((resolve) => setTimeout(resolve, 5));
      latest = Math.max(latest, performance.now() - due);
    }
    expect(messages).toBeGreaterThan(1000);
    // The order of magnitude; the benchmark has the figure.
    expect(latest).toBeLessThan(200);
  });

  it("lets timers and other lanes have their turn while a loop, or receives, always find a message", async () => {
    for (const how of ["loop", "receive"]) {
      const { a, b } = await pair<number>(transport, { lanes: { control: {} } });
      for (let i = 0; i < 5000; i++) expect(b.trySend(i)).toBe(true);
      let ticks = 0;
      let controls = 0;
      const timer = setInterval(() => {
        ticks++;
        b.lane("control").trySend(1);
      }, 1);
      a.lane("control").on("message", () => controls++);
      const messages = how === "loop" ? a[Symbol.asyncIterator]() : { next: () => a.receive() };
      // Some 200 ms of work that is there from the beginning: no reason to wait comes up by itself.
      for (let i = 0; i < 4000; i++) {
        await messages.next();
        const until = performance.now() + 0.05;
        while (performance.now() < until);
      }
      clearInterval(timer);
      expect(ticks).toBeGreaterThan(10);
      expect(controls).toBeGreaterThan(5);
      a.destroy();
    }
  });

  it("hears of the death of a peer that leaves a bell unread on both sides", async () => {
    const { child, channel } = await peer(
      transport,
      `const { writeSync } = await import("node:fs");
      channel.on("message", () => {});
      setTimeout(() => {
        writeSync(1, "asleep\\n");
        const blocked = new Int32Array(new SharedArrayBuffer(4));
        Atomics.wait(blocked, 0, 0, 300);
        channel.trySend("my last");
        writeSync(1, "rung\\n");
        Atomics.wait(blocked, 0, 0);
      }, 50);`,
    );
    channel.on("message", () => {});
    expect(await reported(child)).toBe("asleep");
    channel.trySend("never read");
    // From here on this process does not look at its socket until the peer is dead.
    const { pid } = child;
    const blocked = new Int32Array(new SharedArrayBuffer(4));
    Atomics.wait(blocked, 0, 0, 400);
    process.kill(pid!, "SIGKILL");
    while (isRunning(pid!)) Atomics.wait(blocked, 0, 0, 5);
    expect((await channel.closed).reason).toBe("peer-died");
  });

  it("opens and closes many channels, and leaves no descriptors, no memory names and no sockets", async () => {
    const directory = privateDirectory();
    const server = await listen<number>("many", { directory, transport, capacity: 4096 });
    const descriptors = () => readdirSync("/proc/self/fd").length;
    const round = async () => {
      const channels = await Promise.all(
        Array.from({ length: 50 }, () => connect<number>("many", { directory })),
      );
      const ends = await Promise.all(channels.map(() => first(server)));
      await Promise.all(channels.map((channel, i) => channel.send(i)));
      expect((await Promise.all(ends.map((end) => end.receive()))).sort((x, y) => x - y)).toEqual(
        channels.map((_, i) => i),
      );
      await Promise.all(channels.map((channel) => channel.close()));
      await Promise.all(ends.map((end) => end.closed));
      await new Promise((resolve) => setImmediate(resolve));
    };
    await round();
    const before = descriptors();
    for (let i = 0; i < 5; i++) await round();
    expect(server.channels.size).toBe(0);
    await server.close();
    expect(descriptors()).toBeLessThanOrEqual(before);
    // Unmapped by closing, not by the garbage collector.
    await new Promise((resolve) => setImmediate(resolve));
    expect(readFileSync("/proc/self/maps", "utf8")).not.toContain("memfd:ringbell");
    expect(readdirSync("/dev/shm").filter((name) => name.startsWith(`ringbell-${process.pid}-`))).toEqual([]);
    expect(leftIn(directory)).toEqual([]);
  });

  it("does not keep what belongs to closed channels", async () => {
    const { ended } = script(
      `const directory = process.env.TEST_DIRECTORY;
      const server = await ringbell.listen("gc", { directory, transport: "${transport}", capacity: 4096 });
      const registry = new FinalizationRegistry(() => collected++);
      let collected = 0;
      for (let i = 0; i < 200; i++) {
        const channel = await ringbell.connect("gc", { directory });
        registry.register(channel);
        channel.on("message", () => {});
        await channel.close();
      }
      await server.close();
      for (let i = 0; i < 20; i++) { globalThis.gc(); await new Promise((resolve) => setImmediate(resolve)); }
      report(String(collected));`,
      { TEST_DIRECTORY: privateDirectory() },
      ["--expose-gc"],
    );
    expect(Number((await ended).output)).toBeGreaterThan(190);
  });

  it("carries 1,000 channels in one process", async () => {
    const directory = privateDirectory();
    const server = await listen<number>("thousand", { directory, transport, capacity: 4096 });
    const ends: Promise<unknown>[] = [];
    server.on("connection", (end) => {
      end.on("message", (n) => void end.send(n + 1));
      ends.push(end.closed);
    });
    const channels = [];
    for (let i = 0; i < 1000; i++) channels.push(await connect<number>("thousand", { directory }));
    const answers = await Promise.all(
      channels.map(async (channel, i) => {
        await channel.send(i);
        return channel.receive();
      }),
    );
    expect(answers).toEqual(channels.map((_, i) => i + 1));
    await server.close();
    await Promise.all(channels.map((channel) => channel.closed));
    await Promise.all(ends);
  });
});

describe("hazards of shared memory", () => {
  it("runs ticks and microtasks though answers come without a pause", async () => {
    const { channel } = await peer("shm", `channel.on("message", (n) => channel.send(n));`);
    let handled = 0;
    let ticks = 0;
    let microtasks = 0;
    let behind = 0;
    await new Promise<void>((resolve) => {
      channel.on("message", () => {
        handled++;
        behind = Math.max(behind, handled - ticks, handled - microtasks);
        process.nextTick(() => ticks++);
        queueMicrotask(() => microtasks++);
        if (handled === 20_000) resolve();
        else channel.trySend(handled);
      });
      channel.trySend(0);
    });
    // Up to 65 answers are taken in one call from the event loop.
    expect(behind).toBeLessThanOrEqual(66);
  });

  it("an idle pair uses no CPU and makes no system calls (S2.1)", async () => {
    const { child, channel, ended } = await peer(
      "shm",
      `channel.on("message", (m) => channel.trySend(m)); report("up");`,
      {},
      { RINGBELL_WATCHDOG: "" },
    );
    channel.trySend("warm");
    expect(await channel.receive()).toBe("warm");
    const switches = () => {
      const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
      return Number(/^voluntary_ctxt_switches:\s*(\d+)/m.exec(status)?.[1]);
    };
    // Let it park, then look twice.
    await new Promise((resolve) => setTimeout(resolve, 200));
    const before = switches();
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect(switches() - before).toBeLessThanOrEqual(1);
    channel.trySend("still there");
    expect(await channel.receive()).toBe("still there");
    await channel.close();
    await ended;
  });

  it("streams without a system call a message (S2.8)", async () => {
    const { a, b } = await pair<{ n: number }>("shm", { codec: struct({ n: u32 }) });
    const got = collect(b, 100_000);
    for (let n = 0; n < 100_000; ) {
      if (a.trySend({ n })) n++;
      else await once(a, "drain");
    }
    await got;
    expect(a.stats().bells + b.stats().bells).toBeLessThan(2000);
  });

  it("random bytes all over the shared memory end the channel by a typed error, and nothing else (S0.35)", async () => {
    // In a process of its own: what must not happen is a crash.
    const { ended } = script(
      `
      import { openSync, readdirSync, readlinkSync, writeSync, fstatSync } from "node:fs";
      const directory = process.env.TEST_DIRECTORY;
      let ends = {};
      for (let round = 0; round < 150; round++) {
        const before = new Set(readdirSync("/dev/shm"));
        const server = await ringbell.listen("s", { directory, backing: "named", capacity: 4096, spin: 0 });
        const connecting = ringbell.connect("s", { directory });
        // The name lives until the peer has mapped it: catch it on the way.
        let fd;
        const { watch } = await import("node:fs");
        const names = () => readdirSync("/dev/shm").filter((name) => name.startsWith("ringbell-") && !before.has(name));
        while (fd === undefined) {
          for (const name of names()) { try { fd = openSync("/dev/shm/" + name, "r+"); } catch {} }
          await new Promise((resolve) => setImmediate(resolve));
          if (fd === undefined && server.channels.size > 0) break;
        }
        const channel = await connecting;
        let end;
        for await (const c of server) { end = c; break; }
        if (fd === undefined) { await server.close(); round--; ends.missed = (ends.missed ?? 0) + 1; if (ends.missed > 500) break; continue; }
        const size = fstatSync(fd).size;
        end.on("message", () => {}); channel.on("message", () => {}); end.on("error", () => {}); channel.on("error", () => {});
        for (let i = 0; i < 20; i++) { try { channel.trySend({ i }); end.trySend({ i }); } catch {} }
        const garbage = Buffer.alloc(64);
        for (let i = 0; i < 400 && channel.state === "open" && end.state === "open"; i++) {
          for (let j = 0; j < garbage.length; j++) garbage[j] = Math.random() * 256;
          const where = round % 3 === 0 ? 128 + Math.floor(Math.random() * 512 / 8) * 8 : Math.floor(Math.random() * (size - 64) / 8) * 8;
          writeSync(fd, garbage, 0, 1 + Math.floor(Math.random() * 64), where);
          try { channel.trySend({ i }); end.trySend({ i }); channel.stats(); end.stats(); } catch {}
          if (i % 8 === 0) await new Promise((resolve) => setImmediate(resolve));
        }
        channel.destroy(); end.destroy();
        for (const { reason } of [await channel.closed, await end.closed]) ends[reason] = (ends[reason] ?? 0) + 1;
        await server.close();
      }
      report(JSON.stringify(ends));`,
      { TEST_DIRECTORY: privateDirectory() },
    );
    const { code, signal, output } = await ended;
    expect({ code, signal, output }).toMatchObject({ code: 0, signal: null });
    const ends = JSON.parse(output.trim().split("\n").at(-1)!) as Record<string, number>;
    expect(ends["protocol-error"]).toBeGreaterThan(10);
  });

  it("tells a process apart that is stopped from one that died", async () => {
    const { child, channel } = await peer(
      "shm",
      `channel.on("message", (m) => channel.trySend(m)); report("up");`,
    );
    child.kill("SIGSTOP");
    channel.trySend("anybody?");
    expect(channel.receiveSync({ timeout: 200 })).toBeUndefined();
    expect(channel.state).toBe("open");
    child.kill("SIGCONT");
    expect(await channel.receive()).toBe("anybody?");
  });

  it("gives a SIGKILLed listener's name to the next one, and leaves nothing (S0.43)", async () => {
    const directory = privateDirectory();
    const { child, ended } = script(
      `await ringbell.listen("mine", { directory: ${JSON.stringify(directory)} }); report("up");`,
    );
    await reported(child);
    child.kill("SIGKILL");
    await ended;
    const server = await listen("mine", { directory, codec: text() });
    await server.close();
    expect(leftIn(directory)).toEqual([]);
  });
});
