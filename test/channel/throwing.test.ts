import { describe, expect, it } from "vitest";
import { script, transports } from "./setup.js";

/** Runs `code` in a process of its own that counts uncaught exceptions. `code` sees both ends `a` and `b`, and `server`. */
async function run(
  transport: string,
  code: string,
  environment: Record<string, string> = {},
): Promise<unknown> {
  const { ended } = script(
    `import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
const { connect, listen } = ringbell;
const uncaught = [];
process.on("uncaughtException", (error) => uncaught.push(error.message));
const directory = mkdtempSync(tmpdir() + "/ringbell-test-");
const transport = ${JSON.stringify(transport)};
const until = async (is) => { while (!is()) await new Promise(setImmediate); };
const range = (count) => Array.from({ length: count }, (_, n) => n);
const open = async (options = {}, more = {}) => {
  const server = await listen("x", { directory, transport, capacity: 4096, ...options });
  const b = await connect("x", { directory, ...more });
  return { server, a: await server.accept(), b };
};
const timer = setTimeout(() => { report("nothing more happens; uncaught: " + uncaught); process.exit(1); }, 20_000);
try {
  const result = await (async () => { ${code} })();
  report(JSON.stringify(result));
} finally {
  clearTimeout(timer);
  rmSync(directory, { recursive: true, force: true });
}
process.exit(0);`,
    environment,
  );
  const { code: status, output } = await ended;
  if (status !== 0) throw new Error(output);
  return JSON.parse(output);
}

const bothWires = [...transports, "stream without the addon"].map((name) => ({
  name,
  transport: name.split(" ")[0]!,
  environment: (name === "stream without the addon" ? { RINGBELL_NO_ADDON: "1" } : {}) as Record<
    string,
    string
  >,
}));

describe.each(bothWires)("$name: with a handler for uncaught exceptions", ({ transport, environment }) => {
  it.each([1, 7, 10])(
    "a message listener that throws at each message of %d gets every message, and each error is seen once",
    async (each) => {
      const result = await run(
        transport,
        `const { a, b } = await open();
      const got = [];
      b.on("message", (n) => { got.push(n); if (n % ${each} === 0) throw new Error("at " + n); });
      for (const n of range(300)) { await a.send(n); if (n % 50 === 0) await new Promise(setImmediate); }
      await a.flush();
      await until(() => got.length === 300 && uncaught.length === Math.ceil(300 / ${each}));
      await a.send(300);
      await until(() => got.length === 301);
      await a.close();
      return { inOrder: got.every((n, i) => n === i), uncaught: uncaught.length, twice: new Set(uncaught).size };`,
        environment,
      );
      const thrown = Math.ceil(300 / each) + (300 % each === 0 ? 1 : 0);
      expect(result).toEqual({ inOrder: true, uncaught: thrown, twice: thrown });
    },
  );

  it("so does one with drainMicrotasks, and one whose messages are left after the end", async () => {
    const result = await run(
      transport,
      `const { a, b } = await open();
      const got = [];
      b.drainMicrotasks = true;
      await a.sendMany(range(50));
      await a.close();
      b.on("message", (n) => { got.push(n); if (n % 2 === 0) throw new Error("at " + n); });
      const { reason } = await b.closed;
      await until(() => uncaught.length === 25);
      return { got: got.length, reason };`,
      environment,
    );
    expect(result).toEqual({ got: 50, reason: "peer-closed" });
  });

  it("listeners for drain that throw leave backpressure as it is", async () => {
    const result = await run(
      transport,
      `const { a, b } = await open();
      let drained = 0;
      a.on("drain", () => { drained++; throw new Error("drain " + drained); });
      let got = 0;
      for (let round = 0; round < 5; round++) {
        let sent = 0;
        while (a.trySend("x".repeat(500))) sent++;
        const waiting = a.send("waits");
        for (let i = 0; i <= sent; i++, got++) await b.receive();
        await waiting;
        await until(() => drained === round + 1);
      }
      return { drained, uncaught };`,
      environment,
    );
    expect(result).toEqual({ drained: 5, uncaught: [1, 2, 3, 4, 5].map((n) => `drain ${n}`) });
  });

  it("a listener for drain that throws keeps it from no other lane that lacks the same memory", async () => {
    const result = await run(
      transport,
      `const { a, b } = await open({ maxBulkBytes: 1 << 20, lanes: { other: {} } }, { lanes: { other: {} } });
      const other = a.lane("other");
      let drained = 0;
      a.on("drain", () => { throw new Error("drain"); });
      other.on("drain", () => drained++);
      const long = "x".repeat(600_000);
      while (a.trySend(long));
      while (other.trySend(long));
      const receiving = [b, b.lane("other")].map(async (lane) => { for await (const text of lane); });
      await until(() => drained === 1 && uncaught.length === 1);
      await a.close();
      await Promise.all(receiving);
      return { drained, uncaught };`,
      environment,
    );
    expect(result).toEqual({ drained: 1, uncaught: ["drain"] });
  });

  it("a listener for close that comes late and throws keeps it from no other late one", async () => {
    const result = await run(
      transport,
      `const { a, b } = await open();
      const got = [];
      await a.send("last");
      await a.close();
      await b.closed;
      b.on("close", () => { throw new Error("first"); });
      b.on("close", (reason) => got.push(reason));
      b.on("message", (message) => { got.push(message); throw new Error("message"); });
      await until(() => got.length === 2 && uncaught.length === 2);
      return { got, uncaught };`,
      environment,
    );
    expect(result).toEqual({ got: ["last", "peer-closed"], uncaught: ["message", "first"] });
  });

  it("listeners for error that throw, as codecs do, lose no message", async () => {
    const result = await run(
      transport,
      `const odd = ringbell.json();
      const codec = { ...odd, decode: (...all) => { const n = odd.decode(...all); if (n % 3 === 0) throw new Error("codec at " + n); return n; } };
      const { a, b } = await open({ codec: odd }, { codec: { send: odd, receive: codec } });
      b.on("error", (error) => { throw new Error("listener: " + error.message); });
      const got = [];
      const listener = (n) => got.push(n);
      b.on("message", listener);
      await a.sendMany(range(30));
      await until(() => got.length === 20);
      b.off("message", listener);
      await a.sendMany(range(30));
      await until(() => { got.push(...b.receiveMany(4)); return got.length === 40; });
      await a.sendMany(range(30));
      for await (const n of b) if (got.push(n) === 60) break;
      await until(() => uncaught.length === 30);
      return { got: got.filter((n) => n % 3 === 0), uncaught: new Set(uncaught).size, bad: b.stats().lanes[0].badMessages };`,
      environment,
    );
    expect(result).toEqual({ got: [], uncaught: 10, bad: 30 });
  });

  it("listeners of a server, for close, and authorize", async () => {
    const result = await run(
      transport,
      `let refuse = true;
      const authorize = (peer) => { if (refuse) throw new Error("authorize"); return true; };
      const server = await listen("x", { directory, transport, authorize });
      const causes = [];
      server.on("peerError", (error) => { causes.push(error.cause?.message ?? error.code); throw new Error("peerError"); });
      server.on("connection", (a) => { a.on("close", () => { throw new Error("close of a"); }); a.send("hello"); throw new Error("connection"); });
      server.on("close", () => { throw new Error("close of server"); });
      const first = await connect("x", { directory, retry: false }).catch((error) => error.code);
      await until(() => uncaught.length === 1);
      refuse = false;
      const hellos = [];
      for (let i = 0; i < 2; i++) {
        const b = await connect("x", { directory });
        b.on("close", () => { throw new Error("close of b"); });
        hellos.push(await b.receive());
        await b.close();
      }
      await until(() => server.channels.size === 0);
      await server.close();
      await until(() => uncaught.length === 8);
      return { first, causes, hellos, uncaught: uncaught.sort() };`,
      environment,
    );
    expect(result).toEqual({
      first: "ERR_RINGBELL_REFUSED",
      causes: ["authorize"],
      hellos: ["hello", "hello"],
      uncaught: [
        "close of a",
        "close of a",
        "close of b",
        "close of b",
        "close of server",
        "connection",
        "connection",
        "peerError",
      ],
    });
  });

  it("a data listener of a byte stream that throws gets all that follows", async () => {
    const result = await run(
      transport,
      `const { a, b } = await open({ codec: ringbell.bytes() }, { codec: ringbell.bytes() });
      const [from, to] = [a.toDuplex(), b.toDuplex()];
      let bytes = 0;
      let chunks = 0;
      to.on("data", (chunk) => { bytes += chunk.length; throw new Error("chunk " + chunks++); });
      for (let i = 0; i < 20; i++) { from.write(Buffer.alloc(1000)); await new Promise(setImmediate); }
      from.end();
      await until(() => to.readableEnded);
      await until(() => uncaught.length === chunks);
      return { bytes };`,
      environment,
    );
    expect(result).toEqual({ bytes: 20_000 });
  });
});
