import { createHash } from "node:crypto";

/*
 * Names of boxes may have any characters; those of streams, subjects and keys may not. A plain name goes as it is, marked by `n-`, so that people
 * find it in the tools of NATS. Any other goes as its hash, marked by `h-`.
 *
 *   stream of a box        RINGBELL+<set>+<box>          its subjects   ringbell.<set>.<box>.<rank>, for notices with one more token: their key
 *   stream of dead letters RINGBELL-DEAD+<set>+<box>     its subject    ringbell-dead.<set>.<box>
 *   buckets of keys        RINGBELL-BOXES_<set>, RINGBELL-CLAIMS_<set>
 */

const PLAIN = /^[A-Za-z0-9-]{1,48}$/;

export function token(name: string): string {
  return PLAIN.test(name) ? `n-${name}` : `h-${createHash("sha256").update(name).digest("hex").slice(0, 32)}`;
}

/** The names of one set of mailboxes. */
export class Names {
  readonly #set: string;

  constructor(namespace: string, name: string) {
    this.#set = token(namespace === "default" ? name : `${namespace}/${name}`);
  }

  get boxesBucket(): string {
    return `RINGBELL-BOXES_${this.#set}`;
  }

  get claimsBucket(): string {
    return `RINGBELL-CLAIMS_${this.#set}`;
  }

  stream(box: string): string {
    return `RINGBELL+${this.#set}+${token(box)}`;
  }

  deadStream(box: string): string {
    return `RINGBELL-DEAD+${this.#set}+${token(box)}`;
  }

  deadSubject(box: string): string {
    return `ringbell-dead.${this.#set}.${token(box)}`;
  }

  /** The subject under which a post is stored. A notice has its key in it, so that an earlier one is found. */
  subject(box: string, rank: number, key?: string): string {
    const subject = `ringbell.${this.#set}.${token(box)}.${rank}`;
    return rank === NOTICE ? `${subject}.${key === undefined ? "-" : token(key)}` : subject;
  }

  /** The subjects of all posts of one rank. */
  subjectsOf(box: string, rank: number): string {
    const subject = `ringbell.${this.#set}.${token(box)}.${rank}`;
    return rank === NOTICE ? `${subject}.*` : subject;
  }
}

const NOTICE = 2;
/** The ranks, in the order in which they are delivered. */
export const RANKS = [0, 1, NOTICE] as const;

/** The durable consumer of a box for one rank. */
export function consumerOf(rank: number): string {
  return `R${rank}`;
}
