import { readdirSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { Binding } from "../../../lib/native/binding.js";
import { loadBinding } from "../../../lib/native/load.js";
import type { Connection, LaneHandler } from "../../../lib/transport/contract.js";
import { type ConnectorSettings, introduce } from "../../../lib/transport/handshake/connector.js";
import type { CodecIdentities } from "../../../lib/transport/handshake/greetings.js";
import type { Joined } from "../../../lib/transport/handshake/joining.js";
import { acceptPeer, type ListenerSettings } from "../../../lib/transport/handshake/listener.js";
import type { LaneOffer } from "../../../lib/transport/handshake/negotiate.js";
import { SENT } from "../../../lib/transport/records/send-status.js";
import { connectNative, wrapNative } from "../../../lib/transport/wire/addon-wire.js";
import { connectNet, wrapNet } from "../../../lib/transport/wire/net-wire.js";
import type { Wire } from "../../../lib/transport/wire/wire.js";
import { scratchDirectory } from "../scratch.js";

export const binding = loadBinding();

/** The addon, with some of its functions replaced. */
export function bindingWith(changes: Partial<Binding>): Binding {
  return new Proxy(binding, {
    get: (target, key) => (changes as Record<string | symbol, unknown>)[key] ?? Reflect.get(target, key),
  });
}

export const JSON_CODEC: CodecIdentities = {
  send: { name: "json", fingerprint: "json", schema: undefined },
  receive: { name: "json", fingerprint: "json", schema: undefined },
};

const COMMON = {
  binding,
  transport: "auto",
  backing: undefined,
  spin: 0,
  authorize: undefined,
  role: undefined,
  bulkBytes: 1 << 20,
  timeout: 5000,
} as const;

/** Settings of a listener; `lanes` are for peers of all roles. */
export type Listens = Partial<ListenerSettings> & { readonly lanes?: readonly LaneOffer[] };

export function listenerSettings({ lanes, ...more }: Listens = {}): ListenerSettings {
  const other = lanes ?? [{ name: "main", capacity: 65536, codecs: [JSON_CODEC] }];
  return {
    ...COMMON,
    offers: { roles: new Map(), other },
    tap: false,
    show: () => {
      throw new Error("nothing is shown here");
    },
    status: () => ({ pid: process.pid, channels: [] }),
    ...more,
  };
}

export function connectorSettings(more: Partial<ConnectorSettings> = {}): ConnectorSettings {
  return { ...COMMON, codec: JSON_CODEC, capacity: undefined, lanes: undefined, signal: undefined, ...more };
}

/** Two wires that are joined: the listener's end and the connector's. */
export async function wirePair(native = true): Promise<[listener: Wire, connector: Wire]> {
  const path = join(scratchDirectory(), "s");
  const pair: [Wire, Wire] = native ? nativePair(path) : await netPair(path);
  onTestFinished(() => {
    for (const wire of pair) wire.destroy();
  });
  return pair;
}

function nativePair(path: string): [Wire, Wire] {
  const listening = binding.socketListen(path, 0o600, 8);
  const connector = connectNative(binding, path);
  const listener = wrapNative(binding, binding.socketAccept(listening));
  binding.closeDescriptor(listening);
  return [listener, connector];
}

async function netPair(path: string): Promise<[Wire, Wire]> {
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }).listen(path);
  const accepted = new Promise<Wire>((resolve) => {
    server.once("connection", (socket) => resolve(wrapNet(socket)));
  });
  const connector = await connectNet(path);
  const listener = await accepted;
  server.close();
  return [listener, connector];
}

/** Both halves of a handshake over the wires. Connections are closed when the test ends. */
export async function shake(
  [listener, connector]: readonly [Wire, Wire],
  listens: Listens = {},
  connects: Partial<ConnectorSettings> = {},
): Promise<[PromiseSettledResult<Joined | undefined>, PromiseSettledResult<Joined>]> {
  const results = await Promise.allSettled([
    acceptPeer(listener, "id-1", listenerSettings(listens)),
    introduce(connector, connectorSettings(connects)),
  ]);
  for (const result of results) {
    if (result.status !== "fulfilled" || result.value === undefined) continue;
    const { connection } = result.value;
    onTestFinished(() => connection.close());
  }
  return results;
}

/** As `shake`, where both sides are to succeed. */
export async function join2(
  wires: readonly [Wire, Wire],
  listens: Listens = {},
  connects: Partial<ConnectorSettings> = {},
): Promise<[Joined, Joined]> {
  const [ours, theirs] = await shake(wires, listens, connects);
  if (ours.status === "rejected") throw ours.reason;
  if (theirs.status === "rejected") throw theirs.reason;
  return [ours.value!, theirs.value];
}

/** As `shake`, where both sides are to fail; their errors. */
export async function quarrel(
  wires: readonly [Wire, Wire],
  listens: Listens = {},
  connects: Partial<ConnectorSettings> = {},
): Promise<[Error, Error]> {
  const [ours, theirs] = await shake(wires, listens, connects);
  if (ours.status === "fulfilled" || theirs.status === "fulfilled") {
    throw new Error(`expected both to fail: listener ${ours.status}, connector ${theirs.status}`);
  }
  return [ours.reason, theirs.reason];
}

const QUIET: LaneHandler = { onRecords() {}, onRoom() {}, onTaken() {} };

/** Sends one record over the main lane of one connection and returns what arrives at the other. */
export async function passRecord(from: Connection, to: Connection, text: string): Promise<string> {
  const arrived = new Promise<string>((resolve, reject) => {
    const inbox = to.lanes[0]!;
    const onRecords = (): undefined => {
      const { records } = inbox;
      records.next();
      resolve(records.scratch.buffer.toString("utf8", records.at, records.at + records.bytes));
    };
    const handler = ({ ending }: Connection) => ({
      onEnd: () => reject(ending.error),
      onMemory: () => {},
    });
    to.start(
      handler(to),
      to.lanes.map(() => ({ ...QUIET, onRecords })),
    );
    from.start(
      handler(from),
      from.lanes.map(() => QUIET),
    );
    inbox.wantRecords(true);
  });
  const lane = from.lanes[0]!;
  const bytes = lane.place.scratch.buffer.write(text, lane.place.at);
  if (lane.send(bytes) !== SENT) throw new Error("no room");
  return arrived;
}

/** What the other side says until it hangs up, as text. */
export function hearAll(wire: Wire): Promise<string> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const done = () => resolve(Buffer.concat(chunks).toString());
    wire.setHandler({ onData: (chunk) => chunks.push(Buffer.from(chunk)), onDrain() {}, onEnd: done });
  });
}

/** How many descriptors this process has open. */
export function openDescriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

/** Regions of ours that have a name. */
export function namedRegions(): string[] {
  return readdirSync("/dev/shm").filter((file) => file.startsWith(`ringbell-${process.pid.toString(36)}-`));
}
