import type { ConsumerInfo, RetentionPolicy, StoredMsg, StreamInfo } from "@nats-io/jetstream";
import { StoreError } from "../errors.js";
import type { BoxSettings } from "../message.js";
import { envelopeOf, HEADER, type Stored } from "./envelope.js";
import type { Link } from "./link.js";
import { consumerOf, type Names, RANKS } from "./names.js";
import type { Packages } from "./packages.js";
import type { Registry } from "./registry.js";

const NANO = 1e6;
/** The shortest window for duplicates that the server takes, in ms. */
const SHORTEST_WINDOW = 100;
/** How many that wait, and how many claims, the server may keep for a box. */
const MOST_WAITING = 100_000;
const MOST_CLAIMED = 1_000_000;

const STREAM_NOT_FOUND = 10059;
const CONSUMER_NOT_FOUND = 10014;
const EXISTS = [10058, 10013, 10148];
const NO_MESSAGE = 10037;

/**
 * The streams of boxes: a work queue each, with a durable pull consumer for each priority, and a stream for its dead letters. They are made when
 * they are needed first.
 */
export class Streams {
  readonly #link: Link;
  readonly #packages: Packages;
  readonly #names: Names;
  readonly #registry: Registry;
  readonly #replicas: number;
  readonly #silence: number;
  readonly #boxes = new Map<string, Promise<void>>();
  readonly #consumers = new Map<string, Promise<number>>();
  readonly #dead = new Map<string, Promise<void>>();

  constructor(
    link: Link,
    packages: Packages,
    names: Names,
    registry: Registry,
    options: { readonly replicas: number; readonly silence: number },
  ) {
    this.#link = link;
    this.#packages = packages;
    this.#names = names;
    this.#registry = registry;
    this.#replicas = options.replicas;
    this.#silence = options.silence;
  }

  /** Forgets what is known to be there: somebody has deleted it, or the server has lost it. */
  forget(box: string): void {
    this.#boxes.delete(box);
    this.#consumers.delete(box);
    this.#dead.delete(box);
  }

  /** Makes the box if it is not there. */
  box(box: string): Promise<void> {
    return once(this.#boxes, box, async () => {
      await this.#registry.add(box);
      const settings = await this.#registry.settings(box);
      await this.#makeStream(this.#boxConfig(box, settings));
    });
  }

  /** Makes the consumers of a box. Resolves with how long a claim may be silent, in ms. */
  consumers(box: string): Promise<number> {
    return once(this.#consumers, box, async () => {
      await this.box(box);
      let silence = this.#silence;
      for (const rank of RANKS) {
        const known = await this.consumer(box, rank);
        if (known === undefined)
          await this.#make(() => this.#addConsumer(box, rank), this.#names.stream(box));
        else silence = known.config.ack_wait! / NANO;
      }
      return silence;
    });
  }

  async #addConsumer(box: string, rank: number): Promise<unknown> {
    const { AckPolicy, DeliverPolicy } = this.#packages.jetstream;
    return this.#link.manager.consumers.add(this.#names.stream(box), {
      durable_name: consumerOf(rank),
      filter_subject: this.#names.subjectsOf(box, rank),
      ack_policy: AckPolicy.Explicit,
      deliver_policy: DeliverPolicy.All,
      ack_wait: this.#silence * NANO,
      max_deliver: -1,
      max_waiting: MOST_WAITING,
      max_ack_pending: MOST_CLAIMED,
    });
  }

  /** Applies settings that the server itself sees to. */
  async configure(box: string, settings: BoxSettings): Promise<void> {
    await this.box(box);
    const { manager } = this.#link;
    await this.#link.call(() =>
      manager.streams.update(this.#names.stream(box), this.#boxConfig(box, settings)),
    );
    const dead = await this.deadInfo(box);
    if (dead === undefined) return;
    const config = this.#deadConfig(box, settings);
    await this.#link.call(() => manager.streams.update(this.#names.deadStream(box), config));
  }

  /** Makes the stream for dead letters. */
  dead(box: string): Promise<void> {
    return once(this.#dead, box, async () => {
      const settings = await this.#registry.settings(box);
      await this.#makeStream(this.#deadConfig(box, settings));
    });
  }

  #boxConfig(box: string, { maxMessages, maxBytes, duplicateWindow }: BoxSettings) {
    const { DiscardPolicy, RetentionPolicy, StorageType } = this.#packages.jetstream;
    return {
      name: this.#names.stream(box),
      subjects: RANKS.map((rank) => this.#names.subjectsOf(box, rank)),
      retention: RetentionPolicy.Workqueue,
      storage: StorageType.File,
      discard: DiscardPolicy.New,
      max_msgs: maxMessages,
      max_bytes: maxBytes,
      duplicate_window: Math.max(duplicateWindow, SHORTEST_WINDOW) * NANO,
      num_replicas: this.#replicas,
    };
  }

  #deadConfig(box: string, { maxDead }: BoxSettings) {
    const { DiscardPolicy, RetentionPolicy, StorageType } = this.#packages.jetstream;
    return {
      name: this.#names.deadStream(box),
      subjects: [this.#names.deadSubject(box)],
      retention: RetentionPolicy.Limits,
      storage: StorageType.File,
      discard: DiscardPolicy.Old,
      // The server takes 0 for no limit; then no letter is stored at all.
      max_msgs: Math.max(maxDead, 1),
      num_replicas: this.#replicas,
    };
  }

  /** Makes a stream. Rejects with a StoreError if there is one of this name that no mailboxes have made. */
  async #makeStream(config: {
    readonly name: string;
    readonly subjects: string[];
    readonly retention: RetentionPolicy;
  }): Promise<void> {
    const { name, subjects, retention } = config;
    if (await this.#make(() => this.#link.manager.streams.add(config), name)) return;
    const found = (await this.#infoOf(name))?.config;
    const describe = (how: string, which: readonly string[] = []) =>
      `${how} of ${[...which].sort().join(", ")}`;
    const expected = describe(retention, subjects);
    if (found === undefined || describe(found.retention, found.subjects) === expected) return;
    throw new StoreError(
      `the stream ${name} of NATS was not made by mailboxes: expected ${expected}; it is ${describe(found.retention, found.subjects)}`,
      name,
    );
  }

  /** Resolves with false if it is there already: another process was faster, perhaps with other settings of its own. */
  async #make(what: () => Promise<unknown>, name: string): Promise<boolean> {
    try {
      await this.#link.call(what);
      return true;
    } catch (error) {
      const code = this.#link.codeOf(error);
      if (code !== undefined && EXISTS.includes(code)) return false;
      throw this.#link.errorOf(error, name);
    }
  }

  info(box: string): Promise<StreamInfo | undefined> {
    return this.#infoOf(this.#names.stream(box));
  }

  deadInfo(box: string): Promise<StreamInfo | undefined> {
    return this.#infoOf(this.#names.deadStream(box));
  }

  #infoOf(stream: string): Promise<StreamInfo | undefined> {
    return this.#unless([STREAM_NOT_FOUND], () => this.#link.manager.streams.info(stream));
  }

  /** The positions of all messages that were deleted out of a row. */
  async deleted(box: string): Promise<readonly number[]> {
    const stream = this.#names.stream(box);
    const details = { deleted_details: true };
    const info = await this.#unless([STREAM_NOT_FOUND], () =>
      this.#link.manager.streams.info(stream, details),
    );
    return info?.state.deleted ?? [];
  }

  /** How a consumer stands; undefined if nobody has ever read the box. */
  consumer(box: string, rank: number): Promise<ConsumerInfo | undefined> {
    return this.#unless([STREAM_NOT_FOUND, CONSUMER_NOT_FOUND], () =>
      this.#link.manager.consumers.info(this.#names.stream(box), consumerOf(rank)),
    );
  }

  /** Messages of a box with positions above `after`, or its dead letters, in the order of storing. */
  async *messages(box: string, dead: boolean, after: number): AsyncGenerator<Stored> {
    const stream = dead ? this.#names.deadStream(box) : this.#names.stream(box);
    const subject = dead ? this.#names.deadSubject(box) : ">";
    for (let next = after + 1; ; ) {
      const found = await this.#message(stream, { seq: next, next_by_subj: subject });
      if (found === undefined) return;
      next = found.seq + 1;
      yield storedOf(found);
    }
  }

  /** The first message of a rank at or above a position. */
  async first(box: string, rank: number): Promise<Stored | undefined> {
    const query = { seq: 1, next_by_subj: this.#names.subjectsOf(box, rank) };
    const found = await this.#message(this.#names.stream(box), query);
    return found === undefined ? undefined : storedOf(found);
  }

  /** The message at a position. */
  async at(box: string, position: number): Promise<Stored | undefined> {
    const found = await this.#message(this.#names.stream(box), { seq: position });
    return found === undefined ? undefined : storedOf(found);
  }

  /** The last notice with a key. */
  async lastNotice(box: string, key: string): Promise<Stored | undefined> {
    const query = { last_by_subj: this.#names.subject(box, 2, key) };
    const found = await this.#message(this.#names.stream(box), query);
    return found === undefined ? undefined : storedOf(found);
  }

  async #message(stream: string, query: object): Promise<StoredMsg | undefined> {
    const missing = [STREAM_NOT_FOUND, NO_MESSAGE];
    const found = await this.#unless(missing, () =>
      this.#link.manager.streams.getMessage(stream, query as never),
    );
    return found ?? undefined;
  }

  /** Deletes one message. Resolves with whether it was there. */
  async delete(box: string, position: number, dead = false): Promise<boolean> {
    const stream = dead ? this.#names.deadStream(box) : this.#names.stream(box);
    try {
      return await this.#link.call(() => this.#link.manager.streams.deleteMessage(stream, position, false));
    } catch (error) {
      if (this.#link.codeOf(error) === undefined) throw error;
      return false;
    }
  }

  /** Deletes the dead letters, or all messages below a position. Resolves with their number. */
  async purge(box: string, dead: boolean, below?: number): Promise<number> {
    const stream = dead ? this.#names.deadStream(box) : this.#names.stream(box);
    const options = below === undefined ? undefined : { seq: below };
    const purge = () => this.#link.manager.streams.purge(stream, options);
    return (await this.#unless([STREAM_NOT_FOUND], purge))?.purged ?? 0;
  }

  async remove(box: string): Promise<void> {
    for (const stream of [this.#names.deadStream(box), this.#names.stream(box)]) {
      await this.#unless([STREAM_NOT_FOUND], () => this.#link.manager.streams.delete(stream));
    }
    this.forget(box);
  }

  async #unless<T>(codes: readonly number[], what: () => Promise<T>): Promise<T | undefined> {
    try {
      return await this.#link.call(what);
    } catch (error) {
      const code = this.#link.codeOf(error);
      if (code !== undefined && codes.includes(code)) return undefined;
      throw this.#link.errorOf(error);
    }
  }
}

/** In ms, with a fraction: messages of several boxes are put in order by it. */
function storedAt({ time, timestamp }: StoredMsg): number {
  const [, fraction = ""] = /\.\d{3}(\d+)/.exec(timestamp) ?? [];
  return time.getTime() + Number(`0.${fraction || 0}`);
}

function storedOf(message: StoredMsg): Stored {
  return {
    position: message.seq,
    stored: storedAt(message),
    body: Buffer.from(message.data).toString(),
    envelope: envelopeOf(message.header?.get(HEADER)),
  };
}

function once<T>(known: Map<string, Promise<T>>, box: string, make: () => Promise<T>): Promise<T> {
  const before = known.get(box);
  if (before !== undefined) return before;
  const made = make();
  known.set(box, made);
  made.catch(() => {
    if (known.get(box) === made) known.delete(box);
  });
  return made;
}
