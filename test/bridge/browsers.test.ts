import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { gzipSync } from "node:zlib";
import { transform } from "esbuild";
import { type Browser, chromium, type Page } from "playwright-core";
import { WebSocket as UndiciWebSocket } from "undici";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import websocket from "websocket";
import { ending, numbers, take, until } from "../session/setup.js";
import { EXECUTABLE, rawPage } from "./devtools.js";
import { bridged } from "./setup.js";

const BUNDLE = new URL("../../dist/browser/index.js", import.meta.url);

describe("ringbell/browser", () => {
  it("has less than 6 KiB compressed, and nothing of Node", async () => {
    const source = readFileSync(BUNDLE, "utf8");
    expect(source).not.toMatch(/\bfrom\s*"|\brequire\(|\bprocess\.|\bBuffer\b/);
    const { code } = await transform(source, { minify: true });
    expect(gzipSync(code).length).toBeLessThan(6 * 1024);
  });

  it.each([
    ["undici", UndiciWebSocket],
    ["websocket", websocket.w3cwebsocket],
  ])("works with the WebSocket of %s: events, inputs, and coming back", async (_name, WebSocket) => {
    const { session, bridge, attached } = await bridged<number>({
      handlers: { approve: () => "ok" } as never,
    });
    const page = await attached({ WebSocket: WebSocket as never, from: "live" });
    session.append(1);
    expect(numbers(await take(page as never, 1))).toEqual([1]);
    expect(await page.input("approve")).toBe("ok");
    for (const client of bridge.clients) (client as never as { terminate(): void }).terminate();
    session.append(2);
    expect(numbers(await take(page as never, 1))).toEqual([2]);
    await expect(attached({ WebSocket: WebSocket as never, token: "x".repeat(20) })).rejects.toThrow(
      "unauthorised",
    );
  });
});

describe.skipIf(EXECUTABLE === undefined)("a page in Chromium", { timeout: 60_000 }, () => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: EXECUTABLE!, args: ["--no-sandbox"] });
  }, 60_000);
  afterAll(() => browser?.close());

  /** A page that attaches, keeps all items in `items`, and has the attachment as `ui`. */
  async function opened(more = "") {
    const server = createServer((request, response) => {
      const isScript = request.url === "/ringbell.js";
      response.setHeader("content-type", isScript ? "text/javascript" : "text/html");
      response.end(isScript ? readFileSync(BUNDLE) : "<!doctype html><title>t</title>");
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    ending({
      close: async () => {
        server.closeAllConnections();
        server.close();
      },
    });
    const origin = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
    let count = 0;
    const made = await bridged<number, number>(
      {
        snapshot: () => count,
        log: { maxEvents: 10_000 },
        handlers: { approve: ({ call }: { call: number }) => call * 2 } as never,
      },
      { origins: [origin], tokens: { "token-of-the-page-1": { name: "page", role: "operator" } } },
    );
    const page = await (await browser.newContext()).newPage();
    await page.goto(origin);
    const attach = `(async () => {
      const { attach } = await import("/ringbell.js");
      window.items = [];
      window.changes = [];
      window.ui = await attach({ url: ${JSON.stringify(made.bridge.url)}, token: "token-of-the-page-1", client: "tab", from: "live", maxDelay: 100, ${more} });
      ui.on("connection", (connection) => changes.push(connection));
      (async () => { for await (const item of ui) { items.push(item.sequence); if (window.slow) await new Promise((r) => setTimeout(r, window.slow)); } })();
    })()`;
    await page.evaluate(attach);
    const append = (times: number) => {
      for (let n = 0; n < times; n++) made.session.append(++count);
    };
    return { ...made, page, append, origin, attach };
  }

  const seen = (page: Page) => page.evaluate("items") as Promise<number[]>;
  const sequence = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

  it("attaches, gets events, makes inputs, and comes back by itself when the connection breaks", async () => {
    const { page, append, bridge, session } = await opened();
    append(100);
    await page.waitForFunction("items.length === 100");
    expect(await page.evaluate("ui.input('approve', { call: 21 })")).toBe(42);
    for (const client of bridge.clients) (client as never as { terminate(): void }).terminate();
    await until(() => session.interfaces.size === 0);
    append(100);
    await page.waitForFunction("items.length === 200");
    expect(await seen(page)).toEqual(sequence(1, 200));
    expect(await page.evaluate("changes")).toEqual(["reconnecting", "attached"]);
    expect(await page.evaluate("ui.lastSeen > Date.now() - 60000")).toBe(true);
    await page.close();
    await until(() => session.interfaces.size === 0);
  });

  it("that is frozen loses nothing: it goes on from its cursor when it is resumed", async () => {
    const { page, append, session, origin, attach } = await opened();
    await page.close();
    await until(() => session.interfaces.size === 0);
    const raw = await rawPage(EXECUTABLE!, origin);
    await raw.evaluate(attach);
    append(10);
    await raw.waitFor("items.length === 10");
    await raw.setState("frozen");
    await until(() => session.interfaces.size === 0);
    append(200);
    await raw.setState("active");
    await raw.waitFor("items.length === 210");
    expect(await raw.evaluate("items")).toEqual(sequence(1, 210));
    expect(await raw.evaluate("changes")).toEqual(["reconnecting", "attached"]);
  });

  it("that is busy for seconds costs its window, keeps its connection, and then gets all", async () => {
    const { page, append, bridge } = await opened();
    const busy = page.evaluate("const end = Date.now() + 1500; while (Date.now() < end);");
    const [client] = [...bridge.clients];
    append(5000);
    await until(() => client!.state !== "live");
    expect(client!.unacknowledged).toBeLessThanOrEqual(65_536);
    await busy;
    await page.waitForFunction("items.length === 5000");
    expect(await seen(page)).toEqual(sequence(1, 5000));
    expect([...bridge.clients]).toEqual([client]);
  });

  it("of another origin, such as a data: URL, is not let in", async () => {
    const { page, bridge, origin } = await opened();
    const other = await (await browser.newContext()).newPage();
    await other.goto(`data:text/html,<title>x</title>`);
    const code = await other.evaluate(
      `new Promise((resolve) => { const s = new WebSocket(${JSON.stringify(bridge.url)}, ["ringbell.v1"]); s.onclose = (e) => resolve(e.code); s.onopen = () => resolve("open"); })`,
    );
    expect(code).toBe(1006);
    expect(bridge.clients.size).toBe(1);
    expect(await page.evaluate("location.origin")).toBe(origin);
  });

  it("reads server-sent events with its own EventSource, and goes on after a break", async () => {
    const { page, append, bridge, session } = await opened();
    const base = bridge.url.replace("ws", "http");
    await page.evaluate(`(async () => {
      const { ticket } = await (await fetch("${base}/ticket", { method: "POST", headers: { authorization: "Bearer token-of-the-page-1" } })).json();
      window.read = [];
      const source = new EventSource("${base}/events?ticket=" + ticket);
      source.onmessage = ({ data }) => { const item = JSON.parse(data); read.push(Array.isArray(item) ? item[0] : "snapshot " + item.sequence); };
      await new Promise((resolve) => source.addEventListener("welcome", resolve));
    })()`);
    append(5);
    await page.waitForFunction("read.length === 6");
    for (const one of session.interfaces)
      if (one.via.startsWith("sse")) void (one as never as { carrier: { close(): void } }).carrier.close();
    append(5);
    await page.waitForFunction("read.length === 11");
    expect(await page.evaluate("read")).toEqual(["snapshot 0", ...sequence(1, 10)]);
  });
});
