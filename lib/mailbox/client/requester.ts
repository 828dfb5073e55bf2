import { randomBytes } from "node:crypto";
import { clearTimeout, now, setTimeout, soon, type Timer } from "../../clock.js";
import { ClosedError } from "../../errors.js";
import type { Asked, Engine, EngineListener } from "../engine.js";
import { BrokerStalledError } from "../errors.js";
import { errorOf } from "../refusal.js";
import {
  type Answer,
  type AnswerFrame,
  type Claim,
  type HelloAnswer,
  type Request,
  WIRE_VERSION,
  type WireMessage,
} from "../wire.js";
import type { BrokerLink } from "./broker-link.js";

/** The most requests and the most characters of texts of a frame; more go with the next one. */
const MOST_REQUESTS = 2000;
const MOST_TEXT = 4 * 1024 * 1024;
/** How much longer a broker has that did not answer while our own loop was late, in ms. */
const EXTRA = 100;

type Tagged = Request & { tag: number };

interface Pending {
  readonly tag: number;
  request: Tagged;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  /** Whether the answer may take any time. */
  readonly waits: boolean;
  /** When it was asked. */
  readonly at: number;
}

export interface RequesterParts extends EngineListener {
  /** Finds the broker, or becomes it. `later`: lets others become it first. */
  reach(later: boolean): Promise<BrokerLink>;
  /** How long the broker may leave a request unanswered, in ms. */
  readonly stall: number;
  /** Whether a broker that leaves a request unanswered is killed. */
  readonly kill: boolean;
  /** The file that this process would store in, if the program chose it. */
  readonly path: string | undefined;
}

/**
 * Asks the broker, whoever it is. When the broker dies, the next one is found, or this process becomes it, and all that was not answered is
 * asked again. Posts carry numbers by which the next broker knows them; claims are named by position and token. One file has the whole life of a
 * request, over all links.
 */
export class Requester implements Engine {
  readonly #parts: RequesterParts;
  /** Which claims this process has: the broker keeps them when the connection is made anew. */
  readonly #held = new Map<number, number>();
  /** Positions of messages that came before they were stored, and of those whose broker was lost before it said that they are. */
  readonly #early = new Set<number>();
  readonly #doubtful = new Set<number>();
  readonly #id = randomBytes(9).toString("base64url");
  readonly #pending = new Map<number, Pending>();
  /** Tags of requests that have to be sent. */
  #outbox: number[] = [];
  #flushing = false;
  #sending = false;
  #link: BrokerLink | undefined;
  #hello: HelloAnswer | undefined;
  #connecting: Promise<void> | undefined;
  #last = 0;
  #posts = 0;
  /** Tags of posts by their numbers, in ascending order. */
  readonly #unanswered = new Set<number>();
  #stallTimer: Timer | undefined;
  #closed: Error | undefined;
  #referenced = true;

  constructor(parts: RequesterParts) {
    this.#parts = parts;
  }

  get link(): BrokerLink | undefined {
    return this.#link;
  }

  get hello(): HelloAnswer | undefined {
    return this.#hello;
  }

  /** Resolves when a broker is found. */
  async ready(): Promise<void> {
    if (this.#closed !== undefined) throw this.#closed;
    if (this.#hello === undefined) await this.#connect(false);
  }

  nextPost(): number {
    return ++this.#posts;
  }

  hold(position: number, token: number): void {
    this.#held.set(position, token);
  }

  release(position: number, token: number): void {
    if (this.#held.get(position) !== token) return;
    this.#held.delete(position);
    this.#doubtful.delete(position);
  }

  ask(request: Request, waits = false): Asked {
    const tag = ++this.#last;
    if (this.#closed !== undefined) return { tag, answer: Promise.reject(this.#closed) };
    // The object is ours from now on; a copy of each post would cost as much as to encode it.
    const tagged = request as Tagged;
    tagged.tag = tag;
    const answer = new Promise<unknown>((resolve, reject) => {
      this.#pending.set(tag, { tag, request: tagged, resolve, reject, waits, at: now() });
    });
    if ("number" in request) this.#unanswered.add(request.number);
    if (!waits) this.#watch();
    this.#outbox.push(tag);
    if (this.#hello === undefined) this.#connect(false).catch(() => {});
    else this.#schedule();
    return { tag, answer };
  }

  /** Ends the link, and with it the broker if it is here. What waits rejects. */
  async close(): Promise<void> {
    this.#closed ??= new ClosedError("the mailboxes were closed");
    this.#parts.onState("closed");
    this.#rejectAll(this.#closed);
    clearTimeout(this.#stallTimer);
    await this.#connecting?.catch(() => {});
    const link = this.#link;
    this.#link = undefined;
    this.#hello = undefined;
    await link?.close();
  }

  /** Ends the broker that is here. With `others`, the one that takes over is looked for at once, else with the next request. */
  async renounce(others: boolean): Promise<void> {
    const link = this.#link!;
    this.#unlink();
    const closing = link.close();
    if (others) this.#comeBack(true);
    else this.#parts.onState("connecting");
    await closing;
  }

  ref(): void {
    this.#referenced = true;
    this.#link?.ref();
  }

  unref(): void {
    this.#referenced = false;
    this.#link?.unref();
  }

  #connect(later: boolean): Promise<void> {
    this.#connecting ??= this.#begin(later).finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  async #begin(later: boolean): Promise<void> {
    this.#parts.onState("connecting");
    try {
      for (;;) {
        const link = await this.#parts.reach(later);
        if (await this.#greet(link)) return;
      }
    } catch (error) {
      this.#rejectAll(error as Error);
      throw error;
    }
  }

  /** Says hello, and repeats what was not answered. Resolves with false if the link ended meanwhile. */
  #greet(link: BrokerLink): Promise<boolean> {
    if (this.#closed !== undefined) {
      return link.close().then(() => {
        throw this.#closed!;
      });
    }
    return new Promise((resolve, reject) => {
      let greeted = false;
      const late = setTimeout(() => {
        void link.close();
        reject(this.#stalled(link));
      }, this.#parts.stall);
      link.listen({
        frame: (frame) => {
          if (greeted) {
            this.#receive(frame);
            return;
          }
          greeted = true;
          clearTimeout(late);
          const [{ value, refusal } = {} as Partial<Answer>] = frame.answers;
          if (refusal !== undefined) {
            void link.close();
            reject(errorOf(refusal));
            return;
          }
          this.#linked(link, value as HelloAnswer);
          resolve(true);
        },
        end: () => {
          clearTimeout(late);
          if (greeted) this.#lost(link);
          else resolve(false);
        },
      });
      const held: Claim[] = [...this.#held];
      const hello = {
        op: "hello",
        version: WIRE_VERSION,
        client: this.#id,
        held,
        path: this.#parts.path,
      } as const;
      void link.send({ requests: [{ ...hello, tag: 0 }], unanswered: this.#firstUnanswered() });
    });
  }

  #linked(link: BrokerLink, hello: HelloAnswer): void {
    this.#link = link;
    this.#hello = hello;
    this.#sending = false;
    if (!this.#referenced) link.unref();
    this.#outbox = [...this.#pending.keys()];
    this.#schedule();
    this.#parts.onState(link.local ? "broker" : "client");
  }

  #lost(link: BrokerLink): void {
    if (this.#link !== link) return;
    this.#unlink();
    if (this.#closed === undefined) this.#comeBack(false);
  }

  #unlink(): void {
    this.#link = undefined;
    this.#hello = undefined;
    for (const position of this.#early) this.#doubtful.add(position);
    this.#early.clear();
    const unsent = new Set(this.#outbox);
    for (const one of this.#pending.values()) {
      const { request, tag } = one;
      if (
        request.op === "settle" ? this.#isCertain(request.claims) : "number" in request && !unsent.has(tag)
      ) {
        one.request = { ...request, again: true } as Tagged;
      }
    }
  }

  /** Whether the messages were stored. To acknowledge another one again must fail: it is not gone, since its poster posts it again. */
  #isCertain(claims: readonly Claim[]): boolean {
    return claims.every(([position]) => !this.#doubtful.has(position));
  }

  #comeBack(later: boolean): void {
    this.#connect(later).catch((failure: Error) => {
      if (this.#closed === undefined) this.#parts.onTrouble(failure);
    });
  }

  #schedule(): void {
    if (this.#flushing || this.#sending || this.#hello === undefined) return;
    this.#flushing = true;
    // After all microtasks of this moment, so that what they ask goes in one frame.
    soon(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    while (this.#outbox.length > 0 && !this.#sending && this.#hello !== undefined) {
      const link = this.#link!;
      let sent: Promise<void> | undefined;
      try {
        sent = link.send({ requests: this.#nextRequests(), unanswered: this.#firstUnanswered() });
      } catch {
        // The link has ended, and will say so.
        return;
      }
      if (sent === undefined) continue;
      this.#sending = true;
      sent.then(
        () => {
          if (this.#link !== link) return;
          this.#sending = false;
          this.#flush();
        },
        () => {},
      );
    }
  }

  #nextRequests(): Tagged[] {
    const requests: Tagged[] = [];
    let text = 0;
    let at = 0;
    for (; at < this.#outbox.length && requests.length < MOST_REQUESTS && text < MOST_TEXT; at++) {
      const pending = this.#pending.get(this.#outbox[at]!);
      if (pending === undefined) continue;
      const { request } = pending;
      if ("body" in request) text += request.body.length;
      requests.push(request);
    }
    this.#outbox = at === this.#outbox.length ? [] : this.#outbox.slice(at);
    return requests;
  }

  #firstUnanswered(): number {
    for (const number of this.#unanswered) return number;
    return this.#posts + 1;
  }

  #receive({ answers, notices, early }: AnswerFrame): void {
    if (early === true) this.#noteEarly(answers);
    else this.#early.clear();
    for (const answer of answers) this.#settle(answer);
    for (const notice of notices ?? []) this.#parts.onNotice(notice);
  }

  #noteEarly(answers: readonly Answer[]): void {
    for (const { value } of answers) {
      for (const { position } of value as readonly WireMessage[]) this.#early.add(position);
    }
  }

  #settle({ tag, value, refusal }: Answer): void {
    const pending = this.#take(tag);
    if (pending === undefined) return;
    if (refusal === undefined) pending.resolve(value);
    else pending.reject(errorOf(refusal));
  }

  #take(tag: number): Pending | undefined {
    const pending = this.#pending.get(tag);
    if (pending === undefined) return undefined;
    this.#pending.delete(tag);
    if ("number" in pending.request) this.#unanswered.delete(pending.request.number);
    return pending;
  }

  #rejectAll(error: Error): void {
    for (const { tag, reject } of [...this.#pending.values()]) {
      this.#take(tag);
      reject(error);
    }
    this.#outbox = [];
  }

  /** Looks after a while whether the broker has answered. One timer serves all requests. */
  #watch(): void {
    if (this.#stallTimer !== undefined) return;
    this.#lookIn(this.#parts.stall, false);
  }

  /** The link keeps the process alive, and not this timer: a program that has its answer may end. */
  #lookIn(ms: number, again: boolean): void {
    this.#stallTimer = setTimeout(() => this.#look(again), ms).unref();
  }

  #look(again: boolean): void {
    this.#stallTimer = undefined;
    const asked = [...this.#pending.values()].filter(({ waits }) => !waits);
    const oldest = asked.reduce((least, { at }) => Math.min(least, at), Number.POSITIVE_INFINITY);
    if (oldest === Number.POSITIVE_INFINITY) return;
    const left = oldest + this.#parts.stall - now();
    if (left > 0) this.#lookIn(left, false);
    // Our own loop may have been late: what has arrived is read first.
    else if (!again) this.#lookIn(EXTRA, true);
    else this.#stalls(asked.filter(({ at }) => at + this.#parts.stall <= now()));
  }

  #stalls(late: readonly Pending[]): void {
    const link = this.#link;
    if (link === undefined) {
      // The way to a broker is being looked for, which has limits of its own.
      this.#watch();
      return;
    }
    if (this.#parts.kill && !link.local && link.pid !== undefined) {
      killQuietly(link.pid);
      this.#watch();
      return;
    }
    for (const { tag, reject } of late) {
      this.#take(tag);
      reject(this.#stalled(link));
    }
    this.#watch();
  }

  #stalled({ pid }: BrokerLink): BrokerStalledError {
    const who = pid === undefined ? "the broker" : `the broker (process ${pid})`;
    return new BrokerStalledError(
      `${who} has not answered for ${this.#parts.stall} ms: it is stopped, or computes. What was asked may have been done`,
      pid,
    );
  }
}

export function killQuietly(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended meanwhile, or is not ours.
  }
}
