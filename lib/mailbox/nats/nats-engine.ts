import { randomBytes } from "node:crypto";
import { now } from "../../clock.js";
import { ClosedError, InvalidArgumentError } from "../../errors.js";
import type { Asked, Engine, EngineListener } from "../engine.js";
import { BoxFullError, LeaseLostError } from "../errors.js";
import { checkBytes } from "../machine/machine.js";
import type { NatsSettings } from "../options.js";
import type {
  PublishAnswer,
  PublishRequest,
  Request,
  SettleRequest,
  TakeRequest,
  WireMessage,
} from "../wire.js";
import { type Claim, Claims } from "./claims.js";
import { type Pulled, wireOf } from "./envelope.js";
import { Ghosts } from "./ghosts.js";
import { Inspection } from "./inspection.js";
import { Keys } from "./keys.js";
import { Link } from "./link.js";
import { Names, RANKS } from "./names.js";
import type { Packages } from "./packages.js";
import { Posts } from "./posts.js";
import { Pulls, type Wait } from "./pulls.js";
import { Registry } from "./registry.js";
import { postingOf, Shelf } from "./shelf.js";
import { Streams } from "./streams.js";

export { loadPackages } from "./packages.js";

/** How long posts are held while no server can be reached, in ms. */
const HELD = 60_000;
/** A box that stays full is told of once in this time, in ms. */
const FULL_AGAIN = 1000;
/** For how long claims are remembered that nobody has settled for: their numbers of attempts, in ms. */
const REMEMBERED = 7 * 24 * 3600_000;

interface Parts {
  readonly registry: Registry;
  readonly streams: Streams;
  readonly claims: Claims;
  readonly pulls: Pulls;
  readonly shelf: Shelf;
  readonly inspection: Inspection;
}

interface Waiting {
  readonly box: string;
  stopped: boolean;
  wait: Wait | undefined;
}

/** Mailboxes whose messages lie in NATS. There is no broker: each process speaks for itself, and the servers keep what all agree on. */
export class NatsEngine implements Engine {
  readonly hello = undefined;
  readonly #settings: NatsSettings;
  readonly #listener: EngineListener;
  readonly #packages: Packages;
  readonly #link: Link;
  readonly #posts: Posts;
  readonly #client = randomBytes(9).toString("base64url");
  readonly #waiting = new Map<number, Waiting>();
  readonly #toldFull = new Map<string, number>();
  readonly #rejects = new Set<(error: Error) => void>();
  /** What takes messages: a message that comes when this ends must go back. */
  readonly #taking = new Set<Promise<unknown>>();
  #parts: Parts | undefined;
  #last = 0;
  #numbers = 0;
  #closed: Error | undefined;
  #closing: Promise<void> | undefined;

  constructor(settings: NatsSettings, packages: Packages, listener: EngineListener) {
    this.#settings = settings;
    this.#packages = packages;
    this.#listener = listener;
    this.#link = new Link(settings, packages, {
      onState: (connected) => {
        if (!connected) this.#posts.disconnected();
        if (this.#closed === undefined) listener.onState(connected ? "client" : "connecting");
      },
      onConnected: () => {
        this.#posts.connected();
        this.#parts?.claims.tell();
        void this.#parts?.pulls.renew();
      },
    });
    this.#posts = new Posts(this.#link, settings.stall, HELD);
  }

  async ready(): Promise<void> {
    if (this.#closed !== undefined) throw this.#closed;
    if (this.#parts !== undefined) return;
    await this.#link.begin();
    try {
      this.#parts = await this.#begin();
    } catch (error) {
      await this.#link.close();
      throw this.#link.errorOf(error);
    }
  }

  async #begin(): Promise<Parts> {
    const { namespace, name, defaults, replicas, silence } = this.#settings;
    const link = this.#link;
    const packages = this.#packages;
    const client = this.#client;
    const names = new Names(namespace, name);
    const bucket = async (bucket: string, ttl: number) => {
      const kvm = new packages.kv.Kvm(link.jetstream);
      return new Keys(link, await link.call(() => kvm.create(bucket, { replicas, ttl })), bucket);
    };
    const registry = new Registry(await bucket(names.boxesBucket, 0), defaults);
    const keys = await bucket(names.claimsBucket, REMEMBERED);
    const streams = new Streams(link, packages, names, registry, { replicas, silence });
    const { onTrouble } = this.#listener;
    const claims = new Claims({ link, packages, names, keys, registry, streams, client, onTrouble });
    const ghosts = new Ghosts(link, names, streams);
    // Perhaps somebody has deleted the consumers, or a server that was killed has forgotten acknowledgements.
    const pulls = new Pulls(link, names, async (box, rank) => {
      streams.forget(box);
      await streams.consumers(box);
      const ended = await ghosts.end(box, rank);
      return ended > 0 || ((await streams.consumer(box, rank))?.num_pending ?? 0) > 0;
    });
    const shelf = new Shelf({
      ...{ link, packages, names, registry, streams, posts: this.#posts, pulls, claims, client },
      waiting: (box) => [...this.#waiting.values()].filter((one) => one.box === box).length,
      onFull: (box) => this.#tellFull(box),
    });
    const inspection = new Inspection({ link, registry, streams, claims, pulls, shelf });
    return { registry, streams, claims, pulls, shelf, inspection };
  }

  nextPost(): number {
    return ++this.#numbers;
  }

  ask(request: Request): Asked {
    const tag = ++this.#last;
    if (this.#closed !== undefined) return { tag, answer: Promise.reject(this.#closed) };
    const answer = new Promise<unknown>((resolve, reject) => {
      this.#rejects.add(reject);
      this.#do(tag, request)
        .finally(() => this.#rejects.delete(reject))
        .then(resolve, reject);
    });
    return { tag, answer };
  }

  // The server knows claims by their subjects, and this process by its own books.
  hold(): void {}
  release(): void {}

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#closed = new ClosedError("the mailboxes were closed");
    this.#listener.onState("closed");
    this.#posts.close(this.#closed);
    for (const reject of this.#rejects) reject(this.#closed);
    if (this.#link.connected) {
      for (const tag of this.#waiting.keys()) void this.#cancel(tag);
      // What was on its way is claimed, and goes back with all other claims.
      await Promise.allSettled(this.#taking);
      await this.#parts?.claims.close();
    }
    await this.#link.close();
  }

  // The client of NATS keeps its process alive until it is closed.
  ref(): void {}
  unref(): void {}

  async #do(tag: number, request: Request): Promise<unknown> {
    const { registry, streams, shelf, inspection } = this.#parts!;
    switch (request.op) {
      case "hello":
        return undefined;
      case "post":
        checkBytes(Buffer.byteLength(request.body), this.#settings.maxMessageBytes);
        return shelf.post(request.to, request);
      case "publish":
        return this.#publish(request);
      case "take":
        return this.#track(this.#take(tag, request));
      case "settle":
        return this.#settle(request);
      case "cancel":
        return this.#cancel(request.wait);
      case "configure": {
        const settings = await registry.configure(request.box, request.settings);
        await streams.configure(request.box, settings);
        return settings;
      }
      case "subscribe":
        await streams.box(request.box);
        await registry.subscribe(request.box, request.pattern);
        return true;
      case "unsubscribe":
        return registry.unsubscribe(request.box, request.pattern);
      case "list":
        if (request.box === undefined && request.after > 0) {
          throw new InvalidArgumentError(
            "options.after",
            "left out where all boxes are listed: with NATS each box counts its own positions",
            request.after,
          );
        }
        return inspection.list(request);
      case "requeue":
        return inspection.requeue(request.box, request.positions, () => this.nextPost());
      case "purge":
        return inspection.purge(request.box, request.what);
      case "status":
        return inspection.status(request.box);
    }
  }

  async #publish(request: PublishRequest): Promise<PublishAnswer> {
    const { registry, shelf } = this.#parts!;
    checkBytes(Buffer.byteLength(request.body), this.#settings.maxMessageBytes);
    const full: string[] = [];
    const boxes = await registry.subscribed(request.topic);
    await Promise.all(
      boxes.map((box) =>
        shelf.post(box, postingOf(request)).catch((error: unknown) => {
          if (!(error instanceof BoxFullError)) throw error;
          full.push(box);
        }),
      ),
    );
    return { boxes: boxes.length - full.length, full: full.sort() };
  }

  #track<T>(taking: Promise<T>): Promise<T> {
    this.#taking.add(taking);
    const forget = () => this.#taking.delete(taking);
    taking.then(forget, forget);
    return taking;
  }

  async #take(tag: number, { box, most, lease, rank, wait }: TakeRequest): Promise<WireMessage[]> {
    const waiting: Waiting = { box, stopped: false, wait: undefined };
    if (wait && rank === undefined) this.#waiting.set(tag, waiting);
    else if (wait) this.#waiting.set(tag, { ...waiting, box: "" });
    const entry = this.#waiting.get(tag) ?? waiting;
    try {
      const ranks = rank === undefined ? RANKS : [rank];
      if (!wait) return await this.#takeNow(box, ranks, most, lease);
      while (!entry.stopped) {
        const claim = await this.#takeNext(entry, box, ranks, lease);
        if (claim !== undefined) return [delivered(claim)];
      }
      return [];
    } finally {
      this.#waiting.delete(tag);
    }
  }

  async #takeNow(
    box: string,
    ranks: readonly number[],
    most: number,
    lease: number | undefined,
  ): Promise<WireMessage[]> {
    const { pulls, streams } = this.#parts!;
    await streams.consumers(box);
    const taken: WireMessage[] = [];
    for (const rank of ranks) {
      while (taken.length < most) {
        const messages = await pulls.now(box, rank, most - taken.length);
        if (messages.length === 0) break;
        const claims = await Promise.all(messages.map((message) => this.#admit(box, message, lease)));
        for (const claim of claims) if (claim !== undefined) taken.push(delivered(claim));
      }
    }
    return taken;
  }

  /** Takes one message, and waits for it. Resolves with undefined if what came may not be delivered, or the wait was taken back. */
  async #takeNext(
    waiting: Waiting,
    box: string,
    ranks: readonly number[],
    lease: number | undefined,
  ): Promise<Claim | undefined> {
    const { pulls, streams } = this.#parts!;
    await streams.consumers(box);
    // Of what is there, the higher rank comes first.
    for (const rank of ranks) {
      const [message] = await pulls.now(box, rank, 1);
      if (message !== undefined) return this.#admit(box, message, lease);
    }
    if (waiting.stopped) return undefined;
    waiting.wait = pulls.wait(box, ranks, (surplus) => void this.#putBack(box, surplus));
    const message = await waiting.wait.message;
    waiting.wait = undefined;
    if (message === "gone") streams.forget(box);
    return message === undefined || message === "gone" ? undefined : this.#admit(box, message, lease);
  }

  async #admit(box: string, message: Pulled, lease: number | undefined): Promise<Claim | undefined> {
    const { claims, streams } = this.#parts!;
    return claims.admit(box, message, lease, await streams.consumers(box));
  }

  async #putBack(box: string, message: Pulled): Promise<void> {
    try {
      const claim = await this.#admit(box, message, undefined);
      if (claim !== undefined) await this.#parts!.claims.putBack(claim);
    } catch (error) {
      if (this.#closed === undefined) this.#listener.onTrouble(error as Error);
    }
  }

  /** Takes a wait back. It ends with nothing, or with what was on its way. */
  async #cancel(tag: number): Promise<boolean> {
    const waiting = this.#waiting.get(tag);
    if (waiting === undefined) return false;
    waiting.stopped = true;
    await waiting.wait?.stop();
    return true;
  }

  /** Settles each claim. If one is lost, the others are settled all the same. */
  async #settle(request: SettleRequest): Promise<unknown> {
    const results = await Promise.allSettled(
      request.claims.map(([position, token]) => this.#settleOne(request, position, token)),
    );
    for (const result of results) if (result.status === "rejected") throw result.reason;
    return (results.at(-1) as PromiseFulfilledResult<unknown> | undefined)?.value ?? true;
  }

  async #settleOne(request: SettleRequest, position: number, token: number): Promise<unknown> {
    const { how, delay = 0, lease, reason = "no reason was given" } = request;
    const { claims } = this.#parts!;
    try {
      const claim = claims.get(token, undefined, position);
      if (how === "ack") await claims.ack(claim);
      else if (how === "nack") await claims.nack(claim, delay, reason);
      else if (how === "reject") await claims.reject(claim, reason);
      else if (how === "return") await claims.putBack(claim);
      else return await claims.extend(claim, lease);
      return true;
    } catch (error) {
      // What was taken back in vain is somebody else's already.
      if (how === "return" && error instanceof LeaseLostError) return true;
      throw error;
    }
  }

  #tellFull(box: string): void {
    const told = this.#toldFull.get(box);
    if (told !== undefined && now() - told < FULL_AGAIN) return;
    this.#toldFull.set(box, now());
    this.#listener.onNotice({ notice: "full", box });
  }
}

function delivered({ box, message, attempts: attempt, token }: Claim): WireMessage {
  return wireOf(box, message, { attempt, token });
}
