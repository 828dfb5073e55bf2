import type { Wire } from "../wire/wire.js";
import { REFUSED } from "./frame-layout.js";
import type { Outlet } from "./outlet.js";

/** How long (ms) a side that has said its last word waits for the peer to hang up, before it does. */
const LINGER = 1000;

/**
 * How a stream ends: its last frame goes out behind all else, then the peer is to hang up. Closing the socket at once could take from the peer
 * what it has not read: a socket that is closed with bytes unread is reset, and node:net drops what it has not read when writing fails.
 */
export class Farewell {
  /** Settles when the last frame, if this side sends one, is with the kernel, or can't be any more. */
  said = Promise.resolve();
  readonly #wire: Wire;
  readonly #outlet: Outlet;
  readonly #whenGone: () => void;
  #settle: (() => void) | undefined;
  #linger: NodeJS.Timeout | undefined;

  /** `whenGone`: nothing goes or comes over the wire any more. */
  constructor(wire: Wire, outlet: Outlet, whenGone: () => void) {
    this.#wire = wire;
    this.#outlet = outlet;
    this.#whenGone = whenGone;
  }

  say(type: number): void {
    this.said = new Promise((resolve) => {
      this.#settle = resolve;
    });
    // A peer that breaks the protocol need not be one that reads: it gets no more time than this.
    if (type === REFUSED) this.#waitForPeer();
    this.#outlet.finish(type, () => {
      this.#settle?.();
      this.#waitForPeer();
    });
  }

  hangUp(): void {
    this.#wire.destroy();
    this.gone();
  }

  /** The peer has hung up, or this side has. */
  gone(): void {
    clearTimeout(this.#linger);
    this.#whenGone();
    this.#settle?.();
  }

  #waitForPeer(): void {
    this.#linger ??= setTimeout(() => this.hangUp(), LINGER).unref();
  }
}
