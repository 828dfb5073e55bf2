import { wallClock } from "../../clock.js";
import { BoxFullError } from "../errors.js";
import { MOST_TAKEN, MOST_TAKEN_BYTES } from "../limits.js";
import type { BoxStatus, BrokerStatus } from "../message.js";
import type { ListRequest, WireMessage } from "../wire.js";
import type { Claims, Standing } from "./claims.js";
import { type Stored, wireOf } from "./envelope.js";
import type { Link } from "./link.js";
import { RANKS } from "./names.js";
import type { Pulls } from "./pulls.js";
import type { Registry } from "./registry.js";
import type { Shelf } from "./shelf.js";
import type { Streams } from "./streams.js";

const QUEUED = 0;
const CLAIMED = 1;
const DELAYED = 2;
const DEAD = 3;

export interface InspectionParts {
  readonly link: Link;
  readonly registry: Registry;
  readonly streams: Streams;
  readonly claims: Claims;
  readonly pulls: Pulls;
  readonly shelf: Shelf;
}

interface Listed {
  /** When the message was stored. */
  readonly stored: number;
  readonly wire: WireMessage;
}

/** Looks at boxes, and tidies them up. */
export class Inspection {
  readonly #parts: InspectionParts;

  constructor(parts: InspectionParts) {
    this.#parts = parts;
  }

  async list({ box, state, after, most }: ListRequest): Promise<WireMessage[]> {
    const boxes = box === undefined ? await this.#parts.registry.names() : [box];
    const lists = await Promise.all(boxes.map((name) => this.#listOne(name, state, after, most)));
    const all = lists.flat();
    if (boxes.length > 1) all.sort((a, b) => a.stored - b.stored);
    let bytes = 0;
    const some = all.slice(0, most).map(({ wire }) => wire);
    return some.filter(({ body }, at) => {
      bytes += Buffer.byteLength(body);
      return at === 0 || bytes <= MOST_TAKEN_BYTES;
    });
  }

  async #listOne(box: string, state: number | undefined, after: number, most: number): Promise<Listed[]> {
    const list: Listed[] = [];
    if (state !== DEAD) {
      const stateOf = await this.#states(box);
      for await (const message of this.#parts.streams.messages(box, false, after)) {
        if (list.length === most) break;
        const [at, standing] = stateOf(message);
        if (at === undefined || (state !== undefined && at !== state)) continue;
        const { attempts = at === CLAIMED ? 1 : 0, reason } = standing ?? {};
        const wire = wireOf(box, message, { attempt: attempts, state: at, reason });
        list.push({ stored: message.stored, wire });
      }
    }
    if (state === undefined || state === DEAD) {
      for await (const message of this.#parts.streams.messages(box, true, 0)) {
        const { position, posted, attempts, reason } = message.envelope.dead ?? { position: 0, ...UNKNOWN };
        if (position <= after) continue;
        const letter = { ...message, position, stored: posted };
        list.push({ stored: posted, wire: wireOf(box, letter, { attempt: attempts, state: DEAD, reason }) });
      }
    }
    return list.sort((a, b) => a.wire.position - b.wire.position).slice(0, most);
  }

  /** Returns what tells how a message stands; undefined for one that is done with. */
  async #states(box: string) {
    const { streams, claims } = this.#parts;
    const consumers = await Promise.all(RANKS.map((rank) => streams.consumer(box, rank)));
    const standings = await claims.standings(box);
    return ({ position, envelope }: Stored): [state: number | undefined, standing: Standing | undefined] => {
      const standing = standings.get(position);
      if (standing?.state === "done" || standing?.state === "dying") return [undefined, standing];
      if (standing?.state === "held") return [CLAIMED, standing];
      if (standing?.state === "free") return [isLater(standing) ? DELAYED : QUEUED, standing];
      const delivered = consumers[envelope.rank]?.delivered.stream_seq ?? 0;
      return [position <= delivered ? CLAIMED : QUEUED, undefined];
    };
  }

  async requeue(
    box: string,
    positions: readonly number[] | undefined,
    nextPost: () => number,
  ): Promise<number> {
    const { streams, shelf } = this.#parts;
    let count = 0;
    for await (const letter of streams.messages(box, true, 0)) {
      if (count === MOST_TAKEN) break;
      const { envelope, body } = letter;
      if (positions !== undefined && !positions.includes(envelope.dead?.position ?? 0)) continue;
      // It is a post of its own, but the server must store it once if this process dies before the letter is deleted.
      const { from, json, rank, key, topic } = envelope;
      await shelf.post(box, {
        from,
        json,
        rank,
        key,
        ...(topic === undefined ? {} : { topic }),
        body,
        number: nextPost(),
      });
      if (await streams.delete(box, letter.position, true)) count++;
    }
    return count;
  }

  async purge(box: string, what: "waiting" | "dead" | "box"): Promise<number> {
    const { streams, registry } = this.#parts;
    if (what === "dead") return streams.purge(box, true);
    if (what === "box") return this.#remove(box);
    if (!(await registry.has(box))) return 0;
    if ((await streams.consumer(box, 1)) === undefined) return streams.purge(box, false);
    return this.#purgeWaiting(box);
  }

  async #purgeWaiting(box: string): Promise<number> {
    const { streams, claims, pulls } = this.#parts;
    let count = 0;
    for (const rank of RANKS) {
      for (;;) {
        const messages = await pulls.now(box, rank, MOST_TAKEN);
        if (messages.length === 0) break;
        await Promise.all(messages.map((message) => claims.drop(message, box)));
        count += messages.length;
      }
    }
    // What waits for its time was not there to be taken.
    for (const [position, { state }] of await claims.standings(box)) {
      if (state !== "free" || !(await claims.takeFree(box, position))) continue;
      if (await streams.delete(box, position)) count++;
      await claims.forget(box, position);
    }
    return count;
  }

  async #remove(box: string): Promise<number> {
    const { streams, claims, registry } = this.#parts;
    if (!(await registry.has(box))) return 0;
    const [stream, dead, consumer] = await Promise.all([
      streams.info(box),
      streams.deadInfo(box),
      streams.consumer(box, 1),
    ]);
    const held = (stream?.state.messages ?? 0) + (dead?.state.messages ?? 0);
    if (held > 0 || (consumer?.num_waiting ?? 0) > 0) {
      throw new BoxFullError(`the box "${box}" is in use: it holds ${held} messages, or somebody waits`, box);
    }
    await streams.remove(box);
    await registry.remove(box);
    await claims.forget(box, "*");
    return 1;
  }

  async status(name: string | undefined): Promise<Omit<BrokerStatus, "broker">> {
    const { registry, link } = this.#parts;
    const names = name === undefined ? await registry.names() : (await registry.has(name)) ? [name] : [];
    return {
      ...{ pid: undefined, path: undefined, clients: undefined, damaged: undefined, epoch: 0 },
      store: `NATS ${link.version}`,
      durability: "process",
      boxes: await Promise.all(names.map((one) => this.#statusOf(one))),
    };
  }

  async #statusOf(box: string): Promise<BoxStatus> {
    const { streams, registry, claims } = this.#parts;
    const [stream, dead, settings, subscriptions, counts, standings, ...consumers] = await Promise.all([
      streams.info(box),
      streams.deadInfo(box),
      registry.settings(box),
      registry.patterns(box),
      registry.counts(box),
      claims.standings(box),
      ...RANKS.map((rank) => streams.consumer(box, rank)),
    ]);
    const { messages: total = 0, bytes = 0 } = stream?.state ?? {};
    const free = [...standings].filter(([, { state }]) => state === "free");
    const delayed = free.filter(([, standing]) => isLater(standing)).length;
    // What was delivered and is free is no claim. What was never delivered counts as delivered nowhere.
    const delivered = Math.max(0, ...consumers.map((one) => one?.delivered.stream_seq ?? 0));
    const returned = free.filter(([position]) => position <= delivered).length;
    const pending = consumers.reduce((sum, one) => sum + (one?.num_ack_pending ?? 0), 0);
    const claimed = Math.max(0, pending - returned);
    const [, normal] = consumers;
    const waiting = normal?.num_waiting ?? 0;
    return {
      ...{ name: box, queued: Math.max(0, total - claimed - delayed), delayed, claimed },
      ...{ dead: dead?.state.messages ?? 0, bytes, waiting, ...counts, settings, subscriptions },
      readers: normal === undefined ? "never" : waiting > 0 ? "waiting" : "seen",
      full: total >= settings.maxMessages || bytes >= settings.maxBytes,
    };
  }
}

const UNKNOWN = { posted: 0, attempts: 0, reason: "" };

function isLater({ notBefore = 0 }: Standing): boolean {
  return notBefore > wallClock();
}
