import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type BridgeOptions, serveBridge } from "ringbell/bridge";
import { InputError, open as openRemote } from "ringbell/browser";
import { contract, open, request, type Service, serve, stream, webSocketPort } from "ringbell/rpc";
import { describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { z } from "zod";
import { ending, privateDirectory, until } from "../session/setup.js";
import { ORIGIN, Raw, TOKENS } from "./setup.js";

const tools = contract("tools", {
  search: request(z.object({ q: z.string() }), z.array(z.string()), { progress: z.number() }),
  wipe: request(z.object({}), z.string()),
  big: request(z.object({}), z.string()),
  count: stream(z.object({ to: z.number() }), z.number()),
});

/** A service under a name, and a bridge to it. */
async function bridgedService(options: Partial<BridgeOptions> = {}) {
  const done: string[] = [];
  const directory = privateDirectory();
  let produced = 0;
  const service = ending(
    await serve(
      tools,
      {
        async search({ q }, call) {
          done.push(q);
          if (q === "slow") {
            await once(call.signal, "abort");
            done.push("cancelled");
          }
          await call.progress(0.5);
          return [q];
        },
        wipe: () => {
          done.push("wipe");
          return "gone";
        },
        big: () => "x".repeat(100_000),
        *count({ to }) {
          for (let n = 1; n <= to; n++) {
            produced = n;
            yield n;
          }
        },
      },
      { directory },
    ),
  );
  const bridge = ending(
    await serveBridge({
      service: service as unknown as Service,
      origins: [ORIGIN],
      tokens: {
        [TOKENS.boss]: { name: "boss", role: "operator" },
        [TOKENS.viewer]: { name: "eve", role: "viewer" },
      },
      roles: { operator: ["search", "wipe", "big", "count"], viewer: ["search"] },
      ...options,
    }),
  );
  return { service, bridge, done, directory, produced: () => produced };
}

/** What a browser says first. */
const hello = { protocol: 1, client: "tab" };

describe("a service behind a bridge", () => {
  it("is called by pages as by processes: the same code, with progress, streams and cancels (S4.13, S4.10)", async () => {
    const { bridge, done, directory } = await bridgedService();
    const raw = await Raw.open(bridge.url);
    await raw.attach(hello);
    raw.socket.removeAllListeners("message");
    const page = await open(tools, { port: webSocketPort(raw.socket as never) });
    const local = ending(await open(tools, { directory }));
    for (const client of [page, local]) {
      const reports: number[] = [];
      const onProgress = (share: number) => reports.push(share);
      expect(await client.search({ q: "bell" }, { onProgress })).toEqual(["bell"]);
      expect(reports).toEqual([0.5]);
      const items: number[] = [];
      for await (const item of client.count({ to: 1000 })) items.push(item);
      expect(items).toEqual(Array.from({ length: 1000 }, (_, i) => i + 1));
    }
    const controller = new AbortController();
    const call = page.search({ q: "slow" }, { signal: controller.signal });
    await until(() => done.includes("slow"));
    controller.abort(new Error("never mind"));
    await expect(call).rejects.toThrow("never mind");
    await until(() => done.includes("cancelled"));
    // A handler of a page that has gone is cancelled as well.
    done.length = 0;
    page.search({ q: "slow" }).catch(() => {});
    await until(() => done.includes("slow"));
    raw.socket.terminate();
    await until(() => done.includes("cancelled"));
    expect(bridge.clients.size).toBe(0);
  });

  it("has only the methods of the client's role; all calls and refusals are audited (S4.21)", async () => {
    const audit = join(privateDirectory(), "audit.jsonl");
    const { bridge, done } = await bridgedService({ audit });
    const viewer = await Raw.open(bridge.url);
    expect((await viewer.ask("search", { q: "early" })).error).toMatchObject({ code: -32600 });
    await viewer.attach({ ...hello, token: TOKENS.viewer });
    expect((await viewer.ask("search", { q: "x" })).result).toEqual(["x"]);
    expect((await viewer.ask("wipe")).error).toMatchObject({ code: -32012 });
    for (const method of ["toString", "constructor", "attach", "rpc.items", "rpc.other"])
      expect((await viewer.ask(method)).error).toMatchObject({ code: -32012 });
    expect((await viewer.ask("rpc.cancel")).error).toMatchObject({ code: -32600 });
    expect((await viewer.ask("rpc.ping")).result).toBe(null);
    expect((await viewer.ask("search", { q: 1 })).error).toMatchObject({ code: -32602 });
    const wrong: [unknown, number][] = [
      [[{ jsonrpc: "2.0", id: 1, method: "search", params: { q: "batch" } }], -32600],
      [{ jsonrpc: "2.0", id: 1, method: "search", params: { q: "more" }, role: "operator" }, -32600],
      [{ jsonrpc: "2.0", id: 1, result: ["forged"] }, -32600],
      [`{"jsonrpc":"2.0","id":1,"method":"search","params":${'{"q":'.repeat(40)}1${"}".repeat(40)}}`, -32600],
    ];
    for (const [message, code] of wrong) {
      viewer.messages.length = 0;
      viewer.send(message);
      await until(() => viewer.messages.length > 0);
      expect(viewer.messages[0]!.error).toMatchObject({ code });
    }
    // Without an id, nothing is answered, and nothing is done.
    viewer.send({ jsonrpc: "2.0", method: "wipe", params: {} });
    expect((await viewer.ask("rpc.ping")).result).toBe(null);
    expect(done).toEqual(["x"]);
    await bridge.close();
    const records = readFileSync(audit, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(records.filter(({ kind }) => kind === "call").map(({ data }) => data.method)).toEqual([
      "search",
      "search",
    ]);
    expect(records.filter(({ kind }) => kind === "refused").length).toBeGreaterThan(10);
  });

  it("keeps nothing for a page that reads nothing: streams wait for credit, and one that only asks is refused (S4.24)", async () => {
    const { bridge, done, produced } = await bridgedService({
      limits: { maxRate: 100_000, maxBufferedBytes: 1_000_000 },
    });
    const reader = await Raw.open(bridge.url);
    await reader.attach(hello);
    reader.send({ jsonrpc: "2.0", id: 1, method: "count", params: { to: 1_000_000 }, credit: 256 });
    await until(() => produced() >= 256);
    expect((await reader.ask("rpc.ping")).result).toBe(null);
    // One more may be held back, and none beyond.
    expect(produced()).toBeLessThanOrEqual(300);

    const greedy = await Raw.open(bridge.url);
    await greedy.attach(hello);
    greedy.socket.pause();
    const before = process.memoryUsage().rss;
    for (let n = 1; n <= 2000; n++) greedy.send({ jsonrpc: "2.0", id: n, method: "big", params: {} });
    greedy.socket.resume();
    // All are answered: some with a result, most by a refusal.
    await until(() => greedy.messages.length > 2000);
    const refused = greedy.messages.filter(({ error }) => error?.code === -32000);
    expect(refused.length).toBeGreaterThan(1500);
    // 200 MB were asked for. Calls are refused while answers wait, so that most of them are never made.
    expect(process.memoryUsage().rss - before).toBeLessThan(100 * 1024 * 1024);
    const other = await Raw.open(bridge.url);
    await other.attach({ ...hello, token: TOKENS.viewer });
    expect((await other.ask("search", { q: "still here" })).result).toEqual(["still here"]);
    expect(done).toEqual(["still here"]);
  });

  it("is called by ringbell/browser: results, progress, streams that wait for the loop, cancels, and refusals", async () => {
    const { bridge, done, produced } = await bridgedService();
    const options = { url: bridge.url, WebSocket: WebSocket as never };
    const page = await openRemote({ ...options, token: TOKENS.boss });
    expect(page.methods).toEqual(["search", "wipe", "big", "count"]);
    const reports: unknown[] = [];
    const onProgress = (share: unknown) => reports.push(share);
    expect(await page.call("search", { q: "bell" }, { onProgress })).toEqual(["bell"]);
    expect(reports).toEqual([0.5]);
    await expect(page.call("search", { q: 1 })).rejects.toMatchObject({ code: -32602, mayHaveRun: false });
    const items: unknown[] = [];
    for await (const item of page.stream("count", { to: 2000 })) items.push(item);
    expect(items).toEqual(Array.from({ length: 2000 }, (_, i) => i + 1));
    for await (const item of page.stream("count", { to: 1_000_000 })) if (item === 10) break;
    await page.call("search", { q: "after" });
    expect(produced()).toBeLessThan(600);
    await expect(page.call("search", { q: "slow" }, { timeout: 50 })).rejects.toThrow("no answer in 50 ms");
    await until(() => done.includes("cancelled"));
    const signal = AbortSignal.abort(new Error("not even begun"));
    await expect(page.call("wipe", {}, { signal })).rejects.toThrow("not even begun");
    await expect(page.stream("count", { to: "many" }).next()).rejects.toMatchObject({ code: -32602 });

    const viewer = await openRemote({ ...options, token: TOKENS.viewer });
    await expect(viewer.call("wipe")).rejects.toMatchObject({ code: -32012 });
    await expect(openRemote({ ...options, token: "x".repeat(20) })).rejects.toMatchObject({ code: -32012 });
    await expect(openRemote({ ...options, url: "ws://127.0.0.1:9", token: "x" })).rejects.toThrow(InputError);

    const lost = page.call("search", { q: "slow" });
    await until(() => done.filter((what) => what === "slow").length === 2);
    await bridge.close();
    await expect(lost).rejects.toMatchObject({ mayHaveRun: true });
    expect(await page.closed).toBe(1001);
    await expect(page.call("wipe")).rejects.toMatchObject({ mayHaveRun: false });
    page.close();
    viewer.close();
  });

  it("wants roles, and is the only thing that the bridge is for", async () => {
    const { service, bridge } = await bridgedService();
    const options = { service: service as unknown as Service, origins: [ORIGIN], tokens: {} };
    const wrong = (more: object) => expect(serveBridge({ ...options, ...more } as never)).rejects;
    await wrong({}).toMatchObject({ argument: "options.roles" });
    await wrong({ roles: { operator: ["rpc.items"] } }).toMatchObject({ argument: "options.roles.operator" });
    await wrong({ roles: {}, channel: () => {} }).toMatchObject({ argument: "options" });
    await wrong({ roles: {}, service: {} }).toMatchObject({ argument: "options.service" });
    expect(() => bridge.terminal("main")).toThrow("terminals stand beside a session");
    const http = bridge.url.replace("ws", "http");
    expect((await fetch(`${http}/ticket`, { method: "POST" })).status).toBe(404);
    expect(await (await fetch(`${http}/health`)).json()).toEqual({ state: "open" });
  });
});
