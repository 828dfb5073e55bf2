import { clearTimeout, setImmediate, setTimeout, type Timer } from "../../clock.js";
import { NoSpaceError, RingbellError } from "../../errors.js";
import { type Failure, failureOf } from "../../store/sqlite-driver.js";
import { StoreError } from "../errors.js";
import { GRACE, OUTCOMES } from "../limits.js";
import { Boxes } from "../machine/boxes.js";
import { Machine } from "../machine/machine.js";
import { Positions } from "../machine/positions.js";
import type { BoxSettings } from "../message.js";
import { refusalOf } from "../refusal.js";
import type { Time } from "../steady.js";
import { FencedError } from "../store/fenced-error.js";
import type { Owner, Tables } from "../store/tables.js";
import type { HelloAnswer, Notice, Request } from "../wire.js";
import { BrokerClient, type ClientPort } from "./broker-client.js";
import { Desk } from "./desk.js";
import { pidOf } from "./holder.js";
import { checkRequest, framed } from "./requests.js";
import { Waiters } from "./waiters.js";

/** The name of the number under which the tables keep the time of the last turn, about. */
export const CLOCK = "clock";
/** How much later the time must be before it is written again, in ms. */
const CLOCK_STEP = 1000;
/** How often the broker looks after its file and forgets what is old, in ms, as long as there are turns. */
const TENDING = 1000;
/** The most posts of a turn. While a turn of a flood is stored, the posters take the answers of the one before, and post more. */
const PART = 128;
/** How long to wait for another program that writes the file, in ms, and how often. */
const BUSY_PAUSE = 20;
const BUSY_TRIES = 250;
/** How long to wait after a turn that failed before time alone begins another, in ms. */
const FAILED_PAUSE = 200;
/** The longest delay of a timer. */
const LONGEST_TIMER = 2 ** 31 - 1;
/** A box that stays full is told of once in this time, in ms. */
const FULL_AGAIN = 1000;

export interface BrokerParts {
  readonly tables: Tables;
  readonly epoch: number;
  readonly time: Time;
  readonly defaults: Partial<BoxSettings>;
  readonly maxMessageBytes: number;
  readonly durability: "process" | "disk";
  /** Where a damaged store was set aside before this one was begun. */
  readonly damaged: string | undefined;
  /** Called when the broker must step back: another one has the store, or the file can't be used. It has answered nothing since. */
  readonly onLost: (error: Error, owner: Owner | undefined) => void;
}

interface Work {
  readonly client: BrokerClient;
  readonly tag: number;
  /** A request, or the end of the client's connection. */
  readonly request: Request | "gone";
}

/**
 * Serves the boxes of a store to clients. Requests are collected, and one turn of the event loop does all that have come: one transaction,
 * one commit. Answers leave after the commit, so that what was answered is stored. One file has the turn and all ways in which it fails.
 */
export class Broker {
  readonly #parts: BrokerParts;
  readonly #boxes: Boxes;
  readonly #positions: Positions;
  readonly #machine: Machine;
  readonly #desk: Desk;
  readonly #clients = new Set<BrokerClient>();
  readonly #byHolder = new Map<string, BrokerClient>();
  readonly #waiters = new Waiters<BrokerClient>();
  #queue: Work[] = [];
  #scheduled = false;
  #closed = false;
  #timer: Timer | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #clock: number;
  #tended = 0;
  #busy = 0;
  /** Whether the last posts could be stored. If not, the next may not be, either: then messages are stored before they are delivered. */
  #storing = true;
  /** When the timer may begin the next turn, after one that failed. */
  #notBefore = 0;
  /** Holders of claims that the broker before gave out, until they have said hello, or until the time is over. */
  #orphans: Set<string>;
  readonly #orphansUntil: number;
  readonly #toldFull = new Map<number, number>();
  #notices: Notice[] = [];

  constructor(parts: BrokerParts) {
    this.#parts = parts;
    const { tables, time, epoch } = parts;
    this.#boxes = new Boxes(tables, parts.defaults);
    this.#positions = new Positions(tables);
    this.#machine = new Machine(tables, this.#boxes, this.#positions, time, epoch, {
      full: (box) => this.#tellFull(box.id, box.name),
      filled: (box) => this.#desk.filled.add(box.id),
    });
    this.#clock = tables.number(CLOCK);
    this.#orphans = new Set(this.#machine.leases.holders());
    this.#orphansUntil = time() + GRACE;
    this.#desk = new Desk(this.#boxes, this.#machine, tables, this.#waiters, {
      maxMessageBytes: parts.maxMessageBytes,
      hello: (client) => this.#hello(client),
      status: () => this.#status(),
    });
    this.#hold();
    if (this.#orphans.size > 0) this.#schedule();
    this.#arm();
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** How many clients there are, the one of this process included. */
  get clients(): number {
    return this.#clients.size;
  }

  /** Takes a client in. Returns what hands its frames over, and what tells that its connection has ended. */
  attach(port: ClientPort): { receive(frame: unknown): void; gone(): void } {
    const client = new BrokerClient(port);
    this.#clients.add(client);
    return {
      receive: (frame) => this.#receive(client, frame),
      gone: () => {
        client.gone = true;
        this.#clients.delete(client);
        if (!this.#closed) this.#push({ client, tag: 0, request: "gone" });
      },
    };
  }

  /** Does what has come, and ends. Clients are not told: their connections end next. */
  close(): void {
    if (this.#closed) return;
    // The loop ends when a turn has done nothing: another program writes the file.
    for (let left = Number.POSITIVE_INFINITY; this.#queue.length > 0 && this.#queue.length < left; ) {
      left = this.#queue.length;
      this.#turn();
    }
    this.#end();
  }

  #end(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#parts.tables.close();
  }

  #receive(client: BrokerClient, frame: unknown): void {
    if (this.#closed || client.gone) return;
    try {
      const { requests, unanswered } = framed(frame);
      client.unanswered = unanswered;
      for (const fields of requests) {
        const tag = fields.tag as number;
        try {
          this.#push({ client, tag, request: checkRequest(fields) });
        } catch (error) {
          client.port.send({ answers: [{ tag, refusal: refusalOf(error) }] });
        }
      }
    } catch (error) {
      client.port.end(error as Error);
    }
  }

  #push(work: Work): void {
    this.#queue.push(work);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled || this.#closed) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (!this.#closed) this.#turn();
    });
  }

  #turn(): void {
    const batch = this.#nextPart();
    try {
      this.#tend();
      this.#transact(batch);
      this.#busy = 0;
      this.#notBefore = 0;
    } catch (error) {
      this.#notBefore = this.#parts.time() + FAILED_PAUSE;
      this.#fail(batch, error);
    }
    this.#flush();
    if (this.#closed) return;
    if (this.#queue.length > 0 && this.#busy === 0) this.#schedule();
    this.#arm();
  }

  #nextPart(): Work[] {
    let posts = 0;
    const end = this.#queue.findIndex((work) => isPost(work) && ++posts > PART);
    return this.#queue.splice(0, end < 0 ? this.#queue.length : end);
  }

  /** Does a batch in one transaction. If it throws, nothing has happened, and no answer is kept. */
  #transact(batch: readonly Work[]): void {
    const { tables } = this.#parts;
    tables.begin();
    this.#machine.begin();
    try {
      this.#dueWork();
      for (const work of batch) this.#do(work);
      if (this.#orphans.size > 0) this.#lookAfterOrphans(this.#parts.time());
      this.#desk.serve();
      if (tables.kind !== "memory" && this.#storing) this.#desk.hurry();
      // An answer from memory is wrong if another broker has the store by now.
      if (this.#answers()) tables.confirm();
      const posts = batch.some(isPost);
      this.#save(posts);
      tables.commit();
      if (posts) this.#storing = true;
      this.#desk.committed();
    } catch (error) {
      this.#storing = false;
      tables.rollback();
      this.#boxes.reload();
      this.#positions.reload();
      this.#machine.reload();
      // If the next turn stores these posts, their messages are delivered again.
      if (this.#desk.undo()) {
        for (const { request } of batch.filter(isPost)) Object.assign(request, { again: true });
      }
      for (const client of this.#clients) {
        client.discard();
        client.outcomes = undefined;
        client.outcomesChanged = false;
      }
      this.#notices = [];
      throw error;
    }
  }

  #answers(): boolean {
    for (const client of this.#clients) if (client.hasAnswers) return true;
    return false;
  }

  #do({ client, tag, request }: Work): void {
    if (request === "gone") {
      this.#gone(client);
      return;
    }
    // Its claims would come back only with the end of a lease.
    if (client.gone) return;
    try {
      const value = this.#desk.do(client, tag, request);
      if (value !== undefined) client.answer({ tag, value });
    } catch (error) {
      // Errors of ours are refusals. All others are the store's, and the whole turn has failed.
      if (!(error instanceof RingbellError)) throw error;
      client.answer({ tag, refusal: refusalOf(error) });
    }
  }

  #save(posts: boolean): void {
    const { tables, time } = this.#parts;
    const now = time();
    for (const client of this.#clients) {
      if (!client.outcomesChanged) continue;
      client.outcomesChanged = false;
      client.outcomes!.forget(client.unanswered);
      tables.saveOutcomes(client.holder!, client.outcomes!.toString(), now);
    }
    this.#boxes.save();
    // Turns that store nothing need no room on a disk that is full.
    if (posts && now - this.#clock >= CLOCK_STEP) {
      this.#clock = now;
      tables.setNumber(CLOCK, now);
      tables.forget(now, now - OUTCOMES);
    }
  }

  /** What waits for a time. */
  #dueWork(): void {
    if (this.#machine.soonest <= this.#parts.time()) this.#machine.tick();
  }

  /** Gives back the claims of processes that have died with the broker before this one, or have not come back in time. */
  #lookAfterOrphans(now: number): void {
    for (const holder of this.#orphans) {
      const late = now >= this.#orphansUntil;
      if (this.#byHolder.has(holder) || (!late && isAlive(pidOf(holder)))) continue;
      this.#machine.abandon(holder);
    }
    const stay = (holder: string) =>
      !this.#byHolder.has(holder) && this.#machine.leases.heldBy(holder).length > 0;
    this.#orphans = new Set([...this.#orphans].filter(stay));
    this.#hold();
  }

  #hold(): void {
    this.#desk.held.clear();
    for (const holder of this.#orphans) {
      for (const { box } of this.#machine.leases.heldBy(holder)) this.#desk.held.add(box);
    }
  }

  #hello(client: BrokerClient): HelloAnswer {
    this.#byHolder.set(client.holder!, client);
    const { tables, epoch, maxMessageBytes } = this.#parts;
    return { pid: process.pid, epoch, path: tables.path, maxMessageBytes };
  }

  #gone(client: BrokerClient): void {
    for (const waiter of client.waits.values()) this.#waiters.delete(waiter);
    client.waits.clear();
    const { holder } = client;
    // A client that is back already keeps its claims.
    if (holder === undefined || this.#byHolder.get(holder) !== client) return;
    this.#byHolder.delete(holder);
    this.#machine.abandon(holder);
  }

  #fail(batch: readonly Work[], error: unknown): void {
    if (error instanceof FencedError) {
      this.#lose(error, error.owner);
      return;
    }
    const failure = failureOf(error);
    if (failure === "busy" && this.#busy++ < BUSY_TRIES) {
      this.#queue = [...batch, ...this.#queue];
      setTimeout(() => this.#schedule(), BUSY_PAUSE);
      return;
    }
    if (failure === "damaged" || error instanceof StoreError) {
      this.#lose(error as Error, undefined);
      return;
    }
    this.#refuse(batch, failure, error as Error);
  }

  /** Refuses the posts of a batch that could not be stored, and tries the rest: to acknowledge makes room. */
  #refuse(batch: readonly Work[], failure: Failure, error: Error): void {
    const rest = batch.filter((work) => !isPost(work));
    const refused = failure === "full" && rest.length < batch.length ? batch.filter(isPost) : batch;
    if (refused !== batch) {
      try {
        this.#transact(rest);
      } catch (again) {
        this.#fail(rest, again);
      }
    }
    if (this.#closed) return;
    const refusal = refusalOf(this.#storeError(failure, error));
    for (const { client, tag, request } of refused) {
      if (request === "gone") this.#gone(client);
      else client.answer({ tag, refusal });
    }
  }

  #storeError(failure: Failure, error: Error): Error {
    const path = this.#parts.tables.path ?? "";
    if (failure === "full") {
      return new NoSpaceError(`nothing was stored: there is no room for ${path} (${error.message})`, 0);
    }
    return new StoreError(`nothing was stored in ${path}: ${error.message}`, path);
  }

  #lose(error: Error, owner: Owner | undefined): void {
    this.#end();
    this.#parts.onLost(error, owner);
  }

  #flush(): void {
    const notices = this.#notices;
    this.#notices = [];
    for (const client of this.#clients) client.flush(notices);
  }

  /** Looks now and then whether the file is still there. */
  #tend(): void {
    const now = this.#parts.time();
    if (now - this.#tended < TENDING) return;
    this.#tended = now;
    this.#parts.tables.tend();
  }

  /** Sets the timer for the next turn that time brings. */
  #arm(): void {
    const orphans = this.#orphans.size > 0 ? this.#orphansUntil : Number.POSITIVE_INFINITY;
    const at = Math.max(Math.min(this.#machine.soonest, orphans), this.#notBefore);
    if (at === this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#timerAt = at;
    if (at === Number.POSITIVE_INFINITY) return;
    const delay = Math.min(Math.max(1, at - this.#parts.time()), LONGEST_TIMER);
    this.#timer = setTimeout(() => {
      this.#timerAt = Number.POSITIVE_INFINITY;
      this.#schedule();
    }, delay).unref();
  }

  #tellFull(box: number, name: string): void {
    const now = this.#parts.time();
    if (now - (this.#toldFull.get(box) ?? 0) < FULL_AGAIN) return;
    this.#toldFull.set(box, now);
    this.#notices.push({ notice: "full", box: name });
  }

  #status() {
    const { tables, durability, epoch, damaged } = this.#parts;
    const { kind: store, path } = tables;
    return { pid: process.pid, path, store, durability, epoch, clients: this.#clients.size, damaged };
  }
}

function isPost({ request }: Work): boolean {
  return request !== "gone" && (request.op === "post" || request.op === "publish");
}

/** Whether a process lives here; true if that can't be told. */
function isAlive(pid: number | undefined): boolean {
  if (pid === undefined) return true;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}
