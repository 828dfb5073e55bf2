// Who may come. A link has a ticket, which is good once. A window exchanges it for a token, which it keeps.

import { createHmac, timingSafeEqual } from "node:crypto";
import { newToken } from "../../dist/bridge/index.js";

/** How long a ticket waits for its window, in ms. */
const PATIENCE = 3_600_000;
const MOST_TICKETS = 256;

export class Keys {
  #secret;
  /** @type {Map<string, { identity: { name: string, role: string }, until: number }>} */
  #tickets = new Map();
  #windows = 0;

  /** Tokens are signed with the secret, so that they are good for the next process that has it. @param {string} secret */
  constructor(secret) {
    this.#secret = secret;
  }

  /** A ticket for one window. @param {"operator" | "viewer"} role */
  ticket(role) {
    const ticket = newToken();
    const [oldest] = this.#tickets.keys();
    if (this.#tickets.size >= MOST_TICKETS) this.#tickets.delete(oldest);
    this.#tickets.set(ticket, { role, until: Date.now() + PATIENCE });
    return ticket;
  }

  /** The token of a ticket; undefined if it is not known, was used, or is too old. @param {unknown} ticket */
  redeem(ticket) {
    const found = this.#tickets.get(ticket);
    if (found === undefined) return undefined;
    this.#tickets.delete(ticket);
    if (found.until < Date.now()) return undefined;
    const body = `${found.role}.${++this.#windows}.${newToken().slice(0, 8)}`;
    return `${body}.${this.#sign(body)}`;
  }

  /** Who has the token. @param {string} token */
  identify(token) {
    const [, body, role, number, id, sign] =
      /^((operator|viewer)\.(\d+)\.([\w-]+))\.([\w-]+)$/.exec(token) ?? [];
    if (body === undefined) return undefined;
    const [given, right] = [Buffer.from(sign), Buffer.from(this.#sign(body))];
    if (given.length !== right.length || !timingSafeEqual(given, right)) return undefined;
    // After a restart the numbers begin again; the id tells such windows apart.
    return { name: `window-${number}-${id}`, role };
  }

  #sign(body) {
    return createHmac("sha256", this.#secret).update(body).digest("base64url");
  }
}
