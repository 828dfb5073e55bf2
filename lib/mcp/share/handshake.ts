import type { McpId, McpResponse, Members } from "../message.js";
import type { Session } from "./session.js";

interface Waiting {
  readonly session: Session;
  readonly id: McpId;
}

/** The handshake with a server, of which there is one for all clients. */
export class Handshake {
  #first: Session | undefined;
  #result: Members | undefined;
  #waiting: Waiting[] = [];
  #initialized = false;

  /**
   * Begins a client's handshake. Returns the server's answer where it is known, `wait` where another client's request is under way, and
   * `first` where this one has to go to the server.
   */
  begin(session: Session, id: McpId): Members | "wait" | "first" {
    if (this.#result !== undefined) return this.#result;
    if (this.#first !== undefined) {
      this.#waiting.push({ session, id });
      return "wait";
    }
    this.#first = session;
    return "first";
  }

  /** Takes the server's answer, and returns the clients that wait for it. After an error the next client tries again. */
  finish(session: Session, response: McpResponse): Waiting[] {
    if (this.#first !== session) return [];
    this.#first = undefined;
    this.#result = response.result;
    return this.#waiting.splice(0);
  }

  /** Returns whether to pass on a client's `notifications/initialized`: the server gets it once. */
  initialized(): boolean {
    if (this.#result === undefined || this.#initialized) return false;
    this.#initialized = true;
    return true;
  }

  leave(session: Session): void {
    this.#waiting = this.#waiting.filter((waiting) => waiting.session !== session);
  }

  /** Returns the clients that wait, for a server that will not answer. */
  fail(): Waiting[] {
    return this.#waiting.splice(0);
  }
}
