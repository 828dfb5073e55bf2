import { now } from "../clock.js";
import { BATCH_EVENTS, type Batch, batchFrom } from "./batch.js";
import type { EventLog } from "./event-log.js";
import { missedText, snapshotText } from "./frames.js";
import type { SnapshotReason } from "./item.js";

/** What becomes of the events of a class for an interface that is slow. */
export type ClassPolicy =
  /** They wait in the log. If the log loses them first, the interface gets a snapshot. The policy of classes without one. */
  | "keep"
  /** They are left out, counted and told. */
  | "drop"
  /** Only the newest one of the class comes; the others are counted and told. */
  | "latest"
  /** As `keep`, and the session's `ready()` waits for the interface. */
  | "block";

/** Where the events of an interface go. */
export interface Sink {
  /** Sends the text if there is room now. Otherwise returns false, and the feed's `resume` is called when there is. */
  offer(text: string): boolean;
  /** The bytes that a batch may have here; 0 where events go one by one. */
  readonly batchBytes?: number;
  /** As `offer`, with several events in one message. */
  offerBatch?(batch: Batch): boolean;
}

/** What feeds need of their session. */
export interface FeedSource {
  readonly log: EventLog;
  /** Makes all events that were appended ready to be sent. Returns false if they can't be stored now; `resume` is called when they are. */
  settle(): boolean;
  /** The text of a snapshot of now; undefined if the session has none, or can't make it. */
  snapshotText(): string | undefined;
  policyOf(kind: string): ClassPolicy;
  /** How long an interface may take nothing before it is slow, in ms. */
  readonly slowAfter: number;
}

/** Where a feed begins. */
export type Start =
  | { readonly at: "sequence"; readonly sequence: number }
  | {
      readonly at: "snapshot";
      readonly reason: SnapshotReason;
      /** The last event that the interface has. */
      readonly after: number | undefined;
    };

/** One interface's place in the log. It sends what the sink has room for, and goes on from its place when there is room again. */
export class Feed {
  /** The sequence number of the next event. */
  next: number;
  /** How often the sink had no room. */
  pauses = 0;
  /** How many events were left out, or replaced by a snapshot. */
  missed = 0;
  readonly #source: FeedSource;
  readonly #sink: Sink;
  #ended = false;
  /** Whether the next event can't be sent as it is appended. */
  #behind = true;
  /** A snapshot that is to be sent before the next event. */
  #owed: { readonly reason: SnapshotReason; readonly after: number | undefined } | undefined;
  /** The event that found no room, and when that was. From it on, events of some classes may be left out. */
  #slowFrom = Number.POSITIVE_INFINITY;
  #pausedAt = 0;
  /** Events that were left out since the last one that was sent. */
  #skipped = 0;
  #skippedClasses: Record<string, number> | undefined;

  constructor(source: FeedSource, sink: Sink, start: Start) {
    this.#source = source;
    this.#sink = sink;
    this.next = source.log.last + 1;
    if (start.at === "sequence") this.next = start.sequence + 1;
    else this.#owed = start;
  }

  /** Whether the sink had no room for the next event. */
  get isPaused(): boolean {
    return this.#behind;
  }

  /** Whether several events may go in one message. */
  get takesBatches(): boolean {
    return (this.#sink.batchBytes ?? 0) > 0;
  }

  /** How many events the interface has not been sent. */
  get lag(): number {
    return this.#source.log.last - this.next + 1;
  }

  /** Called with the events that are ready, in their order. Hot. */
  push(batch: Batch): void {
    if (this.#behind) return;
    if (batch.first !== this.next || batch.first < this.#source.log.first) {
      // The log has lost events before anybody could get them, or a listener of the program has appended meanwhile.
      this.#pause();
      this.resume();
    } else if (!this.#send(batch)) this.#pause();
  }

  /** Asks for a snapshot before the next event. Any number of requests that wait are one. */
  refresh(): void {
    this.#owed ??= { reason: "asked", after: this.next - 1 - this.#skipped };
    this.#behind = true;
    this.resume();
  }

  /** Sends what there is room for. */
  resume(): void {
    if (!this.#behind || this.#ended) return;
    const { log } = this.#source;
    // An interface that takes a burst soon is not slow, however long the burst was.
    const isSlow = now() - this.#pausedAt >= this.#source.slowAfter;
    for (;;) {
      log.expire();
      if (this.#owed === undefined && this.next < log.first) this.#fellBehind();
      if (this.#owed !== undefined && !this.#sendSnapshot(this.#owed)) return;
      if (this.next > log.ready) break;
      if (isSlow && this.#mayLeaveOut(this.next)) this.#leaveOut(this.next);
      else if (!this.#sendMissed() || !this.#send(batchFrom(log, this.next, this.#goesOnTo(isSlow)))) return;
    }
    if (!this.#sendMissed()) return;
    this.#behind = false;
    this.#slowFrom = Number.POSITIVE_INFINITY;
  }

  end(): void {
    this.#ended = true;
    this.#behind = true;
  }

  /** Sends events from `next` on. Returns false if there was no room for all; `next` is the first that was not sent. */
  #send(batch: Batch): boolean {
    const { first, last } = batch;
    const sink = this.#sink;
    const { batchBytes = 0 } = sink;
    if (last > first && batchBytes > 0 && batch.bytes.length <= batchBytes) {
      if (!sink.offerBatch!(batch)) return false;
      this.next = last + 1;
      return true;
    }
    const { log } = this.#source;
    while (this.next <= last) {
      if (!sink.offer(log.text(this.next))) return false;
      this.next++;
    }
    return true;
  }

  /** The last event that can be sent with the next one: behind it is one that may be left out. */
  #goesOnTo(isSlow: boolean): number {
    const { ready } = this.#source.log;
    if (!isSlow) return ready;
    const end = Math.min(ready, this.next + BATCH_EVENTS);
    let last = this.next;
    while (last < end && !this.#mayLeaveOut(last + 1)) last++;
    return last;
  }

  #pause(): void {
    this.#behind = true;
    this.#slowFrom = this.next;
    this.#pausedAt = now();
    this.pauses++;
  }

  /** The log has lost events that were not sent. */
  #fellBehind(): void {
    const { log } = this.#source;
    const lost = log.first - this.next;
    this.#owed = { reason: "slow", after: this.next - 1 - this.#skipped };
    this.missed += lost;
  }

  /** Sends the snapshot that is owed, or in its place what is known of it. Returns false if there is no room. */
  #sendSnapshot({ reason, after }: { reason: SnapshotReason; after: number | undefined }): boolean {
    const { log } = this.#source;
    // A snapshot has all that was appended. An interface must not know of what is not stored: it might come otherwise.
    if (!this.#source.settle()) return false;
    // Taken first: a snapshot that appends an event may have it or not, and the event follows in any case.
    const last = log.ready;
    const text = this.#source.snapshotText();
    // Without a snapshot the interface gets what the log has.
    const sequence = text === undefined ? Math.max(log.first - 1, after ?? 0) : last;
    const missed = after === undefined ? undefined : sequence - after;
    if (text !== undefined || after === undefined) {
      const shown = reason === "attach" ? 0 : missed;
      if (!this.#sink.offer(snapshotText(sequence, text, reason, shown))) return false;
    } else if (missed! > 0 && !this.#sink.offer(missedText(sequence, missed!, undefined))) {
      return false;
    }
    this.#owed = undefined;
    this.#forgetSkipped();
    this.next = sequence + 1;
    return true;
  }

  #mayLeaveOut(sequence: number): boolean {
    if (sequence < this.#slowFrom) return false;
    const policy = this.#source.policyOf(this.#source.log.classOf(sequence));
    return policy === "drop" || (policy === "latest" && this.#source.log.isSuperseded(sequence));
  }

  #leaveOut(sequence: number): void {
    const kind = this.#source.log.classOf(sequence);
    this.#skippedClasses ??= Object.create(null) as Record<string, number>;
    this.#skippedClasses[kind] = (this.#skippedClasses[kind] ?? 0) + 1;
    this.#skipped++;
    this.missed++;
    this.next++;
  }

  /** Tells what was left out, if anything. Returns false if there is no room. */
  #sendMissed(): boolean {
    if (this.#skipped === 0) return true;
    if (!this.#sink.offer(missedText(this.next - 1, this.#skipped, this.#skippedClasses))) return false;
    this.#forgetSkipped();
    return true;
  }

  #forgetSkipped(): void {
    this.#skipped = 0;
    this.#skippedClasses = undefined;
  }
}
