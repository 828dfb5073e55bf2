import { ChildEndedError, endpoints, NotFoundError } from "ringbell";
import { CallLostError, contract, open, request, serve, spawnService } from "ringbell/rpc";
import { afterEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { ending, privateDirectory, program } from "./setup.js";

const module = (name: string) => JSON.stringify(new URL(`../../dist/${name}`, import.meta.url).href);

const tools = contract("tools", {
  pid: request(undefined, z.number()),
  grandchild: request(undefined, z.string()),
});

const CODE = `import { execFileSync } from "node:child_process";
import { contract, serve } from ${module("rpc/index.js")};
const service = await serve(contract("tools"), {
  pid: () => process.pid,
  grandchild: () => execFileSync(process.execPath, ["-p", "process.env.RINGBELL_SERVE"]).toString().trim(),
});`;

const running = (code: string) => ["--input-type=module", "-e", code];

afterEach(() => {
  delete process.env.RINGBELL_SERVE;
});

describe("spawnService", () => {
  it("starts a service, and resolves with its client (S0.4)", async () => {
    const directory = privateDirectory();
    const spawned = await spawnService(tools, process.execPath, running(CODE), { directory });
    expect(await spawned.client.pid()).toBe(spawned.process.pid);
    // The variable is for the service alone.
    expect(await spawned.client.grandchild()).toBe("undefined");
    await spawned.close();
    await spawned.close();
    expect(await spawned.exited).toEqual({ code: 0, signal: null });
    expect(await endpoints({ directory })).toEqual([]);
  });

  it("starts instances of one service that others list and address (S1.33)", async () => {
    const directory = privateDirectory();
    const start = () => spawnService(tools, process.execPath, running(CODE), { directory });
    const spawned = await Promise.all([start(), start()]);
    const listed = (await endpoints({ directory })).map(({ name }) => name);
    expect(listed).toEqual(spawned.map(({ name }) => name).sort());
    for (const { name, process } of spawned) {
      const other = ending(await open(tools, { directory, name }));
      expect(await other.pid()).toBe(process.pid);
      await other.close();
    }
    await Promise.all(spawned.map((each) => each.close()));
  });

  it("tells at once that the process has ended before it served", async () => {
    const directory = privateDirectory();
    const began = performance.now();
    const crash = spawnService(tools, process.execPath, running("process.exit(7)"), { directory });
    const error = await crash.catch((reason) => reason);
    expect(error).toBeInstanceOf(ChildEndedError);
    expect(error).toMatchObject({ exitCode: 7 });
    expect(performance.now() - began).toBeLessThan(5000);
    const late = spawnService(tools, "sleep", ["60"], { directory, startTimeout: 50 });
    await expect(late).rejects.toBeInstanceOf(NotFoundError);
  });

  it("tells calls of the death of the process", async () => {
    const directory = privateDirectory();
    const code = CODE.replace("pid: () => process.pid", "pid: () => process.kill(process.pid, 'SIGKILL')");
    const spawned = await spawnService(tools, process.execPath, running(code), { directory });
    await expect(spawned.client.pid()).rejects.toBeInstanceOf(CallLostError);
    expect(await spawned.exited).toEqual({ code: null, signal: "SIGKILL" });
    await spawned.close();
  });

  it("ends the service with the process that has started it", async () => {
    const directory = privateDirectory();
    const parent = program(
      `const tools = contract("tools");
       const spawned = await rpc.spawnService(tools, process.execPath, ${JSON.stringify(running(CODE))}, { directory });
       report("started");
       setInterval(() => {}, 1000);`,
      directory,
    );
    await parent.said("started");
    const [{ name }] = (await endpoints({ directory })) as unknown as [{ name: string }];
    const other = ending(await open(tools, { directory, name }));
    await other.pid();
    parent.child.kill("SIGKILL");
    await other.closed;
  });

  it("hands its address to the contract that is meant, and once", async () => {
    const [directory, handed] = [privateDirectory(), privateDirectory()];
    const address = { name: "handed", directory: handed };
    process.env.RINGBELL_SERVE = JSON.stringify({ contract: "tools", pid: 1, address });
    const handlers = { pid: () => 1, grandchild: () => "" };
    const other = ending(await serve(contract("other"), {}, { directory }));
    const explicit = ending(await serve(tools, handlers, { directory, name: "explicit" }));
    const meant = ending(await serve(tools, handlers, { directory }));
    const later = ending(await serve(tools, handlers, { directory }));
    expect([other, explicit, meant, later].map(({ path }) => path)).toEqual([
      `${directory}/default/other.sock`,
      `${directory}/default/explicit.sock`,
      `${handed}/default/handed.sock`,
      `${directory}/default/tools.sock`,
    ]);
    for (const text of ["x", "null", "{}", '{"contract":"tools","pid":1,"address":{}}']) {
      process.env.RINGBELL_SERVE = text;
      await expect(serve(tools, handlers, { directory }), text).rejects.toThrow("RINGBELL_SERVE");
    }
  });
});
