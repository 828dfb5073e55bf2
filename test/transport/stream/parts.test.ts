import { beforeEach, describe, expect, it } from "vitest";
import { MessageTooLargeError, RingbellError } from "../../../lib/errors.js";
import { RECORD_HEADER, recordBytes } from "../../../lib/transport/records/record-layout.js";
import { SENT } from "../../../lib/transport/records/send-status.js";
import { ASK, CLOSING, frameWord, RECORD, TAKEN } from "../../../lib/transport/stream/frame-layout.js";
import { Intake } from "../../../lib/transport/stream/intake.js";
import { createStream } from "../../../lib/transport/stream/stream.js";
import { differsAt, End, numbers, payload, post, readRecords, turns } from "../contract/harness.js";
import { FakeWire } from "../wire/fake-wire.js";

// The time that the test before has taken is not of this turn.
beforeEach(() => turns(1));

function made(capacity = 4096, bulk = 0): readonly [End, FakeWire] {
  const wire = new FakeWire();
  const end = new End(createStream(wire, [{ name: "main", capacity }], bulk)).start();
  return [end, wire];
}

function record(bytes: Uint8Array): Buffer {
  const all = Buffer.alloc(recordBytes(bytes.length));
  all.writeUInt32LE(bytes.length, 0);
  all.writeUInt32LE(frameWord(RECORD, 0), 4);
  all.set(bytes, RECORD_HEADER);
  return all;
}

describe("what a stream writes", () => {
  it("is the first record at once, and what follows in the same turn together", async () => {
    const [end, wire] = made(64 * 1024);
    await turns(1);
    const sent = [1, 2, 3, 4].map((seed) => payload(seed, seed * 5));
    for (const bytes of sent) post(end.lane(), bytes);
    const tooLong = Date.now();
    expect(wire.writes[0]).toEqual(record(sent[0]!));
    await turns(1);
    expect(Buffer.concat(wire.writes)).toEqual(Buffer.concat(sent.map(record)));
    // One more only if the clock went on to the next millisecond in between.
    expect(wire.writes.length).toBeLessThanOrEqual(Date.now() === tooLong ? 2 : 4);
    expect(end.connection.stats()).toMatchObject({ bells: wire.writes.length, parks: 0, sharedBytes: 0 });
  });

  it("does not wait for the end of a turn that is a long one", () => {
    const [end, wire] = made();
    post(end.lane(), payload(1, 5));
    for (const start = performance.now(); performance.now() - start < 3; );
    post(end.lane(), payload(2, 5));
    expect(wire.writes.length).toBe(2);
  });

  it("has zeros between the records, not what the outbox held before", () => {
    const [end, wire] = made();
    const { place } = end.lane();
    place.scratch.buffer.fill(0xaa);
    post(end.lane(), Buffer.from([1]));
    place.scratch.buffer.fill(0xaa);
    place.pack(3);
    place.pack(0);
    end.lane().sendPacked();
    expect(wire.writes[0]?.subarray(8)).toEqual(Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]));
    return turns(1).then(() => {
      expect(wire.writes[1]?.subarray(8, 16)).toEqual(Buffer.from([0xaa, 0xaa, 0xaa, 0, 0, 0, 0, 0]));
    });
  });

  it("is kept together as long as the kernel takes nothing", async () => {
    const [end, wire] = made(64 * 1024);
    wire.buffered = 1;
    for (let i = 0; i < 10; i++) post(end.lane(), payload(i, 50));
    await turns(2);
    expect(wire.writes).toEqual([]);
    wire.buffered = 0;
    wire.handler?.onDrain();
    expect(wire.writes.length).toBe(1);
    expect(wire.writes[0]?.length).toBe(10 * recordBytes(50));
  });

  it("is one report for what was taken, and none before it is worth it or asked for", async () => {
    const [end, wire] = made();
    end.lane().wantRecords(true);
    for (let i = 0; i < 7; i++) wire.handler?.onData(record(payload(i, 48)));
    await turns(1);
    expect(wire.writes).toEqual([]);
    wire.handler?.onData(record(payload(7, 96)));
    const report = Buffer.alloc(16);
    report.writeUInt32LE(8, 0);
    report.writeUInt32LE(frameWord(TAKEN, 0), 4);
    report.writeUInt32LE(7 * 56 + 104, 8);
    await turns(1);
    expect(wire.writes).toEqual([]);
    const ask = Buffer.alloc(8);
    ask[5] = ASK;
    wire.buffered = 1;
    wire.handler?.onData(ask);
    await turns(1);
    expect(wire.writes).toEqual([]);
    wire.buffered = 0;
    wire.handler?.onDrain();
    expect(wire.writes).toEqual([report]);
    wire.handler?.onData(record(payload(8, 504)));
    // On a busy machine the turn may be over, and the record is given to the lane in the next one.
    while (wire.writes.length < 2) await turns(1);
    expect(wire.writes.length).toBe(2);
    expect(wire.writes[1]?.readUInt32LE(8)).toBe(512);
  });

  it("does not pile up for a peer that asks all the time and reads nothing", async () => {
    const [end, wire] = made();
    const ask = Buffer.alloc(8);
    ask[5] = ASK;
    end.lane().wantRecords(true);
    wire.buffered = 1;
    // As much as the window lets in, with a question after each record.
    for (let i = 0; i < 200; i++) wire.handler?.onData(Buffer.concat([record(payload(i, 8)), ask]));
    while (end.log().records.length < 200) await turns(1);
    wire.buffered = 0;
    wire.handler?.onDrain();
    await turns(1);
    expect(end.log().records.length).toBe(200);
    expect(wire.writes.map((bytes) => bytes.length)).toEqual([16]);
    expect(wire.writes[0]?.readUInt32LE(8)).toBe(200 * 16);
  });

  it("ends with a closing frame, and close waits until the kernel has it", async () => {
    const [end, wire] = made();
    post(end.lane(), payload(1, 5));
    wire.buffered = 1;
    let closed = false;
    const closing = end.connection.close().then(() => {
      closed = true;
    });
    await turns(2);
    expect([closed, wire.destroyed]).toEqual([false, false]);
    expect(Buffer.concat(wire.writes).at(-3)).toBe(CLOSING);
    wire.buffered = 0;
    wire.handler?.onDrain();
    await closing;
    expect(wire.destroyed).toBe(false);
    wire.handler?.onEnd(undefined);
    expect(end.ends).toEqual([]);
  });

  it("is told to no lane once another one's handler has closed the connection", async () => {
    const wire = new FakeWire();
    const lanes = ["main", "other"].map((name) => ({ name, capacity: 4096 }));
    const end = new End(createStream(wire, lanes, 0)).start();
    await turns(1);
    while (post(end.lane(1), payload(1, 500)) === SENT);
    end.lane(1).wantRoom();
    end.lane(0).wantRecords(true);
    end.log(0).after = () => void end.connection.close();
    const taken = Buffer.alloc(16);
    taken.writeUInt32LE(8, 0);
    taken.writeUInt32LE(frameWord(TAKEN, 1), 4);
    taken.writeUInt32LE(recordBytes(500), 8);
    wire.handler?.onData(Buffer.concat([record(payload(1, 5)), taken]));
    while (end.log(0).records.length === 0) await turns(1);
    await turns(2);
    expect(end.log(1).rooms).toBe(0);
  });

  it("is nothing that does not fit the lane", () => {
    const [end, wire] = made();
    expect(() => end.lane().send(end.lane().maxBytes + 1)).toThrow(MessageTooLargeError);
    expect(() => end.lane().send(-1)).toThrow(RingbellError);
    expect(() => end.lane().grow(end.lane().maxBytes * 4)).toThrow(MessageTooLargeError);
    end.lane().place.pack(-5);
    expect(() => end.lane().sendPacked()).toThrow(RingbellError);
    expect([wire.writes, end.lane().stats().sendFill]).toEqual([[], 0]);
    expect(() => createStream(wire, [], 0)).toThrow(RingbellError);
  });
});

describe("the intake of a lane", () => {
  it("gives back what was put in, however it is cut and taken, and counts it", () => {
    const intake = new Intake(1024 * 1024);
    const random = numbers(1000);
    const expected: Buffer[] = [];
    let begun: Buffer | undefined;
    let seed = 0;
    let bytes = 0;
    for (let round = 0; round < 3000; round++) {
      const what = random.next().value;
      if (begun !== undefined && what < 500) {
        intake.append(begun, 0, begun.length);
        intake.arrived(1);
        begun = undefined;
      } else if (begun === undefined && what < 550) {
        const some = payload(seed, random.next().value % 400);
        const all = record(some);
        const cut = random.next().value % (all.length + 1);
        if (cut > 0) intake.append(all, 0, cut);
        if (cut < all.length && what % 2 === 0) intake.append(all, cut, all.length);
        else begun = all.subarray(cut);
        if (begun === undefined) intake.arrived(1);
        expected.push(some);
        seed++;
      } else {
        const here = expected.length - (begun === undefined ? 0 : 1);
        const count = intake.take(1 + (random.next().value % 5));
        expect(count > 0).toBe(here > 0);
        const taken = expected.splice(0, count);
        bytes += taken.reduce((sum, some) => sum + some.length, 0);
        expect(differsAt(readRecords(intake.records), taken)).toBe(-1);
      }
      const here = begun === undefined ? expected : expected.slice(0, -1);
      expect(intake.fill).toBe(here.reduce((sum, some) => sum + recordBytes(some.length), 0));
      if (intake.owesReport) intake.report();
    }
    expect(intake.receivedMessages).toBe(seed - expected.length);
    expect(intake.receivedBytes).toBe(bytes);
  });

  it("gives no more than 64 KiB at once, or one record", () => {
    const intake = new Intake(1024 * 1024);
    const lengths = [30_000, 30_000, 30_000, 100_000, 10, 10];
    for (const length of lengths) {
      const all = record(payload(length, length));
      intake.append(all, 0, all.length);
      intake.arrived(1);
    }
    const counts: number[] = [];
    while (intake.fill > 0) counts.push(intake.take(100));
    expect(counts).toEqual([2, 1, 1, 2]);
    expect(intake.left).toBe(1024 * 1024 - lengths.reduce((sum, length) => sum + recordBytes(length), 0));
    const owed = 1024 * 1024 - intake.left;
    expect([intake.owesReport, intake.report(), intake.left]).toEqual([true, owed, 1024 * 1024]);
  });
});
