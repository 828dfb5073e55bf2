import { execFileSync, spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { attach } from "ringbell/browser";
import { describe, expect, it, onTestFinished } from "vitest";
import { WebSocket } from "ws";
import { children } from "../cleanup.js";
import { privateDirectory, until } from "../session/setup.js";
import { bridged, Raw, TOKENS } from "./setup.js";

const HOST = "10.203.117.1";
const GUEST = "10.203.117.2";

/** Runs a command, and returns what was wrong; an empty text if nothing was. */
const tried = (command: string) => {
  const [program, ...args] = command.split(" ");
  const { status, stderr, error } = spawnSync(program!, args, { encoding: "utf8" });
  return status === 0 ? "" : `${command}: ${error?.message ?? stderr.trim()}`;
};

/**
 * Another network beside this one, joined by a pair of virtual cards. While it is `silent`, frames go to a card that nobody has: packets are lost
 * in both directions, and no end is told that.
 */
function network() {
  const name = `ringbell-${process.pid}`;
  const [here, there] = [`rb0-${process.pid}`, `rb1-${process.pid}`];
  const run = (command: string) => {
    const wrong = tried(command);
    if (wrong !== "") throw new Error(wrong);
  };
  run(`ip netns add ${name}`);
  onTestFinished(() => {
    tried(`ip link del ${here}`);
    tried(`ip netns del ${name}`);
  });
  run(`ip link add ${here} type veth peer name ${there} netns ${name}`);
  run(`ip addr add ${HOST}/30 dev ${here}`);
  run(`ip link set ${here} up`);
  run(`ip -n ${name} addr add ${GUEST}/30 dev ${there}`);
  run(`ip -n ${name} link set ${there} up`);
  const nobody = "lladdr 02:00:00:00:00:01 nud permanent";
  return {
    name,
    setSilent(isSilent: boolean) {
      run(isSilent ? `ip neigh replace ${GUEST} dev ${here} ${nobody}` : `ip neigh del ${GUEST} dev ${here}`);
      run(
        isSilent
          ? `ip -n ${name} neigh replace ${HOST} dev ${there} ${nobody}`
          : `ip -n ${name} neigh del ${HOST} dev ${there}`,
      );
    },
  };
}

/** Why there can be no such network here; undefined if there can. */
function obstacle(): string | undefined {
  if (process.platform !== "linux") return "there are network namespaces on Linux only";
  if (process.getuid?.() !== 0) return "it needs root, for a network namespace";
  const name = `ringbell-try-${process.pid}`;
  const wrong = tried(`ip netns add ${name}`) || tried("openssl version");
  tried(`ip netns del ${name}`);
  return wrong === "" ? undefined : `no network namespace, or no certificate, can be made: ${wrong}`;
}

describe("a link whose packets are lost", () => {
  it("is noticed by both ends though neither hears of it; the client takes over from its old connection (S4.42, S4.15)", async ({
    skip,
  }) => {
    const why = obstacle();
    if (why !== undefined) skip(why);
    const directory = privateDirectory();
    const file = (name: string) => join(directory, name);
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"];
    const out = ["-subj", "/CN=bridge", "-keyout", file("key.pem"), "-out", file("cert.pem")];
    execFileSync("openssl", ["req", "-x509", ...key, ...out], { stdio: "ignore" });
    const tls = { key: readFileSync(file("key.pem")), cert: readFileSync(file("cert.pem")) };
    const net = network();
    const { session, bridge } = await bridged<string>(
      {},
      { host: HOST, tls, heartbeat: { interval: 200, timeout: 800 } },
    );
    const good = await Raw.open(bridge.url, { rejectUnauthorized: false });
    await good.attach({ client: "good" });
    const page = guest(net.name, bridge.url);
    await until(() =>
      [...bridge.clients].some(({ client, roundTrip }) => client === "boss/guest" && roundTrip),
    );
    const lost = [...bridge.clients].find(({ client }) => client === "boss/guest")!;
    expect(lost.address).toBe(GUEST);

    net.setSilent(true);
    const since = performance.now();
    // 2 MB, which wait in the session's log and nowhere else.
    for (let n = 1; n <= 200; n++) session.append("x".repeat(10_000));
    await until(() => lost.state === "silent");
    expect(lost.unacknowledged).toBeLessThanOrEqual(65_536);
    await until(() => !bridge.clients.has(lost));
    // The bound is the time-out and two looks at the clock; a busy machine takes longer.
    expect(performance.now() - since).toBeLessThan(5000);
    await until(() => page.reports.includes("reconnecting"));
    await until(() => good.messages.filter(({ method }) => method === "item").length > 0);

    net.setSilent(false);
    session.append("last");
    await until(() => page.reports.at(-1) === "item 201");
    expect(page.reports.filter((line) => line.startsWith("item"))).toEqual(
      Array.from({ length: 201 }, (_, n) => `item ${n + 1}`),
    );
  });

  it("that falls silent in the handshake holds an attempt for its time, and not for ever", async () => {
    const sockets = new Set<{ destroy(): void }>();
    const server = createServer((socket) => sockets.add(socket));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    const { port } = server.address() as { port: number };
    const options = {
      url: `ws://127.0.0.1:${port}/ringbell`,
      token: TOKENS.boss,
      WebSocket: WebSocket as never,
    };
    const since = performance.now();
    await expect(attach({ ...options, connectTimeout: 150, reconnectFor: 250, maxDelay: 1 })).rejects.toThrow(
      "was not reached",
    );
    // Two attempts: the first one by a WebSocket, the second one stopped when it asks whether the bridge is there.
    expect(sockets.size).toBe(2);
    expect(performance.now() - since).toBeGreaterThan(290);
  });
});

/** A program in the other network that is attached to the bridge. It reports what it gets. */
function guest(name: string, url: string) {
  const module = (path: string) => JSON.stringify(new URL(`../../${path}`, import.meta.url).href);
  const code = `
    import { attach } from ${module("dist/browser/index.js")};
    import { WebSocket } from ${module("node_modules/ws/wrapper.mjs")};
    class Trusting extends WebSocket { constructor(url, protocols) { super(url, protocols, { rejectUnauthorized: false }); } }
    const options = { url: ${JSON.stringify(url)}, token: ${JSON.stringify(TOKENS.boss)}, client: "guest", from: "live" };
    const page = await attach({ ...options, WebSocket: Trusting, maxDelay: 50, connectTimeout: 500 });
    page.on("connection", (state) => console.log(state));
    for await (const item of page) console.log("item " + item.sequence);
  `;
  const args = ["netns", "exec", name, process.execPath, "--input-type=module", "-e", code];
  const env = { ...process.env, NODE_TLS_REJECT_UNAUTHORIZED: "0" };
  const child = spawn("ip", args, { env, stdio: ["ignore", "pipe", "ignore"] });
  children.push(child);
  let output = "";
  child.stdout.on("data", (data: Buffer) => {
    output += data.toString();
  });
  return {
    get reports() {
      return output.split("\n").slice(0, -1);
    },
  };
}
