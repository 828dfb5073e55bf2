import type { Wire, WireHandler } from "../../../lib/transport/wire/wire.js";

/** A wire without a socket: keeps what is written, and lets the test play the kernel. */
export class FakeWire implements Wire {
  readonly credentials = undefined;
  native = false;
  buffered = 0;
  /** Whether the kernel takes nothing of what is written until `drain`. */
  slow = false;
  readonly writes: Buffer[] = [];
  handler: WireHandler | undefined;
  destroyed = false;

  /** The kernel has taken all. Returns what is written in answer to that. */
  drain(): Buffer {
    const before = this.writes.length;
    this.buffered = 0;
    this.handler?.onDrain();
    return Buffer.concat(this.writes.slice(before));
  }

  setHandler(handler: WireHandler | undefined): void {
    this.handler = handler;
  }
  unread(): void {}
  write(bytes: Uint8Array): void {
    this.writes.push(Buffer.from(bytes));
    if (this.slow) this.buffered += bytes.length;
  }
  takeDescriptor(): undefined {
    return undefined;
  }
  poll(): void {
    // Nothing comes but by the test.
  }
  detach(): number {
    return -1;
  }
  toSocket(): never {
    throw new Error("this is no socket");
  }
  ref(): void {}
  unref(): void {}
  async end(): Promise<void> {}
  destroy(): void {
    this.destroyed = true;
  }
}
