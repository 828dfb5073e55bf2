import type { PubAck } from "@nats-io/jetstream";
import type { MsgHdrs } from "@nats-io/transport-node";
import { clearTimeout, delay, setTimeout, type Timer } from "../../clock.js";
import { BrokerStalledError } from "../errors.js";
import type { Link } from "./link.js";

/** How long to wait before a post is repeated that a server was not ready for, in ms. */
const PAUSE = 50;

interface Post {
  readonly subject: string;
  readonly body: string;
  readonly headers: MsgHdrs;
  readonly id: string;
  readonly resolve: (ack: PubAck) => void;
  readonly reject: (error: unknown) => void;
  /** How often it was sent. */
  sent: number;
}

/**
 * Posts under way. The client of NATS drops what is published while there is no connection; so they are held here, and sent again, in their order,
 * when there is one. The server knows each by its id, and stores it once.
 */
export class Posts {
  readonly #link: Link;
  readonly #stall: number;
  readonly #held: number;
  readonly #pending = new Set<Post>();
  #disconnected: Timer | undefined;

  /** `held`: how long posts are kept while there is no connection, in ms. */
  constructor(link: Link, stall: number, held: number) {
    this.#link = link;
    this.#stall = stall;
    this.#held = held;
  }

  /** Stores a message. Resolves with the server's answer, and with how often it was sent. */
  async post(
    subject: string,
    body: string,
    headers: MsgHdrs,
    id: string,
  ): Promise<PubAck & { sent: number }> {
    let post: Post | undefined;
    const ack = await new Promise<PubAck>((resolve, reject) => {
      post = { subject, body, headers, id, resolve, reject, sent: 0 };
      this.#pending.add(post);
      if (this.#link.connected) this.#send(post);
    }).finally(() => this.#pending.delete(post!));
    return { ...ack, sent: post!.sent };
  }

  /** Sends all anew that has no answer. */
  connected(): void {
    clearTimeout(this.#disconnected);
    this.#disconnected = undefined;
    for (const post of this.#pending) this.#send(post);
  }

  disconnected(): void {
    this.#disconnected ??= setTimeout(() => {
      const message = `no server of NATS could be reached for ${this.#held} ms. What was posted may have been stored`;
      for (const { reject } of this.#pending) reject(new BrokerStalledError(message, undefined));
    }, this.#held).unref();
  }

  close(error: Error): void {
    clearTimeout(this.#disconnected);
    for (const { reject } of this.#pending) reject(error);
  }

  #send(post: Post): void {
    const { generation } = this.#link;
    post.sent++;
    const { subject, body, headers, id } = post;
    const options = { msgID: id, headers, timeout: this.#stall };
    this.#link.jetstream.publish(subject, body, options).then(post.resolve, async (error: unknown) => {
      if (!this.#pending.has(post)) return;
      // Over the next connection it is sent anew, whatever became of this one.
      if (!this.#link.connected || generation !== this.#link.generation) return;
      if (!this.#link.isPassing(error)) post.reject(error);
      else if (this.#link.isNobody(error)) post.reject(new Nobody());
      else if (this.#link.codeOf(error) !== undefined) {
        await delay(PAUSE);
        if (this.#pending.has(post) && this.#link.connected) this.#send(post);
      } else {
        const message = `NATS has not answered for ${this.#stall} ms. What was posted may have been stored`;
        post.reject(new BrokerStalledError(message, undefined, { cause: error }));
      }
    });
  }
}

/** No stream takes the subject: it was deleted, or JetStream has just begun. */
export class Nobody extends Error {}
