import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Block, makeBlock } from "../../../lib/bulk/block.js";
import type { Lease } from "../../../lib/bulk/lease.js";
import { PrivateMemory } from "../../../lib/bulk/private-memory.js";
import { BlockError, BlockTooLargeError, NoSpaceError } from "../../../lib/errors.js";
import { tryBinding } from "../../../lib/native/load.js";
import { recordBytes, WITH_BLOCKS } from "../../../lib/transport/records/record-layout.js";
import { FULL, NO_MEMORY, SENT } from "../../../lib/transport/records/send-status.js";
import {
  ASK,
  BLOCK,
  CHUNK,
  CLOSING,
  FREED,
  RECORD,
  TAKEN,
} from "../../../lib/transport/stream/frame-layout.js";
import { createStream } from "../../../lib/transport/stream/stream.js";
import type { Wire } from "../../../lib/transport/wire/wire.js";
import { End, payload, post, postBlocks, readMessages, turns } from "../contract/harness.js";
import { FakeWire } from "../wire/fake-wire.js";
import { nativePair, netPair } from "../wire/wires.js";

const KIB = 1024;
const MIB = 1024 * KIB;
const LANES = [
  { name: "main", capacity: 4096 },
  { name: "other", capacity: 4096 },
];

/** The frames in some bytes: type, lane, and length of each. */
function frames(bytes: Buffer): [type: number, lane: number, length: number][] {
  const found: [number, number, number][] = [];
  for (let at = 0; at < bytes.length; at += recordBytes(bytes.readUInt32LE(at))) {
    found.push([bytes[at + 5]!, bytes[at + 4]!, bytes.readUInt32LE(at)]);
  }
  return found;
}

/** A frame whose payload is these words. */
function frame(type: number, lane: number, ...words: number[]): Buffer {
  const bytes = Buffer.alloc(8 + 4 * words.length);
  bytes.writeUInt32LE(4 * words.length, 0);
  bytes[4] = lane;
  bytes[5] = type;
  for (const [i, word] of words.entries()) bytes.writeUInt32LE(word, 8 + 4 * i);
  return bytes;
}

/** A report of one released block. */
function freed(bytes: number): Buffer {
  return frame(FREED, 0, bytes, 0, 0, 0, 1, 0);
}

/** A message with one block. */
function message(block: Uint8Array): Buffer {
  const begin = frame(BLOCK, 0, block.length, 0, 0, 0);
  const chunk = Buffer.alloc(recordBytes(block.length));
  chunk.writeUInt32LE(block.length, 0);
  chunk[5] = CHUNK;
  chunk.set(block, 8);
  const record = frame(RECORD, 0);
  record[6] = WITH_BLOCKS;
  return Buffer.concat([begin, chunk, record]);
}

// Where checked mode matters, it is said.
beforeEach(() => {
  vi.stubEnv("RINGBELL_CHECK_BLOCKS", "0");
  // The time that the test before has taken is not of this turn.
  return turns(1);
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.useRealTimers();
});

function made(limit = 16 * MIB): readonly [End, FakeWire] {
  const wire = new FakeWire();
  return [new End(createStream(wire, LANES, limit)).start(), wire];
}

function filled(end: End, seed: number, length: number): Block {
  const block = end.connection.bulk.allocate(length)!;
  block.bytes.set(payload(seed, length));
  return block;
}

/** A handle of shared memory that is no stream's, as those of the other transport are. */
class ForeignLease implements Lease {
  readonly sealed = false;
  readonly shared = true;
  readonly ledger = {};
  readonly memory = undefined;
  readonly bytes: Uint8Array;
  releases = 0;

  constructor(length: number) {
    this.bytes = payload(3, length);
  }
  get length(): number {
    return this.bytes.length;
  }
  release(): void {
    this.releases++;
  }
  share(): Lease[] {
    return [];
  }
  seal(): Lease {
    return this;
  }
}

describe("blocks that a stream writes", () => {
  it("go with their message in one write where they are short", async () => {
    const [end, wire] = made();
    await turns(1);
    postBlocks(end.lane(), payload(1, 5), [filled(end, 1, 101)]);
    expect(wire.writes.length).toBe(1);
    expect(frames(wire.writes[0]!)).toEqual([
      [BLOCK, 0, 16],
      [CHUNK, 0, 101],
      [RECORD, 0, 5],
    ]);
    expect(wire.writes[0]!.subarray(32, 133)).toEqual(payload(1, 101));
    expect(end.connection.bulk.stats()).toMatchObject({ mode: "copied", copiedBytes: 101 });
  });

  it("have zeros between them, not what was written before", async () => {
    const [end, wire] = made();
    for (const length of [101, 20_001]) {
      post(end.lane(), Buffer.alloc(300, 0xaa));
      await turns(1);
      const before = wire.writes.length;
      postBlocks(end.lane(), payload(1, 5), [filled(end, 1, length)]);
      await turns(1);
      const bytes = Buffer.concat(wire.writes.slice(before));
      expect(bytes.subarray(32 + length, 32 + length + 8 - (length % 8))).toEqual(
        Buffer.alloc(8 - (length % 8)),
      );
    }
  });

  it("leave the lane as soon as they are written, so that the next message goes at once", async () => {
    const [end, wire] = made();
    for (const length of [0, 8, 16 * KIB - 1, 16 * KIB, 64 * KIB - 3, 64 * KIB]) {
      expect(postBlocks(end.lane(), payload(1, 5), [filled(end, 1, length)])).toBe(SENT);
      expect(post(end.lane(), payload(1, 5))).toBe(SENT);
    }
    await turns(1);
    const chunks = frames(Buffer.concat(wire.writes)).filter(([type]) => type === CHUNK);
    expect(chunks.map(([, , length]) => length)).toEqual([8, 16 * KIB - 1, 16 * KIB, 64 * KIB - 3, 64 * KIB]);
  });

  it("go in chunks as the kernel takes them where they are long, between what other lanes send", async () => {
    const [end, wire] = made();
    wire.slow = true;
    await turns(1);
    const bytes = payload(1, 150_000);
    postBlocks(end.lane(), payload(1, 5), [filled(end, 1, bytes.length)]);
    const first = Buffer.concat(wire.writes);
    expect(frames(first).map(([type, , length]) => [type, length])).toEqual([
      [BLOCK, 16],
      [CHUNK, 64 * KIB],
    ]);
    expect(post(end.lane(), payload(2, 1))).toBe(FULL);
    expect(end.lane().sendPacked()).toBe(0);
    end.lane().wantRoom();
    expect(post(end.lane(1), payload(2, 9))).toBe(SENT);
    await turns(2);
    expect(wire.writes.length).toBe(frames(first).length);
    const second = wire.drain();
    // What is short goes before what is long.
    expect(frames(second).map(([type, lane]) => [type, lane])).toEqual([
      [RECORD, 1],
      [CHUNK, 0],
    ]);
    expect([end.log().rooms, post(end.lane(), payload(2, 1))]).toEqual([0, FULL]);
    const third = wire.drain();
    const rest = Buffer.concat([third, wire.drain()]);
    expect(frames(rest).map(([type]) => type)).toEqual([CHUNK, RECORD]);
    const chunks = [first.subarray(24), second.subarray(recordBytes(9)), rest].map((part) =>
      part.subarray(8, 8 + part.readUInt32LE(0)),
    );
    expect(Buffer.concat(chunks).equals(bytes)).toBe(true);
    await turns(1);
    expect([end.log().rooms, post(end.lane(), payload(2, 1))]).toEqual([1, SENT]);
  });

  it("of several lanes take turns", () => {
    const [end, wire] = made();
    wire.slow = true;
    for (const index of [0, 1]) postBlocks(end.lane(index), payload(1, 5), [filled(end, 1, 200_000)]);
    const order = [Buffer.concat(wire.writes), ...Array.from({ length: 8 }, () => wire.drain())]
      .flatMap(frames)
      .filter(([type]) => type === CHUNK)
      .map(([, lane]) => lane);
    // The first has had two before the second was there.
    expect(order).toEqual([0, 0, 1, 0, 1, 0, 1, 1]);
  });

  it("go on though other lanes have more than the kernel takes each time", () => {
    const [end, wire] = made();
    wire.slow = true;
    postBlocks(end.lane(), payload(1, 5), [filled(end, 1, 5 * 64 * KIB)]);
    for (let i = 0; i < 4; i++) {
      const before = wire.writes.length;
      // What the others have sent is more than it takes.
      wire.buffered = 1;
      wire.handler!.onDrain();
      expect(frames(Buffer.concat(wire.writes.slice(before)))).toEqual([[CHUNK, 0, 64 * KIB]]);
    }
    expect(frames(wire.drain())).toEqual([[RECORD, 0, 5]]);
  });

  it("give the event loop a turn though the kernel takes everything", async () => {
    const [end, wire] = made(64 * MIB);
    postBlocks(end.lane(), payload(1, 5), [filled(end, 1, 8 * MIB)]);
    const chunks = () => frames(Buffer.concat(wire.writes)).filter(([type]) => type === CHUNK).length;
    expect(chunks()).toBe(16);
    await turns(12);
    expect(chunks()).toBe(128);
    expect(frames(Buffer.concat(wire.writes)).at(-1)).toEqual([RECORD, 0, 5]);
  });

  it("go on in a thread that only looks whether something has come", () => {
    const [end, wire] = made(64 * MIB);
    wire.native = true;
    postBlocks(end.lane(), payload(1, 5), [filled(end, 1, 8 * MIB)]);
    const chunks = () => frames(Buffer.concat(wire.writes)).filter(([type]) => type === CHUNK).length;
    expect(chunks()).toBe(16);
    expect(end.lane().drain(1)).toBe(0);
    expect(chunks()).toBe(32);
    for (let i = 0; i < 6; i++) expect(end.lane().drain(1)).toBe(0);
    expect(chunks()).toBe(128);
    expect(frames(Buffer.concat(wire.writes)).at(-1)).toEqual([RECORD, 0, 5]);
  });

  it("are not reported as taken before they are sent", async () => {
    const [end, wire] = made();
    wire.slow = true;
    postBlocks(end.lane(), payload(1, 5), [filled(end, 1, 100_000)]);
    wire.handler!.onData(frame(TAKEN, 0, recordBytes(5), 0));
    // On a busy machine the turn may be over, and the frame is read in the next one.
    await expect.poll(() => end.ends[0]?.why).toBe("protocol-error");
  });

  it("come before the question whether they were taken", () => {
    const [end, wire] = made();
    wire.slow = true;
    postBlocks(end.lane(), payload(1, 5), [filled(end, 1, 100_000)]);
    end.lane().wantTaken();
    const rest = Array.from({ length: 4 }, () => wire.drain());
    expect(frames(Buffer.concat(rest)).map(([type]) => type)).toEqual([CHUNK, RECORD, ASK]);
  });

  it("come before the end, and close waits for them", async () => {
    const [end, wire] = made();
    wire.slow = true;
    postBlocks(end.lane(), payload(1, 5), [filled(end, 1, 200_000)]);
    let closed = false;
    const closing = end.connection.close().then(() => {
      closed = true;
    });
    // The peer goes on meanwhile, and is not misunderstood.
    wire.handler!.onData(Uint8Array.of(0, 0, 0, 0, 0, ASK, 0, 0));
    const all: Buffer[] = [Buffer.concat(wire.writes)];
    for (let i = 0; i < 3; i++) {
      await turns(1);
      expect(closed).toBe(false);
      all.push(wire.drain());
    }
    wire.drain();
    await closing;
    expect(frames(Buffer.concat(all)).map(([type]) => type)).toEqual([
      BLOCK,
      CHUNK,
      CHUNK,
      CHUNK,
      CHUNK,
      RECORD,
      CLOSING,
    ]);
    wire.handler!.onEnd(undefined);
  });

  it("are cut off by destroy, and close is settled", async () => {
    const [end, wire] = made();
    wire.slow = true;
    const lease = new ForeignLease(200_000);
    postBlocks(end.lane(), payload(1, 5), [makeBlock(lease)]);
    const closing = end.connection.close();
    expect(lease.releases).toBe(0);
    end.connection.destroy();
    await closing;
    expect([wire.destroyed, lease.releases]).toEqual([true, 1]);
  });
});

describe("the memory of a stream's blocks", () => {
  it("is zeros at first, and used again once the bytes are with the wire, not before", () => {
    const [end, wire] = made();
    const block = filled(end, 0, 100_000);
    block.release();
    const fresh = end.connection.bulk.allocate(200_000)!;
    expect(fresh.bytes.every((byte) => byte === 0)).toBe(true);
    const { buffer } = fresh.bytes;
    wire.slow = true;
    postBlocks(end.lane(), payload(1, 1), [fresh]);
    const second = end.connection.bulk.allocate(200_000)!;
    expect(second.bytes.buffer).not.toBe(buffer);
    for (let i = 0; i < 4; i++) wire.drain();
    expect(end.connection.bulk.stats()).toMatchObject({ lentBlocks: 1, ownBlocks: 1 });
    expect(end.connection.bulk.allocate(200_000)!.bytes.buffer).toBe(buffer);
    wire.handler!.onData(freed(200_000));
    expect(end.connection.bulk.stats()).toMatchObject({ lentBlocks: 0, ownBlocks: 2 });
  });

  it("is kept for later only up to a limit, and not after the end", () => {
    const memory = new PrivateMemory(false);
    const views = Array.from({ length: 5 }, () => memory.take(32 * MIB));
    for (const view of views) memory.give(view);
    expect(memory.keptBytes).toBeGreaterThan(0);
    expect(memory.keptBytes).toBeLessThanOrEqual(128 * MIB);
    memory.give(memory.take(256 * MIB));
    expect(memory.keptBytes).toBeLessThanOrEqual(128 * MIB);
    memory.close();
    memory.give(views[0]!);
    expect(memory.keptBytes).toBe(0);
  });

  it("is not kept where no block has used it for some seconds", () => {
    vi.useFakeTimers();
    const memory = new PrivateMemory(false);
    memory.give(memory.take(1000));
    for (let i = 0; i < 10; i++) {
      vi.advanceTimersByTime(1000);
      const { buffer } = memory.take(1000);
      memory.give(new Uint8Array(buffer, 64, 1000));
      expect(memory.keptBytes).toBeGreaterThan(0);
    }
    vi.advanceTimersByTime(10_000);
    expect([memory.keptBytes, vi.getTimerCount()]).toEqual([0, 0]);
  });

  it("that the system does not have is a NoSpaceError, and nothing is counted", () => {
    const [end] = made(2 ** 52);
    expect(() => end.connection.bulk.allocate(2 ** 50)).toThrow(NoSpaceError);
    expect(end.connection.bulk.stats()).toMatchObject({ ownBlocks: 0, allocatedBytes: 0 });
  });

  it("is not transferred by accident, and a block whose memory was is not sent", () => {
    const [end] = made();
    const block = filled(end, 1, 100);
    const { buffer } = block.bytes;
    try {
      structuredClone(buffer, { transfer: [buffer as ArrayBuffer] });
    } catch {
      // Where marked buffers are refused; elsewhere they are copied.
    }
    expect(Buffer.compare(block.bytes, payload(1, 100))).toBe(0);
    block.release();
    vi.stubEnv("RINGBELL_CHECK_BLOCKS", "1");
    const [checked] = made();
    const taken = filled(checked, 1, 100);
    const memory = taken.bytes.buffer as ArrayBuffer;
    structuredClone(memory, { transfer: [memory] });
    expect(() => postBlocks(checked.lane(), payload(1, 1), [taken])).toThrow(BlockError);
    taken.release();
    expect(checked.connection.bulk.stats()).toMatchObject({ ownBlocks: 0, allocatedBytes: 0 });
  });

  it("is told of that came back before anybody asked, and not of what came back before there was too little", async () => {
    const [end, wire] = made(MIB);
    const lend = () => postBlocks(end.lane(), payload(1, 1), [end.connection.bulk.allocate(MIB)!]);
    for (const count of [1, 2]) {
      expect(lend()).toBe(SENT);
      await turns(2);
      expect(end.connection.bulk.allocate(1)).toBeUndefined();
      if (count === 2) {
        end.connection.bulk.wantMemory();
        await turns(2);
        expect(end.memories).toBe(1);
      }
      wire.handler!.onData(freed(MIB));
      if (count === 1) end.connection.bulk.wantMemory();
      await end.signal.until(() => end.memories === count);
    }
  });

  it("is all free after the end", async () => {
    const [end, wire] = made(MIB);
    end.connection.bulk.allocate(1000)!.release();
    expect(end.connection.bulk.stats().allocatedBytes).toBeGreaterThan(0);
    wire.slow = true;
    for (const length of [1000, 100_000]) postBlocks(end.lane(), payload(1, 1), [filled(end, 1, length)]);
    // One comes, and is not taken.
    wire.handler!.onData(message(payload(5, 1000)));
    expect(end.connection.bulk.stats()).toMatchObject({ lentBlocks: 2, ownBlocks: 0, heldBlocks: 1 });
    wire.handler!.onEnd(undefined);
    expect(end.connection.bulk.stats()).toMatchObject({ lentBlocks: 0, ownBlocks: 0, allocatedBytes: 0 });
    await end.connection.close();
    expect(end.connection.bulk.stats()).toMatchObject({ heldBlocks: 0, heldBytes: 0 });
  });

  it("that is shared is taken away from the program at once in checked mode, though it is not written yet", () => {
    vi.stubEnv("RINGBELL_CHECK_BLOCKS", "1");
    const [end, wire] = made();
    wire.slow = true;
    const [handle, other] = filled(end, 1, 100_000).share(2) as [Block, Block];
    const view = handle.bytes;
    expect(postBlocks(end.lane(), payload(1, 5), [handle])).toBe(SENT);
    expect(view.length).toBe(0);
    wire.drain();
    const sent = Buffer.concat([...wire.writes, wire.drain()]);
    expect(sent.subarray(32, 32 + 64 * KIB).equals(payload(1, 100_000).subarray(0, 64 * KIB))).toBe(true);
    expect(Buffer.compare(other.bytes, payload(1, 100_000))).toBe(0);
  });

  it("that is shared is let go when the bytes are with the wire, whoever it belongs to, and not before", () => {
    const [end, wire] = made();
    wire.slow = true;
    const lease = new ForeignLease(100_000);
    expect(postBlocks(end.lane(), payload(1, 5), [makeBlock(lease)])).toBe(SENT);
    expect(lease.releases).toBe(0);
    const sent = Buffer.concat([...wire.writes, wire.drain(), wire.drain()]);
    expect(lease.releases).toBe(1);
    expect(frames(sent).at(-1)![0]).toBe(RECORD);
    wire.slow = false;
    while (post(end.lane(), payload(1, 500)) === SENT);
    const second = new ForeignLease(10);
    const block = makeBlock(second);
    expect(postBlocks(end.lane(), payload(1, 500), [block])).toBe(FULL);
    expect([second.releases, block.gone]).toEqual([0, false]);
  });

  it("is limited also where copies of shared blocks are sent, until the peer releases them", async () => {
    const [end, wire] = made(MIB);
    await turns(1);
    const handles = filled(end, 1, 600 * KIB).share(3) as [Block, Block, Block];
    expect(postBlocks(end.lane(), payload(1, 1), [handles[0]])).toBe(SENT);
    expect(postBlocks(end.lane(), payload(1, 1), [handles[1]])).toBe(NO_MEMORY);
    expect([handles[1].gone, end.connection.bulk.stats().lentBlocks]).toEqual([false, 1]);
    expect(() => postBlocks(end.lane(), payload(1, 1), handles.slice(1))).toThrow(BlockTooLargeError);
    const foreign = makeBlock(new ForeignLease(MIB + 1));
    expect(() => postBlocks(end.lane(), payload(1, 1), [foreign])).toThrow(BlockTooLargeError);
    // A block of this side would be more than the limit as well, with what the peer has.
    handles[2].release();
    handles[1].release();
    expect(end.connection.bulk.allocate(600 * KIB)).toBeUndefined();
    end.connection.bulk.wantMemory();
    wire.handler!.onData(freed(600 * KIB));
    await end.signal.until(() => end.memories === 1);
    expect(end.connection.bulk.allocate(MIB)?.byteLength).toBe(MIB);
  });
});

describe("what a stream says of the blocks that its program releases", () => {
  async function received(count: number, length: number): Promise<readonly [End, FakeWire, Block[]]> {
    const [end, wire] = made(MIB);
    await turns(1);
    end.lane().wantRecords(true);
    for (let i = 0; i < count; i++) wire.handler!.onData(message(payload(i, length)));
    while (end.log().records.length < count) await turns(1);
    return [end, wire, end.log().blocks.flat()];
  }

  it("is one report at the end of the turn", async () => {
    const [end, wire, blocks] = await received(10, 1000);
    expect(end.connection.bulk.stats()).toMatchObject({
      heldBlocks: 10,
      heldBytes: 10_000,
      receivedBlocks: 10,
    });
    for (const block of blocks) block.release();
    expect(wire.writes).toEqual([]);
    await turns(1);
    expect(wire.writes).toEqual([frame(FREED, 0, 10_000, 0, 0, 0, 10, 0)]);
    expect(end.connection.bulk.stats()).toMatchObject({ heldBlocks: 0, heldBytes: 0 });
  });

  it("goes along with what is sent in the same turn", async () => {
    const [end, wire, [block]] = await received(1, 1000);
    block!.release();
    post(end.lane(), payload(1, 5));
    await turns(1);
    expect(wire.writes.map((bytes) => frames(bytes).map(([type]) => type))).toEqual([[RECORD, FREED]]);
  });

  it("comes before the message that brings the block back, so that the peer has its credit again by then", async () => {
    const [end, wire, blocks] = await received(1, 1000);
    postBlocks(end.lane(), payload(1, 5), blocks);
    await turns(1);
    expect(frames(Buffer.concat(wire.writes)).map(([type]) => type)).toEqual([BLOCK, CHUNK, FREED, RECORD]);
    expect(end.connection.bulk.stats()).toMatchObject({ heldBlocks: 0, lentBlocks: 1, copiedBytes: 2000 });
  });

  it("waits until the kernel takes something, and counts against the peer as long", async () => {
    const [end, wire, blocks] = await received(2, MIB / 2);
    wire.buffered = 1;
    for (const block of blocks) block.release();
    await turns(2);
    expect(wire.writes).toEqual([]);
    expect(end.connection.bulk.stats().heldBytes).toBe(0);
    wire.buffered = 0;
    wire.handler!.onDrain();
    expect(wire.writes).toEqual([frame(FREED, 0, MIB, 0, 0, 0, 2, 0)]);
    wire.handler!.onData(frame(BLOCK, 0, MIB, 0, 0, 0));
    wire.buffered = 1;
    wire.handler!.onData(frame(BLOCK, 1, 1, 0, 0, 0));
    await end.ended();
    expect(end.ends.map(({ why }) => why)).toEqual(["protocol-error"]);
  });

  it("is not believed before it is said: more than the limit ends the connection", async () => {
    const [end, wire, blocks] = await received(1, MIB);
    wire.buffered = 1;
    blocks[0]!.release();
    await turns(2);
    wire.handler!.onData(frame(BLOCK, 0, 1, 0, 0, 0));
    await end.ended();
    expect(end.ends.map(({ why }) => why)).toEqual(["protocol-error"]);
  });

  it("is nothing after the end", async () => {
    const [end, wire, blocks] = await received(1, 1000);
    wire.handler!.onData(frame(CLOSING, 0));
    blocks[0]!.release();
    await turns(2);
    expect([wire.writes, end.connection.bulk.stats().heldBlocks]).toEqual([[], 0]);
  });
});

const binding = tryBinding();
const wires: readonly (readonly [string, (() => Promise<readonly [Wire, Wire]>) | undefined])[] = [
  ["node:net", netPair],
  ["the addon", binding === undefined ? undefined : () => nativePair(binding)],
];

describe.each(wires)("blocks of a stream over %s", (_, wirePair) => {
  if (wirePair === undefined) {
    it.skip("needs the addon", () => {});
    return;
  }
  const open: End[] = [];
  afterEach(async () => {
    await Promise.all(open.splice(0).map((end) => end.connection.close()));
  });
  async function pair(limit = 64 * MIB): Promise<readonly [End, End]> {
    const [one, other] = await wirePair!();
    const ends = [createStream(one, LANES, limit), createStream(other, LANES, limit)].map((connection) =>
      new End(connection).start(),
    ) as [End, End];
    open.push(...ends);
    return ends;
  }

  it("let short messages of another lane overtake them", async () => {
    const [a, b] = await pair();
    for (const index of [0, 1]) b.lane(index).wantRecords(true);
    a.lane(1).wantRecords(true);
    postBlocks(a.lane(0), payload(1, 5), [filled(a, 1, 32 * MIB)]);
    for (let i = 1; i <= 5; i++) {
      await a.send(payload(i, 5), 1);
      await b.received(i, 1);
      await b.send(payload(i, 5), 1);
      await a.received(i, 1);
    }
    expect(b.log(0).records.length).toBe(0);
    await b.received(1, 0);
    expect(b.log(0).blocks[0]![0]!.byteLength).toBe(32 * MIB);
  });

  it("that were being received are let go when either side closes", async () => {
    for (const closer of [0, 1]) {
      const ends = await pair();
      const [a, b] = ends;
      postBlocks(a.lane(0), payload(1, 5), [filled(a, 1, 32 * MIB)]);
      while (b.connection.bulk.stats().heldBlocks === 0) await turns(1);
      if (closer === 0) a.connection.destroy();
      else await b.connection.close();
      await ends[1 - closer]!.ended();
      while (b.connection.bulk.stats().heldBlocks > 0) await turns(1);
      expect(b.connection.bulk.stats().heldBytes).toBe(0);
      expect(a.connection.bulk.stats()).toMatchObject({ lentBlocks: 0 });
    }
  });

  if (wirePair === netPair) return;

  it("go out of a thread that never returns to the event loop, as it sends and looks", async () => {
    const [a, b] = await pair();
    expect(postBlocks(a.lane(), payload(1, 5), [filled(a, 1, 4 * MIB)])).toBe(SENT);
    let came: readonly { readonly blocks: Block[] }[] = [];
    for (let i = 0; i < 1000 && came.length === 0; i++) {
      a.lane().drain(1);
      came = readMessages(b.lane(), b.lane().drain(1));
    }
    expect(Buffer.compare(came[0]!.blocks[0]!.bytes, payload(1, 4 * MIB))).toBe(0);
  });
});
