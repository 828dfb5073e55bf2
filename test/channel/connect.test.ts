import { execFileSync } from "node:child_process";
import { mkdirSync, unlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { connect } from "../../lib/channel/connect.js";
import { listen } from "../../lib/channel/listen.js";
import { bytes } from "../../lib/codec/bytes.js";
import {
  AccessError,
  HandshakeError,
  HandshakeTimeoutError,
  LaneMismatchError,
  NotFoundError,
  SchemaMismatchError,
  TransportError,
} from "../../lib/errors.js";
import { systemClock } from "../../lib/transport/places/retry.js";
import { health } from "../../lib/transport/places/status.js";
import { scratchDirectory, withEnv } from "../transport/scratch.js";
import { Child, listenerChild } from "./children.js";

describe("connecting", () => {
  it.each([
    ["shared memory", {}, "shm"],
    ["a stream without the addon here", { RINGBELL_NO_ADDON: "1" }, "stream"],
    ["a stream by the environment", { RINGBELL_TRANSPORT: "stream" }, "stream"],
  ])("to another process goes by %s", async (_what, env, transport) => {
    const directory = scratchDirectory();
    const listener = await listenerChild("n", { directory });
    const child = new Child("connector.mjs", ["n", JSON.stringify({ directory })], env);
    expect(await child.says()).toEqual({ state: "started" });
    const said = await child.says();
    expect(said).toMatchObject({ state: "connected", transport, peer: { pid: listener.pid } });
    expect(await child.says()).toEqual({ state: "answered", message: { from: child.pid } });
    await child.exited;
  });

  it("a name that nobody listens under is a NotFoundError, at once without retry", async () => {
    const directory = scratchDirectory();
    const refused = connect("n", { directory, retry: false });
    await expect(refused).rejects.toBeInstanceOf(NotFoundError);
    await expect(refused).rejects.toMatchObject({ path: join(directory, "default", "n.sock") });
    const child = await listenerChild("n", { directory });
    await child.kill();
    await expect(connect("n", { directory, retry: false })).rejects.toThrow(/its process has ended/);
  });

  it.each(["file", "directory", "pipe"])(
    "a path where a %s lies is an error at once that says so",
    async (kind) => {
      const path = join(scratchDirectory(), "s");
      if (kind === "file") writeFileSync(path, "");
      else if (kind === "directory") mkdirSync(path);
      else execFileSync("mkfifo", [path]);
      for (const env of [{}, { RINGBELL_NO_ADDON: "1" }]) {
        const child = new Child("connector.mjs", [path], env);
        await child.says();
        expect(await child.says()).toMatchObject({
          code: "ERR_RINGBELL_SYSTEM",
          message: expect.stringContaining(`it must be a socket, and is a ${kind}`),
        });
      }
      await expect(health(path)).rejects.toMatchObject({ systemCode: "ENOTSOCK" });
      // An attempt that might succeed later would take three seconds.
      const clock = { now: () => 0, sleep: () => Promise.reject(new Error("it waits")) };
      await expect(connect(path, { retry: { clock } })).rejects.toMatchObject({ systemCode: "ENOTSOCK" });
    },
  );

  it.skipIf(process.platform !== "linux")(
    "a name whose socket was taken away says who listens, and what helps",
    async () => {
      const directory = scratchDirectory();
      for (const env of [{}, { RINGBELL_NO_ADDON: "1" }]) {
        const child = await listenerChild("n", { directory }, env);
        unlinkSync(join(directory, "default", "n.sock"));
        const refused = connect("n", { directory, retry: false });
        await expect(refused).rejects.toBeInstanceOf(NotFoundError);
        await expect(refused).rejects.toThrow(
          new RegExp(`process ${child.pid} listens, but .*server\\.rebind`),
        );
        await child.kill();
      }
    },
  );

  it("where no name was given, the error says how the name came about", async () => {
    const refused = connect(undefined, { directory: scratchDirectory(), retry: false });
    await expect(refused).rejects.toThrow(
      /default\.sock \(the name where none is given .*\): there is no such/,
    );
  });

  it("a client that starts before its listener gets through (S2.5)", async () => {
    const directory = scratchDirectory();
    const child = new Child("connector.mjs", ["n", JSON.stringify({ directory })]);
    await child.says();
    await using server = await listen("n", { directory });
    server.on("connection", (channel) => void channel.receive().then((message) => channel.send(message)));
    expect(await child.says()).toMatchObject({ state: "connected", peer: { pid: process.pid } });
    await child.exited;
    await server.close();
  });

  it("tries again as the options say, by their clock and their chance (S0.29)", async () => {
    const directory = scratchDirectory();
    const slept: number[] = [];
    let time = 0;
    const clock = {
      now: () => time,
      sleep: async (delay: number) => {
        slept.push(delay);
        time += delay;
      },
    };
    const retry = { attempts: 5, minDelay: 100, maxDelay: 300, random: () => 0.5, clock };
    await expect(connect("n", { directory, retry })).rejects.toBeInstanceOf(NotFoundError);
    expect(slept).toEqual([50, 100, 150, 150]);
  });

  it("does not try again what waiting does not mend", async () => {
    const directory = scratchDirectory();
    await using server = await listen("n", { directory, codec: bytes() });
    const retry = {
      clock: {
        ...systemClock,
        sleep: () => Promise.reject(new Error("it waits")),
      },
    };
    await expect(connect("n", { directory, retry })).rejects.toBeInstanceOf(SchemaMismatchError);
    const wrong = connect("n", { directory, retry, codec: bytes(), lanes: { nope: {} } });
    await expect(wrong).rejects.toBeInstanceOf(LaneMismatchError);
    const other = connect("n", { directory, retry, codec: bytes(), authorize: () => false });
    await expect(other).rejects.toMatchObject({ code: "ERR_RINGBELL_REFUSED" });
    await server.close();
  });

  it("gives up when the signal is aborted: before, while it waits, and in the handshake", async () => {
    const directory = scratchDirectory();
    const reason = new Error("enough");
    const before = connect("n", { directory, signal: AbortSignal.abort(reason) });
    await expect(before).rejects.toBe(reason);
    const controller = new AbortController();
    const waiting = connect("n", {
      directory,
      signal: controller.signal,
      retry: { minDelay: 1e6, maxDelay: 1e6, maxTotal: 1e7, random: () => 0.9 },
    });
    setImmediate(() => controller.abort(reason));
    await expect(waiting).rejects.toBe(reason);

    const path = join(directory, "silent");
    const server = createServer((socket) => socket.on("error", () => {})).listen(path);
    onTestFinished(() => void server.close());
    await new Promise((resolve) => server.once("listening", resolve));
    const second = new AbortController();
    server.once("connection", () => second.abort(reason));
    await expect(connect(path, { signal: second.signal })).rejects.toBe(reason);
  });

  it("to what is no listener of ours is an error within the time limit", async () => {
    const path = join(scratchDirectory(), "s");
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", () => socket.end(answer));
    }).listen(path);
    onTestFinished(() => void server.close());
    await new Promise((resolve) => server.once("listening", resolve));
    let answer = "HTTP/1.1 400 Bad Request\r\n\r\n";
    await expect(connect(path, { retry: false })).rejects.toBeInstanceOf(HandshakeError);
    answer = "";
    await expect(connect(path, { retry: false })).rejects.toThrow(/hung up/);
    server.removeAllListeners("connection");
    server.on("connection", (socket) => void socket.on("error", () => {}).resume());
    await expect(connect(path, { handshakeTimeout: 50 })).rejects.toBeInstanceOf(HandshakeTimeoutError);
  });

  it("asks for what can't be had here: a TransportError without any connection", async () => {
    const directory = scratchDirectory();
    const child = new Child("connector.mjs", ["n", JSON.stringify({ directory, transport: "shm" })], {
      RINGBELL_NO_ADDON: "1",
    });
    await child.says();
    expect(await child.says()).toMatchObject({ code: "ERR_RINGBELL_TRANSPORT" });
    if (process.platform !== "linux") {
      await expect(connect("n", { backing: "sealed" })).rejects.toBeInstanceOf(TransportError);
    }
  });

  it("refuses a directory that is not safe, without looking into it", async () => {
    const runtime = scratchDirectory();
    mkdirSync(join(runtime, "ringbell"), { mode: 0o755 });
    withEnv({ XDG_RUNTIME_DIR: runtime, RINGBELL_DIRECTORY: undefined });
    await expect(connect("n")).rejects.toBeInstanceOf(AccessError);
  });
});

describe("the environment (S1.21)", () => {
  it("of a child says where its parent listens, without any name", async () => {
    const directory = scratchDirectory();
    await using server = await listen("n", { directory });
    server.on("connection", (channel) => void channel.receive().then((message) => channel.send(message)));
    const child = new Child("connector.mjs", [], { RINGBELL_ENDPOINT: server.path });
    await child.says();
    expect(await child.says()).toMatchObject({ state: "connected", peer: { pid: process.pid } });
    expect(await child.says()).toEqual({ state: "answered", message: { from: child.pid } });
    await child.exited;
    await server.close();
  });

  it("gives way to an explicit name, and goes before the default (S1.23)", async () => {
    const directory = scratchDirectory();
    const names = ["explicit", "environment", "default"];
    const servers = await Promise.all(names.map((name) => listen(name, { directory, role: name })));
    withEnv({ RINGBELL_DIRECTORY: directory, RINGBELL_ENDPOINT: "environment" });
    const reached = async (name?: string) => {
      await using channel = await connect(name, { retry: false });
      return channel.peer.role;
    };
    expect(await reached("explicit")).toBe("explicit");
    expect(await reached()).toBe("environment");
    withEnv({ RINGBELL_ENDPOINT: undefined });
    expect(await reached()).toBe("default");
    expect(await reached("explicit")).toBe("explicit");
    await Promise.all(servers.map((server) => server.close()));
  });

  it("an endpoint made for one group of processes leaves nothing on disk (S2.3)", async () => {
    const directory = scratchDirectory();
    for (const group of ["one", "two"]) {
      await using server = await listen("host", { directory, namespace: group });
      await using runner = await connect("host", { directory, namespace: group, role: "runner" });
      await using tools = await connect("host", { directory, namespace: group, role: "tools" });
      expect([...server.channels].map((channel) => channel.peer.role).sort()).toEqual(["runner", "tools"]);
      await Promise.all([runner.close(), tools.close()]);
    }
    const { readdirSync } = await import("node:fs");
    expect(readdirSync(directory)).toEqual([]);
  });
});
