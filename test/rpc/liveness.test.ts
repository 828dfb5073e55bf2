import { type Contract, contract, request, type ServiceClient, serve } from "ringbell/rpc";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { ending, privateDirectory, program, until } from "./setup.js";

const tools = contract("tools", { hello: request(z.object({ name: z.string() })) });

describe.each(["shm", "stream"] as const)("a service over %s", (transport) => {
  it("tells of each of its clients whether it is healthy, blocked or dead", async () => {
    const directory = privateDirectory();
    const callers = new Map<string, number | undefined>();
    const service = ending(
      await serve(
        tools,
        {
          hello: ({ name }, call) => {
            callers.set(name, call.peer?.pid);
          },
        },
        { directory, transport },
      ),
    );
    const client = (name: string, then: string) =>
      program(
        `const client = await open(contract("tools"), { directory });
         await client.hello({ name: "${name}" });
         ${then}`,
        directory,
      );
    client("healthy", "setInterval(() => {}, 1000);");
    client("blocked", "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);");
    const killed = client("dead", "setInterval(() => {}, 1000);");
    await until(() => callers.size === 3);
    const of = (name: string) =>
      [...service.clients].find(({ peer }) => peer?.pid === callers.get(name)) as ServiceClient<Contract>;
    const three = ["healthy", "blocked", "dead"].map((name) => of(name).client);
    killed.child.kill("SIGKILL");
    await until(() => service.clients.size === 2);
    const states = await Promise.all(three.map((each) => each.health({ timeout: 3000 })));
    expect(states).toEqual(["healthy", "blocked", "dead"]);
  });

  it("has no timer while nobody calls", async () => {
    const directory = privateDirectory();
    const idle = program(
      `const service = await serve(contract("tools"), { hello: () => null }, { directory, transport: "${transport}" });
       const client = await open(contract("tools"), { directory });
       await client.hello({});
       await client.health();
       await sleep(200);
       report("timers " + process.getActiveResourcesInfo().filter((name) => /Timeout/.test(name)).length);
       process.exit(0);`,
      directory,
    );
    const { code } = await idle.ended;
    expect([code, idle.lines.find((line) => line.startsWith("timers"))]).toEqual([0, "timers 0"]);
  });
});
