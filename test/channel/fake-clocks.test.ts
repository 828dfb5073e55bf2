import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { delay } from "../../lib/clock.js";
import { privateDirectory, script, transports } from "./setup.js";

/** Fakes as the libraries for tests make them: nothing happens until a test says so, which this one never does. */
const FAKES = `
const timers = process.getBuiltinModule?.("node:timers") ?? process.mainModule?.require("node:timers") ?? globalThis.require("node:timers");
const { performance } = process.getBuiltinModule("node:perf_hooks");
const never = (name) => Object.assign(() => ({ ref() { return this; }, unref() { return this; }, refresh() { return this; } }), { clock: {} });
for (const name of ["setTimeout", "setInterval", "setImmediate", "clearTimeout", "clearInterval", "clearImmediate"]) globalThis[name] = timers[name] = never(name);
globalThis.queueMicrotask = never();
process.nextTick = never();
process.hrtime = Object.assign(never(), { bigint: () => 0n });
Object.defineProperty(performance, "now", { configurable: true, value: () => 0 });
globalThis.performance = { now: () => 0 };
globalThis.Date = class extends Date { constructor() { super(0); } static now() { return 0; } };`;

const PROGRAM = (transport: string) => `
const { randomFill } = await import("node:crypto");
const { connect, listen } = ringbell;
const uncaught = [];
process.on("uncaughtException", (error) => uncaught.push(error.message));
const path = "/tmp/ringbell-fake-" + process.pid;
const server = await listen(path, { transport: "${transport}" });
const a = await connect(path);
const b = await server.accept();
const got = [];
b.on("message", (message) => got.push(message));
await a.sendMany(Array.from({ length: 1000 }, (_, n) => n));
for (let n = 1000; n < 2000; n++) await a.send(n);
b.drainMicrotasks = true;
for (let n = 2000; n < 2100; n++) await a.send(n);
await b.send("go on");
await a.receive();
// The time of day is the real one.
const today = b.stats().lanes[0].idleSince > ${Date.now() - 1000};
const late = await a.receive({ timeout: 20 }).catch((error) => error.code);
if (a.transport === "shm" && a.receiveManySync(1, { timeout: 20 }).length > 0) throw new Error("a message");
const block = await a.allocate(100_000, { timeout: 5000 });
await a.send({ block });
const nobody = await connect(path + "x", { retry: { attempts: 3, maxTotal: 200 } }).catch((error) => error.code);
while (got.length < 2101) await b.flush();
let closed = 0;
b.on("close", () => closed++);
b.on("close", () => { throw new Error("a listener"); });
await a.close();
const { reason } = await b.closed;
await server.close();
while (uncaught.length === 0) await new Promise((resolve) => randomFill(new Uint8Array(1), resolve));
report(JSON.stringify({ inOrder: got.slice(0, 2100).every((n, i) => n === i), today, late, nobody, reason, closed, uncaught }));
process.exit(0);`;

const EXPECTED = {
  inOrder: true,
  today: true,
  late: "ERR_RINGBELL_TIMEOUT",
  nobody: "ERR_RINGBELL_NOT_FOUND",
  reason: "peer-closed",
  closed: 1,
  uncaught: ["a listener"],
};

describe.each(transports)("%s: where every clock and timer is a fake that never moves", (transport) => {
  it("messages flow and waits end: fakes after the import", async () => {
    const { ended } = script(`${FAKES}\n${PROGRAM(transport)}`);
    const { output } = await ended;
    expect(JSON.parse(output)).toEqual(EXPECTED);
  });

  it("messages flow and waits end: fakes before the import", async () => {
    const before = `data:text/javascript,${encodeURIComponent(FAKES)}`;
    const { ended } = script(PROGRAM(transport), {}, ["--import", before]);
    const { output } = await ended;
    expect(JSON.parse(output)).toEqual(EXPECTED);
  });
});

describe("a timer of the library, where every timer is a fake", () => {
  it("fires once, unless it was cleared", async () => {
    const module = JSON.stringify(new URL("../../dist/clock.js", import.meta.url));
    const path = JSON.stringify(join(privateDirectory(), "socket"));
    const before = `data:text/javascript,${encodeURIComponent(FAKES)}`;
    const { ended } = script(
      `const { clearTimeout, delay, setTimeout } = await import(${module});
      const fired = [];
      const timer = setTimeout(() => fired.push("cleared"), 20);
      setTimeout(() => fired.push("first"), 10);
      clearTimeout(timer);
      // Keeps the process alive: the library's timers do not.
      const { createServer } = await import("node:net");
      createServer().listen(${path});
      await delay(100);
      report(fired.join());
      process.exit(0);`,
      {},
      ["--import", before],
    );
    expect((await ended).output).toBe("first\n");
  });
});

describe("a timer of the library", () => {
  it("is due at once if its time is over, and Node warns of nothing", async () => {
    const warned: Error[] = [];
    const warn = (warning: Error) => warned.push(warning);
    process.on("warning", warn);
    await delay(-5);
    await new Promise(setImmediate);
    process.off("warning", warn);
    expect(warned).toEqual([]);
  });
});
