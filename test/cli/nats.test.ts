import { once } from "node:events";
import { createServer } from "node:net";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { NatsServer, withoutNats } from "../mailbox/nats-server.js";
import { MAIN, ringbell } from "./run.js";

describe.skipIf(withoutNats !== undefined)("the command line, for mailboxes in NATS", () => {
  const server = new NatsServer(["-js", "--auth", "a-token"]);
  const env = { NATS_TOKEN: "a-token" };
  const mail = (...args: string[]) => ringbell(["mail", ...args, "--nats", server.servers], env);
  beforeAll(() => server.start());
  afterAll(() => server.end());

  it("posts, lists, dumps and takes, with a token of the environment", async () => {
    expect(await mail("post", "a", "one")).toMatchObject({ code: 0 });
    expect(await mail("post", "a", "two")).toMatchObject({ code: 0 });
    const listed = await mail("ls");
    expect(listed.stdout).toMatch(/^a +2 /m);
    expect(listed.stdout).toMatch(/^1 box, NATS \d/m);
    const lines = (await mail("dump", "a")).stdout.trim().split("\n");
    expect(lines.map((line) => JSON.parse(line).body)).toEqual(["one", "two"]);
    expect((await mail("wait", "a", "--json")).stdout).toContain('"one"');
    expect((await mail("fetch", "a")).stdout).toContain("two");
    expect((await mail("fetch", "a")).stdout).toBe("");
  });

  it("refuses what has no meaning there, and says why", async () => {
    expect(await mail("dump")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("mail dump needs a BOX with --nats"),
    });
    expect(await mail("ls", "-d", "/tmp")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("--nats goes with neither --directory nor --path"),
    });
  });

  it("says that the server lets nobody in without a token", async () => {
    const refused = await ringbell(["mail", "ls", "--nats", server.servers], { NATS_TOKEN: "" });
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(
      /the server of NATS at 127\.0\.0\.1:\d+ does not let us in .*ERR_RINGBELL_ACCESS/,
    );
  });

  it("refuses what is no address, and a priority that there is not", async () => {
    for (const servers of ["not an address", "", "127.0.0.1:4222,", "127.0.0.1:99999"]) {
      const { code, stderr } = await ringbell(["mail", "ls", "--nats", servers]);
      expect({ code, stderr }).toEqual({
        code: 2,
        stderr: expect.stringContaining("--nats must be HOST:PORT"),
      });
    }
    expect(await mail("post", "a", "x", "--priority", "high")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("--priority must be interrupt, normal, notice"),
    });
  });

  it("says of a message whose sender is not known that it is from somebody", async () => {
    await mail("post", "c", "one");
    await mail("post", "c", "two", "--from", "alice");
    expect((await mail("fetch", "c")).stdout).toMatch(
      / c from somebody\n {2}one\n.* c from alice\n {2}two\n/,
    );
  });

  it("ends where something listens that never answers", { timeout: 30_000 }, async () => {
    const silent = createServer((socket) => socket.on("error", () => {})).listen(0, "127.0.0.1");
    await once(silent, "listening");
    onTestFinished(() => void silent.close());
    const { port } = silent.address() as { port: number };
    const { code, stderr } = await ringbell(["mail", "ls", "--nats", `127.0.0.1:${port}`]);
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining("no server of NATS at") });
  });

  it("serves the tool ipc over it", async () => {
    const args = [MAIN, "mcp", "mailbox", "--nats", server.servers];
    const client = new Client({ name: "test", version: "1" });
    await client.connect(
      new StdioClientTransport({
        command: process.execPath,
        args,
        env: { ...(process.env as Record<string, string>), ...env },
      }),
    );
    onTestFinished(() => client.close());
    const post = { operation: "post", to: "b", message: "by a tool" };
    expect(await client.callTool({ name: "ipc", arguments: post })).toMatchObject({
      structuredContent: { posted: true },
    });
    expect((await mail("fetch", "b")).stdout).toContain("by a tool");
  });
});
