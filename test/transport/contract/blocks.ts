import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Block } from "../../../lib/bulk/block.js";
import { BlockError, BlockTooLargeError, MessageTooLargeError, NoSpaceError } from "../../../lib/errors.js";
import { LONG_WINDOW } from "../../../lib/transport/contract.js";
import { IN_BLOCK, PLAIN, WITH_BLOCKS } from "../../../lib/transport/records/record-layout.js";
import { ENDED, FULL, NO_MEMORY, SENT } from "../../../lib/transport/records/send-status.js";
import { differsAt, type End, fill, payload, postBlocks, readMessages, turns } from "./harness.js";
import type { BulkPair } from "./suite.js";

const KIB = 1024;
const MIB = 1024 * KIB;

/** A block with bytes that are known by `seed`. */
function filled(end: End, seed: number, length: number): Block {
  const block = end.connection.bulk.allocate(length)!;
  block.bytes.set(payload(seed, length));
  return block;
}

/** Whether the block has just these bytes. */
function has(block: Block | undefined, seed: number, length: number): boolean {
  return block !== undefined && Buffer.compare(block.bytes, payload(seed, length)) === 0;
}

/** Whether the bytes of blocks are sent: what is sent back is then a new block. */
function copied(end: End): boolean {
  return end.connection.bulk.mode === "copied";
}

function releaseAll(blocks: Iterable<Block>): void {
  for (const block of blocks) block.release();
}

/** All of the limit can be had in two blocks: nothing is leaked. */
async function allIsFree(end: End): Promise<void> {
  const { limit } = end.connection.bulk;
  const halves = [await end.allocate(limit / 2), await end.allocate(limit / 2)];
  expect(halves.map((block) => block.byteLength)).toEqual([limit / 2, limit / 2]);
  releaseAll(halves);
}

export function blocks(pair: BulkPair, blocking: boolean): void {
  // Each block with a buffer of its own, which is taken away from its program, or not.
  describe.each([
    ["blocks", "0"],
    ["blocks in checked mode", "1"],
  ])("%s", (_, checked) => {
    beforeEach(() => {
      vi.stubEnv("RINGBELL_CHECK_BLOCKS", checked);
    });
    afterEach(() => {
      vi.unstubAllEnvs();
    });

    it("arrive with their message, several of them, each with its bytes, and are gone here", async () => {
      const [a, b] = await pair(8 * MIB);
      const lengths = [0, 1, 7, 8, 100, 4096, 64 * KIB - 8, 64 * KIB, 64 * KIB + 3, 300_001, 0];
      const sent = lengths.map((length, seed) => filled(a, seed, length));
      expect(sent.map((block) => block.bytes.byteOffset % 64)).toEqual(lengths.map(() => 0));
      expect(a.connection.bulk.stats().ownBlocks).toBe(lengths.length);
      b.lane().wantRecords(true);
      expect(postBlocks(a.lane(), payload(99, 45), sent)).toBe(SENT);
      expect(sent.every((block) => block.gone)).toBe(true);
      expect(() => sent[3]!.bytes).toThrow(BlockError);
      await b.received(1);
      expect([b.log().kinds, b.log().records]).toEqual([[WITH_BLOCKS], [payload(99, 45)]]);
      const came = b.log().blocks[0]!;
      expect(came.map((block, seed) => has(block, seed, lengths[seed]!))).toEqual(lengths.map(() => true));
      expect(came.map((block) => block.bytes.byteOffset % 64)).toEqual(lengths.map(() => 0));
      expect(a.connection.bulk.stats()).toMatchObject({
        ownBlocks: 0,
        lentBlocks: lengths.length,
        sentBlocks: lengths.length,
        limit: 8 * MIB,
      });
      expect(b.connection.bulk.stats()).toMatchObject({
        heldBlocks: lengths.length,
        receivedBlocks: lengths.length,
      });
      releaseAll(came);
      expect(b.connection.bulk.stats().heldBlocks).toBe(0);
      await a.lent(0);
      await allIsFree(a);
    });

    it("can be the message itself, of which they are told the length", async () => {
      const [a, b] = await pair(8 * MIB);
      b.lane().wantRecords(true);
      const carried = filled(a, 2, 10);
      expect(a.lane().sendInBlock(filled(a, 1, 100_000), 99_999, [carried], 0)).toBe(SENT);
      expect(carried.gone).toBe(true);
      await b.received(1);
      expect(b.log().kinds).toEqual([IN_BLOCK]);
      expect(differsAt(b.log().records, [payload(1, 100_000).subarray(0, 99_999)])).toBe(-1);
      expect(has(b.log().bodies[0], 1, 100_000)).toBe(true);
      expect(b.log().blocks[0]!.map((block) => has(block, 2, 10))).toEqual([true]);
    });

    it("come with a payload of any length that leaves room for them, also if the outbox just holds it", async () => {
      const [a, b] = await pair(MIB, 64 * KIB);
      b.lane().wantRecords(true);
      const longest = a.lane().maxBytes - 32;
      const lengths = [0, 1, 4087, 4088, 4089, 8184, 16_376, 16_377, longest - 1, longest];
      for (const [i, length] of lengths.entries()) await a.give(payload(i, length), [filled(a, i, 10)]);
      await b.received(lengths.length);
      const right = lengths.map((length, i) => b.log().records[i]!.equals(payload(i, length)));
      expect(right).toEqual(lengths.map(() => true));
      expect(b.log().blocks.every(([block], i) => has(block, i, 10))).toBe(true);
    });

    it("come in the order of their lane, among messages without any", async () => {
      const [a, b] = await pair(16 * MIB, 4096, 4096);
      b.lane(0).wantRecords(true);
      b.lane(1).wantRecords(true);
      const size = (i: number) => [10, 5000, 200_000][i % 3]!;
      const flow = async (index: number) => {
        for (let i = 0; i < 60; i++) {
          if (i % 2 === 0) await a.send(payload(i, i), index);
          else await a.give(payload(i, i), [filled(a, i, size(i)), filled(a, i + 1, i)], index);
        }
      };
      await Promise.all([flow(0), flow(1), b.received(60, 0), b.received(60, 1)]);
      for (const index of [0, 1]) {
        const { records, kinds, blocks } = b.log(index);
        expect(records).toEqual(Array.from({ length: 60 }, (_, i) => payload(i, i)));
        expect(kinds).toEqual(Array.from({ length: 60 }, (_, i) => (i % 2 === 0 ? PLAIN : WITH_BLOCKS)));
        const right = blocks.map(
          ([first, second], i) => i % 2 === 0 || (has(first, i, size(i)) && has(second, i + 1, i)),
        );
        expect(right.every(Boolean)).toBe(true);
        releaseAll(blocks.flat());
      }
      await a.lent(0);
      await allIsFree(a);
    });

    it("can be drained by hand, and released later in any order", async () => {
      const [a, b] = await pair(8 * MIB, 64 * KIB);
      for (let i = 0; i < 20; i++) await a.give(payload(i, 9), [filled(a, i, 20_000)]);
      const came: Block[] = [];
      while (came.length < 20) {
        for (const message of readMessages(b.lane(), b.lane().drain(3))) came.push(...message.blocks);
        await turns(1);
      }
      expect(came.map((block, i) => has(block, i, 20_000))).toEqual(came.map(() => true));
      for (const i of [7, 3, 19, 0]) came[i]!.release();
      expect(has(came[8], 8, 20_000)).toBe(true);
      releaseAll(came);
      await a.lent(0);
    });

    it("go back and forth with what each side wrote, as often as one likes", async () => {
      const [a, b] = await pair(MIB);
      a.lane().wantRecords(true);
      b.lane().wantRecords(true);
      let block = filled(a, 1, 512 * KIB);
      const other = filled(a, 2, 512 * KIB);
      for (let round = 1; round <= 20; round++) {
        await a.give(payload(round, 5), [block]);
        await b.received(round);
        const [there] = b.log().blocks[round - 1]!;
        expect(there!.bytes[0]).toBe(round === 1 ? payload(1, 512 * KIB)[0] : round - 1);
        there!.bytes[0] = round;
        await b.give(payload(round, 6), [there!]);
        expect(there!.gone).toBe(true);
        await a.received(round);
        expect(b.connection.bulk.stats().heldBlocks).toBe(0);
        block = a.log().blocks[round - 1]![0]!;
        expect(block.bytes[0]).toBe(round);
        expect(block.bytes[511 * KIB]).toBe(payload(1, 512 * KIB)[511 * KIB]);
        // Copied, it is a block of the other side's.
        const counts = copied(a) ? { ownBlocks: 1, heldBlocks: 1 } : { ownBlocks: 2, heldBlocks: 0 };
        expect(a.connection.bulk.stats()).toMatchObject({ ...counts, lentBlocks: 0 });
        const free = a.connection.bulk.allocate(512 * KIB);
        expect(free !== undefined).toBe(copied(a));
        free?.release();
      }
      releaseAll([block, other]);
      await allIsFree(a);
      await allIsFree(b);
    });

    it("are sent back though the other side has no memory for blocks left; copied, when some is released", async () => {
      const [a, b] = await pair(MIB);
      a.lane().wantRecords(true);
      b.lane().wantRecords(true);
      await a.give(payload(1, 1), [filled(a, 1, 512 * KIB), filled(a, 2, 512 * KIB)]);
      await b.give(payload(1, 1), [filled(b, 3, 512 * KIB), filled(b, 4, 512 * KIB)]);
      await Promise.all([a.received(1), b.received(1)]);
      const [first, second] = b.log().blocks[0] as [Block, Block];
      if (copied(a)) {
        expect(postBlocks(b.lane(), payload(2, 2), [first])).toBe(NO_MEMORY);
        expect(has(first, 1, 512 * KIB)).toBe(true);
        const there = a.log().blocks[0]!;
        expect(has(there[1], 4, 512 * KIB)).toBe(true);
        releaseAll(there);
      }
      expect(await b.give(payload(2, 2), [first, second])).toBe(SENT);
      await a.received(2);
      expect([has(a.log().blocks[1]![0], 1, 512 * KIB), has(a.log().blocks[1]![1], 2, 512 * KIB)]).toEqual([
        true,
        true,
      ]);
      if (!copied(a)) expect(has(a.log().blocks[0]![1], 4, 512 * KIB)).toBe(true);
    });

    it("that were received can be neither shared nor sealed", async () => {
      const [a, b] = await pair(MIB);
      b.lane().wantRecords(true);
      await a.give(payload(1, 1), [filled(a, 1, 1000), filled(a, 2, 1000).seal()]);
      await b.received(1);
      const [plain, sealed] = b.log().blocks[0] as [Block, Block];
      for (const block of [plain, sealed]) {
        expect(() => block.seal()).toThrow(BlockError);
        expect(() => block.share(2)).toThrow(BlockError);
      }
      expect([has(plain, 1, 1000), has(sealed, 2, 1000)]).toEqual([true, true]);
    });

    it("in which messages lie are LONG_WINDOW bytes at most, or one, until the peer has released some", async () => {
      const [a, b] = await pair(64 * MIB);
      const { bulk } = a.connection;
      const sendBody = (mib: number) => {
        const body = bulk.allocate(mib * MIB)!;
        const status = a.lane().sendInBlock(body, mib * MIB, [], 0);
        expect(body.gone).toBe(status === SENT);
        body.release();
        return status;
      };
      expect(bulk.admitsLong(50 * MIB)).toBe(true);
      while (sendBody(3) !== SENT) await a.room();
      expect([bulk.admitsLong(LONG_WINDOW - 3 * MIB), bulk.admitsLong(LONG_WINDOW - 3 * MIB + 1)]).toEqual([
        true,
        false,
      ]);
      b.lane().wantRecords(true);
      await b.received(1);
      expect(sendBody(2)).toBe(NO_MEMORY);
      // Others have their own limit, and make no room for these.
      await a.give(payload(1, 1), [filled(a, 1, 8 * MIB)]);
      await b.received(2);
      b.log().blocks[1]![0]!.release();
      await a.lent(1);
      expect(sendBody(2)).toBe(NO_MEMORY);
      b.log().bodies[0]!.release();
      while (sendBody(2) !== SENT) await a.memory();
      await b.received(3);
      await a.lent(1);
      expect(bulk.admitsLong(LONG_WINDOW)).toBe(false);
    });

    it("are no more than the limit lets, until the peer releases some", async () => {
      const [a, b] = await pair(MIB);
      expect(() => a.connection.bulk.allocate(MIB + 1)).toThrow(BlockTooLargeError);
      b.lane().wantRecords(true);
      const first = filled(a, 1, 512 * KIB);
      const second = await a.connection.bulk.allocateSoon(512 * KIB);
      expect(second?.byteLength).toBe(512 * KIB);
      expect(a.connection.bulk.allocate(512 * KIB)).toBeUndefined();
      expect(await a.connection.bulk.allocateSoon(512 * KIB)).toBeUndefined();
      await a.give(payload(1, 1), [first]);
      await b.received(1);
      expect(a.connection.bulk.allocate(512 * KIB)).toBeUndefined();
      a.connection.bulk.wantMemory();
      await turns(5);
      expect(a.memories).toBe(0);
      b.log().blocks[0]![0]!.release();
      await a.signal.until(() => a.memories > 0);
      const third = a.connection.bulk.allocate(512 * KIB);
      expect(third?.byteLength).toBe(512 * KIB);
      await turns(3);
      expect(a.memories).toBe(1);
      expect(a.connection.bulk.stats().allocatedBytes).toBeGreaterThanOrEqual(MIB);
      // A block that nobody holds any more could be collected before.
      expect([first.gone, second?.gone, third?.gone]).toEqual([true, false, false]);
    });

    it("come back at once to the side that made them when it releases them itself", async () => {
      const [a] = await pair(MIB);
      for (let i = 0; i < 50; i++) {
        const halves = [filled(a, i, 512 * KIB), filled(a, i, 512 * KIB)];
        expect(a.connection.bulk.allocate(512 * KIB)).toBeUndefined();
        releaseAll(halves);
        halves[0]!.release();
      }
      expect(a.connection.bulk.stats()).toMatchObject({ ownBlocks: 0, lentBlocks: 0 });
    });

    it("can't be had where the limit is 0", async () => {
      const [a] = await pair(0);
      expect(() => a.connection.bulk.allocate(0)).toThrow(BlockTooLargeError);
      expect(() => a.connection.bulk.allocate(1)).toThrow(BlockTooLargeError);
    });

    it("of another connection are refused, and stay as they are", async () => {
      const [a, b] = await pair(MIB);
      const [c] = await pair(MIB);
      const mine = filled(a, 1, 1000);
      const foreign = filled(c, 2, 1000);
      expect(() => postBlocks(a.lane(), payload(1, 1), [mine, foreign])).toThrow(BlockError);
      expect([has(mine, 1, 1000), has(foreign, 2, 1000)]).toEqual([true, true]);
      b.lane().wantRecords(true);
      await a.give(payload(1, 1), [mine]);
      await b.received(1);
      const [received] = b.log().blocks[0]!;
      expect(() => postBlocks(c.lane(), payload(1, 1), [received!])).toThrow(BlockError);
      expect(has(received, 1, 1000)).toBe(true);
      expect(a.connection.bulk.stats()).toMatchObject({ ownBlocks: 0, lentBlocks: 1 });
    });

    it("that were sent or released are refused, and so is one that stands twice in a message", async () => {
      const [a] = await pair(MIB);
      const gone = filled(a, 1, 10);
      gone.release();
      expect(() => postBlocks(a.lane(), payload(1, 1), [gone])).toThrow(BlockError);
      const twice = filled(a, 1, 10);
      expect(() => postBlocks(a.lane(), payload(1, 1), [twice, twice])).toThrow(BlockError);
      expect(has(twice, 1, 10)).toBe(true);
    });

    it("that do not fit a record with their payload are refused, and stay as they are", async () => {
      const [a] = await pair(MIB);
      const many = Array.from({ length: 90 }, (_, i) => filled(a, i, 10));
      expect(() => postBlocks(a.lane(), payload(1, 1), many)).toThrow(MessageTooLargeError);
      const { maxBytes } = a.lane();
      expect(() => postBlocks(a.lane(), payload(1, maxBytes - 16), [many[0]!])).toThrow(MessageTooLargeError);
      expect(postBlocks(a.lane(), payload(1, maxBytes - 32), [many[0]!])).toBe(SENT);
      expect(many.slice(1).every((block, i) => has(block, i + 1, 10))).toBe(true);
    });

    it("stay as they are where the lane has no room, and go when it has", async () => {
      const [a, b] = await pair(MIB, 4096);
      const sent = fill(a.lane(), 1000);
      const block = filled(a, 1, 1000);
      expect(postBlocks(a.lane(), payload(1, 1000), [block])).toBe(FULL);
      expect(has(block, 1, 1000)).toBe(true);
      expect(a.connection.bulk.stats()).toMatchObject({ ownBlocks: 1, lentBlocks: 0, sentBlocks: 0 });
      const room = a.room();
      b.lane().wantRecords(true);
      await room;
      expect(postBlocks(a.lane(), payload(1, 1000), [block])).toBe(SENT);
      await b.received(sent + 1);
      expect(has(b.log().blocks[sent]![0], 1, 1000)).toBe(true);
    });

    it("and their message have been taken when onTaken comes", async () => {
      const [a, b] = await pair(16 * MIB);
      await a.give(payload(1, 1), [filled(a, 1, 4 * MIB)]);
      a.lane().wantTaken();
      await turns(20);
      expect(a.log().takens).toBe(0);
      b.lane().wantRecords(true);
      await a.signal.until(() => a.log().takens > 0);
      expect(has(b.log().blocks[0]?.[0], 1, 4 * MIB)).toBe(true);
      await turns(3);
      expect(a.log().takens).toBe(1);
    });

    it("that are long hold up no other lane, and are not held up by one that is full all the time", async () => {
      const [a, b] = await pair(32 * MIB, 4096, 64 * KIB);
      a.lane(1).wantRecords(true);
      for (const index of [0, 1]) b.lane(index).wantRecords(true);
      await a.give(payload(1, 1), [filled(a, 1, 8 * MIB)]);
      for (let i = 0; i < 20; i++) {
        await a.send(payload(i, 10), 1);
        await b.received(i + 1, 1);
        await b.send(payload(i, 10), 1);
        await a.received(i + 1, 1);
      }
      let flooding = true;
      const flood = (async () => {
        for (let i = 0; flooding; i++) {
          await a.send(payload(i, 100), 1);
          if (i % 200 === 0) await turns(1);
        }
      })();
      await a.give(payload(2, 2), [filled(a, 2, 8 * MIB)]);
      await b.received(2, 0);
      flooding = false;
      await flood;
      expect([0, 1].map((i) => has(b.log(0).blocks[i]?.[0], i + 1, 8 * MIB))).toEqual([true, true]);
    });

    it("shared go over several connections, and the memory is free when the last has let go", async () => {
      const [a, b] = await pair(MIB);
      const [c, d] = await pair(MIB);
      b.lane().wantRecords(true);
      d.lane().wantRecords(true);
      const block = filled(a, 7, 300_000);
      const [first, second, third] = block.share(3) as [Block, Block, Block];
      expect([block.gone, first.shared, second.shared, third.shared]).toEqual([true, true, true, true]);
      await a.give(payload(1, 1), [first]);
      await c.give(payload(1, 1), [second]);
      await Promise.all([b.received(1), d.received(1)]);
      const [there] = b.log().blocks[0]!;
      const [elsewhere] = d.log().blocks[0]!;
      expect([there, elsewhere, third].map((each) => has(each, 7, 300_000))).toEqual([true, true, true]);
      expect([there!.shared, elsewhere!.shared]).toEqual([true, true]);
      expect(() => there!.share(2)).toThrow(BlockError);
      expect(has(there, 7, 300_000)).toBe(true);
      there!.release();
      third.release();
      expect(has(elsewhere, 7, 300_000)).toBe(true);
      elsewhere!.release();
      await Promise.all([a.lent(0), c.lent(0)]);
      await Promise.all([a, b, c, d].map(allIsFree));
    });

    it("shared are sent several times over one connection, and back", async () => {
      const [a, b] = await pair(4 * MIB);
      a.lane().wantRecords(true);
      b.lane().wantRecords(true);
      const handles = filled(a, 5, 300_000).share(3);
      await a.give(payload(1, 1), handles.slice(0, 2));
      await a.give(payload(2, 2), handles.slice(2));
      await b.received(2);
      const came = b.log().blocks.flat();
      expect(came.map((block) => has(block, 5, 300_000))).toEqual([true, true, true]);
      await b.give(payload(3, 3), [came[1]!]);
      await a.received(1);
      const [back] = a.log().blocks[0]!;
      expect([has(back, 5, 300_000), back!.shared]).toEqual([true, true]);
      releaseAll([came[0]!, came[2]!, back!]);
      await Promise.all([a.lent(0), b.lent(0)]);
      await Promise.all([a, b].map(allIsFree));
    });

    it("sealed say so everywhere, and can be shared then", async () => {
      const [a, b] = await pair(4 * MIB);
      b.lane().wantRecords(true);
      const block = filled(a, 5, 300_000);
      expect([block.seal(), block.sealed, block.seal()]).toEqual([block, true, block]);
      expect(has(block, 5, 300_000)).toBe(true);
      const unsealed = filled(a, 6, 10).share(1)[0]!;
      expect(() => unsealed.seal()).toThrow(BlockError);
      unsealed.release();
      const handles = block.share(2);
      expect(handles.map((each) => [each.sealed, each.shared])).toEqual([
        [true, true],
        [true, true],
      ]);
      await a.give(payload(1, 1), handles);
      await a.give(payload(2, 1), [filled(a, 7, 1000).seal()]);
      await b.received(2);
      const [first, second, third] = b.log().blocks.flat() as [Block, Block, Block];
      expect([first, second].map((each) => [each.sealed, has(each, 5, 300_000)])).toEqual([
        [true, true],
        [true, true],
      ]);
      expect([third.sealed, has(third, 7, 1000)]).toEqual([true, true]);
    });

    it("sealed say so when they are sent back; what was written to them is not seen, unless they are copied", async () => {
      const [a, b] = await pair(4 * MIB);
      a.lane().wantRecords(true);
      b.lane().wantRecords(true);
      await a.give(payload(1, 1), [filled(a, 5, 300_000).seal()]);
      await b.received(1);
      const [there] = b.log().blocks[0]!;
      there!.bytes[0]! ^= 0xff;
      await b.give(payload(1, 1), [there!]);
      await a.received(1);
      const [back] = a.log().blocks[0]!;
      expect([back!.sealed, has(back, 5, 300_000)]).toEqual([true, !copied(a)]);
      if (copied(a)) {
        expect(() => back!.share(2)).toThrow(BlockError);
        return;
      }
      const handles = back!.share(2);
      await a.give(payload(1, 1), handles);
      await b.received(2);
      expect(b.log().blocks[1]!.map((each) => [each.sealed, has(each, 5, 300_000)])).toEqual([
        [true, true],
        [true, true],
      ]);
    });

    it("that were sent before close all arrive", async () => {
      const [a, b] = await pair(64 * MIB, 4096, 4096, 4096);
      for (const index of [0, 1, 2]) {
        expect(postBlocks(a.lane(index), payload(index, 9), [filled(a, index, 4 * MIB)])).toBe(SENT);
        b.lane(index).wantRecords(true);
      }
      let before: readonly number[] = [];
      b.afterEnd = () => {
        before = b.logs.map((log) => log.records.length);
      };
      await a.connection.close();
      await b.ended();
      expect(before).toEqual([1, 1, 1]);
      expect(b.ends[0]?.why).toBe("peer-closed");
      expect(b.logs.map((log, index) => has(log.blocks[0]?.[0], index, 4 * MIB))).toEqual([true, true, true]);
    });

    it("that came before the end can be taken after it, and read until they are released", async () => {
      const [a, b] = await pair(8 * MIB);
      for (let i = 0; i < 3; i++) await a.give(payload(i, 5), [filled(a, i, 100_000)]);
      await a.connection.close();
      await b.ended();
      const messages = readMessages(b.lane(), b.lane().drain(10));
      expect(messages.map(({ bytes }) => bytes)).toEqual([0, 1, 2].map((i) => payload(i, 5)));
      await b.connection.close();
      await turns(3);
      const came = messages.flatMap((message) => message.blocks);
      expect(came.map((block, i) => has(block, i, 100_000))).toEqual([true, true, true]);
      releaseAll(came);
      expect(b.connection.bulk.stats().heldBlocks).toBe(0);
    });

    it("that nobody took are let go at close", async () => {
      const [a, b] = await pair(8 * MIB);
      await a.give(payload(1, 5), [filled(a, 1, 100_000)]);
      b.lane().wantRecords(true);
      await b.received(1);
      b.lane().wantRecords(false);
      await a.give(payload(2, 5), [filled(a, 2, 2 * MIB)]);
      b.log().blocks[0]![0]!.release();
      await b.connection.close();
      await a.ended();
      // How soon the end closes its socket is the runtime's affair.
      while (b.connection.bulk.stats().heldBlocks > 0) await turns(1);
      expect(b.connection.bulk.stats()).toMatchObject({ heldBlocks: 0, heldBytes: 0 });
      expect(a.connection.bulk.stats()).toMatchObject({ lentBlocks: 0 });
    });

    it("are not sent nor had after the end; those of this side stay, and those that were lent come back", async () => {
      const [a, b] = await pair(MIB);
      const mine = filled(a, 1, 512 * KIB);
      await a.give(payload(1, 1), [filled(a, 2, 512 * KIB)]);
      expect(a.connection.bulk.allocate(1)).toBeUndefined();
      a.connection.bulk.wantMemory();
      await b.connection.close();
      await a.ended();
      expect(a.memories).toBe(1);
      expect(postBlocks(a.lane(), payload(1, 1), [mine])).toBe(ENDED);
      expect(has(mine, 1, 512 * KIB)).toBe(true);
      expect(a.connection.bulk.stats()).toMatchObject({ ownBlocks: 1, lentBlocks: 0 });
      const code = { code: "ERR_RINGBELL_CLOSED" };
      expect(() => a.connection.bulk.allocate(1)).toThrow(expect.objectContaining(code));
      await expect(a.connection.bulk.allocateSoon(1)).rejects.toMatchObject(code);
      expect(() => b.connection.bulk.allocate(1)).toThrow(expect.objectContaining(code));
      mine.release();
      expect(a.connection.bulk.stats().ownBlocks).toBe(0);
    });

    it("that were garbage-collected come back, on both sides", async () => {
      const gc = collector();
      const [a, b] = await pair(MIB);
      b.lane().wantRecords(true);
      await (async () => {
        filled(a, 1, 512 * KIB);
        await a.give(payload(1, 1), [filled(a, 2, 512 * KIB)]);
        await b.received(1);
        b.log().blocks.length = 0;
      })();
      expect(a.connection.bulk.allocate(512 * KIB)).toBeUndefined();
      for (let round = 0; round < 200 && a.connection.bulk.stats().ownBlocks > 0; round++) {
        await turns(1);
        gc();
      }
      for (let round = 0; round < 200 && b.connection.bulk.stats().heldBlocks > 0; round++) {
        await turns(1);
        gc();
      }
      await a.lent(0);
      await allIsFree(a);
    });

    it("that are allocated, sent, sent back, shared and released at random are all accounted for", async () => {
      const limit = 256 * KIB;
      await fc.assert(
        fc.asyncProperty(fc.array(fc.tuple(fc.nat(5), fc.nat(40_000)), { maxLength: 60 }), async (steps) => {
          const ends = await pair(limit, 4096);
          for (const end of ends) end.lane().wantRecords(true);
          /** What each side has, with the seed of its bytes. */
          const hands: { block: Block; seed: number; length: number }[][] = [[], []];
          /** Blocks that were not received. */
          const mine = new Set<Block>();
          const sent: { seed: number; length: number }[][] = [[], []];
          const collect = (side: number) => {
            const log = ends[side]!.log();
            for (const [block] of log.blocks.splice(0)) {
              const expected = sent[1 - side]!.shift()!;
              expect(has(block, expected.seed, expected.length)).toBe(true);
              hands[side]!.push({ block: block!, ...expected });
            }
          };
          for (const [seed, [what, number]] of steps.entries()) {
            const side = number % 2;
            const hand = hands[side]!;
            if (what <= 1) {
              const length = number % 40_000;
              const block = ends[side]!.connection.bulk.allocate(length);
              if (block === undefined) continue;
              block.bytes.set(payload(seed, length));
              mine.add(block);
              hand.push({ block, seed, length });
            } else if (hand.length > 0) {
              const [taken] = hand.splice(number % hand.length, 1);
              const { block, seed: its, length } = taken!;
              if (what === 2) {
                block.release();
              } else if (what === 3 && mine.has(block)) {
                for (const handle of shareIfRoom(block)) {
                  mine.add(handle);
                  hand.push({ block: handle, seed: its, length });
                }
              } else {
                const status = postBlocks(ends[side]!.lane(), payload(seed, 3), [block]);
                if (status === SENT) sent[side]!.push({ seed: its, length });
                else hand.push(taken!);
              }
            }
            if (number % 3 === 0) await turns(2);
            collect(0);
            collect(1);
          }
          while (sent[0]!.length + sent[1]!.length > 0) {
            await turns(1);
            collect(0);
            collect(1);
          }
          for (const { block, seed, length } of hands.flat()) expect(has(block, seed, length)).toBe(true);
          releaseAll(hands.flat().map(({ block }) => block));
          for (const end of ends) {
            await end.lent(0);
            expect(end.connection.bulk.stats()).toMatchObject({ ownBlocks: 0, lentBlocks: 0, heldBlocks: 0 });
          }
          expect(ends.flatMap((end) => end.ends)).toEqual([]);
          for (const end of ends) await end.connection.close();
        }),
        { numRuns: 30 },
      );
    });

    if (checked === "1") {
      it("are taken away from old views when they are sent or released, on both sides", async () => {
        const [a, b] = await pair(4 * MIB);
        b.lane().wantRecords(true);
        const released = filled(a, 1, 100);
        const long = filled(a, 2, MIB);
        const short = filled(a, 3, 100);
        const views = [released, long, short].map((block) => block.bytes);
        released.release();
        await a.give(payload(1, 1), [long, short]);
        expect(views.map((view) => view.length)).toEqual([0, 0, 0]);
        await b.received(1);
        const came = b.log().blocks[0]!;
        expect([has(came[0], 2, MIB), has(came[1], 3, 100)]).toEqual([true, true]);
        const there = came.map((block) => block.bytes);
        came[0]!.release();
        await b.give(payload(2, 2), [came[1]!]);
        expect(there.map((view) => view.length)).toEqual([0, 0]);
        a.lane().wantRecords(true);
        await a.received(1);
        expect(has(a.log().blocks[0]![0], 3, 100)).toBe(true);
        a.log().blocks[0]![0]!.release();
        await a.lent(0);
        await allIsFree(a);
      });

      it("that are shared or sealed are taken away handle by handle", async () => {
        const [a, b] = await pair(4 * MIB);
        const [c, d] = await pair(4 * MIB);
        b.lane().wantRecords(true);
        d.lane().wantRecords(true);
        const block = filled(a, 1, 100_000);
        const unsealed = block.bytes;
        block.seal();
        const unshared = block.bytes;
        const handles = block.share(4) as [Block, Block, Block, Block];
        expect([unsealed.length, unshared.length]).toEqual([0, 0]);
        const views = handles.map((handle) => handle.bytes);
        await a.give(payload(1, 1), [handles[0]]);
        expect(views.map((view) => view.length)).toEqual([0, 100_000, 100_000, 100_000]);
        await c.give(payload(1, 1), [handles[1]]);
        handles[2].release();
        expect(views.map((view) => view.length)).toEqual([0, 0, 0, 100_000]);
        expect(has(handles[3], 1, 100_000)).toBe(true);
        await Promise.all([b.received(1), d.received(1)]);
        expect([b, d].map((end) => has(end.log().blocks[0]![0], 1, 100_000))).toEqual([true, true]);
      });
    }

    if (!blocking) {
      it("find no room at once, whatever time they are given, and stay as they are", async () => {
        const [a] = await pair(MIB, 4096);
        fill(a.lane(), 1000);
        const block = filled(a, 1, MIB);
        const before = performance.now();
        expect(postBlocks(a.lane(), payload(1, 1000), [block], 60_000)).toBe(FULL);
        expect(performance.now() - before).toBeLessThan(30_000);
        expect(has(block, 1, MIB)).toBe(true);
      });
      return;
    }

    it("are sent when there is room within the time", async () => {
      const [a, b] = await pair(MIB, 4096);
      fill(a.lane(), 1000);
      const block = filled(a, 1, 1000);
      const before = performance.now();
      expect(postBlocks(a.lane(), payload(1, 1000), [block], 30)).toBe(FULL);
      expect(performance.now() - before).toBeGreaterThan(28);
      expect(has(block, 1, 1000)).toBe(true);
      await turns(3);
      while (b.blocking().drainWait(10, 5) > 0);
      expect(postBlocks(a.lane(), payload(1, 1000), [block], 10_000)).toBe(SENT);
    });

    it("go to and fro in one thread without the event loop, and their memory is waited for", async () => {
      const [a, b] = await pair(64 * KIB, 4096);
      await turns(3);
      for (let i = 0; i < 100; i++) {
        const block = filled(a, i, 64 * KIB);
        expect(postBlocks(a.lane(), payload(i, 9), [block], 10_000)).toBe(SENT);
        expect(b.blocking().drainWait(1, 10_000)).toBe(1);
        const [message] = readMessages(b.lane(), 1);
        expect([message!.bytes.equals(payload(i, 9)), has(message!.blocks[0], i, 64 * KIB)]).toEqual([
          true,
          true,
        ]);
        expect(a.connection.bulk.allocate(1)).toBeUndefined();
        if (i === 0) {
          const before = performance.now();
          a.blocking().waitMemory(30);
          expect(performance.now() - before).toBeGreaterThan(28);
        }
        message!.blocks[0]!.release();
        // So that it goes out now, and not at the end of this turn of the event loop.
        expect(b.blocking().drainWait(1, 1)).toBe(0);
        a.blocking().waitMemory(10_000);
      }
    });
  });
}

/** Two handles; or the block as it is, where sharing takes a copy and there is no room for one. */
function shareIfRoom(block: Block): Block[] {
  try {
    return block.share(2);
  } catch (error) {
    expect(error).toBeInstanceOf(NoSpaceError);
    return [block];
  }
}

/** Returns what collects garbage, in Node, Deno or Bun. */
function collector(): () => void {
  const { Bun } = globalThis as { Bun?: { gc(now: boolean): void } };
  if (Bun !== undefined) return () => Bun.gc(true);
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as () => void;
}
