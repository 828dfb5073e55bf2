import { readdirSync } from "node:fs";
import { createServer, connect as netConnect, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { verifyAudit } from "ringbell/session";
import { afterEach, describe, expect, it } from "vitest";
import { numbers, privateDirectory, take, until } from "../session/setup.js";
import { bridged, ORIGIN, Raw, TOKENS } from "./setup.js";

/** RINGBELL_CYCLES=10000 has ten thousand; they take 20 s. */
const CYCLES = Number(process.env.RINGBELL_CYCLES ?? 2000);

const proxies: { server: Server; sockets: Set<Socket> }[] = [];

afterEach(() => {
  for (const { server, sockets } of proxies.splice(0)) {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
});

/** A network between a page and its bridge that can fall silent: what is sent is lost, and no end is told. */
async function network(url: string) {
  const { port } = new URL(url);
  const sockets = new Set<Socket>();
  const state = { isSilent: false };
  const server = createServer((one) => {
    const other = netConnect(Number(port), "127.0.0.1");
    const isLost = state.isSilent;
    for (const [from, to] of [
      [one, other],
      [other, one],
    ] as const) {
      sockets.add(from);
      from.on("data", (data) => {
        if (!lost.has(from) && !isLost) to.write(data);
      });
      from.on("close", () => {
        sockets.delete(from);
        if (!lost.has(from)) to.destroy();
      });
      from.on("error", () => {});
    }
  });
  const lost = new Set<Socket>();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  proxies.push({ server, sockets });
  const address = server.address() as { port: number };
  return {
    url: url.replace(`:${port}`, `:${address.port}`),
    /** All connections that are open now carry nothing any more. */
    fallSilent: () => {
      for (const socket of sockets) lost.add(socket);
    },
  };
}

/** A client that takes all that comes, and says so. */
async function healthy(url: string, client: string) {
  const raw = await Raw.open(url);
  await raw.attach({ client, token: TOKENS.viewer });
  const seen: number[] = [];
  raw.socket.on("message", (data) => {
    const { method, params } = JSON.parse(String(data)) as { method?: string; params: [number] };
    if (method === undefined) return;
    raw.send({ jsonrpc: "2.0", method: "ack", params: { count: 1 } });
    if (method === "item") seen.push(params[0]);
  });
  raw.messages.length = 0;
  return { raw, seen };
}

const sequence = (count: number) => Array.from({ length: count }, (_, i) => i + 1);

/** A random number generator with a seed, so that a failure can be repeated. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

describe("after garbage from one client, the others are unaffected, and it can come back (S4.44)", () => {
  it("a client that never reads costs its window, events of low priority, and nobody's latency (S4.40, S4.24, S4.25, S4.28)", async () => {
    const { session, bridge } = await bridged(
      { classes: { token: "drop" }, log: { maxEvents: 1000 }, snapshot: () => "all" },
      // The breaker is the matter of another test; on a busy machine this one takes as long as it waits.
      { limits: { maxRate: 100_000 }, breaker: { stallAfter: 600_000 } },
    );
    const good = await Promise.all([1, 2, 3].map((n) => healthy(bridge.url, `good${n}`)));
    const bad = await Raw.open(bridge.url);
    await bad.attach({ client: "bad" });
    bad.socket.pause();
    const before = process.memoryUsage();
    const text = "x".repeat(1000);
    for (let n = 1; n <= 10_000; n++) {
      session.append(text, "token");
      // As much as a window takes: who keeps up gets all.
      if (n % 40 === 0) await until(() => good.every(({ seen }) => seen.length === n));
    }
    await until(() => good.every(({ seen }) => seen.length === 10_000));
    for (const { seen } of good) expect(seen).toEqual(sequence(10_000));
    const slow = [...bridge.clients].find(({ client }) => client === "boss/bad")!;
    expect(slow.unacknowledged).toBeLessThanOrEqual(65_536);
    expect(slow.state).not.toBe("live");
    const after = process.memoryUsage();
    // 10 MB were streamed to each; a queue for the one that does not read would have them all.
    expect(after.external + after.arrayBuffers - before.external - before.arrayBuffers).toBeLessThan(
      5 * 1024 * 1024,
    );
    bad.socket.resume();
    await until(() => bad.messages.filter(({ method }) => method === "item").length > 30);
    const count = bad.messages.filter(({ method }) => method !== undefined).length;
    bad.send({ jsonrpc: "2.0", method: "ack", params: { count } });
    await until(() => {
      const last = bad.messages.filter(({ method }) => method === "item").at(-1)!.params as unknown as {
        kind?: string;
      };
      return last.kind !== undefined;
    });
    expect(slow.missed).toBeGreaterThan(5000);
    const again = await Raw.open(bridge.url);
    await again.attach({ client: "bad" });
    expect(await bad.closed).toBe(4409);
    session.append("hello");
    await until(() => again.messages.some(({ method }) => method === "item"));
  }, 60_000);

  it("a link that falls silent is noticed by both sides, and the client comes back on another one (S4.42, S4.15, S4.29, S4.18)", async () => {
    const { session, bridge, attached } = await bridged<number>(
      {},
      { heartbeat: { interval: 100, timeout: 400 } },
    );
    const good = await healthy(bridge.url, "good");
    const net = await network(bridge.url);
    const page = await attached({ url: net.url, from: "live", client: "page" });
    await until(() =>
      [...bridge.clients].some(({ client, roundTrip }) => client === "boss/page" && roundTrip !== undefined),
    );
    const half = [...bridge.clients].find(({ client }) => client === "boss/page")!;
    // One that does not come back, either.
    const raw = await Raw.open(net.url);
    await raw.attach({ client: "raw" });
    net.fallSilent();
    for (let n = 1; n <= 10; n++) session.append(n);
    const since = performance.now();
    await until(() => half.state === "silent");
    await until(() => ![...bridge.clients].includes(half));
    await until(() => ![...bridge.clients].some(({ client }) => client === "boss/raw"));
    expect(performance.now() - since).toBeLessThan(3000);
    expect(numbers(await take(page as never, 10))).toEqual(sequence(10));
    await until(() => good.seen.length === 10);
    expect(page.connection).toBe("attached");
    expect(page.lastSeen).toBeGreaterThan(Date.now() - 3000);
  });

  it("a client that goes in the midst of a snapshot gets it whole when it comes back (S4.41)", async () => {
    const snapshot = "s".repeat(3_000_000);
    const { session, bridge } = await bridged<string, string>({ snapshot: () => snapshot });
    session.append("one");
    const good = await healthy(bridge.url, "good");
    for (let n = 0; n < 5; n++) {
      const socket = netConnect(Number(new URL(bridge.url).port), "127.0.0.1");
      const message = JSON.stringify({
        jsonrpc: "2.0",
        id: 1,
        method: "attach",
        params: { protocol: 1, token: TOKENS.boss, client: "cut", from: "snapshot" },
      });
      socket.write(handshake(bridge.url));
      let bytes = 0;
      await new Promise<void>((resolve) => {
        socket.once("data", () => {
          socket.write(masked(message));
          socket.on("data", (data) => {
            bytes += data.length;
            if (bytes > 100_000) socket.destroy();
          });
          socket.on("close", () => resolve());
        });
      });
      expect(bytes).toBeLessThan(3_000_000);
    }
    await until(() => session.interfaces.size === 1);
    const raw = await Raw.open(bridge.url);
    await raw.attach({ client: "cut", from: "snapshot" });
    await until(() => raw.messages.some(({ method }) => method === "item"));
    expect(raw.messages.find(({ method }) => method === "item")!.params).toMatchObject({
      snapshot,
      sequence: 1,
    });
    session.append("two");
    await until(() => good.seen.length === 1);
  });

  it("thousands of forged and mutated messages change nothing, and each gets an answer or none (S4.43)", async () => {
    const path = join(privateDirectory(), "audit.jsonl");
    const done: unknown[] = [];
    const { session, bridge } = await bridged(
      {
        audit: path,
        handlers: { approve: (params: unknown) => done.push(params), run: () => done.push("run") } as never,
      },
      { limits: { maxRate: 1_000_000 }, breaker: { maxErrors: 1_000_000 } },
    );
    const good = await healthy(bridge.url, "good");
    const raw = await Raw.open(bridge.url);
    const { session: id, epoch } = await raw.attach();
    const next = random(42);
    const pick = <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)]!;
    const values = [
      null,
      0,
      -1,
      1e308,
      "",
      "x",
      "__proto__",
      [],
      {},
      true,
      "2.0",
      { next: 1 },
      [[]],
      id,
      epoch,
    ];
    const names = [
      "jsonrpc",
      "id",
      "method",
      "params",
      "session",
      "epoch",
      "number",
      "acked",
      "__proto__",
      "constructor",
      "token",
    ];
    const methods = ["input", "attach", "ack", "snapshot", "rpc.cancel", "toString", "run", ""];
    const mutate = (text: string): string => {
      const at = Math.floor(next() * text.length);
      return pick([
        text.slice(0, at),
        text.slice(0, at) + String.fromCharCode(32 + Math.floor(next() * 90)) + text.slice(at + 1),
        text.slice(0, at) + text.slice(at + 1 + Math.floor(next() * 8)),
        text.slice(0, at) + text.slice(Math.floor(next() * text.length)),
      ]);
    };
    for (let n = 0; n < 5000; n++) {
      const params: Record<string, unknown> = {
        session: "forged",
        epoch,
        number: n + 1,
        acked: 0,
        method: pick(["run", "approve"]),
        params: {},
      };
      const message: Record<string, unknown> = {
        jsonrpc: "2.0",
        id: n + 1000,
        method: pick(methods),
        params,
      };
      for (let changes = Math.floor(next() * 3); changes > 0; changes--)
        pick([message, params])[pick(names)] = pick(values);
      const text = JSON.stringify(pick<unknown>([message, message, [message], params]));
      raw.send(next() < 0.5 ? text : mutate(text));
      if (n % 500 === 499) expect((await raw.ask("ping")).result).toBe(null);
    }
    expect(done).toEqual([]);
    expect(raw.socket.readyState).toBe(1);
    const input = { session: id, epoch, number: 100_000, acked: 0, method: "approve", params: { call: 1 } };
    expect((await raw.ask("input", input)).result).toBe(1);
    session.append("still here");
    await until(() => good.seen.length === 1);
    await session.close();
    expect((await verifyAudit(path)).records).toBeGreaterThan(10);
  }, 60_000);

  it("random bytes in place of frames end the connection that they came by, and no other", async () => {
    const { session, bridge } = await bridged();
    const good = await healthy(bridge.url, "good");
    const next = random(7);
    const before = process.memoryUsage();
    for (let n = 0; n < 300; n++) {
      const socket = netConnect(Number(new URL(bridge.url).port), "127.0.0.1");
      const bytes = Buffer.from(
        Array.from({ length: 10 + Math.floor(next() * 200) }, () => Math.floor(next() * 256)),
      );
      // Every other one says that a frame of terabytes follows.
      if (n % 2 === 0) Buffer.from([0x81, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]).copy(bytes);
      await new Promise<void>((resolve) => {
        socket.on("error", () => {});
        socket.on("close", () => resolve());
        socket.once("data", () => socket.end(bytes));
        socket.write(handshake(bridge.url));
      });
    }
    session.append("still here");
    await until(() => good.seen.length === 1);
    await until(() => bridge.clients.size === 1);
    const after = process.memoryUsage();
    expect(after.external + after.arrayBuffers - before.external - before.arrayBuffers).toBeLessThan(
      5 * 1024 * 1024,
    );
  });

  it("connects and drops by the thousand leave no connection, timer or descriptor behind (S4.26)", async () => {
    const { session, bridge } = await bridged({}, { limits: { maxClients: 100_000, maxStrangers: 100_000 } });
    const good = await healthy(bridge.url, "good");
    const descriptors = () => (process.platform === "linux" ? readdirSync("/proc/self/fd").length : 0);
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
    const before = { descriptors: descriptors(), timers: timers() };
    const port = Number(new URL(bridge.url).port);
    const hello = handshake(bridge.url);
    const attach = masked(
      JSON.stringify({
        jsonrpc: "2.0",
        id: 1,
        method: "attach",
        params: { protocol: 1, token: TOKENS.boss, client: "c", from: "live" },
      }),
    );
    let left = CYCLES;
    const one = () =>
      new Promise<void>((resolve) => {
        const socket = netConnect(port, "127.0.0.1");
        const how = Math.max(0, (left % 8) - 4);
        // Most go before the handshake, some after it, some once they are attached; with a reset or in order.
        socket.on("connect", () => {
          if (how === 0) socket.destroy();
          else socket.write(hello);
        });
        socket.on("data", () => {
          if (how === 1) socket.resetAndDestroy();
          else if (how === 2) socket.write(attach, () => socket.destroy());
          else socket.end(attach);
        });
        socket.on("end", () => socket.destroy());
        socket.on("error", () => {});
        socket.on("close", () => resolve());
      });
    await Promise.all(
      Array.from({ length: 40 }, async () => {
        while (left > 0) {
          left--;
          await one();
        }
      }),
    );
    session.append("still here");
    await until(() => good.seen.length === 1);
    await until(() => bridge.clients.size === 1 && session.interfaces.size === 1);
    await until(() => descriptors() <= before.descriptors + 2 && timers() <= before.timers + 2);
    const raw = await Raw.open(bridge.url);
    await raw.attach({ client: "c" });
  }, 60_000);

  it("a flood of control messages is cut off, and holds up nobody", async () => {
    const { session, bridge } = await bridged({ handlers: { approve: () => "ok" } as never });
    const good = await healthy(bridge.url, "good");
    const bad = await Raw.open(bridge.url);
    const { session: id, epoch } = await bad.attach({ client: "bad" });
    for (let n = 1; n <= 20_000; n++) {
      bad.send({
        jsonrpc: "2.0",
        id: n,
        method: "input",
        params: { session: id, epoch, number: n, acked: n - 1, method: "approve" },
      });
    }
    session.append("still here");
    await until(() => good.seen.length === 1);
    expect(await bad.closed).toBe(1008);
    const back = await Raw.open(bridge.url);
    const again = await back.attach({ client: "bad" });
    const input = { session: id, epoch: again.epoch, number: 30_000, acked: 29_999, method: "approve" };
    expect((await back.ask("input", input)).result).toBe("ok");
  });

  it("one that asks and takes no answers is cut off at its ceiling", async () => {
    const { session, bridge } = await bridged(
      { handlers: { approve: () => "x".repeat(50_000) } as never },
      { limits: { maxRate: 1_000_000, maxBufferedBytes: 500_000 } },
    );
    const good = await healthy(bridge.url, "good");
    const bad = await Raw.open(bridge.url);
    const { session: id, epoch } = await bad.attach({ client: "bad" });
    bad.socket.pause();
    for (let n = 1; bridge.clients.size === 2 && n < 5000; n++) {
      bad.send({
        jsonrpc: "2.0",
        id: n,
        method: "input",
        params: { session: id, epoch, number: n, acked: n - 1, method: "approve" },
      });
      if (n % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => bridge.clients.size === 1);
    session.append("still here");
    await until(() => good.seen.length === 1);
  });
});

function handshake(url: string): string {
  const { host, pathname } = new URL(url);
  return `GET ${pathname} HTTP/1.1\r\nHost: ${host}\r\nOrigin: ${ORIGIN}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`;
}

/** A text frame as a client sends it, with a mask of zeros. */
function masked(text: string): Buffer {
  const body = Buffer.from(text);
  const head =
    body.length < 126
      ? Buffer.from([0x81, 0x80 | body.length])
      : Buffer.from([0x81, 0xfe, body.length >> 8, body.length & 255]);
  return Buffer.concat([head, Buffer.alloc(4), body]);
}
