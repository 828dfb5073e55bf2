import type { Socket } from "node:net";
import { clearTimeout, setTimeout } from "../clock.js";
import type { Peer } from "../port.js";
import { linesPort } from "./duplex-port.js";
import { BUSY } from "./errors.js";
import type { EventPort } from "./event-port.js";

/** The most callers by lines at the same time. One more is told so, and let go. */
const MOST = 1024;

/** How long (ms) a caller may take its last answers when the service closes. As long as a channel gives its peer. */
const CLOSE_TIMEOUT = 5000;

/** The longest line, where the option `maxMessageBytes` does not say otherwise: 16 MiB. */
const LONGEST = 16 * 1024 * 1024;

/** The callers of a service that speak lines of JSON on its socket: programs in any language, without the library. */
export class LineCallers {
  readonly #ports = new Set<EventPort>();
  readonly #longest: number;

  constructor(longest: number | undefined) {
    this.#longest = longest ?? LONGEST;
  }

  /** Returns the port of a caller; undefined if there are too many. */
  add(socket: Socket, peer: Peer): EventPort | undefined {
    if (this.#ports.size >= MOST) {
      const error = { code: BUSY, message: `${MOST} callers by lines are connected, the most that may be` };
      socket.on("error", () => {});
      socket.end(`${JSON.stringify({ jsonrpc: "2.0", id: null, error })}\n`, () => socket.destroy());
      return undefined;
    }
    const port = linesPort(socket, peer, this.#longest);
    this.#ports.add(port);
    void port.closed.then(() => this.#ports.delete(port));
    return port;
  }

  /** Lets all go, each when it has what was answered, or does not take it for some time. */
  async close(): Promise<void> {
    const timer = setTimeout(() => {
      for (const port of this.#ports) port.destroy();
    }, CLOSE_TIMEOUT);
    await Promise.all([...this.#ports].map((port) => Promise.race([port.close(), port.closed])));
    clearTimeout(timer);
  }
}
