import { type IpcToolOptions, ipcTool } from "ringbell/mailbox";
import { describe, expect, it, onTestFinished } from "vitest";
import { scratchDirectory } from "../transport/scratch.js";
import { opened } from "./setup.js";

function tool(options: IpcToolOptions = {}) {
  const one = ipcTool({ store: "memory", directory: scratchDirectory(), ...options });
  onTestFinished(() => one.close());
  const call = (operation: string, args: object = {}, context = {}) =>
    one.callTool("ipc", { operation, ...args }, context);
  return { one, call };
}

describe("the tool ipc", () => {
  it("is one tool with nine operations, of which one is required (S3.16)", () => {
    const { one } = tool();
    expect(one.tools).toHaveLength(1);
    const [{ name, inputSchema }] = one.tools as [(typeof one.tools)[0]];
    expect(name).toBe("ipc");
    expect(inputSchema.required).toEqual(["operation"]);
    expect(inputSchema.properties.operation?.enum).toEqual([
      ...["send", "receive", "ping", "broker_start", "broker_stop", "post", "fetch", "wait", "broker_status"],
    ]);
    expect(Object.keys(inputSchema.properties).sort()).toEqual(
      ["operation", "host", "port", "message", "timeout", "bind", "to", "from", "mailbox"].sort(),
    );
    expect(one.operationTools.map((each) => each.name)).toContain("ipc_post");
  });

  it("posts, waits, fetches, and tells how much is queued", async () => {
    const { call } = tool();
    expect((await call("broker_start")).structuredContent).toMatchObject({
      role: "broker",
      broker_pid: process.pid,
    });
    const posted = await call("post", { to: "b", from: "a", message: "hello" });
    expect(posted.structuredContent).toMatchObject({ posted: true, readers: "never" });
    await call("post", { to: "b", message: "again", timeout: null, bind: "" });
    expect((await call("broker_status")).structuredContent).toMatchObject({ mailboxes: { b: 2 } });
    const waited = await call("wait", { mailbox: "b" });
    expect(waited.structuredContent).toMatchObject({ message: { from: "a", message: "hello" } });
    expect(JSON.parse(waited.content[0]!.text)).toEqual(waited.structuredContent);
    expect((await call("fetch", { mailbox: "b" })).structuredContent).toMatchObject({
      messages: [{ message: "again" }],
    });
    expect((await call("fetch", { mailbox: "b" })).structuredContent).toEqual({ messages: [] });
    expect((await call("wait", { mailbox: "b", timeout: 0.01 })).structuredContent).toEqual({
      timeout: true,
    });
    expect((await call("broker_stop")).structuredContent).toEqual({ stopped: true, handed_over: false });
  });

  it("sends, receives and pings without a broker", async () => {
    const { call } = tool();
    const receiving = call("receive", { mailbox: "bob" });
    expect((await call("ping", { host: "bob" })).structuredContent.milliseconds).toBeGreaterThan(0);
    expect((await call("send", { to: "bob", message: "hi", from: "al" })).structuredContent).toEqual({
      sent: true,
    });
    expect((await receiving).structuredContent).toEqual({ message: { from: "al", message: "hi" } });
  });

  it("has each operation as a tool of its own, too", async () => {
    const { one } = tool();
    await one.callTool("ipc_post", { to: "b", message: "x" });
    expect((await one.callTool("ipc_fetch", { mailbox: "b" })).structuredContent).toMatchObject({
      messages: [{ message: "x" }],
    });
    expect((await one.callTool("ipc_fetch", { mailbox: "b", bind: "::" })).isError).toBe(true);
  });

  it("says what is wrong as a result, not as an error of the protocol", async () => {
    const { one, call } = tool();
    for (const result of [
      await call("posst"),
      await call("post", { to: "b" }),
      await call("post", { to: "b", message: "x".repeat(1_000_001) }),
      await call("wait", { mailbox: "b", timeout: 301 }),
      await call("wait", { mailbox: 5 }),
      await one.callTool("ipc", { operation: "wait", box: "b" }),
      await one.callTool("ipc", undefined),
      await call("receive", { port: 0, bind: "0.0.0.0" }),
    ]) {
      expect(result.isError).toBe(true);
      expect(result.structuredContent.error).toEqual(expect.any(String));
    }
  });

  it("tells progress while it waits, so that a client does not give up (S3.26)", async () => {
    const { call } = tool({ progressEvery: 10, patience: 1 });
    const told: number[] = [];
    let posted: Promise<unknown> | undefined;
    const progress = (elapsed: number, total: number) => {
      told.push(elapsed);
      expect(total).toBe(300);
      if (told.length === 3) posted = call("post", { to: "b", message: "x" });
    };
    const result = await call("wait", { mailbox: "b", timeout: 300 }, { progress });
    await posted;
    expect(result.structuredContent).toMatchObject({ message: { message: "x" } });
    expect(told).toEqual([...told].sort((a, b) => a - b));
  });

  it("returns early with a continuation where nobody hears of progress, and loses nothing (S3.26)", async () => {
    const { call } = tool({ patience: 10 });
    const early = await call("wait", { mailbox: "b", timeout: 300 });
    expect(early.structuredContent).toMatchObject({
      waiting: true,
      continuation: { operation: "wait", mailbox: "b", timeout: 300 },
    });
    await call("post", { to: "b", message: "x" });
    const again = await call("wait", early.structuredContent.continuation as object);
    expect(again.structuredContent).toMatchObject({ message: { message: "x" } });
  });

  it("takes a cancelled wait back: the next one gets the message", async () => {
    const { call } = tool();
    const stop = new AbortController();
    const waiting = call("wait", { mailbox: "b", timeout: 300 }, { signal: stop.signal, progress: () => {} });
    await call("broker_status");
    stop.abort(new Error("cancelled by the client"));
    expect(await waiting).toMatchObject({ isError: true });
    await call("post", { to: "b", message: "x" });
    expect((await call("wait", { mailbox: "b" })).structuredContent).toMatchObject({
      message: { message: "x" },
    });
  });

  it("tells brokers apart by their ports, and joins one that a program has", async () => {
    const directory = scratchDirectory();
    const mail = await opened({ directory });
    const { call } = tool({ directory });
    expect((await call("broker_start")).structuredContent).toMatchObject({
      broker_pid: process.pid,
      role: "client",
    });
    await call("post", { to: "b", message: "one", port: 19901 });
    await call("post", { to: "b", message: "other", port: 4000 });
    expect((await mail.fetch("b")).map(({ body }) => body)).toEqual(["one"]);
    expect((await call("broker_stop")).structuredContent).toMatchObject({ code: "ERR_RINGBELL_NOT_BROKER" });
  });
});
