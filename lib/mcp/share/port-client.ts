import { clearTimeout, now, setTimeout, type Timer } from "../../clock.js";
import { CorruptError } from "../../errors.js";
import type { Port } from "../../port.js";
import type { McpMessage } from "../message.js";
import type { SharingClient } from "./session.js";

/** Messages that wait for a client before the server has to wait, and half of which must go before it goes on. */
const MANY_WAITING = 1024;

/** A client over a port. */
export class PortClient implements SharingClient {
  readonly #port: Port<unknown, unknown>;
  readonly #patience: number;
  readonly #slow: (isSlow: boolean) => void;
  #waiting = 0;
  /** When the client has last taken one of the messages that waited for it (ms). */
  #lastTaken = 0;
  #timer: Timer | undefined;

  /**
   * `slow` is told when messages pile up for the client, and when they do no more. If it takes none of them for `patience` (ms), the client is
   * let go, for the sake of the others.
   */
  constructor(port: Port<unknown, unknown>, patience: number, slow: (isSlow: boolean) => void) {
    this.#port = port;
    this.#patience = patience;
    this.#slow = slow;
  }

  send(message: McpMessage): void {
    if (this.#port.state !== "open") return;
    try {
      if (this.#waiting === 0 && this.#port.trySend(message)) return;
    } catch (error) {
      this.#port.destroy(error as Error);
      return;
    }
    if (++this.#waiting === MANY_WAITING) this.#wait();
    const done = () => {
      this.#lastTaken = now();
      if (--this.#waiting === MANY_WAITING / 2) this.#goOn();
    };
    this.#port.send(message).then(done, done);
  }

  /** Ends the connection: what was sent arrives. */
  end(): void {
    void this.#port.close();
  }

  #wait(): void {
    if (this.#timer !== undefined) return;
    this.#lastTaken = now();
    this.#slow(true);
    this.#startTimer(this.#patience);
  }

  #startTimer(ms: number): void {
    this.#timer = setTimeout(() => this.#look(), ms);
    this.#timer.unref();
  }

  /** Lets the client go, unless it has taken something meanwhile: a client that is only slow is waited for. */
  #look(): void {
    const left = this.#lastTaken + this.#patience - now();
    if (left > 0) {
      this.#startTimer(left);
      return;
    }
    const many = `${this.#waiting} messages have waited for it for ${this.#patience} ms`;
    this.#port.destroy(new CorruptError(`the client does not read: ${many}`));
  }

  #goOn(): void {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#slow(false);
  }
}
