import { clearTimeout, setTimeout, type Timer } from "../../clock.js";
import type { Wire } from "../wire/wire.js";
import { REFUSED } from "./frame-layout.js";
import type { Outlet } from "./outlet.js";

/** How long (ms) a side waits for the peer to hang up after its last frame. Then it hangs up itself. */
const LINGER = 1000;

/**
 * The end of a stream: the last frame goes out behind everything else, and then the peer is to hang up. To close
 * the socket at once could lose what the peer has not read: a socket that is closed with unread bytes is reset,
 * and node:net drops what it has not read when a write fails.
 */
export class Farewell {
  /** Resolves when the kernel has the last frame, or never will have it. Resolved before `say`. */
  said = Promise.resolve();
  readonly #wire: Wire;
  readonly #outlet: Outlet;
  readonly #whenGone: () => void;
  #settle: (() => void) | undefined;
  #linger: Timer | undefined;

  /** `whenGone` is called when nothing goes or comes over the wire any more. */
  constructor(wire: Wire, outlet: Outlet, whenGone: () => void) {
    this.#wire = wire;
    this.#outlet = outlet;
    this.#whenGone = whenGone;
  }

  /** Sends the last frame, of type CLOSING or REFUSED. */
  say(type: number): void {
    this.said = new Promise((resolve) => {
      this.#settle = resolve;
    });
    // A peer that breaks the protocol may not read either. It gets no more time than this.
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

  /** One of the sides has hung up. */
  gone(): void {
    clearTimeout(this.#linger);
    this.#whenGone();
    this.#settle?.();
  }

  #waitForPeer(): void {
    this.#linger ??= setTimeout(() => this.hangUp(), LINGER).unref();
  }
}
