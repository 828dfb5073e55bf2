import { connect, type Socket } from "node:net";
import { clearTimeout, setTimeout } from "../../clock.js";
import { TransportError } from "../../errors.js";
import { WireBase } from "./base.js";
import type { Wire } from "./wire.js";

/** How long (ms) an ended socket stays open for the peer to hang up, so that the peer gets all that was written before. */
const LINGER = 1000;
const STAGE_BYTES = 64 * 1024;

/** Connects to the socket at `path`; rejects with the system error (ENOENT, ECONNREFUSED, EACCES, …). */
export function connectNet(path: string): Promise<Wire> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path, allowHalfOpen: true });
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(wrapNet(socket));
    });
  });
}

/** Makes a wire of a connected socket, which belongs to the wire from then on. The socket must not have been read before. */
export function wrapNet(socket: Socket): Wire {
  return new NetWire(socket);
}

class NetWire extends WireBase implements Wire {
  readonly native = false;
  readonly credentials = undefined;
  readonly #socket: Socket;
  #error: Error | undefined;
  #ending: Promise<void> | undefined;
  /** Written bytes are copied here, because the socket may keep them. If it does, the next write gets a new buffer. */
  #stage: Buffer | undefined;
  /** Whether the kernel left some bytes behind, so that `onDrain` must follow. */
  #behind = false;
  readonly #written = (): void => {
    if (!this.#behind || this.#socket.writableLength > 0) return;
    this.#behind = false;
    this.drained();
  };

  readonly #listeners = {
    data: (chunk: Buffer) => this.deliver(chunk),
    end: () => this.finish(undefined),
    error: (error: Error) => {
      this.#error = error;
    },
    close: () => this.finish(this.#error),
  };

  constructor(socket: Socket) {
    super();
    this.#socket = socket;
    socket.pause();
    for (const [event, listener] of Object.entries(this.#listeners)) socket.on(event, listener);
  }

  get buffered(): number {
    return this.#socket.destroyed ? 0 : this.#socket.writableLength;
  }

  write(bytes: Uint8Array, descriptor?: number): void {
    if (descriptor !== undefined && descriptor !== -1) {
      throw new TransportError("passing a descriptor needs the addon");
    }
    if (this.ended || this.#ending !== undefined || this.#socket.destroyed || bytes.length === 0) return;
    let stage = this.#stage;
    if (stage === undefined || stage.length < bytes.length) {
      stage = Buffer.allocUnsafeSlow(Math.max(bytes.length, STAGE_BYTES));
    }
    stage.set(bytes);
    this.#socket.write(stage.subarray(0, bytes.length), this.#written);
    if (this.#socket.writableLength > 0) {
      this.#behind = true;
      this.#stage = undefined;
    } else {
      this.#stage = stage;
    }
  }

  takeDescriptor(): undefined {
    return undefined;
  }

  poll(): void {
    // node:net does nothing without its event loop.
  }

  detach(): never {
    throw new TransportError("taking over the descriptor of a socket needs the addon");
  }

  toSocket(): Socket {
    const socket = this.#socket;
    this.finishSilently();
    for (const [event, listener] of Object.entries(this.#listeners)) socket.off(event, listener);
    return socket;
  }

  ref(): void {
    this.#socket.ref();
  }

  unref(): void {
    this.#socket.unref();
  }

  end(): Promise<void> {
    if (this.#ending !== undefined) return this.#ending;
    const socket = this.#socket;
    this.silence();
    if (socket.destroyed) return Promise.resolve();
    this.#ending = new Promise((resolve) => {
      socket.once("close", () => resolve());
      socket.end(() => {
        resolve();
        linger(socket);
      });
    });
    // Data that arrive from here on are read and thrown away.
    socket.resume();
    return this.#ending;
  }

  destroy(): void {
    this.finishSilently();
    this.#socket.destroy();
  }

  protected override finish(error: Error | undefined): void {
    super.finish(error);
    this.#socket.destroySoon();
  }

  protected override readingChanged(): void {
    if (this.#socket.destroyed || this.#ending !== undefined) return;
    if (this.reading) this.#socket.resume();
    else this.#socket.pause();
  }
}

/** Lets the peer hang up first. A socket that is closed with unread bytes is reset, and the peer may lose data. */
function linger(socket: Socket): void {
  if (socket.destroyed || socket.readableEnded) {
    socket.destroy();
    return;
  }
  socket.unref();
  const timer = setTimeout(() => socket.destroy(), LINGER);
  timer.unref();
  socket.once("end", () => socket.destroy());
  socket.once("close", () => clearTimeout(timer));
}
