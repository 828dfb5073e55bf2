import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { connect, json, listen, text } from "ringbell";
import { serveMcp } from "ringbell/mcp";
import { describe, expect, it, onTestFinished } from "vitest";
import { v1 } from "../mcp/sdks.js";
import { ending, privateDirectory } from "../rpc/setup.js";
import { MAIN, ringbell } from "./run.js";

const SERVER = fileURLToPath(new URL("../mcp/programs/tool-server.mjs", import.meta.url));

/** The command as a process with pipes; `line` resolves with its next line. */
function piped(...args: string[]) {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ["pipe", "pipe", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async () => (await lines.next()).value as string | undefined;
  const ended = new Promise<number | null>((resolve) => child.on("exit", resolve));
  const say = (message: unknown) => child.stdin.write(`${JSON.stringify(message)}\n`);
  return { child, line, ended, say };
}

describe("ringbell mcp", () => {
  it("share runs one server for the clients of mcp connect, and ends both by a signal", async () => {
    const directory = privateDirectory();
    const share = piped("mcp", "share", "-d", directory, "tools", "--", process.execPath, SERVER, "--help");
    expect(await share.line()).toContain("listening at ");
    const clients = [
      piped("mcp", "connect", "tools", "-d", directory),
      piped("mcp", "connect", "tools", "-d", directory),
    ];
    const pids = [];
    for (const { say, line } of clients) {
      say({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "pid" } });
      const { id, result } = JSON.parse((await line())!);
      pids.push([id, result.content[0].text]);
    }
    const started = (await share.line())!;
    expect(started).toMatch(/^server started: process \d+$/);
    const pid = started.split(" ").at(-1);
    expect(pids).toEqual([
      [1, pid],
      [1, pid],
    ]);
    clients[0]!.child.stdin.end();
    expect(await clients[0]!.ended).toBe(0);
    share.child.kill("SIGTERM");
    expect(await share.line()).toBe(`server ended: process ${pid}, exit code 0`);
    expect(await share.ended).toBe(0);
    expect(await clients[1]!.ended).toBe(0);
  });

  it("connect --reconnect goes on when the server is started anew, and ends with its input", async () => {
    const directory = privateDirectory();
    const first = await serveMcp("tools", v1.factory, { directory });
    const { child, say, line, ended } = piped("mcp", "connect", "tools", "-d", directory, "--reconnect");
    const ask = async (id: number, method: string, params: object) => {
      say({ jsonrpc: "2.0", id, method, params });
      for (;;) {
        const message = JSON.parse((await line())!);
        if (message.id === id) return message;
      }
    };
    const clientInfo = { name: "c", version: "1" };
    await ask(0, "initialize", { protocolVersion: "2025-06-18", capabilities: {}, clientInfo });
    say({ jsonrpc: "2.0", method: "notifications/initialized" });
    const echo = { name: "echo", arguments: { text: "hello" } };
    expect((await ask(1, "tools/call", echo)).result.content[0].text).toBe("hello");
    await first.close();
    ending(await serveMcp("tools", v1.factory, { directory }));
    expect((await ask(2, "tools/call", echo)).result.content[0].text).toBe("hello");
    child.stdin.end();
    expect(await ended).toBe(0);
  });

  it("connect fails with the reason where nobody listens", async () => {
    const directory = privateDirectory();
    const nobody = await ringbell(["mcp", "connect", "tools", "-d", directory, "--wait", "1"]);
    expect([nobody.code, nobody.stdout]).toEqual([1, ""]);
    expect(nobody.stderr).toContain("ERR_RINGBELL_NOT_FOUND");
  });

  it.each([
    [["mcp"], "mcp takes two words"],
    [["mcp", "join", "x"], 'unknown word "join"'],
    [["mcp", "share", "x"], "mcp share needs a command"],
    [["mcp", "connect", "x", "--", "y"], "mcp connect takes no command"],
    [["mcp", "share", "x", "--linger", "soon", "--", "y"], "--linger must be a number of milliseconds"],
    [["mcp", "share", "x", "--lingr", "5", "--", "y"], "did you mean --linger?"],
    [["relay"], "relay takes one name"],
    [["relay", "x", "--"], "relay needs a command behind --"],
    [["relay", "x", "--framing", "json"], "--framing must be lines, length, content-length"],
  ])("%j is refused", async (args, why) => {
    const { code, stderr } = await ringbell(args);
    expect([code, stderr]).toEqual([2, expect.stringContaining(why)]);
  });
});

describe("ringbell relay", () => {
  it("serves a program by its standard streams, and says how each run has ended", async () => {
    const directory = privateDirectory();
    const relay = piped(
      "relay",
      "echo",
      "-d",
      directory,
      "--",
      process.execPath,
      "-e",
      "process.stdin.pipe(process.stdout)",
    );
    expect(await relay.line()).toContain("listening at ");
    const channel = ending(await connect("echo", { directory, codec: json() }));
    await channel.send({ a: 1 });
    expect(await channel.receive()).toEqual({ a: 1 });
    await channel.close();
    expect(await relay.line()).toMatch(/^process \d+ has ended: exit code 0$/);
    relay.child.kill("SIGINT");
    expect(await relay.ended).toBe(0);
  });

  it("joins its own standard streams to a name, without a command", async () => {
    const directory = privateDirectory();
    const server = ending(await listen("r", { directory, codec: text() }));
    const relay = piped("relay", "r", "-d", directory, "-f", "content-length");
    const peer = await server.accept();
    relay.child.stdin.write("Content-Length: 7\r\n\r\n[1,2,3]");
    expect(await peer.receive()).toBe("[1,2,3]");
    await peer.send("[4]");
    expect([await relay.line(), await relay.line()]).toEqual(["Content-Length: 3", ""]);
    await peer.close();
    expect(await relay.ended).toBe(0);
  });
});
