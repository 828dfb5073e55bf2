import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Binding } from "../../../lib/native/binding.js";
import { connectNative, wrapNative } from "../../../lib/transport/wire/addon-wire.js";
import { connectNet, wrapNet } from "../../../lib/transport/wire/net-wire.js";
import type { Wire, WireHandler } from "../../../lib/transport/wire/wire.js";
import { Signal } from "../contract/harness.js";

/** Two wires that are each other's peer: [the one that was accepted, the one that connected]. */
export type WirePair = readonly [Wire, Wire];

/** Waits for one connection at `path`, over node:net. */
export async function acceptNet(path: string): Promise<() => Promise<Socket>> {
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true });
  const accepted = once(server, "connection") as Promise<[Socket]>;
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return async () => {
    const [socket] = await accepted;
    server.close();
    return socket;
  };
}

export function inDirectory<T>(action: (path: string) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), "wire-"));
  return action(join(directory, "socket")).finally(() => rmSync(directory, { recursive: true }));
}

export function netPair(): Promise<WirePair> {
  return inDirectory(async (path) => {
    const accept = await acceptNet(path);
    const connected = await connectNet(path);
    return [wrapNet(await accept()), connected];
  });
}

/** A wire and the plain socket at its other end, to say what no wire would. */
export function rawPair(wire: "net" | Binding): Promise<readonly [Wire, Socket]> {
  return inDirectory(async (path) => {
    const accept = await acceptNet(path);
    const connected = wire === "net" ? await connectNet(path) : connectNative(wire, path);
    return [connected, await accept()];
  });
}

/** Waits for one connection at `path`, over the addon. */
export function acceptNative(binding: Binding, path: string): () => Promise<Wire> {
  const listening = binding.socketListen(path, 0o600, 5);
  return () =>
    new Promise((resolve) => {
      const watcher = binding.watch(listening, () => {
        const descriptor = binding.socketAccept(listening);
        if (descriptor === -1) return;
        watcher.close();
        binding.closeDescriptor(listening);
        resolve(wrapNative(binding, descriptor));
      });
      watcher.set(true, false);
    });
}

export function nativePair(binding: Binding): Promise<WirePair> {
  return inDirectory(async (path) => {
    const accept = acceptNative(binding, path);
    const connected = connectNative(binding, path);
    return [await accept(), connected];
  });
}

/** A wire's handler that keeps all that it is told. */
export class WireLog implements WireHandler {
  readonly wire: Wire;
  readonly signal = new Signal();
  readonly #parts: Buffer[] = [];
  readonly ends: (Error | undefined)[] = [];
  received = 0;
  chunks = 0;
  drains = 0;
  /** Run within onData, with the chunk itself. */
  onChunk: ((chunk: Buffer) => void) | undefined;
  /** Run within onEnd. */
  onFinish: (() => void) | undefined;

  constructor(wire: Wire) {
    this.wire = wire;
  }

  onData(chunk: Uint8Array): void {
    this.#parts.push(Buffer.from(chunk));
    this.received += chunk.length;
    this.chunks++;
    this.signal.notify();
    this.onChunk?.(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length));
  }

  onDrain(): void {
    this.drains++;
    this.signal.notify();
  }

  onEnd(error: Error | undefined): void {
    this.ends.push(error);
    this.signal.notify();
    this.onFinish?.();
  }

  all(): Buffer {
    return Buffer.concat(this.#parts);
  }

  text(): string {
    return this.all().toString();
  }

  /** Waits until so many bytes have come in all. */
  bytes(count: number): Promise<void> {
    return this.signal.until(() => this.received >= count);
  }

  ended(): Promise<void> {
    return this.signal.until(() => this.ends.length > 0);
  }
}
