import { type Channel, connect, json, listen, text } from "ringbell";
import { type BridgeOptions, serveBridge } from "ringbell/bridge";
import { describe, expect, it } from "vitest";
import { ending, privateDirectory, until } from "../session/setup.js";
import { ORIGIN, Raw, TOKENS } from "./setup.js";

/** A server of channels with JSON, and a bridge that joins each page to a channel of its own. */
async function bridgedChannel(options: Partial<BridgeOptions> = {}, channel: object = {}) {
  const directory = privateDirectory();
  const server = ending(await listen<unknown, unknown>("files", { directory, codec: json(), ...channel }));
  const channels: Channel<unknown, unknown>[] = [];
  server.on("connection", (one) => channels.push(one as Channel<unknown, unknown>));
  const bridge = ending(
    await serveBridge({
      channel: () => connect<string>("files", { directory, codec: text() }),
      origins: [ORIGIN],
      tokens: {
        [TOKENS.boss]: { name: "boss", role: "operator" },
        [TOKENS.viewer]: { name: "eve", role: "viewer" },
      },
      ...options,
    }),
  );
  return { server, bridge, channels };
}

const messages = (raw: Raw) =>
  raw.messages
    .filter(({ method }) => method === "message")
    .map(({ params }) => (params as unknown as { message: unknown }).message);

describe("a channel behind a bridge", () => {
  it("carries messages both ways unchanged, one channel for each page; each ends with the other (S1.35)", async () => {
    const { bridge, channels } = await bridgedChannel();
    const raw = await Raw.open(bridge.url);
    await raw.attach();
    await until(() => channels.length === 1);
    const values = [1, "text", null, true, [1, [2]], { a: { b: "é\u2028😀" } }, "", -0.5];
    for (const value of values) await channels[0]!.send(value);
    await until(() => messages(raw).length === values.length);
    expect(messages(raw)).toEqual(values);
    const got: unknown[] = [];
    channels[0]!.on("message", (message) => got.push(message));
    for (const message of values) raw.send({ jsonrpc: "2.0", method: "message", params: { message } });
    expect((await raw.ask("message", { message: "last" })).result).toBe(null);
    await until(() => got.length === values.length + 1);
    expect(got).toEqual([...values, "last"]);

    const other = await Raw.open(bridge.url);
    await other.attach();
    await until(() => channels.length === 2);
    raw.socket.terminate();
    await channels[0]!.closed;
    await channels[1]!.close();
    expect(await other.closed).toBe(1001);
    await until(() => bridge.clients.size === 0);
  });

  it("takes messages of a role that may send, and refuses everything that is no message", async () => {
    const { bridge, channels } = await bridgedChannel();
    const viewer = await Raw.open(bridge.url);
    await viewer.attach({ token: TOKENS.viewer });
    await until(() => channels.length === 1);
    const got: unknown[] = [];
    channels[0]!.on("message", (message) => got.push(message));
    expect((await viewer.ask("message", { message: 1 })).error).toMatchObject({ code: -32012 });
    viewer.send({ jsonrpc: "2.0", method: "message", params: { message: 1 } });
    expect((await viewer.ask("input", {})).error).toMatchObject({ code: -32601 });
    await channels[0]!.send("read");
    await until(() => messages(viewer).length === 1);
    const boss = await Raw.open(bridge.url);
    await boss.attach();
    expect((await boss.ask("message", {})).error).toMatchObject({ code: -32602 });
    expect((await boss.ask("attach", {})).error).toMatchObject({ code: -32600 });
    expect(got).toEqual([]);
  });

  it("makes its sender wait for a page that acknowledges nothing, and keeps nothing in between (S4.24)", async () => {
    const { bridge, channels } = await bridgedChannel({}, { capacity: 65_536 });
    const raw = await Raw.open(bridge.url);
    await raw.attach();
    await until(() => channels.length === 1);
    const message = "x".repeat(1000);
    let sent = 0;
    while (channels[0]!.trySend(message) || (await room(channels[0]!))) sent++;
    // The window, and two rings at most.
    expect(sent).toBeLessThan((65_536 * 3) / 1000);
    const [client] = [...bridge.clients];
    expect(client!.state).toBe("slow");
    expect(client!.unacknowledged).toBeLessThanOrEqual(65_536);
    const all = sent + 500;
    const sending = (async () => {
      while (sent < all) {
        await channels[0]!.send(message);
        sent++;
      }
    })();
    let acknowledged = 0;
    while (messages(raw).length < all) {
      const count = messages(raw).length - acknowledged;
      if (count > 0) raw.send({ jsonrpc: "2.0", method: "ack", params: { count } });
      acknowledged += count;
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    await sending;
    expect(client!.state).toBe("live");
  });

  it("that is not there, or says what is no JSON, ends the page's connection and nothing else", async () => {
    const { bridge } = await bridgedChannel({ channel: () => Promise.reject(new Error("no such name")) });
    const raw = await Raw.open(bridge.url);
    raw.send({ jsonrpc: "2.0", id: 1, method: "attach", params: { token: TOKENS.boss } });
    expect(await raw.closed).toBe(1013);
    const bad = await bridgedChannel({}, { codec: text() });
    const joined = await Raw.open(bad.bridge.url);
    await joined.attach();
    await until(() => bad.channels.length === 1);
    await bad.channels[0]!.send('1},"method":"attach"');
    expect(await joined.closed).toBe(1001);
    expect(messages(joined)).toEqual([]);
    const again = await Raw.open(bad.bridge.url);
    await again.attach();
  });
});

/** Waits for room for a moment. Returns whether there is some. */
async function room(channel: Channel<unknown, unknown>): Promise<boolean> {
  try {
    await channel.send("x".repeat(1000), { timeout: 100 });
    return true;
  } catch {
    return false;
  }
}
