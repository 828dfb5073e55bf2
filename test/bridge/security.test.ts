import { execFileSync, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { connect as netConnect } from "node:net";
import { join } from "node:path";
import { serveBridge } from "ringbell/bridge";
import { Session } from "ringbell/session";
import { describe, expect, it, onTestFinished } from "vitest";
import { WebSocket } from "ws";
import { runCode } from "../cli/run.js";
import { ending, privateDirectory, until } from "../session/setup.js";
import { bridged, ORIGIN, Raw, TOKENS } from "./setup.js";

/** Everything that a peer answers to an upgrade request, until it ends the connection. */
function upgrade(url: string, headers: Record<string, string>): Promise<string> {
  const { hostname, port, pathname } = new URL(url);
  const socket = netConnect(Number(port), hostname);
  const all = {
    host: `${hostname}:${port}`,
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`GET ${pathname} HTTP/1.1\r\n${lines.join("")}\r\n`);
  let answer = "";
  return new Promise((resolve) => {
    socket.on("data", (data) => {
      answer += data.toString("latin1");
      if (answer.startsWith("HTTP/1.1 101")) socket.destroy();
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve(answer));
  });
}

describe("a bridge looks at who comes", () => {
  it("refuses other origins with 403, before any frame; a program without origin needs a token (S4.20)", async () => {
    const { bridge } = await bridged();
    for (const origin of [
      "null",
      "http://evil.example",
      "http://localhost:5174",
      `${ORIGIN}/`,
      "file://",
      "",
    ]) {
      const answer = await upgrade(bridge.url, { origin });
      expect(answer.split("\r\n")[0]).toBe("HTTP/1.1 403 Forbidden");
      expect(answer.split("\r\n\r\n")[1]).toBe("");
    }
    expect(await upgrade(bridge.url, { origin: ORIGIN })).toMatch(/^HTTP\/1.1 101/);
    expect(await upgrade(`${bridge.url}x`, { origin: ORIGIN })).toMatch(/^HTTP\/1.1 404/);
    const program = await Raw.open(bridge.url, {});
    await program.attach();
    const http = bridge.url.replace("ws", "http");
    expect((await fetch(`${http}/health`, { headers: { origin: "null" } })).status).toBe(403);
    const health = await fetch(`${http}/health`, { headers: { origin: ORIGIN } });
    expect([health.status, health.headers.get("access-control-allow-origin")]).toEqual([200, ORIGIN]);
  });

  it("lives when a connection is reset whose upgrade it refuses", async () => {
    // In a process of its own: an error of a socket that nobody listens for would end it.
    const { code, stdout, stderr } = await runCode(`
      import { once } from "node:events";
      import { connect } from "node:net";
      import { newToken, serveBridge } from "ringbell/bridge";
      import { Session } from "ringbell/session";
      const tokens = { [newToken()]: { name: "a", role: "b" } };
      const bridge = await serveBridge({ session: new Session(), origins: ["http://localhost"], tokens });
      const { hostname, port, pathname } = new URL(bridge.url);
      for (let n = 0; n < 100; n++) {
        const socket = connect(Number(port), hostname).on("error", () => {});
        await once(socket, "connect");
        const path = n % 2 ? "/other" : pathname;
        socket.write("GET " + path + " HTTP/1.1\\r\\nHost: x\\r\\nConnection: Upgrade\\r\\nUpgrade: websocket\\r\\n\\r\\n");
        socket.resetAndDestroy();
      }
      const health = await fetch(bridge.url.replace("ws", "http") + "/health");
      console.log(health.status);
      process.exit();
    `);
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: "200\n", stderr: "" });
  });

  it("refuses upgrades of a given server where nobody else takes them, and leaves them to others", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => void server.close());
    const { bridge } = await bridged({}, { server });
    const other = new URL("/other", bridge.url).href;
    expect(await upgrade(other, {})).toMatch(/^HTTP\/1.1 404/);
    server.on("upgrade", (_request, socket) => socket.end("HTTP/1.1 418 Mine\r\n\r\n"));
    expect(await upgrade(other, {})).toMatch(/^HTTP\/1.1 418/);
  });

  it("refuses to allow the origin null, an origin with a path, and tokens that can be guessed", async () => {
    const session = ending(new Session());
    const options = { session, origins: [ORIGIN], tokens: {} };
    const wrong = (more: object) => expect(serveBridge({ ...options, ...more } as never)).rejects;
    await wrong({ origins: ["null"] }).toMatchObject({ argument: "options.origins" });
    await wrong({ origins: ["http://localhost:5173/"] }).toMatchObject({ argument: "options.origins" });
    await wrong({ origins: ["*"] }).toMatchObject({ argument: "options.origins" });
    await wrong({ tokens: { short: { name: "a", role: "b" } } }).toMatchObject({
      argument: "options.tokens",
    });
    await wrong({ tokens: undefined }).toMatchObject({ argument: "options.tokens" });
    await wrong({ limits: { maxDepht: 1 } }).toMatchObject({ code: "ERR_RINGBELL_UNKNOWN_OPTION" });
    await wrong({ session: undefined }).toMatchObject({ argument: "options.session" });
  });

  it("wants a token in the first message, or as a subprotocol that it does not echo", async () => {
    const { session, bridge } = await bridged({}, { heartbeat: { hello: 300 } });
    const wrong = await Raw.open(bridge.url);
    wrong.send({
      jsonrpc: "2.0",
      id: 1,
      method: "attach",
      params: { protocol: 1, token: `${TOKENS.boss}x`, client: "c", from: "live" },
    });
    expect((await wrong.answer(1)).error).toMatchObject({ code: -32012 });
    expect(await wrong.closed).toBe(4401);
    const silent = await Raw.open(bridge.url);
    const early = await Raw.open(bridge.url);
    expect((await early.ask("input", { method: "approve" })).error).toMatchObject({ code: -32600 });
    expect(await silent.closed).toBe(4408);
    const offered = await Raw.open(bridge.url, { origin: ORIGIN }, [
      "ringbell.v1",
      `ringbell.token.${TOKENS.boss}`,
    ]);
    expect(offered.socket.protocol).toBe("ringbell.v1");
    await offered.attach({ token: undefined });
    expect(session.interfaces.size).toBe(1);
    expect(
      (await offered.ask("attach", { protocol: 1, token: TOKENS.boss, client: "c", from: "live" })).error,
    ).toBeDefined();
  });

  it("takes its time for a token after the handshake, so that no other tab waits", async () => {
    let decide: (() => void) | undefined;
    const authenticate = (token: string) =>
      token === "slow"
        ? new Promise<{ name: string; role: string }>((resolve) => {
            decide = () => resolve({ name: "slow", role: "viewer" });
          })
        : { name: "quick", role: "viewer" };
    const { bridge } = await bridged({}, { tokens: undefined, authenticate });
    const slow = await Raw.open(bridge.url);
    const waiting = slow.attach({ token: "slow" });
    await until(() => decide !== undefined);
    const quick = await Raw.open(bridge.url);
    await quick.attach({ token: "other" });
    decide!();
    await waiting;
  });

  it("pushes out the oldest of too many strangers, and refuses clients beyond its limit", async () => {
    const { bridge } = await bridged({}, { limits: { maxStrangers: 2, maxClients: 3 } });
    const strangers = [await Raw.open(bridge.url), await Raw.open(bridge.url), await Raw.open(bridge.url)];
    expect(await strangers[0]!.closed).toBe(1006);
    await until(() => bridge.clients.size === 2);
    for (const [n, raw] of strangers.slice(1).entries()) await raw.attach({ client: `c${n}` });
    const third = await Raw.open(bridge.url);
    await third.attach({ client: "c3" });
    expect(await (await Raw.open(bridge.url)).closed).toBe(1013);
    expect((await third.ask("ping")).result).toBe(null);
  });
});

describe("a bridge off loopback", () => {
  it("does not start without TLS (S4.22, S1.34)", async () => {
    const session = ending(new Session());
    const options = {
      session,
      origins: [ORIGIN],
      tokens: { [TOKENS.boss]: { name: "a", role: "operator" } },
    };
    for (const host of ["0.0.0.0", "::", "192.0.2.1"]) {
      await expect(serveBridge({ ...options, host })).rejects.toMatchObject({
        code: "ERR_RINGBELL_INSECURE_BRIDGE",
      });
    }
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "0.0.0.0", resolve));
    await expect(serveBridge({ ...options, server })).rejects.toMatchObject({
      code: "ERR_RINGBELL_INSECURE_BRIDGE",
    });
    server.close();
    const own = ending(await serveBridge(options));
    expect(new URL(own.url).hostname).toBe("127.0.0.1");
    const port = Number(new URL(own.url).port);
    await expect(serveBridge({ ...options, port })).rejects.toMatchObject({
      code: "ERR_RINGBELL_SYSTEM",
      systemCode: "EADDRINUSE",
    });
  });

  const hasOpenssl = spawnSync("openssl", ["version"]).status === 0;
  it.skipIf(!hasOpenssl)("starts with TLS, and serves it", async () => {
    const directory = privateDirectory();
    const file = (name: string) => join(directory, name);
    execFileSync(
      "openssl",
      [
        ...[
          "req",
          "-x509",
          "-newkey",
          "ec",
          "-pkeyopt",
          "ec_paramgen_curve:prime256v1",
          "-nodes",
          "-days",
          "1",
        ],
        ...["-subj", "/CN=localhost", "-keyout", file("key.pem"), "-out", file("cert.pem")],
      ],
      { stdio: "ignore" },
    );
    const tls = { key: readFileSync(file("key.pem")), cert: readFileSync(file("cert.pem")) };
    const { bridge } = await bridged({}, { host: "0.0.0.0", tls });
    expect(bridge.url).toMatch(/^wss:/);
    const raw = await Raw.open(bridge.url.replace("0.0.0.0", "127.0.0.1"), {
      rejectUnauthorized: false,
      origin: ORIGIN,
    });
    await raw.attach();
  });

  it("serves a server of the program's beside other paths, and leaves it open", async () => {
    const server = createServer((request, response) => {
      if (request.url === "/mine") response.end("mine");
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { bridge } = await bridged({}, { server, path: "/agents/one" });
    const base = bridge.url.replace("ws", "http").replace("/agents/one", "");
    expect(await (await fetch(`${base}/mine`)).text()).toBe("mine");
    const raw = await Raw.open(bridge.url);
    await raw.attach();
    await bridge.close();
    expect(await raw.closed).toBe(1001);
    expect(await (await fetch(`${base}/mine`)).text()).toBe("mine");
    server.closeAllConnections();
    server.close();
  });
});

describe("a message of a page", () => {
  it("may only be an input that the role may make; else it is refused and audited (S4.21)", async () => {
    const path = join(privateDirectory(), "audit.jsonl");
    const done: string[] = [];
    const handlers = {
      approve: () => done.push("approve"),
      run: ({ command }: { command: string }) => done.push(command),
    };
    const { session, bridge } = await bridged({ audit: path, handlers: handlers as never });
    const boss = await Raw.open(bridge.url);
    const { session: id, epoch } = await boss.attach();
    const input = (method: string, number: number, more = {}) => ({
      session: id,
      epoch,
      number,
      acked: 0,
      method,
      params: {},
      ...more,
    });
    expect((await boss.ask("input", input("approve", 1))).result).toBe(1);
    expect(
      (await boss.ask("input", input("run", 2, { params: { command: "rm -rf /" } }))).error,
    ).toMatchObject({ code: -32012 });
    expect((await boss.ask("run", { command: "rm -rf /" })).error).toMatchObject({ code: -32601 });
    expect((await boss.ask("input", input("approve", 3, { session: "another" }))).error).toMatchObject({
      code: -32010,
    });
    expect((await boss.ask("input", input("approve", 3, { epoch: 7 }))).error).toMatchObject({
      code: -32011,
    });
    const viewer = await Raw.open(bridge.url);
    const eve = await viewer.attach({ token: TOKENS.viewer });
    expect((await viewer.ask("input", { ...input("approve", 1), epoch: eve.epoch })).error).toMatchObject({
      code: -32012,
    });
    expect((await viewer.ask("input", { ...input("approve", 1), role: "operator" })).error).toMatchObject({
      code: -32012,
    });
    expect(done).toEqual(["approve"]);
    await session.close();
    const records = readFileSync(path, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    const refused = records
      .filter(({ kind }) => kind === "refused")
      .map(({ data }) => `${data.name ?? data.client}: ${data.why}`);
    expect(refused).toHaveLength(6);
    expect(refused[0]).toBe("boss: the role operator may not make this input");
  });

  it("that is a forged directive is refused, inside a batch as well, and nothing of it is done (S4.23, S4.9)", async () => {
    const done: unknown[] = [];
    const handlers = {
      approve: (params: unknown) => done.push(params),
      write: (params: unknown) => done.push(params),
    };
    const { bridge } = await bridged({ handlers: handlers as never });
    const raw = await Raw.open(bridge.url);
    const { session, epoch } = await raw.attach();
    const good = {
      jsonrpc: "2.0",
      id: 1,
      method: "input",
      params: { session, epoch, number: 1, acked: 0, method: "approve", params: {} },
    };
    const write = {
      jsonrpc: "2.0",
      id: 2,
      method: "input",
      params: { ...good.params, method: "write", params: { path: "/etc/passwd" } },
    };
    const forged: [unknown, number][] = [
      [[good, write], -32600],
      [[write], -32600],
      [[], -32600],
      [{ ...write, jsonrpc: "1.0" }, -32600],
      [{ ...good, method: undefined, params: write.params }, -32600],
      [{ ...good, extra: write }, -32600],
      [{ ...good, params: [write] }, -32600],
      [{ ...good, id: {} }, -32600],
      [{ ...good, id: null }, -32600],
      ["approve", -32700],
      ['"approve"', -32600],
      ["{", -32700],
      [`${"[".repeat(5000)}${"]".repeat(5000)}`, -32600],
      [`{"jsonrpc":"2.0","id":1,"method":"input","params":${'{"a":'.repeat(40)}1${"}".repeat(40)}}`, -32600],
      [write, -32012],
    ];
    for (const [message, code] of forged) {
      const before = raw.messages.length;
      raw.send(message as object);
      await until(() => raw.messages.slice(before).some(({ error }) => error !== undefined));
      expect(raw.messages.slice(before).find(({ error }) => error !== undefined)!.error).toMatchObject({
        code,
      });
    }
    // An input without an id asks for no answer, and is not taken either.
    raw.send({ ...good, id: undefined });
    expect((await raw.ask("ping")).result).toBe(null);
    expect(done).toEqual([]);
    raw.send({ ...good, id: 99 });
    expect((await raw.answer(99)).result).toBe(1);
  });

  it("is joined of its fragments, up to a limit; a binary one ends the connection (S4.17)", async () => {
    const { bridge } = await bridged({}, { limits: { maxMessageBytes: 10_000 } });
    const raw = await Raw.open(bridge.url);
    await raw.attach();
    const text = JSON.stringify({
      jsonrpc: "2.0",
      id: "é",
      method: "ping",
      params: { text: "x".repeat(5000) },
    });
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; at += 97) {
      raw.socket.send(bytes.subarray(at, at + 97), { binary: false, fin: at + 97 >= bytes.length });
    }
    expect((await raw.answer("é")).result).toBe(null);
    raw.send("x".repeat(10_001));
    expect(await raw.closed).toBe(1009);
    const pieces = await Raw.open(bridge.url);
    await pieces.attach();
    for (let n = 0; n < 20 && pieces.socket.readyState === WebSocket.OPEN; n++) {
      pieces.socket.send("y".repeat(1000), { fin: false });
    }
    expect(await pieces.closed).toBe(1009);
    const binary = await Raw.open(bridge.url);
    await binary.attach();
    binary.socket.send(Buffer.from([1, 2, 3]));
    expect(await binary.closed).toBe(1003);
  });
});
