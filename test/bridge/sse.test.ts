import { describe, expect, it } from "vitest";
import { until } from "../session/setup.js";
import { bridged, ORIGIN, TOKENS } from "./setup.js";

interface Sent {
  readonly id?: string;
  readonly event?: string;
  readonly data?: string;
  readonly retry?: string;
}

/** Reads server-sent events until the stream ends or the signal is aborted. */
async function read(url: string, headers: Record<string, string>, signal?: AbortSignal) {
  const response = await fetch(url, { headers, ...(signal === undefined ? {} : { signal }) });
  const events: Sent[] = [];
  const done = (async () => {
    let text = "";
    const decoder = new TextDecoder();
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      text += decoder.decode(chunk, { stream: true });
      const blocks = text.split("\n\n");
      text = blocks.pop()!;
      for (const block of blocks) {
        const fields = block.split("\n").map((line) => line.split(/: (.*)/s).slice(0, 2));
        events.push(Object.fromEntries(fields) as Sent);
      }
    }
  })().catch(() => {});
  return { response, events, done };
}

describe("server-sent events of a bridge", () => {
  it("carry a snapshot and what follows, to one who may only read, and go on after the last id (S0.11)", async () => {
    let count = 0;
    const { session, bridge } = await bridged<number, number>({ snapshot: () => count, retained: { a: 1 } });
    const add = () => session.append(++count);
    add();
    const base = bridge.url.replace("ws", "http");
    const asked = await fetch(`${base}/ticket`, {
      method: "POST",
      headers: { authorization: `Bearer ${TOKENS.viewer}` },
    });
    const { ticket } = (await asked.json()) as { ticket: string };
    expect(ticket).not.toContain(TOKENS.viewer);
    const controller = new AbortController();
    const url = `${base}/events?ticket=${ticket}`;
    const first = await read(url, { origin: ORIGIN }, controller.signal);
    expect(first.response.headers.get("access-control-allow-origin")).toBe(ORIGIN);
    await until(() => session.interfaces.size === 1);
    add();
    session.setState("blocked");
    await until(() => first.events.length === 4);
    expect(first.events[0]).toMatchObject({
      event: "welcome",
      data: expect.stringContaining('"retained":{"a":1}'),
    });
    expect(first.events[1]).toMatchObject({
      id: `${session.logId}.1`,
      data: expect.stringContaining('"snapshot":1'),
    });
    expect(first.events[2]).toEqual({ id: `${session.logId}.2`, data: '[2,"event",2]' });
    expect(first.events[3]).toEqual({ event: "state", data: '{"state":"blocked"}' });
    controller.abort();
    await first.done;
    await until(() => session.interfaces.size === 0);
    add();
    add();
    const second = await read(url, { "last-event-id": `${session.logId}.2` });
    await until(() => second.events.length === 3);
    expect(second.events.slice(1).map(({ data }) => data)).toEqual(['[3,"event",3]', '[4,"event",4]']);
    await session.close({ over: true });
    await second.done;
    expect(second.events.at(-1)).toMatchObject({ event: "over" });
  });

  it("are not given without a token or a ticket, and not to other origins", async () => {
    const { bridge } = await bridged();
    const base = bridge.url.replace("ws", "http");
    const status = async (path: string, init = {}) => (await fetch(`${base}/${path}`, init)).status;
    expect(await status("events")).toBe(401);
    expect(await status("events?ticket=x")).toBe(401);
    expect(await status(`events?token=${TOKENS.boss}`)).toBe(401);
    expect(
      await status("events", {
        headers: { authorization: `Bearer ${TOKENS.boss}`, origin: "http://evil.example" },
      }),
    ).toBe(403);
    expect(await status("ticket", { headers: { authorization: `Bearer ${TOKENS.boss}` } })).toBe(401);
    expect(
      await status("ticket", { method: "POST", headers: { authorization: "Bearer wrong-token-of-16" } }),
    ).toBe(401);
    expect(await status("other")).toBe(404);
    expect(await status("ticket", { method: "OPTIONS", headers: { origin: ORIGIN } })).toBe(204);
  });

  it("are put off with 200 where there are too many readers, because any other answer ends an EventSource for good", async () => {
    const { bridge } = await bridged({}, { limits: { maxClients: 1 } });
    const base = bridge.url.replace("ws", "http");
    const headers = { authorization: `Bearer ${TOKENS.boss}` };
    const one = await read(`${base}/events`, headers);
    await until(() => one.events.length > 0);
    const two = await read(`${base}/events`, headers);
    await two.done;
    expect(two.response.status).toBe(200);
    expect(two.events).toEqual([{ retry: "5000" }]);
  });

  it("of a reader that reads nothing wait in the log, beyond a ceiling (S0.18)", async () => {
    const { session, bridge } = await bridged({ log: { maxEvents: 100 } });
    const headers = { authorization: `Bearer ${TOKENS.boss}` };
    const { events } = await read(`${bridge.url.replace("ws", "http")}/events`, headers);
    await until(() => events.length > 0);
    const [reader] = [...session.interfaces];
    const before = process.memoryUsage();
    // All in one turn, so that nobody reads.
    for (let n = 0; n < 20_000; n++) session.append("x".repeat(1000));
    expect(reader!.paused).toBe(true);
    expect(process.memoryUsage().external - before.external).toBeLessThan(8 * 1024 * 1024);
    await until(() => !reader!.paused);
    expect(reader!.missed).toBeGreaterThan(1000);
  });
});
