import { closeSync } from "node:fs";
import { join } from "node:path";
import { type Channel, listen } from "ringbell";
import { onTestFinished } from "vitest";
import type { NativeConnection, Segment } from "../../lib/native/binding.js";
import { introduce } from "../../lib/transport/handshake/connector.js";
import { tabledBytes } from "../../lib/transport/records/handle-table.js";
import { connectNative } from "../../lib/transport/wire/addon-wire.js";
import { first } from "../channel/setup.js";
import { binding, bindingWith, connectorSettings } from "../transport/handshake/rig.js";
import { type Message, privateDirectory } from "./setup.js";

export const ANNOUNCE = 1;
export const RETURN = 2;
export const RETIRE = 3;
export const IMMUTABLE = 1;
export const SHARED = 2;
export const COMES_HOME = 1;
export const WITH_BLOCKS = 2;
export const IN_BLOCK = 3;

/** What a handle says; what is left out is right for the first slot of segment 1. */
export interface RawHandle {
  readonly segment?: number;
  readonly slot?: number;
  readonly flags?: number;
  readonly reserved?: number;
  readonly length?: number;
  /** The upper half of the length. */
  readonly high?: number;
}

/** What a table says of itself where it is not the truth. */
export interface Lies {
  readonly count?: number;
  readonly bytes?: number;
  readonly kind?: number;
  readonly payload?: Buffer;
}

export interface RawAnnouncement {
  readonly id?: number;
  readonly slots?: number;
  readonly flags?: number;
  readonly slotBytes?: number;
  readonly high?: number;
}

const MARK = "0123456789abcdef";
const MAIN = 0;
const BULK = 1;

/** The payload of a message of the codec json() with so many blocks. */
export function text(blocks: number): Buffer {
  return Buffer.from(
    MARK + JSON.stringify({ id: 1, blocks: Array.from({ length: blocks }, (_, i) => `${MARK}:${i}`) }),
  );
}

/** A peer that has shaken hands, and from then on writes what it likes into the rings and over the socket. */
export class Hostile {
  readonly native: NativeConnection;
  readonly socket: number;
  /** Why its side ended: 4 when it was accused. */
  why: number | undefined;
  readonly #segments: Segment[] = [];
  readonly #outboxes: Uint8Array[] = [];
  readonly #inboxes: Buffer[] = [];

  constructor(native: NativeConnection, socket: number) {
    this.native = native;
    this.socket = socket;
  }

  /** Sends a record; whether it went. */
  record(lane: number, kind: number, payload: Uint8Array): boolean {
    const { control, calls } = this.native.lanes[lane]!;
    const words = new Int32Array(control, 0, 8);
    const outbox = this.#outboxOf(lane, payload.length + 8);
    outbox.set(payload, 8);
    words[binding.layout.control.argument] = payload.length;
    words[binding.layout.control.kind] = kind;
    this.#select(lane);
    calls.send();
    words[binding.layout.control.kind] = 0;
    return words[binding.layout.control.result] === 0;
  }

  #select(lane: number): void {
    const { calls, number } = this.native.lanes[lane]!;
    new Int32Array(calls.selected)[0] = number;
  }

  /** The outbox of a lane, with room for so many bytes if the lane can have it. */
  #outboxOf(lane: number, bytes: number): Uint8Array {
    const { control, outboxAt, outboxBytes, calls } = this.native.lanes[lane]!;
    this.#outboxes[lane] ??= new Uint8Array(control, outboxAt, outboxBytes);
    if (this.#outboxes[lane].length < bytes) {
      this.#select(lane);
      this.#outboxes[lane] = new Uint8Array(calls.growOutbox(bytes));
    }
    return this.#outboxes[lane];
  }

  /** A record of the lane of the blocks. */
  bulk(...words: number[]): boolean {
    return this.record(BULK, 0, new Uint8Array(Uint32Array.from(words).buffer));
  }

  bulkBytes(bytes: Uint8Array): boolean {
    return this.record(BULK, 0, bytes);
  }

  announce({ id = 1, slots = 4, flags = 0, slotBytes = 4096, high = 0 }: RawAnnouncement = {}): boolean {
    return this.bulk(ANNOUNCE, id, slots, flags, slotBytes, high);
  }

  /** Announces a segment as it should be: its memory. */
  lend({ slots = 4, slotBytes = 4096, ...more }: RawAnnouncement = {}): Segment {
    const segment = this.segment(Math.ceil((slots * slotBytes) / 16384) * 16384);
    this.native.pass(segment);
    this.announce({ slots, slotBytes, ...more });
    return segment;
  }

  segment(bytes: number, name = ""): Segment {
    const segment = binding.segmentCreate(bytes, name);
    this.#segments.push(segment);
    return segment;
  }

  /** Passes a descriptor as if it were that of a segment, and closes it here. */
  pass(descriptor: number): void {
    binding.socketSend(this.socket, Uint8Array.of(4), 0, descriptor);
    closeSync(descriptor);
  }

  /** A message with blocks. */
  message(handles: readonly RawHandle[], lies: Lies = {}): boolean {
    const payload = lies.payload ?? text(handles.length);
    const length = tabledBytes(payload.length, handles.length);
    const content = Buffer.alloc(length);
    payload.copy(content);
    let at = length - 8 - handles.length * 24;
    for (const { segment = 1, slot = 0, flags = 0, reserved = 0, length: bytes = 100, high = 0 } of handles) {
      for (const word of [segment, slot, flags, reserved, bytes, high]) {
        content.writeUInt32LE(word, at);
        at += 4;
      }
    }
    content.writeUInt32LE(lies.count ?? handles.length, at);
    content.writeUInt32LE(lies.bytes ?? payload.length, at + 4);
    return this.record(MAIN, lies.kind ?? WITH_BLOCKS, content);
  }

  /** Takes what has come over a lane, as raw records. */
  drain(lane: number): { kind: number; content: Buffer }[] {
    const { control, calls } = this.native.lanes[lane]!;
    const words = new Int32Array(control, 0, 8);
    words[binding.layout.control.argument] = 1000;
    this.#select(lane);
    this.#inboxes[lane] ??= Buffer.from(calls.growInbox(1));
    calls.drain();
    const buffer = this.#inboxes[lane];
    const records = [];
    for (let i = 0, at = 0; i < words[binding.layout.control.result]!; i++) {
      const length = buffer.readUInt32LE(at);
      records.push({
        kind: buffer.readUInt16LE(at + 6),
        content: Buffer.from(buffer.subarray(at + 8, at + 8 + length)),
      });
      at += 8 + Math.ceil(length / 8) * 8;
    }
    return records;
  }

  /** The handles of the messages that have come, all of them with blocks. */
  handles(): { segment: number; slot: number; flags: number; length: number }[] {
    return this.drain(MAIN).flatMap(({ content }) => {
      const count = content.readUInt32LE(content.length - 8);
      return Array.from({ length: count }, (_, i) => {
        const at = content.length - 8 - (count - i) * 24;
        return {
          segment: content.readUInt32LE(at),
          slot: content.readUInt32LE(at + 4),
          flags: content.readUInt32LE(at + 8),
          length: content.readUInt32LE(at + 16),
        };
      });
    });
  }

  close(): void {
    this.native.close(0);
    for (const segment of this.#segments.splice(0)) segment.close();
  }
}

export interface Duel {
  /** A channel of the library's. */
  readonly victim: Channel<Message>;
  readonly hostile: Hostile;
}

/** A channel, and at its other end somebody who does not keep to the rules. */
export async function duel(
  options: { maxBulkBytes?: number; backing?: "sealed" | "named" } = {},
): Promise<Duel> {
  const path = join(privateDirectory(), "s");
  const server = await listen<Message>(path, { transport: "shm", capacity: 65_536, ...options });
  onTestFinished(() => server.close());
  let hostile: Hostile | undefined;
  const connecting = introduce(
    connectNative(binding, path),
    connectorSettings({
      bulkBytes: 2 ** 30,
      binding: bindingWith({
        connect: (socket, region, listener, spin, pending, handlers, passed) => {
          const native = binding.connect(
            socket,
            region,
            listener,
            spin,
            pending,
            {
              ...handlers,
              onEnd: (why) => {
                hostile!.why = why;
              },
            },
            passed,
          );
          hostile = new Hostile(native, socket);
          // No view of the rings: the connection that would drop it is never closed.
          native.memory = () => undefined;
          return native;
        },
      }),
    }),
  );
  const victim = await first(server);
  await connecting;
  const made = hostile!;
  onTestFinished(() => made.close());
  return { victim, hostile: made };
}
