import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { connect, json } from "ringbell";
import { connectMcp, type ShareMcpOptions, shareMcp } from "ringbell/mcp";
import { describe, expect, it } from "vitest";
import { program } from "../rpc/setup.js";
import { v1, v2 } from "./sdks.js";
import { ending, privateDirectory, until } from "./setup.js";

const SERVER = fileURLToPath(new URL("programs/tool-server.mjs", import.meta.url));

async function sharing(options: ShareMcpOptions = {}, ...args: string[]) {
  const directory = privateDirectory();
  const share = ending(
    await shareMcp("tools", [process.execPath, SERVER, ...args], { ...options, directory }),
  );
  const starts: unknown[] = [];
  const ends: string[] = [];
  share.on("start", (pid) => starts.push(pid));
  share.on("end", (_, how) => ends.push(how));
  /** A client of an SDK; `call` returns the text of the tool's result. */
  const client = async (sdk = v1) => {
    const sdkClient = ending(sdk.client());
    await sdkClient.connect(await connectMcp("tools", { directory }));
    const call = async (name: string, args: object = {}) =>
      (await sdk.call(sdkClient, name, args)).content[0]?.text;
    return { client: sdkClient, call };
  };
  /** A client that writes what it likes. */
  const raw = async () =>
    ending(await connect("tools", { directory, codec: json<Record<string, unknown>>() }));
  return { share, directory, client, raw, starts, ends };
}

describe("one server on standard streams, shared", () => {
  it("starts with the first client, serves all, shakes hands once, and ends some time after the last", async () => {
    const { share, client, starts, ends } = await sharing({ linger: 50 });
    expect(share.pids).toEqual([]);
    const clients = await Promise.all([v1, v2, v1, v2, v1].map((sdk) => client(sdk)));
    const pids = await Promise.all(clients.map(({ call }) => call("pid")));
    expect(new Set(pids)).toEqual(new Set([String(starts[0])]));
    expect(await clients[0]!.call("handshakes")).toBe("1");
    const ended = once(share, "end");
    await Promise.all(clients.map((each) => each.client.close()));
    await ended;
    expect([starts.length, ends]).toEqual([1, ["exit code 0"]]);
    expect(await (await client()).call("pid")).toBe(String(starts[1]));
  });

  it("does not end while a client comes before the time is over", async () => {
    const { share, client, starts } = await sharing({ linger: 60_000 });
    const { client: first, call } = await client();
    const pid = await call("pid");
    await first.close();
    await until(() => share.clients === 0);
    expect(await (await client()).call("pid")).toBe(pid);
    expect(starts).toHaveLength(1);
  });

  it("carries a result that is longer than what the SDK reads from standard streams", async () => {
    const { client } = await sharing();
    const { call } = await client();
    expect((await call("big", { bytes: 11 * 1024 * 1024 }))?.length).toBe(11 * 1024 * 1024);
  });

  it("that dies is told to all: calls get an error, channels end; the next client starts another", async () => {
    const { share, client, starts, ends } = await sharing();
    const [a, b] = [await client(), await client(v2)];
    const closed = [a, b].map(
      ({ client: each }) =>
        new Promise<void>((resolve) => {
          each.onclose = resolve;
        }),
    );
    const hanging = [a.call("hang"), b.call("hang")].map((call) =>
      expect(call).rejects.toThrow(/exit code 7/),
    );
    const dying = expect(a.call("die")).rejects.toThrow("the server has ended: exit code 7");
    await Promise.all([...hanging, dying, ...closed]);
    expect([share.pids, ends]).toEqual([[], ["exit code 7"]]);
    expect(await (await client()).call("pid")).toBe(String(starts[1]));
  });

  it("that is killed is told to all", async () => {
    const { client, starts } = await sharing();
    const { call } = await client();
    const hanging = expect(call("hang")).rejects.toThrow("the server has ended: signal SIGKILL");
    await call("pid");
    process.kill(starts[0] as number, "SIGKILL");
    await hanging;
  });

  it("that can't be started says so to the client", async () => {
    const directory = privateDirectory();
    const share = ending(await shareMcp("tools", ["/no/such/program"], { directory }));
    const connecting = v1.client().connect(await connectMcp("tools", { directory }));
    await expect(connecting).rejects.toThrow(/can't be started: spawn \/no\/such\/program ENOENT/);
    await until(() => share.clients === 0);
  });

  it("hears of the calls of a client that was killed, and goes on with the others", async () => {
    const { directory, client } = await sharing();
    const { call } = await client();
    const killed = program(
      `const channel = await ringbell.connect("tools", { directory });
      await channel.send({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "hang" } });
      await channel.send({ jsonrpc: "2.0", id: 2, method: "tools/call", params: { name: "echo", arguments: {} } });
      await channel.receive();
      report("called");
      setInterval(() => {}, 1000);`,
      directory,
    );
    await killed.said("called");
    killed.child.kill("SIGKILL");
    while ((await call("cancelled")) === "[]");
    expect(JSON.parse((await call("cancelled"))!)).toHaveLength(1);
  });

  it("asks the client whose call it is, among ten that call at the same time", async () => {
    const { raw } = await sharing({ turns: true });
    const clients = await Promise.all(Array.from({ length: 10 }, raw));
    const asked = clients.map(async (channel, i) => {
      await channel.send({
        jsonrpc: "2.0",
        id: 0,
        method: "initialize",
        params: { capabilities: { sampling: {} } },
      });
      await channel.receive();
      await channel.send({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "ask" } });
      const { id, method } = await channel.receive();
      expect(method).toBe("sampling/createMessage");
      await channel.send({ jsonrpc: "2.0", id, result: { said: `client ${i}` } });
      return channel.receive();
    });
    const answers = (await Promise.all(asked)) as { id: number; result: { content: { text: string }[] } }[];
    expect(answers.map(({ id, result }) => [id, result.content[0]?.text])).toEqual(
      clients.map((_, i) => [1, `client ${i}`]),
    );
  });

  it("waits for clients that are slow, so that nothing is lost", async () => {
    const { client, raw } = await sharing();
    const channel = await raw();
    await channel.send({
      jsonrpc: "2.0",
      id: 0,
      method: "initialize",
      params: { protocolVersion: "2025-11-25" },
    });
    await channel.receive();
    const flooding = (await client()).call("flood", { count: 3000 });
    for (let i = 0; i < 3000; i++)
      expect(await channel.receive()).toMatchObject({ method: "notifications/message" });
    await flooding;
  });

  it("lets a client go that does not read, and goes on with the others", async () => {
    const { share, client, raw } = await sharing({ patience: 1000 });
    const { call } = await client();
    const lazy = await raw();
    await lazy.send({ jsonrpc: "2.0", id: 0, method: "initialize", params: {} });
    await lazy.receive();
    const [error] = await Promise.all([once(share, "peerError"), call("flood", { count: 3000 })]);
    expect((error[0] as Error).message).toContain("the client does not read: ");
    expect(await call("echo", { text: "still here" })).toBe("still here");
  });

  it("drops garbage of a client, and goes on", async () => {
    const { client, raw } = await sharing();
    const channel = await raw();
    for (const garbage of [
      null,
      5,
      [],
      { jsonrpc: "2.0", id: {}, method: "x" },
      "text",
      { jsonrpc: "2.0" },
    ]) {
      await channel.send(garbage as never);
    }
    await channel.send({
      jsonrpc: "2.0",
      id: 1,
      method: "tools/call",
      params: { name: "echo", arguments: { text: "a" } },
    });
    expect(await channel.receive()).toMatchObject({ id: 1 });
    expect(await (await client()).call("echo", { text: "b" })).toBe("b");
  });

  it("that ignores the end of its input and a SIGTERM is killed when the share closes", async () => {
    const { share, client, starts } = await sharing({}, "stubborn");
    await (await client()).call("pid");
    await share.close();
    expect(() => process.kill(starts[0] as number, 0)).toThrow(/ESRCH/);
  });

  it("refuses options that are none", async () => {
    await expect(shareMcp("n", [])).rejects.toThrow(
      "command must be an array of a program and its arguments",
    );
    await expect(shareMcp("n", ["a"], { linger: -1 })).rejects.toThrow("options.linger");
    await expect(shareMcp("n", ["a"], { turns: 1 as never })).rejects.toThrow("options.turns");
  });
});
