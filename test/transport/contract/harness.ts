import type { Block } from "../../../lib/bulk/block.js";
import type { CloseReason } from "../../../lib/ending.js";
import type {
  BlockingLane,
  Connection,
  ConnectionHandler,
  LaneGeometry,
  LaneHandler,
  TransportLane,
} from "../../../lib/transport/contract.js";
import type { RecordCursor } from "../../../lib/transport/records/cursor.js";
import { IN_BLOCK, PLAIN, recordBytes } from "../../../lib/transport/records/record-layout.js";
import { FULL, NO_MEMORY, SENT, type SendStatus } from "../../../lib/transport/records/send-status.js";

/** Makes two connections that are each other's peer, neither started, with `bulk` bytes for the blocks of each. */
export type MakePair = (
  lanes: readonly LaneGeometry[],
  bulk: number,
) => Promise<readonly [Connection, Connection]>;

/** How to make a connection to a child process. */
export interface ContractProcesses {
  /** The path of a module (.mjs, over dist/) that exports `join(path, lanes, bulk): Promise<Connection>`. */
  readonly join: string;
  /** Makes ready for one connection at `path`; what it returns waits for it. */
  host(path: string, lanes: readonly LaneGeometry[], bulk: number): Promise<() => Promise<Connection>>;
}

export interface ContractOptions {
  /** Whether its lanes can block the thread. */
  readonly blocking: boolean;
  /** Whether a thread that only tries, and never comes to its event loop, gets on. */
  readonly tries: boolean;
  /** Whether it carries blocks. */
  readonly blocks?: boolean;
  readonly processes?: ContractProcesses;
}

/** Waits for what handlers report, without a clock. */
export class Signal {
  readonly #waiting: { readonly holds: () => boolean; readonly resolve: () => void }[] = [];

  /** Something has changed. */
  notify(): void {
    for (let i = this.#waiting.length - 1; i >= 0; i--) {
      const entry = this.#waiting[i]!;
      if (!entry.holds()) continue;
      this.#waiting.splice(i, 1);
      entry.resolve();
    }
  }

  until(holds: () => boolean): Promise<void> {
    if (holds()) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ holds, resolve }));
  }
}

/** A lane handler that keeps all that it is told. */
export class LaneLog implements LaneHandler {
  readonly lane: TransportLane;
  readonly records: Buffer[] = [];
  /** The kind of each, the blocks that it carried, and the one in which it lay. */
  readonly kinds: number[] = [];
  readonly blocks: Block[][] = [];
  readonly bodies: (Block | undefined)[] = [];
  /** What each call of onRecords brought. */
  readonly counts: number[] = [];
  rooms = 0;
  takens = 0;
  readonly signal: Signal;
  /** What onRecords returns. */
  goOn = false;
  /** Run within the handler, after it has done its work. */
  after: ((event: "records" | "room" | "taken") => void) | undefined;

  constructor(lane: TransportLane, signal: Signal) {
    this.lane = lane;
    this.signal = signal;
  }

  onRecords(count: number): boolean {
    this.counts.push(count);
    for (const { bytes, kind, blocks, body } of readMessages(this.lane, count)) {
      this.records.push(bytes);
      this.kinds.push(kind);
      this.blocks.push(blocks);
      this.bodies.push(body);
    }
    this.#done("records");
    return this.goOn;
  }

  onRoom(): void {
    this.rooms++;
    this.#done("room");
  }

  onTaken(): void {
    this.takens++;
    this.#done("taken");
  }

  #done(event: "records" | "room" | "taken"): void {
    this.signal.notify();
    this.after?.(event);
  }
}

/** One end of a connection with handlers that keep all that they are told. */
export class End implements ConnectionHandler {
  readonly connection: Connection;
  readonly logs: readonly LaneLog[];
  readonly signal = new Signal();
  readonly ends: { readonly why: CloseReason | undefined; readonly code: string | undefined }[] = [];
  afterEnd: (() => void) | undefined;
  memories = 0;

  constructor(connection: Connection) {
    this.connection = connection;
    this.logs = connection.lanes.map((lane) => new LaneLog(lane, this.signal));
  }

  start(): this {
    this.connection.start(this, this.logs);
    return this;
  }

  onEnd(): void {
    const { reason, failure } = this.connection.ending;
    this.ends.push({ why: reason, code: failure?.code });
    this.signal.notify();
    this.afterEnd?.();
  }

  onMemory(): void {
    this.memories++;
    this.signal.notify();
  }

  lane(index = 0): TransportLane {
    return this.connection.lanes[index]!;
  }

  /** The lane, which can block the thread. */
  blocking(index = 0): BlockingLane {
    return this.lane(index).blocking!;
  }

  log(index = 0): LaneLog {
    return this.logs[index]!;
  }

  /** Waits until `count` records have been received in all. */
  received(count: number, index = 0): Promise<void> {
    return this.signal.until(() => this.log(index).records.length >= count);
  }

  ended(): Promise<void> {
    return this.signal.until(() => this.ends.length > 0);
  }

  /** Resolves at the next `onRoom`; asks for it. */
  room(index = 0): Promise<void> {
    const before = this.log(index).rooms;
    this.lane(index).wantRoom();
    return this.signal.until(() => this.log(index).rooms > before || this.ends.length > 0);
  }

  /** Resolves at the next `onTaken`; asks for it. */
  taken(index = 0): Promise<void> {
    const before = this.log(index).takens;
    this.lane(index).wantTaken();
    return this.signal.until(() => this.log(index).takens > before || this.ends.length > 0);
  }

  /** Sends one record, waiting for room as often as needed. */
  async send(bytes: Uint8Array, index = 0): Promise<SendStatus> {
    let status = post(this.lane(index), bytes);
    while (status === FULL) {
      await this.room(index);
      status = post(this.lane(index), bytes);
    }
    return status;
  }

  /** Resolves at the next `onMemory`; asks for it. */
  memory(): Promise<void> {
    const before = this.memories;
    this.connection.bulk.wantMemory();
    return this.signal.until(() => this.memories > before || this.ends.length > 0);
  }

  /** Sends a message with blocks, waiting for room and memory as often as needed. */
  async give(bytes: Uint8Array, blocks: readonly Block[], index = 0): Promise<SendStatus> {
    for (;;) {
      const status = postBlocks(this.lane(index), bytes, blocks);
      if (status === FULL) await this.room(index);
      else if (status === NO_MEMORY) await this.memory();
      else return status;
    }
  }

  /** A block of `bytes` bytes, waiting for memory as often as needed. */
  async allocate(bytes: number): Promise<Block> {
    for (;;) {
      const block = this.connection.bulk.allocate(bytes);
      if (block !== undefined) return block;
      await this.memory();
    }
  }

  /** Waits until the peer holds no more than `count` blocks of this side. */
  async lent(count: number): Promise<void> {
    while (this.connection.bulk.stats().lentBlocks > count) {
      this.connection.bulk.wantMemory();
      await turns(1);
    }
  }
}

/** Puts a message at the place of the lane; returns its bytes. */
export function put(lane: TransportLane, bytes: Uint8Array): number {
  lane.grow(bytes.length);
  lane.place.scratch.buffer.set(bytes, lane.place.at);
  return bytes.length;
}

/** Drains a record in a thread that does not come to its event loop; blocks for some milliseconds where the lane can. */
export function tryOrWait(lane: TransportLane): number {
  return lane.blocking === undefined ? lane.drain(1) : lane.blocking.drainWait(1, 5);
}

/** Sends a message. */
export function post(lane: TransportLane, bytes: Uint8Array): SendStatus {
  return lane.send(put(lane, bytes));
}

/** Sends a message with blocks. */
export function postBlocks(
  lane: TransportLane,
  bytes: Uint8Array,
  blocks: readonly Block[],
  timeout = 0,
): SendStatus {
  return lane.sendWithBlocks(put(lane, bytes), blocks, timeout);
}

/** Packs messages at the place of the lane, for `sendPacked`. */
export function pack(lane: TransportLane, messages: readonly Uint8Array[]): void {
  lane.grow(messages.reduce((sum, message) => sum + recordBytes(message.length), 0));
  for (const message of messages) {
    lane.place.scratch.buffer.set(message, lane.place.at);
    lane.place.pack(message.length);
  }
}

/** Copies of the records that were drained. */
export function readRecords(records: RecordCursor): Buffer[] {
  const copies: Buffer[] = [];
  while (records.next()) copies.push(payloadAt(records, records.bytes));
  return copies;
}

function payloadAt({ scratch, at }: RecordCursor, bytes: number): Buffer {
  return Buffer.from(scratch.buffer.subarray(at, at + bytes));
}

/** A message as it came: its bytes, copied, and its blocks; none of either where the record was malformed. */
export interface Message {
  readonly bytes: Buffer;
  readonly kind: number;
  readonly blocks: Block[];
  /** The block in which it lay. */
  readonly body: Block | undefined;
}

/** The messages that were drained: `count` of them, the last of which came with none behind it. */
export function readMessages(lane: TransportLane, count: number): Message[] {
  const { records } = lane;
  const messages: Message[] = [];
  while (records.next()) messages.push(messageAt(lane));
  if (messages.length !== count) throw new Error(`the cursor stood before ${messages.length}, not ${count}`);
  return messages;
}

function messageAt(lane: TransportLane): Message {
  const { records } = lane;
  const { kind } = records;
  if (kind === PLAIN) return { bytes: payloadAt(records, records.bytes), kind, blocks: [], body: undefined };
  const delivery = lane.takeBlocks(records);
  if (delivery === undefined) return { bytes: Buffer.alloc(0), kind, blocks: [], body: undefined };
  const { body } = delivery;
  const bytes =
    kind === IN_BLOCK
      ? Buffer.from(body!.bytes.subarray(0, delivery.bytes))
      : payloadAt(records, delivery.bytes);
  return { bytes, kind, blocks: delivery.blocks as Block[], body };
}

/** Bytes that are the same for the same seed and length, and hardly for others. */
export function payload(seed: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = (seed * 2654435761 + length + 1) >>> 0;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/** Where two lists of records differ first; -1 if they are the same. Much faster than toEqual. */
export function differsAt(some: readonly Buffer[], others: readonly Buffer[]): number {
  if (some.length !== others.length) return Math.min(some.length, others.length);
  return some.findIndex((bytes, i) => !bytes.equals(others[i]!));
}

/** Numbers from 0 to `below`, the same ones each time. */
export function* numbers(below: number): Generator<number, never> {
  let state = 12345;
  while (true) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield (state >>> 8) % below;
  }
}

/** Sends records of `bytes` bytes until there is no room; returns how many went. */
export function fill(lane: TransportLane, bytes: number): number {
  let sent = 0;
  while (post(lane, payload(sent, bytes)) === SENT) sent++;
  return sent;
}

/** Lets everything that is ready in this process happen: so many turns of the event loop. */
export async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** Runs `action` and returns what reached the process as uncaught exceptions until `count` of them have. */
export async function uncaught(count: number, action: () => void): Promise<unknown[]> {
  const others = process.listeners("uncaughtException");
  const caught: unknown[] = [];
  process.removeAllListeners("uncaughtException");
  try {
    await new Promise<void>((resolve) => {
      process.on("uncaughtException", (error) => {
        caught.push(error);
        if (caught.length === count) resolve();
      });
      action();
    });
  } finally {
    process.removeAllListeners("uncaughtException");
    for (const listener of others) process.on("uncaughtException", listener);
  }
  return caught;
}
