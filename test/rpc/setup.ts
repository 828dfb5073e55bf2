import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Channel, type Codec, connect, json, memoryPair, text } from "ringbell";
import { type Client, type Contract, type Handlers, open, type ServeOptions, serve } from "ringbell/rpc";
import { afterEach } from "vitest";

const disposables: { close(): Promise<unknown> }[] = [];
const directories: string[] = [];

afterEach(async () => {
  await Promise.all(disposables.splice(0).map((each) => each.close().catch(() => {})));
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
});

/** Ended after the test. */
export function ending<T extends { close(): Promise<unknown> }>(value: T): T {
  disposables.push(value);
  return value;
}

export function privateDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "ringbell-test-"));
  directories.push(directory);
  return directory;
}

export const ways = ["shm", "stream", "memory"] as const;
export type Way = (typeof ways)[number];

/** A service and a client of it, over a transport, or over a pair of ports in this process. */
export async function serving<C extends Contract>(
  way: Way,
  contract: C,
  handlers: Handlers<C, never>,
  options: ServeOptions = {},
) {
  if (way === "memory") {
    const [one, other] = memoryPair({ codec: json(), lanes: { control: { capacity: 4096 } } });
    const service = ending(await serve(contract, handlers as never, { ...options, port: one as never }));
    const client = ending(await open(contract, { port: other as never }));
    return { service, client: client as Client<C> };
  }
  const directory = privateDirectory();
  const service = ending(await serve(contract, handlers as never, { ...options, directory, transport: way }));
  const client = ending(await open(contract, { directory }));
  return { service, client: client as Client<C>, directory };
}

/** A service, and a bare port to it, on which a test writes what it likes. */
export async function raw<C extends Contract>(
  contract: C,
  handlers: Handlers<C, never>,
  options: ServeOptions = {},
) {
  const [one, other] = memoryPair({ codec: json() });
  ending(other);
  const service = ending(await serve(contract, handlers as never, { ...options, port: one as never }));
  const port = other as Channel<unknown, unknown>;
  /** Sends a message, and returns the answer. */
  const ask = async (message: unknown) => {
    await port.send(message);
    return port.receive();
  };
  return { service, port, ask };
}

/** Text that a peer of `json()` reads and writes: what a program in another language, or a hostile one, sends. */
const jsonText: Codec<string> = { ...(text() as Codec<string>), name: "json", fingerprint: "json" };

/** A service over a transport, and a channel on which a test writes any text. */
export async function wire<C extends Contract>(
  transport: "shm" | "stream",
  contract: C,
  handlers: Handlers<C, never>,
  options: ServeOptions = {},
) {
  const directory = privateDirectory();
  const service = ending(await serve(contract, handlers as never, { ...options, directory, transport }));
  const channel = ending(await connect(contract.name, { directory, codec: jsonText }));
  /** Sends a text, and returns the text that comes back. */
  const ask = async (message: string) => {
    await channel.send(message);
    return JSON.parse(await channel.receive()) as unknown;
  };
  return { service, channel, ask, directory };
}

/** Waits for what happens in another turn of the event loop. */
export async function until(holds: () => boolean) {
  while (!holds()) await sleep(1);
}
