import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { now } from "../clock.js";
import { InvalidArgumentError } from "../errors.js";

/** The identity of a client, as its token gives it. */
export interface Identity {
  /** A name for the audit chain and `bridge.clients`: 1 to 64 of `A-Za-z0-9._-`. */
  readonly name: string;
  /** The entry of the bridge's `roles` that says what the client may do. */
  readonly role: string;
}

/** Returns who has the token; undefined if nobody has. */
export type Authenticate = (token: string) => Identity | undefined | Promise<Identity | undefined>;

const SHORTEST_TOKEN = 16;
export const LONGEST_TOKEN = 4096;

/** Makes a function of a table of tokens. It takes as long for a token that is nearly right as for one that is wrong. */
export function fromTable(tokens: Readonly<Record<string, Identity>>): Authenticate {
  const known = Object.entries(tokens).map(([token, identity]) => {
    // 16 characters of base64 have 96 bits; a shorter one could be guessed.
    if (!/^[\w.~-]+$/.test(token) || token.length < SHORTEST_TOKEN) {
      throw new InvalidArgumentError(
        "options.tokens",
        `tokens of at least ${SHORTEST_TOKEN} of A-Za-z0-9._~-`,
        "a token",
      );
    }
    return { digest: digestOf(token), identity: checkIdentity(identity) };
  });
  return (token) => {
    const digest = digestOf(token);
    let found: Identity | undefined;
    for (const one of known) if (timingSafeEqual(one.digest, digest)) found = one.identity;
    return found;
  };
}

export function checkIdentity(identity: Identity): Identity {
  const { name, role } = identity;
  if (typeof name !== "string" || !/^[\w.-]{1,64}$/.test(name)) {
    throw new InvalidArgumentError("name of an identity", "1 to 64 of A-Za-z0-9._-", name);
  }
  if (typeof role !== "string") throw new InvalidArgumentError("role of an identity", "a string", role);
  return { name, role };
}

/** A new token: 256 bits, as base64url. */
export const newToken = (): string => randomBytes(32).toString("base64url");

const digestOf = (text: string): Buffer => createHash("sha256").update(text).digest();

/** Tickets for reading by SSE, whose URL can't be without one. A ticket reads, and can do nothing else. */
export class Tickets {
  readonly #ttl: number;
  readonly #most: number;
  readonly #known = new Map<string, { readonly identity: Identity; until: number }>();

  constructor(ttl: number, most: number) {
    this.#ttl = ttl;
    this.#most = most;
  }

  make(identity: Identity): string {
    const ticket = newToken();
    for (const [old, { until }] of this.#known) {
      if (until > now() && this.#known.size < this.#most) break;
      this.#known.delete(old);
    }
    this.#known.set(ticket, { identity, until: now() + this.#ttl });
    return ticket;
  }

  /** Returns who has the ticket. It lives on for the same time again: an EventSource comes back with the URL that it has. */
  use(ticket: string): Identity | undefined {
    const found = this.#known.get(ticket);
    if (found === undefined || found.until < now()) return undefined;
    this.#known.delete(ticket);
    this.#known.set(ticket, { identity: found.identity, until: now() + this.#ttl });
    return found.identity;
  }
}
