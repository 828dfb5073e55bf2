import { clearTimeout, now, setTimeout, type Timer, wallClock } from "../../clock.js";
import { LeaseLostError } from "../errors.js";
import { LONGEST_REASON } from "../limits.js";
import { type Envelope, HEADER, type Pulled, type Stored } from "./envelope.js";
import type { Entry, Keys } from "./keys.js";
import type { Link } from "./link.js";
import { type Names, token as tokenOf } from "./names.js";
import type { Packages } from "./packages.js";
import type { Registry } from "./registry.js";
import type { Streams } from "./streams.js";

const NANO = 1e6;
const LONGEST_TIMER = 2 ** 31 - 1;

/**
 * How a message stands that was delivered, or has to wait for a time. Whoever takes or settles it replaces this, and names the revision
 * that it has seen. So of two that believe that they have the message, one fails: an acknowledgement of JetStream alone would count
 * for the next holder.
 */
export interface Standing {
  readonly state: "free" | "held" | "dying" | "done";
  readonly attempts: number;
  /** Who has written it: a client, and a number of its own. */
  readonly by: string;
  /** Nobody gets it before: ms since the epoch. The server forgets a delay when its consumer is made anew. */
  readonly notBefore?: number | undefined;
  readonly reason?: string | undefined;
}

export interface Claim {
  readonly token: number;
  readonly box: string;
  readonly message: Pulled;
  readonly attempts: number;
  /** The revision of its standing, which says that it is held here. */
  readonly revision: number;
  /** When the lease ends, by the process's steady clock. */
  until: number;
}

export interface ClaimsParts {
  readonly link: Link;
  readonly packages: Packages;
  readonly names: Names;
  readonly keys: Keys;
  readonly registry: Registry;
  readonly streams: Streams;
  readonly client: string;
  readonly onTrouble: (error: Error) => void;
}

/**
 * What this process has taken. The server keeps a claim as long as it hears of it; so this tells it, several times in the time that a process
 * may be silent, until the lease ends. A process that dies is silent, and its claims come back.
 */
export class Claims {
  readonly #parts: ClaimsParts;
  readonly #held = new Map<number, Claim>();
  #lastToken = 0;
  #lastChange = 0;
  /** How long a claim may be silent, in ms: the least that a box of a claim has. */
  #silence = Number.POSITIVE_INFINITY;
  #timer: Timer | undefined;
  #told = 0;

  constructor(parts: ClaimsParts) {
    this.#parts = parts;
  }

  /** Makes a claim of what was pulled. Resolves with undefined if it may not be delivered now. */
  async admit(
    box: string,
    message: Pulled,
    lease: number | undefined,
    silence: number,
  ): Promise<Claim | undefined> {
    const { registry } = this.#parts;
    const settings = await registry.settings(box);
    const { deliveries, envelope, stored, position } = message;
    // Most messages come for the first time. The server's count does not tell: 2.9 counts back when nobody was there to take a redelivery.
    let entry = deliveries === 1 ? undefined : await this.#standing(box, position);
    for (; ; entry = await this.#standing(box, position)) {
      const { attempts: before = deliveries - 1, state, reason = "its process ended" } = entry?.value ?? {};
      if (state === "done") {
        await this.#finish(message, "+ACK", entry!.revision);
        return undefined;
      }
      if (state === "dying") {
        if (await this.#bury(box, message, entry, before, reason)) return undefined;
        continue;
      }
      const wait = pause(message, entry?.value);
      if (wait > 0) {
        await this.#tell(message, nak(wait));
        return undefined;
      }
      const ttl = envelope.ttl ?? settings.ttl;
      const outlived = ttl > 0 && wallClock() - stored >= ttl;
      if (outlived || before >= settings.maxAttempts) {
        const why = outlived ? "its time to live was over" : often(before, reason);
        if (await this.#bury(box, message, entry, before, why)) return undefined;
        continue;
      }
      const attempts = before + 1;
      const standing = { state: "held", attempts } as const;
      const revision = await this.#write(box, position, standing, entry?.revision ?? 0);
      if (revision === undefined) continue;
      const until = now() + (lease ?? settings.lease);
      const claim = { token: ++this.#lastToken, box, message, attempts, revision, until };
      this.#held.set(claim.token, claim);
      this.#silence = Math.min(this.#silence, silence);
      this.#arm();
      return claim;
    }
  }

  get(token: number, box: string | undefined, position: number): Claim {
    const claim = this.#held.get(token);
    if (claim !== undefined && claim.message.position === position) return claim;
    throw lost(box ?? "", position);
  }

  /** Deletes the message. Resolves when that is stored. */
  async ack(claim: Claim): Promise<void> {
    const revision = await this.#settle(claim, { state: "done", attempts: claim.attempts });
    await this.#finish(claim.message, "+ACK", revision);
  }

  async nack(claim: Claim, delay: number, reason: string): Promise<void> {
    const { maxAttempts } = await this.#parts.registry.settings(claim.box);
    if (claim.attempts >= maxAttempts) {
      await this.reject(claim, often(claim.attempts, reason));
      return;
    }
    const notBefore = delay > 0 ? wallClock() + delay : undefined;
    await this.#settle(claim, { state: "free", attempts: claim.attempts, notBefore, reason });
    await this.#tell(claim.message, nak(delay));
  }

  /** Makes a dead letter of it. */
  async reject(claim: Claim, reason: string): Promise<void> {
    const revision = await this.#settle(claim, { state: "dying", attempts: claim.attempts, reason });
    await this.#die(claim.box, claim.message, revision, claim.attempts, reason);
  }

  /** Gives it back as if it had never been delivered. */
  async putBack(claim: Claim): Promise<void> {
    await this.#settle(claim, { state: "free", attempts: claim.attempts - 1 });
    await this.#tell(claim.message, nak(0));
  }

  /** Begins the lease anew. Resolves with when it ends, in ms since the epoch. */
  async extend(claim: Claim, lease: number | undefined): Promise<number> {
    const { box, message, revision } = claim;
    const ms = lease ?? (await this.#parts.registry.settings(box)).lease;
    const entry = await this.#standing(box, message.position);
    if ((entry?.revision ?? 0) !== revision || !this.#held.has(claim.token)) {
      this.#held.delete(claim.token);
      throw lost(box, message.position);
    }
    claim.until = now() + ms;
    this.#parts.link.nats.publish(message.reply, "+WPI");
    this.#arm();
    return wallClock() + ms;
  }

  /** Drops a message that nobody has. */
  async drop(message: Pulled, box: string): Promise<void> {
    await this.#tell(message, "+TERM");
    await this.forget(box, message.position);
  }

  /** Gives back what this process has, because it ends. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    await Promise.all([...this.#held.values()].map((claim) => this.#giveBack(claim, "its process ended")));
  }

  /** Tells the server of all claims. */
  tell(): void {
    this.#told = now();
    for (const { message } of this.#held.values()) this.#parts.link.nats.publish(message.reply, "+WPI");
    this.#arm();
  }

  /** Notes that a message waits for a time. */
  async delay(box: string, position: number, ms: number): Promise<void> {
    const notBefore = wallClock() + ms;
    await this.#write(box, position, { state: "free", attempts: 0, notBefore }, 0);
  }

  async standings(box: string): Promise<Map<number, Standing>> {
    const keys = await this.#parts.keys.keys(`${tokenOf(box)}.*`);
    const standings = new Map<number, Standing>();
    await Promise.all(
      keys.map(async (key) => {
        const entry = await this.#parts.keys.get<Standing>(key);
        if (entry !== undefined) standings.set(Number(key.slice(key.lastIndexOf(".") + 1)), entry.value);
      }),
    );
    return standings;
  }

  async forget(box: string, position: number | "*"): Promise<void> {
    await this.#parts.keys.forget(`${tokenOf(box)}.${position}`);
  }

  /** Takes a message for good that nobody has and that waits for a time. Resolves with whether that was possible. */
  async takeFree(box: string, position: number): Promise<boolean> {
    const entry = await this.#standing(box, position);
    if (entry?.value.state !== "free") return false;
    const { attempts } = entry.value;
    const written = await this.#write(box, position, { state: "done", attempts }, entry.revision);
    return written !== undefined;
  }

  #standing(box: string, position: number): Promise<Entry<Standing> | undefined> {
    return this.#parts.keys.get<Standing>(`${tokenOf(box)}.${position}`);
  }

  #write(
    box: string,
    position: number,
    standing: Omit<Standing, "by">,
    revision: number,
  ): Promise<number | undefined> {
    const by = `${this.#parts.client}:${++this.#lastChange}`;
    const key = `${tokenOf(box)}.${position}`;
    return this.#parts.keys.replace(key, { ...standing, by }, revision, (one: Standing) => one.by === by);
  }

  async #settle(claim: Claim, standing: Omit<Standing, "by">): Promise<number> {
    const { box, message } = claim;
    this.#held.delete(claim.token);
    const revision = await this.#write(box, message.position, standing, claim.revision);
    if (revision === undefined) throw lost(box, message.position);
    return revision;
  }

  async #bury(
    box: string,
    message: Pulled,
    entry: Entry<Standing> | undefined,
    attempts: number,
    reason: string,
  ): Promise<boolean> {
    const standing = { state: "dying", attempts, reason } as const;
    const revision = await this.#write(box, message.position, standing, entry?.revision ?? 0);
    if (revision === undefined) return false;
    await this.#die(box, message, revision, attempts, reason);
    return true;
  }

  async #die(
    box: string,
    message: Pulled,
    revision: number,
    attempts: number,
    reason: string,
  ): Promise<void> {
    await this.bequeath(box, message, attempts, reason);
    await this.#finish(message, "+TERM", revision);
  }

  /** Stores a dead letter. A second one of the same message is a duplicate to the server. */
  async bequeath(box: string, message: Stored, attempts: number, reason: string): Promise<void> {
    const { link, packages, names, registry, streams } = this.#parts;
    if ((await registry.settings(box)).maxDead === 0) return;
    await streams.dead(box);
    const { position, stored: posted, body, envelope } = message;
    const dead = { position, posted, attempts, reason: reason.slice(0, LONGEST_REASON) };
    const headers = packages.transport.headers();
    headers.set(HEADER, JSON.stringify({ ...envelope, dead } satisfies Envelope));
    const options = { msgID: `dead:${position}`, headers };
    await link.call(() => link.jetstream.publish(names.deadSubject(box), body, options));
  }

  /** Ends a message at the server. Its standing is deleted after that: until then it says that the message is done with. */
  async #finish(message: Pulled, how: string, revision: number): Promise<void> {
    if (await this.#tell(message, how)) await this.#parts.keys.forgetRevision(revision).catch(() => {});
  }

  /** Tells the server what becomes of a delivery. If it can't be told now, it asks again by a delivery, and hears it then. */
  async #tell({ reply }: Pulled, how: string): Promise<boolean> {
    const { link } = this.#parts;
    return link
      .call(() => link.request(reply, how))
      .then(
        () => true,
        () => false,
      );
  }

  async #giveBack(claim: Claim, reason: string): Promise<void> {
    try {
      await this.nack(claim, 0, reason);
    } catch (error) {
      if (!(error instanceof LeaseLostError)) this.#parts.onTrouble(error as Error);
    }
  }

  /** Sets the timer for the next sign of life, or the next end of a lease. */
  #arm(): void {
    clearTimeout(this.#timer);
    if (this.#held.size === 0) return;
    let next = this.#told + this.#silence / 4;
    for (const { until } of this.#held.values()) if (until < next) next = until;
    const ms = Math.min(Math.max(1, next - now()), LONGEST_TIMER);
    this.#timer = setTimeout(() => this.#tick(), ms).unref();
  }

  #tick(): void {
    const time = now();
    for (const claim of this.#held.values()) {
      if (claim.until > time) continue;
      this.#held.delete(claim.token);
      void this.#giveBack(claim, "its lease ended");
    }
    if (this.#parts.link.connected && time - this.#told >= this.#silence / 4) this.tell();
    else this.#arm();
  }
}

/** How long a message has to wait, in ms. Clocks of machines differ, but nothing waits longer than was asked for. */
function pause({ stored, envelope: { delay } }: Pulled, standing: Standing | undefined): number {
  const posted = delay === undefined ? 0 : Math.min(stored + delay - wallClock(), delay);
  // A message that was given back has waited for its first delay.
  if (standing === undefined || standing.attempts === 0) return posted;
  return (standing.notBefore ?? 0) - wallClock();
}

function nak(delay: number): string {
  return delay > 0 ? `-NAK ${JSON.stringify({ delay: Math.ceil(delay) * NANO })}` : "-NAK";
}

function often(attempts: number, reason: string): string {
  return `delivered ${attempts} times; at last ${reason}`;
}

function lost(box: string, position: number): LeaseLostError {
  return new LeaseLostError(
    `message ${position}${box === "" ? "" : ` of the box "${box}"`} is not this delivery's any more: it was settled, or its lease ended`,
    box,
    position,
  );
}
