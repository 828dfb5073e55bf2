import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Channel,
  type ConnectOptions,
  connect,
  type ListenOptions,
  listen,
  type Server,
} from "ringbell";
import { afterEach, expect } from "vitest";

/** What the tests of a file have opened; ended after each of them. */
const servers: { close(): Promise<void> }[] = [];
const channels: Channel<unknown, unknown>[] = [];
const children: ChildProcess[] = [];
const directories: string[] = [];

export type TransportName = "shm" | "stream";
export const transports: readonly TransportName[] = ["shm", "stream"];

afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  const open = channels.splice(0);
  const rescues = open.map((channel) => channel.stats().rescues);
  for (const channel of open) channel.destroy();
  await Promise.all(servers.splice(0).map((server) => server.close()));
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
  // The watchdog is on in the tests: what it finds was a lost wake-up.
  expect(rescues.filter((count) => count > 0)).toEqual([]);
});

export function privateDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "ringbell-test-"));
  directories.push(directory);
  return directory;
}

export interface Pair<Send, Receive> {
  readonly server: Server<Channel<Send, Receive>>;
  /** The listener's end. */
  readonly a: Channel<Send, Receive>;
  /** The connector's end. */
  readonly b: Channel<Send, Receive>;
}

/** Both ends of a channel in this process. */
export async function pair<Send = unknown, Receive = Send>(
  transport: TransportName,
  options: ListenOptions<Send, Receive> = {},
  connectOptions: ConnectOptions<Send, Receive> = {},
): Promise<Pair<Send, Receive>> {
  const directory = privateDirectory();
  const server = await listen<Send, Receive>("pair", { transport, directory, ...options });
  servers.push(server);
  const { codec } = options;
  const b = await connect<Send, Receive>("pair", { directory, codec, ...connectOptions });
  const a = await first(server);
  channels.push(a as never, b as never);
  expect(a.transport).toBe(transport);
  return { server, a, b };
}

export async function first<Send, Receive>(
  server: Server<Channel<Send, Receive>>,
): Promise<Channel<Send, Receive>> {
  for await (const channel of server) return channel;
  throw new Error("the server closed");
}

/** The module of the library that children import. */
const BUILT = new URL("../../dist/index.js", import.meta.url);

export interface Peer {
  readonly child: ChildProcess;
  readonly server: Server;
  /** Our end of the channel to the child. */
  readonly channel: Channel<unknown, unknown>;
  /** What the child wrote to stdout and stderr, when it has ended. */
  readonly ended: Promise<{ code: number | null; signal: string | null; output: string }>;
}

/**
 * A channel to a child process that runs `code`, an async function body with `channel`, `ringbell` (the module) and
 * `report(text)` in scope. The child uses dist/, unless `module` says otherwise. `codec`: its codec, an expression.
 */
export async function peer(
  transport: TransportName,
  code: string,
  options: ListenOptions<unknown, unknown> = {},
  environment: Record<string, string> = {},
  codec = "ringbell.json()",
  module = BUILT,
): Promise<Peer> {
  const directory = privateDirectory();
  const server = await listen("peer", { transport, directory, ...options });
  servers.push(server);
  const { child, ended } = script(
    `const channel = await ringbell.connect("peer", { directory: ${JSON.stringify(directory)}, codec: ${codec} });\n${code}`,
    environment,
    [],
    module,
  );
  const connected = first(server);
  const channel = await Promise.race([
    connected,
    ended.then(({ output }) => {
      throw new Error(`the child ended early: ${output}`);
    }),
  ]);
  channels.push(channel);
  return { child, server, channel, ended };
}

/** A process that runs `code` with `ringbell` and `report` in scope. */
export function script(
  code: string,
  environment: Record<string, string> = {},
  nodeOptions: readonly string[] = [],
  module = BUILT,
) {
  const source = `import * as ringbell from ${JSON.stringify(module.href)};
const report = (text) => process.stdout.write(text + "\\n");
${code}`;
  const child = spawn(process.execPath, [...nodeOptions, "--input-type=module", "-e", source], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...environment },
  });
  children.push(child);
  let output = "";
  child.stdout!.setEncoding("utf8").on("data", (text: string) => {
    output += text;
    child.emit("report", text);
  });
  child.stderr!.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  const ended = once(child, "close").then(([code, signal]) => ({
    code: code as number | null,
    signal: signal as string | null,
    output,
  }));
  return { child, ended };
}

/** Waits until the child has reported something. */
export async function reported(child: ChildProcess): Promise<string> {
  const [text] = (await once(child, "report")) as [string];
  return text.trim();
}

/** Receives `count` messages by a listener, and takes it away again. */
export function collect<T>(channel: Channel<unknown, T>, count: number): Promise<T[]> {
  return new Promise((resolve) => {
    const messages: T[] = [];
    const onMessage = (message: T) => {
      messages.push(message);
      if (messages.length < count) return;
      channel.off("message", onMessage);
      resolve(messages);
    };
    channel.on("message", onMessage);
  });
}

/** Sends texts, long ones first, until there is no room for any; returns how many went. */
export function fill(channel: { trySend(message: never): boolean }): number {
  let sent = 0;
  for (const length of [1000, 100, 10, 0]) {
    while (channel.trySend("x".repeat(length) as never)) sent++;
  }
  return sent;
}

/** Programs of a peer that takes whatever comes, as fast as it can: without its event loop, or by it. */
export const TAKES_ALL_BLOCKING = "for (;;) channel.receiveManySync(10000, { timeout: 1000 });";
export const TAKES_ALL = `channel.on("message", () => {});`;
