/*
 * What a message is, to those who post and take it. The store has it as a row; see store/tables.ts.
 */

/**
 * - `interrupt`: comes first, and reaches a worker in the middle of its work.
 * - `normal`: in the order of posting.
 * - `notice`: comes last. A notice with the key of one that waits replaces it, and no notice displaces another kind.
 */
export type Priority = "interrupt" | "normal" | "notice";

export const PRIORITIES: readonly Priority[] = ["interrupt", "normal", "notice"];
/** The rank of a priority is its place in the list: lower comes first. */
export const RANK = { interrupt: 0, normal: 1, notice: 2 } as const;

/** What becomes of a post to a box that is full; see BoxSettings. */
export type Policy = "reject" | "dropOldest" | "latest";
export const POLICIES: readonly Policy[] = ["reject", "dropOldest", "latest"];

export interface PostOptions {
  /** The sender's name, as it claims. Default: the option `from` of `mailboxes`. */
  readonly from?: string | undefined;
  /**
   * An id of the sender's, up to 200 characters. A second post with it to the same box, within `duplicateWindow`, stores nothing, and is
   * answered as the first one was.
   */
  readonly id?: string | undefined;
  /** Default `normal`. */
  readonly priority?: Priority | undefined;
  /** For notices: a notice that waits with this key is replaced, and keeps its place. */
  readonly key?: string | undefined;
  /** After so many ms a message that nobody has taken becomes a dead letter. Default: that of the box. */
  readonly ttl?: number | undefined;
  /** How many ms it is kept back before anyone may take it. Default 0. */
  readonly delay?: number | undefined;
}

/** The answer to a post. The message is stored. */
export interface Receipt {
  /** The id that the sender gave, else one made of the position. */
  readonly id: string;
  /** The number of the message in the store. A later post has a greater one. */
  readonly position: number;
  /**
   * Whether the box has readers: one `waiting` now, one `seen` before, or `never` one. A message to a box that was never read may have a
   * misspelt name.
   */
  readonly readers: "waiting" | "seen" | "never";
  /** Whether nothing was stored, because a post with this id was stored before. */
  readonly duplicate: boolean;
}

/** Who posted it. */
export interface Sender {
  /** The name that the sender claims; empty if it claims none. */
  readonly name: string;
  /** The sender's process, as the kernel says; undefined if it is not known. */
  readonly pid: number | undefined;
  /** The sender's user, as the kernel says; -1 if it is not known. */
  readonly uid: number;
}

/** A message as it lies in its box. */
export interface Message<Body = unknown> {
  readonly box: string;
  readonly id: string;
  readonly position: number;
  readonly body: Body;
  readonly from: Sender;
  readonly priority: Priority;
  readonly key: string | undefined;
  /** When it was posted, in ms since the epoch, by the broker's clock. */
  readonly posted: number;
  /** The topic, if it was published. */
  readonly topic: string | undefined;
  /** How often it was delivered, this time included. */
  readonly attempt: number;
}

export type MessageState = "queued" | "delayed" | "claimed" | "dead";

/** A message and how it stands, as `list` shows it. */
export interface StoredMessage<Body = unknown> extends Message<Body> {
  readonly state: MessageState;
  /** Why it is a dead letter. */
  readonly reason: string | undefined;
}

/** The bounds and habits of a box. They are stored with it. */
export interface BoxSettings {
  /** The most messages that the box holds, dead letters aside. Default 1 000 000. */
  readonly maxMessages: number;
  /** The most bytes of text that the box holds, dead letters aside. Default 1 GiB. */
  readonly maxBytes: number;
  /**
   * What becomes of a post beyond a bound. `reject`: a BoxFullError. `dropOldest`: the oldest of the lowest priority make room.
   * `latest`: each post replaces all that wait, also below the bounds. Default `reject`.
   */
  readonly policy: Policy;
  /** After so many ms a message that nobody has taken becomes a dead letter. 0: never, the default. */
  readonly ttl: number;
  /** How long a claim lasts, in ms. Default 30 000. */
  readonly lease: number;
  /** After so many deliveries a message that comes back becomes a dead letter. Default 5. */
  readonly maxAttempts: number;
  /** The most dead letters; the oldest are deleted. Default 10 000. */
  readonly maxDead: number;
  /** How long ids that senders gave are remembered, in ms. Default 600 000. */
  readonly duplicateWindow: number;
}

export interface BoxStatus {
  readonly name: string;
  /** What can be taken now. */
  readonly queued: number;
  readonly delayed: number;
  readonly claimed: number;
  readonly dead: number;
  /** Bytes of text of all but the dead letters. */
  readonly bytes: number;
  /** How many wait for a message now. */
  readonly waiting: number;
  /** Whether somebody ever took from it, or waited. */
  readonly readers: Receipt["readers"];
  /** Posts that were refused because the box was full, and messages that made room for others. */
  readonly refused: number;
  readonly dropped: number;
  /** Whether the box is at a bound now, so that the next post meets its policy. */
  readonly full: boolean;
  readonly settings: BoxSettings;
  readonly subscriptions: readonly string[];
}

export interface BrokerStatus {
  /** The broker's process; undefined with NATS. */
  readonly pid: number | undefined;
  /** Whether this process is the broker. */
  readonly broker: boolean;
  /** The file of the store; undefined for a store in memory. */
  readonly path: string | undefined;
  readonly store: string;
  readonly durability: "process" | "disk";
  /** The number of the takeover: each broker of a store has a greater one. */
  readonly epoch: number;
  /** How many processes there are; undefined with NATS. */
  readonly clients: number | undefined;
  /** Where a damaged store was set aside, if that has happened to this broker. */
  readonly damaged: string | undefined;
  readonly boxes: readonly BoxStatus[];
}
