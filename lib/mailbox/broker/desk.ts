import { InvalidArgumentError } from "../../errors.js";
import { BoxFullError, LeaseLostError, StoreError } from "../errors.js";
import { MOST_TAKEN, MOST_TAKEN_BYTES, MOST_WAITS } from "../limits.js";
import type { Box, Boxes } from "../machine/boxes.js";
import { checkBytes, type Machine, type Post, type Taken } from "../machine/machine.js";
import { Outcomes } from "../machine/outcomes.js";
import type { BoxStatus } from "../message.js";
import type { MessageRow, StateNumber, Tables } from "../store/tables.js";
import {
  type Claim,
  type Hello,
  type HelloAnswer,
  type ListRequest,
  type PostAnswer,
  type PostRequest,
  type PublishAnswer,
  type PublishRequest,
  type Request,
  type SettleRequest,
  type TakeRequest,
  WIRE_VERSION,
  type WireMessage,
} from "../wire.js";
import type { BrokerClient } from "./broker-client.js";
import { holderOf } from "./holder.js";
import type { Waiter, Waiters } from "./waiters.js";

type Waiting = Waiter<BrokerClient>;

export interface DeskParts {
  readonly maxMessageBytes: number;
  /** Notes that the client has said hello. Returns the answer. */
  hello(client: BrokerClient): HelloAnswer;
  /** What the broker says of itself. */
  status(): object;
}

/** Does what clients ask for, in a turn. Waits that it has served or added are put back by `undo` if the turn fails. */
export class Desk {
  /** Boxes that have something new to take. */
  readonly filled = new Set<number>();
  /**
   * Boxes whose messages were claimed by processes that have lost their broker and may not have got them. Until they are back, nobody who
   * waits gets a later message: it would come before an earlier one.
   */
  readonly held = new Set<number>();
  readonly #boxes: Boxes;
  readonly #machine: Machine;
  readonly #tables: Tables;
  readonly #waiters: Waiters<BrokerClient>;
  readonly #parts: DeskParts;
  #added: Waiting[] = [];
  #taken: Waiting[] = [];
  /** Clients that have got messages of this turn already. */
  readonly #hurried = new Set<BrokerClient>();

  constructor(
    boxes: Boxes,
    machine: Machine,
    tables: Tables,
    waiters: Waiters<BrokerClient>,
    parts: DeskParts,
  ) {
    this.#boxes = boxes;
    this.#machine = machine;
    this.#tables = tables;
    this.#waiters = waiters;
    this.#parts = parts;
  }

  /** Returns the answer; undefined if it comes later. */
  do(client: BrokerClient, tag: number, request: Request): unknown {
    if (request.op === "hello") return this.#hello(client, request);
    if (client.holder === undefined) throw new InvalidArgumentError("op", '"hello" at first', request.op);
    switch (request.op) {
      case "post":
        return this.#post(client, request);
      case "publish":
        return this.#publish(client, request);
      case "take":
        return this.#take(client, tag, request);
      case "settle":
        return this.#settle(client.holder, request);
      case "cancel":
        return this.#cancel(client, request.wait);
      case "configure":
        return this.#boxes.configure(this.#boxes.named(request.box), request.settings);
      case "subscribe":
        this.#boxes.subscribe(this.#boxes.named(request.box), request.pattern);
        return true;
      case "unsubscribe":
        return this.#boxes.unsubscribe(this.#boxes.named(request.box), request.pattern);
      case "list":
        return this.#list(request);
      case "requeue":
        return this.#machine.requeue(this.#boxes.named(request.box), request.positions, MOST_TAKEN);
      case "purge":
        return this.#purge(request.box, request.what);
      case "status":
        return this.#status(request.box);
    }
  }

  /** Gives messages to those that wait for them. */
  serve(): void {
    for (const id of this.filled) {
      if (this.held.has(id)) continue;
      this.filled.delete(id);
      const box = this.#boxes.withId(id);
      if (box === undefined) continue;
      for (const waiter of this.#waiters.of(id)) {
        if (box.queued === 0) break;
        this.#serve(box, waiter);
      }
    }
  }

  /**
   * Sends messages to other processes that wait for them, before the turn is stored: they wake and work meanwhile. Whoever posted hears after
   * it. So if this process is killed in between, nobody has heard that the message is accepted. Its poster posts it again, and it comes again.
   */
  hurry(): void {
    for (const client of new Set(this.#taken.map((waiter) => waiter.client))) {
      if (client.hurry()) this.#hurried.add(client);
    }
  }

  committed(): void {
    this.#added = [];
    this.#taken = [];
    this.#hurried.clear();
  }

  /**
   * Lets those wait again that waited before the turn. A client that has got messages already is cut off: so it knows that they were not stored.
   * Returns whether there was one.
   */
  undo(): boolean {
    const hurried = this.#hurried.size > 0;
    for (const client of this.#hurried) client.cutOff();
    for (const waiter of this.#taken) this.#place(waiter);
    for (const waiter of this.#added) this.#unplace(waiter);
    this.committed();
    // A box that had something new may have had it before the turn: all are looked at again.
    for (const box of this.#boxes.all()) if (box.queued > 0) this.filled.add(box.id);
    return hurried;
  }

  #serve(box: Box, waiter: Waiting): void {
    const { client, tag, most, lease, rank } = waiter;
    if (client.gone) return;
    const taken = this.#machine.take(box, most, client.holder!, lease, rank);
    if (taken.length === 0) return;
    this.#unplace(waiter);
    this.#taken.push(waiter);
    const value = taken.map((one) => wireOf(box, one.row, one));
    client.deliver(
      { tag, value },
      taken.every(({ isNew }) => isNew),
    );
  }

  #place(waiter: Waiting): void {
    this.#waiters.add(waiter);
    waiter.client.waits.set(waiter.tag, waiter);
  }

  #unplace(waiter: Waiting): void {
    this.#waiters.delete(waiter);
    waiter.client.waits.delete(waiter.tag);
  }

  #hello(client: BrokerClient, { version, client: id, held, path }: Hello): HelloAnswer {
    if (version !== WIRE_VERSION) {
      throw new InvalidArgumentError(
        "version",
        `${WIRE_VERSION}, that of the broker (process ${process.pid})`,
        version,
      );
    }
    const ours = this.#tables.path;
    if (path !== undefined && ours !== undefined && path !== ours) {
      throw new StoreError(
        `the broker of this name (process ${process.pid}) stores in ${ours}, not in ${path}`,
        ours,
      );
    }
    client.holder = holderOf(client.port.pid, id);
    client.outcomes = this.#outcomesOf(client);
    const known = new Map(held);
    for (const lease of this.#machine.leases.heldBy(client.holder)) {
      if (known.get(lease.position) !== lease.token) this.#machine.undeliver(lease);
    }
    return this.#parts.hello(client);
  }

  #outcomesOf(client: BrokerClient): Outcomes {
    client.outcomes ??= new Outcomes(this.#tables.outcomes(client.holder!));
    return client.outcomes;
  }

  #post(client: BrokerClient, request: PostRequest): PostAnswer {
    const box = this.#boxes.named(request.to);
    const readers = this.#readers(box);
    const outcomes = this.#outcomesOf(client);
    const before = outcomes.of(request.number);
    if (typeof before === "number") {
      return { id: request.id ?? String(before), position: before, readers, duplicate: false };
    }
    client.outcomesChanged = true;
    try {
      const posted = this.#machine.post(box, this.#postOf(client, request, request.id, request.key));
      if (before === undefined) outcomes.add(request.number, posted.position);
      return { ...posted, readers };
    } catch (error) {
      if (before === undefined) outcomes.add(request.number, "refused");
      throw error;
    }
  }

  #publish(client: BrokerClient, request: PublishRequest): PublishAnswer {
    const boxes = this.#boxes.subscribed(request.topic);
    const outcomes = this.#outcomesOf(client);
    if (outcomes.of(request.number) !== undefined) return { boxes: boxes.length, full: [] };
    const post = this.#postOf(client, request, undefined, undefined);
    const full = this.#machine.publish(request.topic, boxes, post);
    outcomes.add(request.number, 0);
    client.outcomesChanged = true;
    return { boxes: boxes.length - full.length, full: full.map(({ name }) => name) };
  }

  #postOf(
    { port }: BrokerClient,
    request: PostRequest | PublishRequest,
    id: string | undefined,
    key: string | undefined,
  ): Post {
    const { body, from: sender, ttl, delay = 0, json = false, rank = 1, again = false } = request;
    const bytes = Buffer.byteLength(body);
    checkBytes(bytes, this.#parts.maxMessageBytes);
    return { sender, pid: port.pid, uid: port.uid, id, rank, key, ttl, delay, json, body, bytes, again };
  }

  #readers(box: Box): PostAnswer["readers"] {
    if (this.#waiters.count(box.id) > 0) return "waiting";
    return box.seen ? "seen" : "never";
  }

  #take(client: BrokerClient, tag: number, request: TakeRequest): WireMessage[] | undefined {
    const { most, lease, rank } = request;
    const box = this.#boxes.named(request.box);
    const later = request.wait === true && this.held.has(box.id);
    const taken = later ? [] : this.#machine.take(box, most, client.holder!, lease, rank);
    if (taken.length > 0 || !request.wait) return taken.map((one) => wireOf(box, one.row, one));
    if (client.waits.size >= MOST_WAITS) {
      throw new InvalidArgumentError("wait", `one of ${MOST_WAITS} at most of a process`, client.waits.size);
    }
    const waiter = { client, tag, box: box.id, most, lease, rank };
    this.#place(waiter);
    this.#added.push(waiter);
    if (later) this.filled.add(box.id);
    return undefined;
  }

  #cancel(client: BrokerClient, wait: number): boolean {
    const waiter = client.waits.get(wait);
    if (waiter === undefined) return false;
    this.#unplace(waiter);
    this.#taken.push(waiter);
    client.answer({ tag: wait, value: [] });
    return true;
  }

  /** Settles each claim. If one is lost, the others are settled all the same. */
  #settle(holder: string, request: SettleRequest): unknown {
    let value: unknown = true;
    let lost: unknown;
    for (const claim of request.claims) {
      try {
        value = this.#settleOne(holder, request, claim);
      } catch (error) {
        if (!(error instanceof LeaseLostError)) throw error;
        lost ??= error;
      }
    }
    if (lost !== undefined) throw lost;
    return value;
  }

  #settleOne(holder: string, request: SettleRequest, [position, token]: Claim): unknown {
    const { how, delay = 0, lease, again } = request;
    const held = this.#machine.leases.get(position);
    // An acknowledgement that was sent twice, since the broker died in between, has happened if the message is not there any more.
    if (again && how === "ack" && held === undefined && this.#tables.message(position) === undefined)
      return true;
    const reason = request.reason ?? "no reason was given";
    switch (how) {
      case "ack":
        this.#machine.ack(position, token, holder);
        return true;
      case "nack":
        this.#machine.nack(position, token, holder, delay, reason);
        return true;
      case "reject":
        this.#machine.reject(position, token, holder, reason);
        return true;
      case "extend":
        return this.#machine.extend(position, token, holder, lease);
      case "return":
        if (held?.token === token && held.holder === holder) this.#machine.undeliver(held);
        return true;
    }
  }

  #list({ box: name, state, after, most }: ListRequest): WireMessage[] {
    const box = name === undefined ? undefined : this.#boxes.find(name);
    if (name !== undefined && box === undefined) return [];
    const rows = this.#tables.list(box?.id, state as StateNumber | undefined, after, most);
    let bytes = 0;
    const fits = rows.filter((row, at) => {
      bytes += row.bytes;
      return at === 0 || bytes <= MOST_TAKEN_BYTES;
    });
    return fits.map((row) => wireOf(this.#boxes.withId(row.box)!, row, undefined));
  }

  #purge(name: string, what: "waiting" | "dead" | "box"): number {
    const box = this.#boxes.find(name);
    if (box === undefined) return 0;
    if (what !== "box") return this.#machine.purge(box, what === "dead", MOST_TAKEN);
    const held = box.queued + box.delayed + box.claimed + box.dead;
    if (held > 0 || this.#waiters.count(box.id) > 0) {
      throw new BoxFullError(
        `the box "${name}" is in use: it holds ${held} messages, or somebody waits`,
        name,
      );
    }
    this.#boxes.drop(box);
    return 1;
  }

  #status(name: string | undefined): object {
    const boxes: BoxStatus[] = [];
    for (const box of this.#boxes.all()) {
      if (name !== undefined && box.name !== name) continue;
      const { queued, delayed, claimed, dead, bytes, refused, dropped } = box;
      const settings = this.#boxes.settings(box);
      const full = queued + delayed + claimed >= settings.maxMessages || bytes >= settings.maxBytes;
      boxes.push({
        ...{ name: box.name, queued, delayed, claimed, dead, bytes, waiting: this.#waiters.count(box.id) },
        ...{ readers: this.#readers(box), refused, dropped, full, settings },
        subscriptions: this.#boxes.patterns(box),
      });
    }
    boxes.sort((a, b) => (a.name < b.name ? -1 : 1));
    return { ...this.#parts.status(), boxes };
  }
}

function wireOf(box: Box, row: MessageRow, taken: Taken | undefined): WireMessage {
  const { position, id, body, json, sender: name, pid, uid, rank, key, posted, topic } = row;
  return {
    box: box.name,
    id: id ?? String(position),
    position,
    body,
    json,
    from: pid === null ? { name, uid } : { name, pid, uid },
    rank,
    posted,
    attempt: taken?.attempt ?? row.attempts,
    ...(key === null ? {} : { key }),
    ...(topic === null ? {} : { topic }),
    ...(taken === undefined ? { state: row.state } : { token: taken.token }),
    ...(row.reason === null ? {} : { reason: row.reason }),
  };
}
