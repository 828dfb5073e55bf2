import { checkInteger, checkOptions } from "../check.js";
import { messageOf } from "./body.js";
import type { Engine } from "./engine.js";
import { MOST_LEASE, MOST_TIME } from "./limits.js";
import type { Message, Priority, Sender } from "./message.js";
import type { SettleRequest, WireMessage } from "./wire.js";

/**
 * A message that was taken, and is this program's until its lease ends. One of `ack`, `nack` and `reject` settles it. They reject with a
 * LeaseLostError (ERR_RINGBELL_LEASE_LOST) if the message is somebody else's by then.
 */
export class Delivery<Body = unknown> implements Message<Body> {
  readonly box: string;
  readonly id: string;
  readonly position: number;
  readonly body: Body;
  readonly from: Sender;
  readonly priority: Priority;
  readonly key: string | undefined;
  readonly posted: number;
  readonly topic: string | undefined;
  readonly attempt: number;
  readonly #token: number;
  readonly #engine: Engine;
  #settled = false;

  constructor(wire: WireMessage, engine: Engine) {
    const message = messageOf(wire) as Message<Body>;
    this.box = message.box;
    this.id = message.id;
    this.position = message.position;
    this.body = message.body;
    this.from = message.from;
    this.priority = message.priority;
    this.key = message.key;
    this.posted = message.posted;
    this.topic = message.topic;
    this.attempt = message.attempt;
    this.#token = wire.token!;
    this.#engine = engine;
  }

  /** Whether it was or may have been delivered before: to somebody who did not settle it. It may have been worked on. */
  get redelivered(): boolean {
    return this.attempt > 1;
  }

  /** Whether it was settled. */
  get settled(): boolean {
    return this.#settled;
  }

  /** Deletes the message: it is done. Resolves when that is stored. */
  async ack(): Promise<void> {
    await this.#settle("ack");
  }

  /** Gives it back, to be delivered again, after `delay` ms if that is given. */
  async nack(
    options: { readonly delay?: number | undefined; readonly reason?: string | undefined } = {},
  ): Promise<void> {
    checkOptions(options, ["delay", "reason"], "options");
    const delay = checkInteger(options.delay ?? 0, "options.delay", 0, MOST_TIME);
    await this.#settle("nack", { delay, reason: options.reason });
  }

  /** Gives it up: it becomes a dead letter, with the reason. */
  async reject(reason: string): Promise<void> {
    await this.#settle("reject", { reason: String(reason) });
  }

  /** Begins the lease anew, for `ms` ms if that is given. Resolves with when it ends, in ms since the epoch, by the broker's clock. */
  async extend(ms?: number): Promise<number> {
    const lease = ms === undefined ? undefined : checkInteger(ms, "ms", 1, MOST_LEASE);
    return (await this.#ask("extend", { lease })) as number;
  }

  /** Gives it back as if it had never been delivered. */
  async putBack(): Promise<void> {
    await this.#settle("return");
  }

  async #settle(how: SettleRequest["how"], more: Partial<SettleRequest> = {}): Promise<void> {
    this.#settled = true;
    try {
      await this.#ask(how, more);
    } finally {
      this.#engine.release(this.position, this.#token);
    }
  }

  #ask(how: SettleRequest["how"], more: Partial<SettleRequest>): Promise<unknown> {
    const claims = [[this.position, this.#token]] as const;
    return this.#engine.ask({ ...more, op: "settle", how, claims }).answer;
  }
}
