import { now } from "../../clock.js";
import { BoxFullError, StoreError } from "../errors.js";
import { MOST_TAKEN, STALL } from "../limits.js";
import type { BoxSettings, Receipt } from "../message.js";
import type { PostAnswer, PostRequest, PublishRequest } from "../wire.js";
import type { Claims } from "./claims.js";
import { type Envelope, HEADER, type Pulled } from "./envelope.js";
import type { Link } from "./link.js";
import { type Names, RANKS } from "./names.js";
import type { Packages } from "./packages.js";
import { Nobody, type Posts } from "./posts.js";
import type { Pulls } from "./pulls.js";
import type { Registry } from "./registry.js";
import type { Streams } from "./streams.js";

const NOTICE = 2;
/** How many messages make room for one at most. */
const MOST_DROPPED = 1000;

export interface ShelfParts {
  readonly link: Link;
  readonly packages: Packages;
  readonly names: Names;
  readonly registry: Registry;
  readonly streams: Streams;
  readonly posts: Posts;
  readonly pulls: Pulls;
  readonly claims: Claims;
  readonly client: string;
  /** How many wait for a box in this process. */
  readonly waiting: (box: string) => number;
  readonly onFull: (box: string) => void;
}

type Posting = Omit<PostRequest, "op" | "to"> & { readonly topic?: string };

/** Puts messages into boxes, and does what a box does when it is full. */
export class Shelf {
  readonly #parts: ShelfParts;
  readonly #prepared = new Map<string, Promise<Receipt["readers"]>>();

  constructor(parts: ShelfParts) {
    this.#parts = parts;
  }

  async post(box: string, request: Posting): Promise<PostAnswer> {
    // All posts of a box go through here in their order, so that they are sent in it.
    const readers = await this.#prepare(box);
    const { registry, streams, claims } = this.#parts;
    const settings = await registry.settings(box);
    const { key, rank = 1, delay = 0 } = request;
    const before = key !== undefined && rank === NOTICE ? await streams.lastNotice(box, key) : undefined;
    const cleared = settings.policy === "latest" ? await this.#takeAll(box) : [];
    const stored = await this.#store(box, request, settings).catch(async (error: unknown) => {
      for (const message of cleared) await this.#putBack(box, message);
      throw error;
    });
    if (!stored.duplicate) {
      await this.#clear(box, cleared, stored.position, settings);
      if (before !== undefined) await streams.delete(box, before.position);
      if (delay > 0) await claims.delay(box, stored.position, delay);
    }
    return { ...stored, readers };
  }

  /** Makes the box if need be, and looks who reads it. Posts that come meanwhile share the look. */
  #prepare(box: string): Promise<Receipt["readers"]> {
    const under = this.#prepared.get(box);
    if (under !== undefined) return under;
    const preparing = this.#look(box).finally(() => this.#prepared.delete(box));
    this.#prepared.set(box, preparing);
    return preparing;
  }

  async #look(box: string): Promise<Receipt["readers"]> {
    const { streams, waiting } = this.#parts;
    await streams.box(box);
    if (waiting(box) > 0) return "waiting";
    const consumer = await streams.consumer(box, 1);
    if (consumer === undefined) return "never";
    return consumer.num_waiting > 0 ? "waiting" : "seen";
  }

  async #store(box: string, request: Posting, settings: BoxSettings): Promise<Omit<PostAnswer, "readers">> {
    for (let dropped = 0; ; dropped++) {
      try {
        return await this.#send(box, request);
      } catch (error) {
        if (!isFull(this.#parts.link, error)) throw this.#parts.link.errorOf(error);
        this.#parts.onFull(box);
        const rank = request.rank ?? 1;
        const droppable = settings.policy === "dropOldest" && dropped < MOST_DROPPED;
        if (droppable && (await this.#dropOldest(box, rank))) continue;
        await this.#parts.registry.count(box, { refused: 1 });
        throw new BoxFullError(`the box "${box}" is full: NATS says "${(error as Error).message}"`, box);
      }
    }
  }

  async #send(box: string, request: Posting): Promise<Omit<PostAnswer, "readers">> {
    const { packages, names, posts, streams, client } = this.#parts;
    const { body, number, from, json = false, id, rank = 1, key, topic, ttl, delay } = request;
    const post = `${client}:${number}`;
    const envelope: Envelope = { ...{ from, json, id, rank, key, topic, ttl, delay, post }, dead: undefined };
    const subject = names.subject(box, rank, key);
    const begin = now();
    for (;;) {
      const headers = packages.transport.headers();
      headers.set(HEADER, JSON.stringify(envelope));
      try {
        const msgId = id === undefined ? `post:${post}` : `id:${id}`;
        const { seq: position, duplicate, sent } = await posts.post(subject, body, headers, msgId);
        const repeated =
          duplicate && (id === undefined || (sent > 1 && (await this.#isOurs(box, position, post))));
        return { id: id ?? String(position), position, duplicate: duplicate && !repeated };
      } catch (error) {
        if (!(error instanceof Nobody)) throw error;
        if (now() - begin > STALL) {
          throw new StoreError(`no stream takes posts to the box "${box}"`, names.stream(box));
        }
        streams.forget(box);
        await streams.box(box);
      }
    }
  }

  /** Whether the message that the server has is the one that this post stored, and the first answer was lost. */
  async #isOurs(box: string, position: number, post: string): Promise<boolean> {
    return (await this.#parts.streams.at(box, position))?.envelope.post === post;
  }

  /** Takes the oldest message of the lowest rank away, if nobody has it. A notice displaces no other kind. */
  async #dropOldest(box: string, rank: number): Promise<boolean> {
    const { streams, pulls, claims, registry } = this.#parts;
    const unread = (await streams.consumer(box, 1)) === undefined;
    for (const victim of [...RANKS].reverse()) {
      if (rank === NOTICE && victim !== NOTICE) return false;
      if (unread) {
        const first = await streams.first(box, victim);
        if (first === undefined || !(await streams.delete(box, first.position))) continue;
      } else {
        const [message] = await pulls.now(box, victim, 1);
        if (message === undefined) continue;
        await claims.drop(message, box);
      }
      await registry.count(box, { dropped: 1 });
      return true;
    }
    return false;
  }

  /** Takes all that can be taken; nothing of a box that was never read. */
  async #takeAll(box: string): Promise<Pulled[]> {
    const { streams, pulls } = this.#parts;
    if ((await streams.consumer(box, 1)) === undefined) return [];
    const all: Pulled[] = [];
    for (const rank of RANKS) all.push(...(await pulls.now(box, rank, MOST_TAKEN)));
    return all;
  }

  async #putBack(box: string, message: Pulled): Promise<void> {
    const { claims, streams } = this.#parts;
    const claim = await claims.admit(box, message, undefined, await streams.consumers(box));
    if (claim !== undefined) await claims.putBack(claim);
  }

  /** Drops what a post has replaced. */
  async #clear(
    box: string,
    cleared: readonly Pulled[],
    position: number,
    { policy }: BoxSettings,
  ): Promise<void> {
    if (policy !== "latest") return;
    const { streams, claims, registry } = this.#parts;
    let dropped = cleared.length;
    for (const message of cleared) await claims.drop(message, box);
    if ((await streams.consumer(box, 1)) === undefined) dropped += await streams.purge(box, false, position);
    if (dropped > 0) await registry.count(box, { dropped });
  }
}

/** Makes a post of what is published. */
export function postingOf({ op: _, ...request }: PublishRequest): Posting {
  return request;
}

function isFull(link: Link, error: unknown): boolean {
  return link.codeOf(error) !== undefined && /maximum (messages|bytes)/.test((error as Error).message);
}
