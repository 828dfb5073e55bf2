import { wallClock } from "../clock.js";
import type { Peer } from "../port.js";
import type { ClientRecord } from "./client-record.js";
import type { Feed, Sink } from "./feed.js";

/* What a session and the code that reaches interfaces are to each other: a carrier for each interface, and what the session knows of it. */

/** How an interface is told what is no event. A newer state or value takes the place of one that was not told yet. */
export interface Carrier extends Sink {
  readonly client: string;
  /** The run of the client: the same when it comes back, another one when it was started again. */
  readonly instance: string;
  readonly role: string;
  readonly peer: Peer | undefined;
  readonly via: string;
  /** The state, or a retained value, is another one. */
  changed(what: "state" | "retained", name: string): void;
  /** Another attachment of the client takes the place of this one. It must end, and offers nothing more. */
  replaced(): void;
  /** Tells that the session is over. Resolves when that was taken, or after `timeout` ms. */
  over(timeout: number): Promise<void>;
  /** Ends in order, at most within `timeout` ms. */
  close(timeout: number): Promise<void>;
}

/** What an interface is told when it attaches. */
export interface Welcome {
  readonly session: string;
  /** The id of the session's log. A session whose process was started again has another one, unless it has a store. */
  readonly log: string;
  readonly epoch: number;
  /** The interface's place; absent if only a snapshot will say it. */
  readonly sequence: number | undefined;
  /** Whether the cursor was of no use. */
  readonly tooOld: boolean;
  readonly state: string;
  readonly retained: Readonly<Record<string, unknown>>;
}

/** An interface as its session sees it. */
export interface InterfaceInfo {
  readonly client: string;
  readonly role: string;
  readonly peer: Peer | undefined;
  /** How it is connected: `channel`, or what a bridge says. */
  readonly via: string;
  /** How often the client has attached. */
  readonly epoch: number;
  /** When it attached, in ms since the epoch of Unix. */
  readonly since: number;
  /** How many events it has not been sent. */
  readonly lag: number;
  /** Whether it takes nothing at the moment. */
  readonly paused: boolean;
  /** How many events were left out for it, or replaced by a snapshot. */
  readonly missed: number;
}

/** One interface of a session: its place in the log, and what it may do. */
export class SessionInterface implements InterfaceInfo {
  readonly since = wallClock();
  readonly epoch: number;
  readonly feed: Feed;
  readonly carrier: Carrier;
  readonly record: ClientRecord;

  constructor(carrier: Carrier, record: ClientRecord, feed: Feed) {
    this.carrier = carrier;
    this.record = record;
    this.epoch = record.epoch;
    this.feed = feed;
  }

  get client(): string {
    return this.carrier.client;
  }
  get role(): string {
    return this.carrier.role;
  }
  get peer(): Peer | undefined {
    return this.carrier.peer;
  }
  get via(): string {
    return this.carrier.via;
  }
  get lag(): number {
    return this.feed.lag;
  }
  get paused(): boolean {
    return this.feed.isPaused;
  }
  get missed(): number {
    return this.feed.missed;
  }
}
