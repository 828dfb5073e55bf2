import { once } from "node:events";
import type { Socket } from "node:net";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { tryBinding } from "../../../lib/native/load.js";
import {
  IN_BLOCK,
  longestPayload,
  recordBytes,
  WITH_BLOCKS,
} from "../../../lib/transport/records/record-layout.js";
import { SENT } from "../../../lib/transport/records/send-status.js";
import {
  ASK,
  BLOCK,
  CHUNK,
  CLOSING,
  FREED,
  RECORD,
  REFUSED,
  SEALED,
  SHARED,
  TAKEN,
} from "../../../lib/transport/stream/frame-layout.js";
import { createStream } from "../../../lib/transport/stream/stream.js";
import { End, payload, post, readMessages, readRecords, turns } from "../contract/harness.js";
import { netPair, rawPair } from "../wire/wires.js";

const CAPACITY = 4096;
/** Bytes for blocks. */
const LIMIT = 64 * 1024;
const LANES = [
  { name: "main", capacity: CAPACITY },
  { name: "other", capacity: CAPACITY },
];

function frame(type: number, lane = 0, bytes: Uint8Array = new Uint8Array(0), length = bytes.length): Buffer {
  const all = Buffer.alloc(recordBytes(bytes.length));
  all.writeUInt32LE(length, 0);
  all[4] = lane;
  all[5] = type;
  all.set(bytes, 8);
  return all;
}

function u32(...values: number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [i, value] of values.entries()) bytes.writeUInt32LE(value, 4 * i);
  return bytes;
}

function u64(value: number): Buffer {
  return u32(value % 2 ** 32, Math.floor(value / 2 ** 32));
}

/** The beginning of a block. */
function begin(length: number, flags = 0, lane = 0): Buffer {
  return frame(BLOCK, lane, Buffer.concat([u64(length), u32(flags, 0)]));
}

/** A whole block. */
function block(bytes: Uint8Array, flags = 0, lane = 0): Buffer {
  return Buffer.concat([begin(bytes.length, flags, lane), frame(CHUNK, lane, bytes)]);
}

/** A report of released blocks. */
function freed(blocks: number, bytes: number, bodyBytes = 0): Buffer {
  return frame(FREED, 0, Buffer.concat([u64(bytes), u64(bodyBytes), u32(blocks, 0)]));
}

/** The record of a message whose blocks have come. */
function record(bytes: Uint8Array = new Uint8Array(0), lane = 0, kind: number = WITH_BLOCKS): Buffer {
  return changed(frame(RECORD, lane, bytes), 6, kind);
}

/** The same frame with other bytes from `at` on. */
function changed(frame: Buffer, at: number, ...bytes: number[]): Buffer {
  const copy = Buffer.from(frame);
  copy.set(bytes, at);
  return copy;
}

const reserved = frame(RECORD);
reserved[6] = 1;
const full = Buffer.concat(
  Array.from({ length: CAPACITY / 1024 }, () => frame(RECORD, 0, Buffer.alloc(1016))),
);

const FAULTS: readonly (readonly [string, Buffer])[] = [
  ["a frame of type 0", frame(0)],
  ["a frame of an unknown type", frame(77)],
  ["a frame of the type after the last", frame(9)],
  ["a lane that does not exist", frame(RECORD, 2)],
  ["reserved bytes that are set", reserved],
  ["a record longer than the lane's limit", frame(RECORD, 0, undefined, longestPayload(CAPACITY) + 1)],
  ["a record of 4 GiB", frame(RECORD, 0, undefined, 0xffffffff)],
  ["more records than the window lets in", Buffer.concat([full, frame(RECORD)])],
  ["a report of bytes that were never sent", frame(TAKEN, 0, u32(8, 0))],
  ["a report of more than was sent", frame(TAKEN, 1, u32(1 << 30, 0))],
  ["a report of nothing", frame(TAKEN, 0, u32(0, 0))],
  ["a report that is too short", frame(TAKEN, 0, u32(8))],
  ["a report that is too long", frame(TAKEN, 0, Buffer.alloc(16))],
  ["a report with a reserved word that is set", frame(TAKEN, 0, u32(8, 1))],
  ["a request with a payload", frame(ASK, 0, Buffer.alloc(8))],
  ["a closing frame with a lane", frame(CLOSING, 1)],
  ["a closing frame with a payload", frame(CLOSING, 0, Buffer.alloc(8))],
  ["an accusation with a lane", frame(REFUSED, 1)],
  ["text", Buffer.from("GET / HTTP/1.1\r\n\r\n")],
  ["a record of a kind that does not exist", changed(frame(RECORD), 6, 4)],
  ["a report with reserved bytes that are set", changed(frame(TAKEN, 0, u32(8, 0)), 6, WITH_BLOCKS)],
  ["the beginning of a block that is too short", frame(BLOCK, 0, Buffer.alloc(8))],
  ["the beginning of a block that is too long", frame(BLOCK, 0, Buffer.alloc(24))],
  ["the beginning of a block with unknown flags", begin(8, 4)],
  ["the beginning of a block with a reserved word that is set", changed(begin(8), 20, 1)],
  ["a block longer than all blocks together may be", begin(LIMIT + 1)],
  ["a block of 2^53 bytes and more", begin(2 ** 63)],
  [
    "blocks that together are too long",
    Buffer.concat([block(Buffer.alloc(LIMIT / 2)), begin(LIMIT / 2 + 1)]),
  ],
  ["a block that is too long besides one in another lane", Buffer.concat([begin(LIMIT), begin(1, 0, 1)])],
  ["a block within another one", Buffer.concat([begin(9), begin(9)])],
  ["more blocks than a record can tell of", Buffer.concat(Array.from({ length: 86 }, () => begin(0)))],
  ["a chunk of no block", frame(CHUNK, 0, payload(1, 8))],
  ["a chunk of a block in another lane", Buffer.concat([begin(8), frame(CHUNK, 1, payload(1, 8))])],
  ["a chunk behind a whole block", Buffer.concat([block(payload(1, 8)), frame(CHUNK, 0, payload(1, 8))])],
  ["a chunk longer than its block", Buffer.concat([begin(8), frame(CHUNK, 0, payload(1, 9))])],
  ["a chunk of 4 GiB", Buffer.concat([begin(8), frame(CHUNK, 0, payload(1, 8), 0xffffffff)])],
  [
    "a chunk longer than what is left",
    Buffer.concat([begin(8), ...[5, 4].map((n) => frame(CHUNK, 0, payload(1, n)))]),
  ],
  ["a chunk of nothing", Buffer.concat([begin(8), frame(CHUNK)])],
  [
    "a chunk with reserved bytes that are set",
    Buffer.concat([begin(8), changed(frame(CHUNK, 0, payload(1, 8)), 6, 1)]),
  ],
  ["a record before its block is whole", Buffer.concat([begin(8), record()])],
  ["a record before its last block is whole", Buffer.concat([block(payload(1, 8)), begin(8), record()])],
  ["a record with blocks where none came", record()],
  ["a message in a block where none came", record(u64(8), 0, IN_BLOCK)],
  ["a record with blocks where some came in another lane", Buffer.concat([begin(0, 0, 1), record()])],
  ["a second record with blocks where they came for one", Buffer.concat([begin(0), record(), record()])],
  ["a plain record before its block is whole", Buffer.concat([begin(8), frame(RECORD, 0, payload(1, 8))])],
  [
    "a plain record where one with blocks is due",
    Buffer.concat([block(payload(1, 8)), frame(RECORD, 0, payload(1, 8))]),
  ],
  ["a report of a released block that was never sent", freed(1, 8)],
  ["a report of a released block of no bytes that was never sent", freed(1, 0)],
  ["a report of no released blocks", freed(0, 0)],
  ["a report of released blocks with a lane", changed(freed(1, 8), 4, 1)],
  ["a report of released blocks that is too short", frame(FREED, 0, Buffer.alloc(16))],
  ["a report of released blocks with a reserved word that is set", changed(freed(1, 8), 28, 1)],
];

const wires = [["node:net", "net"] as const, ["the addon", tryBinding()] as const];

describe.each(wires)("a stream over %s", (_, wire) => {
  if (wire === undefined) {
    it.skip("needs the addon", () => {});
    return;
  }
  const open: End[] = [];
  const sockets: Socket[] = [];
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await Promise.all(open.splice(0).map((end) => end.connection.close()));
  });

  async function victim(): Promise<readonly [End, Socket]> {
    const [connected, socket] = await rawPair(wire!);
    const end = new End(createStream(connected, LANES, LIMIT)).start();
    open.push(end);
    sockets.push(socket);
    return [end, socket];
  }

  it.each(FAULTS)("ends with an error at %s, and says so to the peer", async (_, bytes) => {
    const [end, socket] = await victim();
    socket.write(frame(RECORD, 1, payload(1, 10)));
    const reply: Buffer[] = [];
    socket.on("data", (chunk: Buffer) => reply.push(chunk));
    socket.resume();
    socket.write(bytes);
    await end.ended();
    expect(end.ends).toEqual([{ why: "protocol-error", code: "ERR_RINGBELL_CORRUPT" }]);
    expect(end.lane(1).drain(1)).toBe(0);
    expect(end.connection.bulk.stats()).toMatchObject({ heldBlocks: 0, heldBytes: 0 });
    await end.connection.close();
    while (Buffer.concat(reply).length < 8) await once(socket, "data");
    expect(Buffer.concat(reply)).toEqual(frame(REFUSED));
  });

  it("gives no length for a message in a block whose record has none, and lives on", async () => {
    const [end, socket] = await victim();
    for (const [i, bytes] of [
      Buffer.alloc(0),
      Buffer.alloc(7),
      Buffer.alloc(9),
      Buffer.alloc(16),
    ].entries()) {
      socket.write(Buffer.concat([begin(0), begin(0), record(bytes, 0, IN_BLOCK)]));
      while (end.lane().drain(1) === 0) await turns(1);
      end.lane().records.next();
      const delivery = end.lane().takeBlocks(end.lane().records)!;
      expect([i, delivery.bytes, delivery.blocks.length]).toEqual([i, -1, 1]);
      for (const each of [delivery.body, ...delivery.blocks]) each!.release();
    }
    expect([end.ends, end.connection.bulk.stats().heldBlocks]).toEqual([[], 0]);
  });

  it("takes blocks at every cut of the bytes, chunks of any length among frames of other lanes", async () => {
    const bytes = Buffer.concat([
      begin(20, SEALED),
      frame(CHUNK, 0, payload(1, 20).subarray(0, 3)),
      frame(RECORD, 1, payload(3, 5)),
      begin(4, SHARED, 1),
      frame(CHUNK, 0, payload(1, 20).subarray(3, 19)),
      frame(CHUNK, 1, payload(9, 4)),
      frame(CHUNK, 0, payload(1, 20).subarray(19)),
      begin(0),
      record(payload(4, 7), 1),
      record(payload(5, 6)),
    ]);
    for (let cut = 1; cut < bytes.length; cut += 5) {
      const [end, socket] = await victim();
      for (const lane of end.connection.lanes) lane.wantRecords(true);
      socket.write(bytes.subarray(0, cut));
      await turns(2);
      socket.write(bytes.subarray(cut));
      await Promise.all([end.received(1, 0), end.received(2, 1)]);
      expect(end.log(0).records).toEqual([payload(5, 6)]);
      expect(end.log(1).records).toEqual([payload(3, 5), payload(4, 7)]);
      const [first, second] = end.log(0).blocks[0]!;
      const [third] = end.log(1).blocks[1]!;
      expect([first, second, third].map((each) => Buffer.from(each!.bytes))).toEqual([
        payload(1, 20),
        Buffer.alloc(0),
        payload(9, 4),
      ]);
      expect([first!.sealed, first!.shared, third!.sealed, third!.shared]).toEqual([
        true,
        false,
        false,
        true,
      ]);
      await end.connection.close();
    }
  });

  it("holds a peer to what it has of our blocks: it can't have released more, nor other ones", async () => {
    const faults: readonly (readonly [string, Buffer])[] = [
      ["more blocks", freed(5, 280, 100)],
      ["more bytes", freed(4, 281, 100)],
      ["all of the bytes and one more in one block", freed(1, 281)],
      ["more bytes of bodies", freed(1, 101, 101)],
      ["more bytes of bodies than bytes", freed(1, 50, 60)],
      ["bytes that only bodies can have", freed(1, 181)],
      ["all blocks, and not all bytes", freed(4, 279, 100)],
      ["all blocks, and not all bytes of bodies", freed(4, 280, 99)],
      ["no block", freed(0, 10)],
      ["2^63 bytes", freed(1, 2 ** 63)],
      ["2^63 bytes of bodies", freed(1, 2 ** 63, 2 ** 63)],
      ["all of them twice", Buffer.concat([freed(4, 280, 100), freed(4, 280, 100)])],
      ["one more than all of them", Buffer.concat([freed(4, 280, 100), freed(1, 0)])],
      ["the body twice", Buffer.concat([freed(1, 100, 100), freed(1, 100, 100)])],
    ];
    for (const [what, bytes] of faults) {
      const [end, socket] = await victim();
      await sendFour(end);
      socket.write(bytes);
      await end.ended();
      expect([what, end.ends[0]?.why]).toEqual([what, "protocol-error"]);
      expect(end.connection.bulk.stats()).toMatchObject({ lentBlocks: 0, heldBlocks: 0 });
    }
  });

  it("believes a peer that has released what it has, in any parts", async () => {
    for (const parts of [
      [freed(4, 280, 100)],
      [freed(2, 140, 100), freed(2, 140)],
      [freed(3, 0), freed(1, 280, 100)],
    ]) {
      const [end, socket] = await victim();
      await sendFour(end);
      for (const bytes of parts) socket.write(bytes);
      await end.lent(0);
      socket.write(frame(RECORD, 1, payload(1, 3)));
      end.lane(1).wantRecords(true);
      await end.received(1, 1);
      expect(end.ends).toEqual([]);
    }
  });

  /** Sends 4 blocks, 280 bytes together; a message lies in one, of 100 bytes. */
  async function sendFour(end: End): Promise<void> {
    const some = (bytes: number) => end.connection.bulk.allocate(bytes)!;
    await end.give(payload(1, 1), [some(40), some(60).seal(), ...some(80).share(1)]);
    expect(end.lane().sendInBlock(some(100), 90, [], 0)).toBe(SENT);
    expect(end.connection.bulk.stats()).toMatchObject({ lentBlocks: 4, ownBlocks: 0 });
  }

  it("does not believe that a block was released that it has not written to the end, nor one whose record is not written", async () => {
    for (const bytes of [freed(1, 64 * 1024 * 1024 - 10), freed(1, 10), freed(2, 64 * 1024 * 1024)]) {
      const [connected, socket] = await rawPair(wire!);
      const end = new End(createStream(connected, LANES, 64 * 1024 * 1024)).start();
      open.push(end);
      sockets.push(socket);
      // More than the kernel takes from one who writes to one who does not read.
      const long = end.connection.bulk.allocate(64 * 1024 * 1024 - 10)!;
      await end.give(payload(1, 1), [end.connection.bulk.allocate(10)!, long]);
      socket.write(bytes);
      await end.ended();
      expect(end.ends[0]?.why).toBe("protocol-error");
      expect(end.connection.bulk.stats()).toMatchObject({ lentBlocks: 0, allocatedBytes: 0 });
    }
  });

  it("keeps the memory that was agreed, however many blocks a peer begins and never ends", async () => {
    const [end, socket] = await victim();
    socket.write(Buffer.concat([begin(LIMIT / 2), begin(LIMIT / 2, 0, 1), frame(CHUNK, 0, payload(1, 100))]));
    while (end.connection.bulk.stats().heldBlocks < 2) await turns(1);
    expect(end.connection.bulk.stats().heldBytes).toBe(LIMIT);
    socket.destroy();
    await end.ended();
    expect(end.ends[0]?.why).toBe("peer-died");
    expect(end.connection.bulk.stats()).toMatchObject({ heldBlocks: 0, heldBytes: 0 });
  });

  it("keeps as many blocks as were agreed, though they have no bytes, until it has told the peer that they are free", async () => {
    const [end, socket] = await victim();
    socket.resume();
    const message = (count: number) =>
      Buffer.concat([...Array.from({ length: count }, () => begin(0)), record()]);
    end.lane().wantRecords(true);
    // LIMIT / 64 of them, 64 a message.
    for (let i = 1; i <= 16; i++) {
      socket.write(message(64));
      await end.received(i);
    }
    expect(end.connection.bulk.stats().heldBlocks).toBe(1024);
    const [released] = end.log().blocks.splice(0, 1);
    for (const each of released!) each.release();
    await turns(3);
    socket.write(message(64));
    await end.received(17);
    expect([end.ends, end.connection.bulk.stats().heldBlocks]).toEqual([[], 1024]);
    socket.write(begin(0));
    await end.ended();
    expect(end.ends[0]?.why).toBe("protocol-error");
    for (const each of end.log().blocks.flat()) each.release();
    expect(end.connection.bulk.stats().heldBlocks).toBe(0);
  });

  it("that gets garbage leaves the others in the process alone", async () => {
    const pair = (await netPair()).map((each) => new End(createStream(each, LANES, LIMIT)).start());
    open.push(...pair);
    const [a, b] = pair as [End, End];
    b.lane().wantRecords(true);
    await a.send(payload(1, 100));
    for (const [, bytes] of FAULTS) {
      const [end, socket] = await victim();
      socket.on("error", () => {});
      socket.write(bytes);
      await end.ended();
      await a.send(payload(2, 50));
    }
    await b.received(1 + FAULTS.length);
    expect([a.ends, b.ends]).toEqual([[], []]);
  });

  it("takes a fault after a record as it does at first, at every cut of the bytes", async () => {
    const bytes = Buffer.concat([frame(RECORD, 1, payload(1, 3)), frame(TAKEN, 0, u32(16, 0))]);
    for (let cut = 1; cut < bytes.length; cut += 3) {
      const [end, socket] = await victim();
      post(end.lane(0), payload(1, 8));
      end.lane(1).wantRecords(true);
      socket.write(bytes.subarray(0, cut));
      await turns(2);
      socket.write(bytes.subarray(cut));
      await end.received(1, 1);
      expect(end.log(1).records).toEqual([payload(1, 3)]);
      socket.write(frame(TAKEN, 0, u32(1, 0)));
      await end.ended();
      expect(end.ends[0]?.why).toBe("protocol-error");
    }
  });

  it.each([
    ["within a header", frame(RECORD, 0, payload(1, 10)).subarray(0, 5)],
    ["within a record", frame(RECORD, 0, payload(1, 10)).subarray(0, 20)],
    ["between two frames", Buffer.alloc(0)],
  ])("calls it the peer's death when the socket ends %s", async (_, bytes) => {
    const [end, socket] = await victim();
    socket.end(Buffer.concat([frame(RECORD, 0, payload(2, 9)), bytes]));
    await end.ended();
    expect(end.ends.map((each) => each.why)).toEqual(["peer-died"]);
    expect(end.lane().drain(5)).toBe(1);
    expect(readRecords(end.lane().records)).toEqual([payload(2, 9)]);
  });

  it("survives whatever bytes come, and ends by itself or with the socket", async () => {
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc
        .tuple(fc.nat(9), fc.nat(3), fc.uint8Array({ maxLength: 60 }), fc.option(fc.nat(5000)))
        .map(([type, lane, bytes, length]) => frame(type, lane, bytes, length ?? bytes.length)),
      fc.tuple(fc.nat(50), fc.nat(4), fc.nat(1)).map(([length, flags, lane]) => begin(length, flags, lane)),
      fc.tuple(fc.nat(2), fc.nat(30), fc.nat(10)).map(([blocks, bytes, body]) => freed(blocks, bytes, body)),
      fc.tuple(fc.nat(1), fc.uint8Array({ maxLength: 50 })).map(([lane, bytes]) => frame(CHUNK, lane, bytes)),
      fc
        .tuple(fc.uint8Array({ minLength: 1, maxLength: 50 }), fc.nat(3), fc.uint8Array({ maxLength: 20 }))
        .map(([bytes, flags, rest]) =>
          Buffer.concat([block(bytes, flags), record(rest, 0, flags === 3 ? IN_BLOCK : WITH_BLOCKS)]),
        ),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 30 }), fc.boolean(), async (pieces, wanted) => {
        const [end, socket] = await victim();
        socket.on("error", () => {});
        for (const lane of end.connection.lanes) lane.wantRecords(wanted);
        await end.give(payload(1, 1), [end.connection.bulk.allocate(20)!]);
        for (const bytes of pieces) socket.write(bytes);
        socket.end();
        await end.ended();
        for (const lane of end.connection.lanes) readMessages(lane, lane.drain(1000));
        await end.connection.close();
        for (const each of end.logs.flatMap((log) => log.blocks.flat())) each.release();
        await turns(1);
        expect(end.connection.bulk.stats()).toMatchObject({ lentBlocks: 0 });
        socket.destroy();
      }),
      { numRuns: 60 },
    );
  });
});
