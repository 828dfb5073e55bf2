import { setImmediate } from "../../clock.js";
import { TransportError } from "../../errors.js";
import { WireBase } from "./base.js";
import type { Wire } from "./wire.js";

/** Two wires that are joined within this process. Bytes that one writes, the other reads in a later turn of the event loop. */
export interface MemoryWires {
  readonly wires: readonly [Wire, Wire];
  /** Cuts the wires apart: each end finds that the other has hung up, after the bytes that it had written. */
  cut(): void;
}

export function memoryWires(): MemoryWires {
  const wires = [new MemoryWire(), new MemoryWire()] as const;
  wires[0].join(wires[1]);
  wires[1].join(wires[0]);
  return {
    wires,
    cut() {
      for (const wire of wires) wire.peerGone();
    },
  };
}

class MemoryWire extends WireBase implements Wire {
  readonly native = false;
  readonly credentials = undefined;
  #peer: MemoryWire | undefined;
  /** The chunks that the peer has written and this side has not read, in order; `#arrivedBytes` is their length. */
  readonly #arrived: Uint8Array[] = [];
  #arrivedBytes = 0;
  /** Whether the peer has closed its end. */
  #hungUp = false;
  #closed = false;
  #scheduled = false;

  join(peer: MemoryWire): void {
    this.#peer = peer;
  }

  get buffered(): number {
    return this.#peer!.#arrivedBytes;
  }

  write(bytes: Uint8Array): void {
    if (this.#closed || bytes.length === 0) return;
    this.#peer!.#arrive(Uint8Array.from(bytes));
  }

  takeDescriptor(): undefined {
    return undefined;
  }

  poll(): void {
    this.#read();
  }

  toSocket(): never {
    throw new TransportError("a wire within a process is no socket");
  }

  detach(): never {
    throw new TransportError("memory in this process has no descriptor");
  }

  ref(): void {}

  unref(): void {}

  end(): Promise<void> {
    this.destroy();
    return Promise.resolve();
  }

  destroy(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.finishSilently();
    this.#drop();
    this.#peer!.peerGone();
  }

  peerGone(): void {
    this.#hungUp = true;
    this.#schedule();
  }

  protected override readingChanged(): void {
    if (this.reading) this.#schedule();
  }

  #arrive(bytes: Uint8Array): void {
    if (this.#closed || this.#hungUp) return;
    this.#arrived.push(bytes);
    this.#arrivedBytes += bytes.length;
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled || this.#closed || !this.reading) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#read();
    });
  }

  /** Hands on the bytes that have arrived, and then the end if it has come. Returns whether there was anything. */
  #read(): boolean {
    if (!this.reading) return false;
    let some = false;
    while (this.reading && this.#arrived.length > 0) {
      const bytes = this.#arrived.shift()!;
      this.#arrivedBytes -= bytes.length;
      some = true;
      this.deliver(bytes);
    }
    if (some && this.#arrivedBytes === 0) this.#peer!.drained();
    if (!this.#hungUp || this.#arrived.length > 0 || this.#closed) return some;
    this.finish(undefined);
    return true;
  }

  #drop(): void {
    this.#arrived.length = 0;
    this.#arrivedBytes = 0;
  }
}
