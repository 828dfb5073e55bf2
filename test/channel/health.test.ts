import { execFileSync } from "node:child_process";
import { connect as connectSocket } from "node:net";
import { createInterface } from "node:readline";
import { describe, expect, it, onTestFinished } from "vitest";
import { connect } from "../../lib/channel/connect.js";
import { listen } from "../../lib/channel/listen.js";
import { endpoints, health } from "../../lib/transport/places/status.js";
import { scratchDirectory } from "../transport/scratch.js";
import { listenerChild } from "./children.js";

describe("asking an endpoint how it is (S0.30)", () => {
  it.each([
    ["with the addon", {}],
    ["without the addon", { RINGBELL_NO_ADDON: "1" }],
  ])("tells healthy, blocked and dead apart, within the deadline, %s", async (_what, env) => {
    const directory = scratchDirectory();
    const healthy = await listenerChild("healthy", { directory, role: "host" }, env);
    const blocked = await listenerChild("blocked", { directory }, env);
    const stopped = await listenerChild("stopped", { directory }, env);
    const dead = await listenerChild("dead", { directory }, env);
    blocked.tell("block");
    await blocked.says();
    stopped.process.kill("SIGSTOP");
    await dead.kill();
    const begun = performance.now();
    const infos = await endpoints({ directory, timeout: 300 });
    expect(performance.now() - begun).toBeLessThan(5000);
    expect(infos.map(({ name, state, pid }) => [name, state, pid])).toEqual([
      ["blocked", "blocked", blocked.pid],
      ["dead", "dead", dead.pid],
      ["healthy", "healthy", healthy.pid],
      ["stopped", "blocked", stopped.pid],
    ]);
    expect(infos[2]!.status).toMatchObject({
      name: "healthy",
      pid: healthy.pid,
      role: "host",
      version: 3,
      channels: [],
    });
    expect(await health("healthy", { directory })).toMatchObject({ state: "healthy", namespace: "default" });
    expect(await health("never", { directory })).toMatchObject({ state: "dead", pid: undefined });
  });

  it("several instances of a service are listed, and each can be addressed (S1.33)", async () => {
    const directory = scratchDirectory();
    const names = ["api.1", "api.2", "api.3"];
    const servers = await Promise.all(names.map((name) => listen(name, { directory })));
    onTestFinished(async () => {
      await Promise.all(servers.map((server) => server.close()));
    });
    const infos = await endpoints({ directory });
    expect(infos.map(({ name }) => name)).toEqual(names);
    for (const { path, name } of infos) {
      await using channel = await connect(path, { retry: false });
      expect(servers.find((server) => server.name === name)!.channels.size).toBe(1);
      await channel.close();
    }
  });

  it("one line of text asks, one line of JSON answers, with the channels and how full they are (S1.8)", async () => {
    const directory = scratchDirectory();
    await using server = await listen("n", { directory, role: "host" });
    await using channel = await connect("n", { directory, role: "agent", retry: false });
    await channel.send({ some: "message" });
    const socket = connectSocket(server.path);
    socket.write("status\n");
    const lines: string[] = [];
    for await (const line of createInterface({ input: socket })) lines.push(line);
    expect(lines.length).toBe(1);
    const status = JSON.parse(lines[0]!) as { channels: { peer: object; stats: { lanes: object[] } }[] };
    expect(status).toMatchObject({ name: "n", pid: process.pid, role: "host", version: 3 });
    expect(status.channels[0]!.peer).toMatchObject({ role: "agent", pid: process.pid });
    expect(status.channels[0]!.stats.lanes[0]).toMatchObject({ name: "main" });
    await server.close();
  });

  it("needs no more than a shell", async () => {
    const directory = scratchDirectory();
    await listenerChild("n", { directory });
    const { path } = await health("n", { directory });
    const code = `const s = require("net").connect(${JSON.stringify(path)}); s.end("status\\n"); s.pipe(process.stdout)`;
    const answer = JSON.parse(execFileSync(process.execPath, ["-e", code]).toString()) as { name: string };
    expect(answer.name).toBe("n");
  });

  it("is not answered to a web browser", async () => {
    const directory = scratchDirectory();
    await using server = await listen("n", { directory });
    const socket = connectSocket(server.path);
    socket.write("GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let answer = "";
    for await (const chunk of socket) answer += String(chunk);
    expect(answer).not.toContain('"channels"');
    await server.close();
  });

  it("refuses a deadline that can't be", async () => {
    await expect(health("n", { timeout: 0 })).rejects.toThrow(/options\.timeout/);
    await expect(endpoints({ timeout: Number.NaN })).rejects.toThrow(/options\.timeout/);
  });
});
