import { once } from "node:events";
import * as ringbell from "ringbell";
import { type Block, bytes, clone, struct, text, u32 } from "ringbell";
import { describe, expect, it } from "vitest";
import { fill, type TransportName, transports } from "../channel/setup.js";
import {
  brokenAt,
  counts,
  KIB,
  type Message,
  MIB,
  pair,
  stamp,
  turns,
  until,
  watchPromise,
} from "./setup.js";

const code = (name: string) => expect.objectContaining({ code: `ERR_RINGBELL_${name}` });
const GONE = code("BLOCK");

/** Releases whatever the message carries. */
function release(message: Message | undefined): void {
  for (const block of message?.blocks ?? []) block.release();
}

describe.each(transports)("blocks over %s", (transport: TransportName) => {
  const open = (options = {}, other = {}) => pair<Message>(transport, options, other);

  describe("allocate", () => {
    it("gives memory as long as asked for, which any typed array fits", async () => {
      const { a } = await open();
      for (const size of [0, 1, 8, 1000, 64 * KIB, 3 * MIB]) {
        const block = size % 2 === 0 ? await a.allocate(size) : a.tryAllocate(size)!;
        expect([block.byteLength, block.bytes.byteLength, block.gone]).toEqual([size, size, false]);
        const { buffer, byteOffset } = block.bytes;
        expect(byteOffset % 8).toBe(0);
        new Float64Array(buffer, byteOffset, Math.floor(size / 8)).fill(1.5);
        expect(`${ringbell.Block === block.constructor}`).toBe("true");
        block.release();
      }
    });

    it("refuses sizes that are none, by a typed error that names the argument", async () => {
      const { a } = await open();
      for (const size of [
        -1,
        0.5,
        Number.NaN,
        Number.POSITIVE_INFINITY,
        2 ** 53,
        -0.1,
        "10",
        10n,
        null,
        {},
        [],
      ]) {
        const refused = expect.objectContaining({ code: "ERR_RINGBELL_INVALID_ARGUMENT", argument: "bytes" });
        expect(() => a.tryAllocate(size as number)).toThrow(refused);
        await expect(a.allocate(size as number)).rejects.toEqual(refused);
      }
      expect(() => a.tryAllocate(undefined as never)).toThrow(code("INVALID_ARGUMENT"));
      await expect(a.allocate(10, { singal: 1 } as never)).rejects.toEqual(code("UNKNOWN_OPTION"));
      await expect(a.allocate(10, { signal: 1 } as never)).rejects.toEqual(code("INVALID_ARGUMENT"));
    });

    it("refuses more than the limit at once, also if there is nothing to wait for", async () => {
      const { a } = await open({ maxBulkBytes: MIB });
      const refused = expect.objectContaining({
        code: "ERR_RINGBELL_BLOCK_TOO_LARGE",
        limit: MIB,
        bytes: MIB + 1,
      });
      expect(() => a.tryAllocate(MIB + 1)).toThrow(refused);
      await expect(a.allocate(MIB + 1)).rejects.toEqual(refused);
      a.tryAllocate(MIB)!.release();
    });

    it("keeps to the smaller limit of both sides, each way", async () => {
      const one = await open({ maxBulkBytes: MIB }, { maxBulkBytes: 2 * MIB });
      const other = await open({ maxBulkBytes: 2 * MIB }, { maxBulkBytes: MIB });
      for (const channel of [one.a, one.b, other.a, other.b]) {
        expect(channel.stats().bulk.limit).toBe(MIB);
        const block = channel.tryAllocate(MIB);
        expect(channel.tryAllocate(MIB)).toBeUndefined();
        block!.release();
      }
    });

    it("is refused where the limit is 0, on either side", async () => {
      for (const { a, b } of [await open({ maxBulkBytes: 0 }), await open({}, { maxBulkBytes: 0 })]) {
        for (const channel of [a, b]) {
          expect(() => channel.tryAllocate(0)).toThrow(code("BLOCK_TOO_LARGE"));
          await expect(channel.allocate(1)).rejects.toEqual(code("BLOCK_TOO_LARGE"));
          expect(channel.stats().bulk.limit).toBe(0);
        }
        await a.send({ id: 1, blocks: [] });
        expect(await b.receive()).toEqual({ id: 1, blocks: [] });
      }
    });

    it("waits under the limit and is served in order; tryAllocate does not overtake", async () => {
      const { a } = await open({ maxBulkBytes: MIB });
      const first = a.tryAllocate(MIB)!;
      const order: number[] = [];
      const waiting = [600, 600, 100].map(async (size, i) => {
        const block = await a.allocate(size * KIB);
        order.push(i);
        return block;
      });
      await turns(5);
      expect([order, a.tryAllocate(1)]).toEqual([[], undefined]);
      first.release();
      const one = await waiting[0]!;
      await turns(5);
      // The third would fit beside the first, but the second was before it.
      expect([order, a.tryAllocate(1)]).toEqual([[0], undefined]);
      one.release();
      for (const block of [await waiting[1]!, await waiting[2]!]) block.release();
      expect(order).toEqual([0, 1, 2]);
    });

    it("is served when the peer releases what was sent to it", async () => {
      const { a, b } = await open({ maxBulkBytes: MIB });
      for (let round = 0; round < 10; round++) {
        await a.send({ id: round, blocks: [await a.allocate(MIB)] });
        const waiting = watchPromise(a.allocate(MIB).then((block) => block.release()));
        const message = await b.receive();
        await turns(2);
        expect(waiting.state).toBe("pending");
        release(message);
        await until(() => waiting.state === "fulfilled");
      }
    });

    it("gives up on abort, and lets those behind it have their turn", async () => {
      const { a } = await open({ maxBulkBytes: MIB });
      const held = a.tryAllocate(600 * KIB)!;
      const controller = new AbortController();
      const large = a.allocate(MIB, { signal: controller.signal });
      await turns(1);
      const small = a.allocate(100 * KIB);
      const watched = watchPromise(small);
      await turns(5);
      expect(watched.state).toBe("pending");
      controller.abort(new Error("enough"));
      await expect(large).rejects.toThrow("enough");
      (await small).release();
      await expect(a.allocate(10, { signal: controller.signal })).rejects.toThrow("enough");
      held.release();
      // Nothing has been lost on the way.
      a.tryAllocate(MIB)!.release();
      expect(counts(a).own).toBe(0);
    });

    it("loses nothing by an abort while memory is made", async () => {
      const { a } = await open({ maxBulkBytes: 64 * MIB });
      for (let turn = 0; turn < 6; turn++) {
        const controller = new AbortController();
        const allocating = a.allocate(32 * MIB, { signal: controller.signal });
        await turns(turn);
        controller.abort();
        await allocating.then(
          (block) => block.release(),
          () => {},
        );
      }
      await until(() => counts(a).own === 0);
      a.tryAllocate(64 * MIB)!.release();
    });

    it("fails at the end of the channel, whoever ends it", async () => {
      for (const end of ["own", "peer"]) {
        const { a, b } = await open({ maxBulkBytes: MIB });
        const held = a.tryAllocate(MIB)!;
        const waiting = a.allocate(MIB);
        const watched = watchPromise(waiting);
        await turns(5);
        expect(watched.state).toBe("pending");
        (end === "own" ? a : b).destroy();
        await expect(waiting).rejects.toEqual(code("CLOSED"));
        await a.closed;
        expect(() => a.tryAllocate(10)).toThrow(code("CLOSED"));
        await expect(a.allocate(10)).rejects.toEqual(code("CLOSED"));
        // What it has it may keep.
        held.bytes.fill(1);
        held.release();
        expect(counts(a).own).toBe(0);
      }
    });
  });

  describe("a block", () => {
    it("arrives as it was filled, in a message of each codec that carries some, and is gone here", async () => {
      const codecs = [
        ringbell.json(),
        ringbell.packed(),
        clone(),
        struct({ id: u32, first: ringbell.block, second: ringbell.block }),
      ];
      for (const codec of codecs) {
        const { a, b } = await pair<never>(transport, { codec: codec as never });
        const [first, second] = [a.tryAllocate(10_000)!, a.tryAllocate(MIB)!];
        stamp(first.bytes, 1);
        stamp(second.bytes, 2);
        await a.send({ id: 7, first, second } as never);
        expect([first.gone, second.gone, first.byteLength]).toEqual([true, true, 0]);
        const message = (await b.receive()) as { id: number; first: Block; second: Block };
        expect([message.id, brokenAt(message.first.bytes, 1), brokenAt(message.second.bytes, 2)]).toEqual([
          7, -1, -1,
        ]);
        expect([message.first.byteLength, message.second.byteLength]).toEqual([10_000, MIB]);
        message.first.release();
        message.second.release();
        await until(() => counts(a).lent === 0);
      }
    });

    it("can't be used once it was sent, released or shared, and says which", async () => {
      const { a, b } = await open();
      const sent = a.tryAllocate(100)!;
      await a.send({ id: 0, blocks: [sent] });
      const released = a.tryAllocate(100)!;
      released.release();
      const received = (await b.receive()).blocks[0]!;
      received.release();
      const shared = a.tryAllocate(100)!;
      for (const handle of shared.share(2)) handle.release();
      const went = [
        [sent, "was sent"],
        [released, "was released"],
        [received, "was released"],
        [shared, "was shared"],
      ] as const;
      for (const [block, how] of went) {
        expect(() => block.bytes).toThrow(how);
        expect([block.gone, block.byteLength, block.sealed, block.shared]).toEqual([true, 0, false, false]);
        expect(() => block.bytes).toThrow(GONE);
        expect(() => block.share(2)).toThrow(GONE);
        expect(() => block.seal()).toThrow(GONE);
        expect(() => a.trySend({ id: 1, blocks: [block] })).toThrow(GONE);
        await expect(b.send({ id: 1, blocks: [block] })).rejects.toEqual(GONE);
        // Of no effect.
        block.release();
        block[Symbol.dispose]();
      }
      expect(b.tryReceive()).toBeUndefined();
      await until(() => counts(a).lent === 0);
      expect([counts(a), counts(b)]).toEqual(Array(2).fill({ own: 0, lent: 0, held: 0 }));
    });

    it("goes once in one message; twice is refused, and it stays", async () => {
      const { a, b } = await open();
      const block = a.tryAllocate(100)!;
      expect(() => a.trySend({ id: 0, blocks: [block, block] })).toThrow(GONE);
      await expect(a.send({ id: 0, blocks: [block, block] })).rejects.toEqual(GONE);
      expect(block.gone).toBe(false);
      await a.send({ id: 0, blocks: [block] });
      release(await b.receive());
    });

    it("of another channel is refused, and stays; also one that was received there", async () => {
      const [one, other] = [await open(), await open()];
      const foreign = other.a.tryAllocate(100)!;
      await other.a.send({ id: 0, blocks: [other.a.tryAllocate(100)!] });
      const received = (await other.b.receive()).blocks[0]!;
      for (const block of [foreign, received]) {
        expect(() => one.a.trySend({ id: 0, blocks: [block] })).toThrow(GONE);
        await expect(one.a.send({ id: 0, blocks: [block] })).rejects.toEqual(GONE);
        // Also beside one that could go, which stays, too.
        const own = one.a.tryAllocate(100)!;
        expect(() => one.a.trySend({ id: 0, blocks: [own, block] })).toThrow(GONE);
        expect([block.gone, own.gone]).toEqual([false, false]);
        own.release();
        block.release();
      }
      expect(one.b.tryReceive()).toBeUndefined();
      expect(counts(one.a)).toEqual({ own: 0, lent: 0, held: 0 });
    });

    it("is released at the end of its scope by `using`, unless it was sent", async () => {
      const { a, b } = await open();
      {
        using one = a.tryAllocate(100)!;
        using two = a.tryAllocate(100)!;
        expect(counts(a).own).toBe(2);
        await a.send({ id: one.byteLength, blocks: [two] });
      }
      expect(counts(a)).toEqual({ own: 0, lent: 1, held: 0 });
      {
        using received = (await b.receive()).blocks[0]!;
        expect(received.byteLength).toBe(100);
      }
      await until(() => counts(a).lent === 0);
    });

    it(`goes back ${transport === "shm" ? "without a copy, and is its owner's again" : "as a new block"}, to be sent anew`, async () => {
      const { a, b } = await open();
      let block = a.tryAllocate(MIB)!;
      stamp(block.bytes, 0);
      for (let round = 0; round < 5; round++) {
        await a.send({ id: round, blocks: [block] });
        if (transport === "shm") expect(counts(a)).toEqual({ own: 0, lent: 1, held: 0 });
        const message = await b.receive();
        expect(brokenAt(message.blocks[0]!.bytes, round)).toBe(-1);
        stamp(message.blocks[0]!.bytes, round + 1);
        await b.send(message);
        block = (await a.receive()).blocks[0]!;
        expect(brokenAt(block.bytes, round + 1)).toBe(-1);
      }
      const whose = transport === "shm" ? { ownBlocks: 1 } : { heldBlocks: 1 };
      expect(a.stats().bulk).toMatchObject({ ...whose, lentBlocks: 0, sentBlocks: 5, receivedBlocks: 5 });
      block.release();
      await until(() => counts(b).lent === 0 && counts(a).held === 0);
      expect([counts(a), counts(b)]).toEqual(Array(2).fill({ own: 0, lent: 0, held: 0 }));
    });

    it("goes over any lane of its channel, and not by that over its order", async () => {
      const { a, b } = await open({ lanes: { control: {}, data: {} } });
      for (const name of ["control", "data"]) {
        const block = a.tryAllocate(1000)!;
        block.bytes.fill(name.length);
        await a.lane<Message>(name).send({ id: 1, blocks: [block] });
      }
      for (const name of ["data", "control"]) {
        const { blocks } = await b.lane<Message>(name).receive();
        expect([...new Set(blocks[0]!.bytes)]).toEqual([name.length]);
        blocks[0]!.release();
      }
    });

    it("is shown in a log for what it is", async () => {
      const { a } = await open();
      const block = a.tryAllocate(100)!;
      const { inspect } = await import("node:util");
      expect(inspect(block)).toContain("byteLength: 100");
      block.release();
      expect(inspect(block)).toBe("Block { gone }");
      expect(() => JSON.stringify(block)).toThrow(GONE);
      expect(() => structuredClone(block)).toThrow();
    });

    it("shows what is in it to no view from before, once it was sent or released", async () => {
      const { a, b } = await open();
      const block = a.tryAllocate(1000)!;
      const view = block.bytes;
      const wide = new Float64Array(view.buffer, view.byteOffset, 100);
      await a.send({ id: 1, blocks: [block] });
      expect([view.length, wide.length]).toEqual([0, 0]);
      const message = await b.receive();
      const theirs = message.blocks[0]!.bytes;
      expect(theirs.length).toBe(1000);
      release(message);
      expect(theirs.length).toBe(0);
    });
  });

  describe("a send that has to wait", () => {
    it("takes the blocks at once, and sends them when there is room", async () => {
      const { a, b } = await open({ capacity: 4096 });
      const texts = fill(a as never);
      const block = a.tryAllocate(1000)!;
      stamp(block.bytes, 1);
      const sending = a.send({ id: 1, blocks: [block] });
      expect([block.gone, a.stats().lanes[0]!.waitingSends]).toEqual([true, 1]);
      expect(() => block.bytes).toThrow(GONE);
      await expect(a.send({ id: 2, blocks: [block] })).rejects.toEqual(GONE);
      for (let i = 0; i < texts; i++) await b.receive();
      await sending;
      const message = await b.receive();
      expect(brokenAt(message.blocks[0]!.bytes, 1)).toBe(-1);
      release(message);
    });

    it("gives them back when it is aborted", async () => {
      const { a, b } = await open({ capacity: 4096 });
      const texts = fill(a as never);
      const blocks = [a.tryAllocate(1000)!, a.tryAllocate(2000)!];
      for (const [i, block] of blocks.entries()) stamp(block.bytes, i);
      const controller = new AbortController();
      const sending = a.send({ id: 1, blocks }, { signal: controller.signal });
      expect(blocks.map(({ gone }) => gone)).toEqual([true, true]);
      controller.abort(new Error("enough"));
      await expect(sending).rejects.toThrow("enough");
      expect(blocks.map(({ bytes }, i) => brokenAt(bytes, i))).toEqual([-1, -1]);
      for (let i = 0; i < texts; i++) await b.receive();
      await a.send({ id: 2, blocks });
      const message = await b.receive();
      expect(message.id).toBe(2);
      release(message);
    });

    it("gives them back when the channel ends", async () => {
      for (const end of ["own", "peer"]) {
        const { a, b } = await open({ capacity: 4096 });
        fill(a as never);
        const block = a.tryAllocate(1000)!;
        stamp(block.bytes, 1);
        const sending = a.send({ id: 1, blocks: [block] });
        (end === "own" ? a : b).destroy();
        await expect(sending).rejects.toEqual(code("CLOSED"));
        expect([block.gone, brokenAt(block.bytes, 1)]).toEqual([false, -1]);
        block.release();
        expect(counts(a).own).toBe(0);
      }
    });

    it("keeps its place before later ones with blocks, and after earlier ones without", async () => {
      const { a, b } = await open({ capacity: 4096 });
      const texts = fill(a as never);
      const sendings = Array.from({ length: 30 }, (_, id) =>
        a.send({ id, blocks: id % 3 === 0 ? [a.tryAllocate(100 + id)!] : [] }),
      );
      for (let i = 0; i < texts; i++) await b.receive();
      for (let id = 0; id < 30; id++) {
        const message = await b.receive();
        expect([message.id, ...message.blocks.map(({ byteLength }) => byteLength)]).toEqual(
          id % 3 === 0 ? [id, 100 + id] : [id],
        );
        release(message);
      }
      await Promise.all(sendings);
    });
  });

  describe("messages too long for a ring", () => {
    const long = (options = {}) => pair<Uint8Array>(transport, { codec: bytes(), ...options });

    it("go by blocks by themselves, whatever their length", async () => {
      const { a, b } = await long();
      for (const size of [0, 100, 65_536, 65_537, 131_064, 131_065, 300_000, MIB, 8 * MIB]) {
        const message = Buffer.alloc(size);
        stamp(message, size);
        await a.send(message);
        const got = await b.receive();
        expect([got.length, brokenAt(got, size)]).toEqual([size, -1]);
      }
      await until(() => counts(a).lent === 0);
      expect([counts(a), counts(b)]).toEqual(Array(2).fill({ own: 0, lent: 0, held: 0 }));
    });

    it("go by each codec", async () => {
      const word = "ä€😀x".repeat(100_000);
      for (const [codec, message] of [
        [text(), word],
        [ringbell.json(), { word, list: [word] }],
        [clone(), { word, map: new Map([[1, word]]) }],
        [ringbell.packed(), { word, map: new Map([[1, word]]) }],
        [struct({ word: text() }), { word }],
      ] as const) {
        const { a, b } = await pair<never>(transport, { codec: codec as never });
        await a.send(message as never);
        expect(await b.receive()).toEqual(message);
        expect(a.trySend(message as never)).toBe(true);
        expect(await b.receive()).toEqual(message);
        if (transport === "stream") continue;
        expect(a.sendSync(message as never, { timeout: 1000 })).toBe(true);
        expect(await b.receive()).toEqual(message);
      }
    });

    it("may carry blocks, too", async () => {
      const { a, b } = await pair<{ text: string; blocks: Block[] }>(transport);
      const blocks = [a.tryAllocate(100)!, a.tryAllocate(MIB)!];
      for (const [i, block] of blocks.entries()) stamp(block.bytes, i);
      await a.send({ text: "x".repeat(MIB), blocks });
      const message = await b.receive();
      expect(message.text.length).toBe(MIB);
      expect(message.blocks.map(({ bytes }, i) => brokenAt(bytes, i))).toEqual([-1, -1]);
      for (const block of message.blocks) block.release();
      await until(() => counts(a).lent === 0);
      expect([counts(a), counts(b)]).toEqual(Array(2).fill({ own: 0, lent: 0, held: 0 }));
    });

    it("go up to maxMessageBytes, and not beyond", async () => {
      const { a, b } = await long({ maxMessageBytes: MIB });
      await a.send(Buffer.alloc(MIB, 1));
      expect((await b.receive()).length).toBe(MIB);
      const refused = expect.objectContaining({
        code: "ERR_RINGBELL_MESSAGE_TOO_LARGE",
        limit: MIB,
        bytes: MIB + 1,
      });
      const tooLong = Buffer.alloc(MIB + 1);
      expect(() => a.trySend(tooLong)).toThrow(refused);
      await expect(a.send(tooLong)).rejects.toEqual(refused);
      await expect(a.sendMany([Buffer.from("first"), tooLong])).rejects.toEqual(refused);
      expect(String(await b.receive())).toBe(
        "first"
          .split("")
          .map((letter) => letter.charCodeAt(0))
          .join(","),
      );
      expect(counts(a).own).toBe(0);
    });

    it("are refused without blocks, at the length that the ring takes", async () => {
      const { a, b } = await long({ maxBulkBytes: 0, capacity: 65_536 });
      await a.send(Buffer.alloc(32_760, 1));
      expect((await b.receive()).length).toBe(32_760);
      expect(() => a.trySend(Buffer.alloc(32_761))).toThrow(code("MESSAGE_TOO_LARGE"));
    });

    it("go by blocks above bulkThreshold, and by the ring up to it", async () => {
      const { a, b } = await long({ bulkThreshold: 1000 });
      await a.send(Buffer.alloc(1000));
      expect(a.stats().bulk.sentBlocks).toBe(0);
      await a.send(Buffer.alloc(1001));
      expect(a.stats().bulk.sentBlocks).toBe(1);
      for (const length of [1000, 1001]) expect((await b.receive()).length).toBe(length);
    });

    it("find no memory: trySend says false, and drain comes when there is some", async () => {
      const { a, b } = await long({ maxBulkBytes: MIB });
      const block = a.tryAllocate(MIB)!;
      let drains = 0;
      a.on("drain", () => drains++);
      expect(a.trySend(Buffer.alloc(500 * KIB))).toBe(false);
      await turns(10);
      expect(drains).toBe(0);
      const drained = once(a, "drain");
      block.release();
      await drained;
      expect(a.trySend(Buffer.alloc(500 * KIB, 1))).toBe(true);
      expect((await b.receive()).length).toBe(500 * KIB);
      expect(drains).toBe(1);
    });

    it("wait for memory in send, and keep their order with short ones", async () => {
      const { a, b } = await long({ maxBulkBytes: MIB });
      const sendings = Array.from({ length: 40 }, (_, i) =>
        a.send(Buffer.alloc(i % 4 === 3 ? 10 : 700 * KIB, i)),
      );
      for (let i = 0; i < 40; i++) {
        const message = await b.receive();
        expect([message.length, message[0]]).toEqual([i % 4 === 3 ? 10 : 700 * KIB, i]);
      }
      await Promise.all(sendings);
      await until(() => counts(a).lent === 0);
      expect(a.stats().bulk.allocatedBytes).toBeLessThanOrEqual(MIB);
    });

    it("keep their order in sendMany, among short ones and blocks", async () => {
      const { a, b } = await pair<{ id: number; pad?: string; block?: Block }>(transport, {
        capacity: 65_536,
      });
      const messages = Array.from({ length: 200 }, (_, id) => {
        if (id % 10 === 3) return { id, pad: "x".repeat(200_000) };
        if (id % 10 === 7) return { id, block: a.tryAllocate(1000)! };
        return { id };
      });
      const sending = a.sendMany(messages);
      const received: typeof messages = [];
      while (received.length < messages.length) {
        received.push(...(b.receiveMany(50) as typeof messages));
        await turns(1);
      }
      await sending;
      expect(received.map(({ id }) => id)).toEqual(messages.map(({ id }) => id));
      expect(received.filter(({ pad }) => pad?.length === 200_000).length).toBe(20);
      const blocks = received.flatMap(({ block }) => (block === undefined ? [] : [block]));
      expect(blocks.map(({ byteLength }) => byteLength)).toEqual(Array(20).fill(1000));
      for (const block of blocks) block.release();
      await until(() => counts(a).lent === 0);
    });

    it.runIf(transport === "shm")("are sent by sendSync within the time, or not at all", async () => {
      const { a, b } = await long({ maxBulkBytes: MIB });
      expect(a.sendSync(Buffer.alloc(800 * KIB, 1))).toBe(true);
      // The other side does not come to take it.
      expect(a.sendSync(Buffer.alloc(800 * KIB, 2), { timeout: 50 })).toBe(false);
      // A short one goes by the ring.
      const more = a.sendManySync([Buffer.alloc(10, 3), Buffer.alloc(800 * KIB, 4)], { timeout: 50 });
      expect(more).toBe(1);
      expect((await b.receive())[0]).toBe(1);
      expect((await b.receive())[0]).toBe(3);
      await until(() => counts(a).lent === 0);
      expect(a.sendSync(Buffer.alloc(800 * KIB, 5), { timeout: 1000 })).toBe(true);
      expect((await b.receive())[0]).toBe(5);
      expect(b.tryReceive()).toBeUndefined();
    });

    it("are received by every way of receiving", async () => {
      const { a, b } = await long();
      const send = (value: number) => a.send(Buffer.alloc(200_000, value));
      await send(1);
      await until(() => b.stats().lanes[0]!.receiveFill > 0);
      expect(b.tryReceive()?.[0]).toBe(1);
      if (transport === "shm") {
        await send(2);
        expect(b.receiveSync()?.[0]).toBe(2);
        await send(3);
        expect(b.receiveManySync(5).map(([value]) => value)).toEqual([3]);
      }
      const received = once(b, "message");
      await send(4);
      expect((await received)[0][0]).toBe(4);
      b.removeAllListeners("message");
      await send(5);
      for await (const [value] of b) {
        expect(value).toBe(5);
        break;
      }
    });
  });

  describe("share", () => {
    it("makes handles of one memory that go over many channels, and are freed with the last", async () => {
      const pairs = [await open(), await open(), await open()];
      const { a } = pairs[0]!;
      const original = a.tryAllocate(MIB)!;
      stamp(original.bytes, 5);
      const handles = original.share(4);
      expect([original.gone, handles.length]).toEqual([true, 4]);
      expect(handles.every(({ shared, byteLength }) => shared && byteLength === MIB)).toBe(true);
      for (const [i, { a }] of pairs.entries()) await a.send({ id: i, blocks: [handles[i]!] });
      const messages = await Promise.all(pairs.map(({ b }) => b.receive()));
      expect(messages.map(({ blocks }) => brokenAt(blocks[0]!.bytes, 5))).toEqual([-1, -1, -1]);
      expect(messages.every(({ blocks }) => blocks[0]!.shared)).toBe(true);
      for (const message of messages) release(message);
      expect(brokenAt(handles[3]!.bytes, 5)).toBe(-1);
      handles[3]!.release();
      await until(() => pairs.every(({ a }) => counts(a).lent === 0));
      for (const { a, b } of pairs) {
        expect([counts(a), counts(b)]).toEqual(Array(2).fill({ own: 0, lent: 0, held: 0 }));
      }
    });

    it("may give several to one channel, in one message, and they may come back", async () => {
      const { a, b } = await open();
      const handles = a.tryAllocate(MIB)!.share(3);
      stamp(handles[0]!.bytes, 1);
      const kept = handles.pop()!;
      // Written before it was shared out in truth; the copies of a stream are made as it is sent.
      await a.send({ id: 1, blocks: handles });
      const message = await b.receive();
      const [one, two] = message.blocks as [Block, Block];
      one.release();
      await b.send({ id: 2, blocks: [two] });
      const home = (await a.receive()).blocks[0]!;
      expect([home.shared, home.byteLength, kept.gone]).toEqual([true, MIB, false]);
      home.release();
      kept.release();
      await until(() => counts(a).lent === 0);
      expect(counts(b).held).toBe(0);
    });

    it("refuses counts that are none, and a block that was received", async () => {
      const { a, b } = await open();
      const block = a.tryAllocate(100)!;
      for (const count of [0, -1, 1.5, Number.NaN, 65_537, "2", undefined]) {
        expect(() => block.share(count as number)).toThrow(
          expect.objectContaining({ code: "ERR_RINGBELL_INVALID_ARGUMENT", argument: "count" }),
        );
      }
      expect(block.gone).toBe(false);
      await a.send({ id: 1, blocks: [block] });
      const [received] = (await b.receive()).blocks;
      expect(() => received!.share(2)).toThrow(GONE);
      expect(() => received!.seal()).toThrow(GONE);
      expect(received!.gone).toBe(false);
      received!.release();
    });

    it("shares what is shared out further, and what is sealed", async () => {
      const { a } = await open();
      const [one, two] = a.tryAllocate(1000)!.share(2);
      const more = two!.share(3);
      expect(() => one!.seal()).toThrow(GONE);
      const sealed = a.tryAllocate(1000)!.seal().share(2);
      expect(sealed.map(({ sealed, shared }) => [sealed, shared])).toEqual(Array(2).fill([true, true]));
      for (const block of [one!, ...more, ...sealed]) block.release();
      expect(counts(a).own).toBe(0);
      expect(() => two!.bytes).toThrow(GONE);
    });
  });

  it("seal says so on both sides, and keeps what was written before", async () => {
    const { a, b } = await open();
    for (const size of [1000, 100_000, MIB]) {
      const block = a.tryAllocate(size)!;
      stamp(block.bytes, 3);
      expect(block.seal()).toBe(block);
      expect([block.sealed, block.byteLength, brokenAt(block.bytes, 3)]).toEqual([true, size, -1]);
      // Once is enough.
      block.seal();
      await a.send({ id: 1, blocks: [block] });
      const [received] = (await b.receive()).blocks;
      expect([received!.sealed, brokenAt(received!.bytes, 3)]).toEqual([true, -1]);
      received!.release();
    }
    await until(() => counts(a).lent === 0);
  });

  it("stats say where blocks are, and whether they are copied", async () => {
    const { a, b } = await open();
    expect(a.stats().bulk).toMatchObject({
      mode: transport === "shm" ? "shared" : "copied",
      ownBlocks: 0,
      sentBlocks: 0,
      copiedBytes: 0,
    });
    const [one, two] = [a.tryAllocate(1000)!, a.tryAllocate(2000)!];
    await a.send({ id: 1, blocks: [one] });
    const message = await b.receive();
    expect(a.stats().bulk).toMatchObject({ ownBlocks: 1, lentBlocks: 1, heldBlocks: 0, sentBlocks: 1 });
    expect(b.stats().bulk).toMatchObject({ ownBlocks: 0, lentBlocks: 0, heldBlocks: 1, receivedBlocks: 1 });
    expect(a.stats().bulk.copiedBytes > 0).toBe(transport === "stream");
    release(message);
    two.release();
    await until(() => counts(a).lent === 0);
    a.destroy();
    expect(a.stats().bulk).toMatchObject({ ownBlocks: 0, lentBlocks: 0, sentBlocks: 1 });
  });
});
