import { describe, expect, it } from "vitest";
import { privateDirectory, script } from "./setup.js";

const module = new URL("../../dist/index.js", import.meta.url).href;

/** Calls that block their thread, in a channel whose peer takes and sends nothing; `codec` is bytes(). */
const WAITS = {
  receiveSync: "channel.receiveSync()",
  "receiveSync with a time-out": "channel.receiveSync({ timeout: 1e6 })",
  receiveManySync: "channel.receiveManySync(10)",
  sendSync: "for (;;) channel.sendSync(new Uint8Array(1000))",
  "sendSync of a message that needs memory": "for (;;) channel.sendSync(new Uint8Array(300_000))",
  sendManySync: "channel.sendManySync(Array(1e6).fill(new Uint8Array(100)))",
};

/** Longer (ms) than any one call of the addon blocks: the thread waits on, as it would for ever. */
const LONG_ENOUGH = 150;

/**
 * Runs a process in which a worker comes to wait for the main thread in `call`; runs `then` on the main thread, with `thread` (the
 * worker), `channel` and `server` in scope.
 */
function waiting(call: string, then: string) {
  const directory = JSON.stringify(privateDirectory());
  const inWorker = `
    const { parentPort, workerData } = require("node:worker_threads");
    import(${JSON.stringify(module)}).then(async ({ connect, bytes }) => {
      const channel = await connect("t", { directory: ${directory}, codec: bytes() });
      Atomics.store(workerData, 0, 1);
      Atomics.notify(workerData, 0);
      ${call};
    });`;
  return script(`
    import { Worker } from "node:worker_threads";
    import { setTimeout as delay } from "node:timers/promises";
    const server = await ringbell.listen("t", { directory: ${directory}, codec: ringbell.bytes(), transport: "shm" });
    const begun = new Int32Array(new SharedArrayBuffer(4));
    const thread = new Worker(${JSON.stringify(inWorker)}, { eval: true, execArgv: [], workerData: begun });
    const channel = await server.accept();
    await Atomics.waitAsync(begun, 0, 0).value;
    await delay(${LONG_ENOUGH});
    ${then}`);
}

describe("a worker that waits for ever", () => {
  it.each(Object.keys(WAITS) as (keyof typeof WAITS)[])("in %s is terminated at once", async (name) => {
    const { ended } = waiting(
      WAITS[name],
      `const from = performance.now();
      await thread.terminate();
      const took = performance.now() - from;
      const { reason } = await channel.closed;
      if (took < 2000) report(reason);
      await server.close();`,
    );
    expect(await ended).toEqual({ code: 0, signal: null, output: "peer-died\n" });
  });

  it.each(Object.keys(WAITS) as (keyof typeof WAITS)[])(
    "in %s does not hold up process.exit",
    async (name) => {
      const { ended } = waiting(WAITS[name], "process.exit(7);");
      expect(await ended).toEqual({ code: 7, signal: null, output: "" });
    },
  );

  it("still gets a message at once, and its time-out on time", async () => {
    const { ended } = waiting(
      `const before = performance.now();
      const none = channel.receiveSync({ timeout: 300 });
      const waited = performance.now() - before;
      const one = channel.receiveSync();
      channel.sendSync(one);
      parentPort.postMessage([none, waited >= 300 && waited < 1300])`,
      `const said = new Promise((resolve) => thread.once("message", resolve));
      await delay(400);
      await channel.send(new Uint8Array([5]));
      report(JSON.stringify([[...await channel.receive()], await said]));
      await thread.terminate();
      await server.close();`,
    );
    expect(await ended).toEqual({ code: 0, signal: null, output: "[[5],[null,true]]\n" });
  });
});
