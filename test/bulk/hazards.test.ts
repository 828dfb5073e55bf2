import { bytes } from "ringbell";
import { describe, expect, it } from "vitest";
import { counts, KIB, type Message, MIB, pair, turns, until, watchPromise } from "./setup.js";

const shm = (options = {}, other = {}) => pair<Message>("shm", options, other);

describe("who waits for memory goes on", () => {
  it("whenever it comes back, however soon after the wait began", async () => {
    for (let hops = 0; hops < 40; hops++) {
      const { a } = await shm({ maxBulkBytes: MIB });
      const block = a.tryAllocate(MIB)!;
      const waiting = watchPromise(a.allocate(MIB));
      for (let i = 0; i < hops; i++) await null;
      block.release();
      await turns(20);
      expect([hops, waiting.state]).toEqual([hops, "fulfilled"]);
      a.destroy();
    }
  });

  it("when the peer lets go of a shared block, also by tryAllocate", async () => {
    const { a, b } = await shm({ maxBulkBytes: MIB });
    const [shared] = a.tryAllocate(MIB)!.share(1);
    await a.send({ id: 0, blocks: [shared!] });
    (await b.receive()).blocks[0]!.release();
    const block = a.tryAllocate(MIB);
    expect(block?.byteLength).toBe(MIB);
    block!.release();
  });

  it("when the peer of another channel lets go of a shared block", async () => {
    const { a } = await shm({ maxBulkBytes: MIB });
    const other = await shm();
    const [shared] = a.tryAllocate(MIB)!.share(1);
    await other.a.send({ id: 0, blocks: [shared!] });
    const message = await other.b.receive();
    const allocating = a.allocate(MIB);
    const waiting = watchPromise(allocating);
    await turns(5);
    expect(waiting.state).toBe("pending");
    message.blocks[0]!.release();
    // At once: not only when the peer says once in a while that something has come back.
    await turns(50);
    expect(waiting.state).toBe("fulfilled");
    (await allocating).release();
  });

  it("when shared memory of elsewhere, which the peer knows, is freed by this side", async () => {
    const { a } = await shm();
    const other = await shm({ maxBulkBytes: MIB });
    const [one, two] = a.tryAllocate(MIB)!.share(2);
    await other.a.send({ id: 0, blocks: [one!] });
    const { blocks } = await other.b.receive();
    const sending = other.a.send({ id: 1, blocks: a.tryAllocate(MIB)!.share(1) });
    const waiting = watchPromise(sending);
    await turns(5);
    expect(waiting.state).toBe("pending");
    two!.release();
    blocks[0]!.release();
    await sending;
    (await other.b.receive()).blocks[0]!.release();
  });

  it("though the other side waits for memory as well", async () => {
    const { a, b } = await shm({ maxBulkBytes: MIB });
    for (let round = 0; round < 20; round++) {
      await a.send({ id: 0, blocks: [await a.allocate(MIB)] });
      await b.send({ id: 0, blocks: [await b.allocate(MIB)] });
      const waiting = [a.allocate(MIB), b.allocate(500 * KIB), a.allocate(300 * KIB), b.allocate(MIB)];
      const [atA, atB] = [await a.receive(), await b.receive()];
      atA.blocks[0]!.release();
      atB.blocks[0]!.release();
      for (const block of waiting) (await block).release();
    }
    await until(() => counts(a).lent + counts(b).lent === 0);
  });
});

describe("room for what the peer is to be told", () => {
  it("is made by shared memory that it does not hold", async () => {
    const { a } = await shm();
    const other = await shm({ maxBulkBytes: MIB });
    const [one, kept] = a.tryAllocate(MIB)!.share(2);
    await other.a.send({ id: 0, blocks: [one!] });
    (await other.b.receive()).blocks[0]!.release();
    await turns(20);
    const second = a.tryAllocate(MIB)!.share(1);
    expect(other.a.trySend({ id: 1, blocks: second })).toBe(true);
    (await other.b.receive()).blocks[0]!.release();
    // It can be told of the first again.
    expect(kept!.byteLength).toBe(MIB);
    await other.a.send({ id: 2, blocks: [kept!] });
    (await other.b.receive()).blocks[0]!.release();
    await until(() => a.stats().bulk.lentBlocks + counts(other.a).lent === 0);
  });

  it("is not made by what goes with the same message", async () => {
    const { a } = await shm();
    const other = await shm({ maxBulkBytes: MIB });
    const one = a.tryAllocate(600 * KIB)!.share(1)[0]!;
    const two = a.tryAllocate(600 * KIB)!.share(1)[0]!;
    expect(other.a.trySend({ id: 1, blocks: [one, two] })).toBe(false);
    expect([one.gone, two.gone]).toEqual([false, false]);
    for (const block of [one, two]) {
      await other.a.send({ id: 2, blocks: [block] });
      (await other.b.receive()).blocks[0]!.release();
    }
  });

  it("is there for different sizes side by side, however small the limit", async () => {
    for (const limit of [256 * KIB, 300 * KIB, MIB, 3 * MIB]) {
      const { a } = await shm({ maxBulkBytes: limit });
      const sizes = [0.4, 0.2, 0.1, 0.05, 0.01].map((part) => Math.floor(limit * part));
      const blocks = sizes.map((size) => a.tryAllocate(size));
      expect(blocks.map((block) => block?.byteLength)).toEqual(sizes);
      for (const block of blocks) block!.release();
    }
  });
});

describe("the lane of the blocks, full of returns", () => {
  /** More than it holds: 16 KiB, of 24 bytes each. */
  const MANY = 2000;

  async function full() {
    const { a, b } = await shm();
    const messages: Message[] = [];
    for (let id = 0; id < MANY; id++) {
      await b.send({ id, blocks: [b.tryAllocate(100)!] });
      messages.push(await a.receive());
    }
    return { a, b, messages };
  }

  it("loses none of them", async () => {
    const { a, b, messages } = await full();
    // The other side does not come to look meanwhile.
    for (const { blocks } of messages) blocks[0]!.release();
    expect(counts(a).held).toBe(0);
    await until(() => counts(b).lent === 0);
    expect(b.stats().bulk.receivedBlocks).toBe(0);
  });

  it("lets a segment go out with its own descriptor, whatever became of the message that told of another", async () => {
    for (const stop of [682, 683, 1000]) {
      const { a, b, messages } = await full();
      const [x, y] = [a.tryAllocate(MIB)!, a.tryAllocate(MIB)!];
      x.bytes.fill(1);
      y.bytes.fill(2);
      for (const { blocks } of messages.splice(0, stop)) blocks[0]!.release();
      expect(a.trySend({ id: 1, blocks: [x] })).toBe(false);
      x.release();
      await a.send({ id: 2, blocks: [y] });
      const [block] = (await b.receive()).blocks;
      expect([block!.bytes[0], block!.bytes[MIB - 1]]).toEqual([2, 2]);
      for (const each of [block!, ...messages.flatMap(({ blocks }) => blocks)]) each.release();
      await until(() => counts(b).lent + counts(a).lent === 0);
    }
  });
});

describe("a message that could not be sent", () => {
  it("leaves no block behind of its own, if it was long and carried one of another channel", async () => {
    const { a } = await pair("shm");
    const other = await shm();
    const foreign = other.a.tryAllocate(100)!;
    const message = { text: "x".repeat(200_000), foreign };
    const refused = expect.objectContaining({ code: "ERR_RINGBELL_BLOCK" });
    expect(() => a.trySend(message)).toThrow(refused);
    await expect(a.send(message)).rejects.toEqual(refused);
    expect(() => a.sendSync(message)).toThrow(refused);
    expect(() => a.trySendMany([message])).toThrow(refused);
    await expect(a.sendMany([message])).rejects.toEqual(refused);
    expect(counts(a).own).toBe(0);
    foreign.release();
  });

  it("leaves none behind that carried more blocks than a record can name", async () => {
    const { a } = await shm({ capacity: 4096 });
    const blocks = Array.from({ length: 100 }, () => a.tryAllocate(64)!);
    expect(() => a.trySend({ id: 0, blocks })).toThrow(
      expect.objectContaining({ code: "ERR_RINGBELL_MESSAGE_TOO_LARGE" }),
    );
    expect(counts(a).own).toBe(100);
    for (const block of blocks) block.release();
    expect(counts(a).own).toBe(0);
  });
});

describe("many", () => {
  it("blocks in flight, 10 000 of them, are each whole and come back", async () => {
    const { a, b } = await shm({ capacity: 2 ** 20 });
    const received: Message[] = [];
    b.on("message", (message) => received.push(message));
    for (let id = 0; id < 10_000; id++) {
      const block = await a.allocate(200);
      new Uint32Array(block.bytes.buffer, block.bytes.byteOffset, 50).fill(id);
      await a.send({ id, blocks: [block] });
    }
    await until(() => received.length === 10_000);
    expect(counts(a)).toEqual({ own: 0, lent: 10_000, held: 0 });
    const wrong = received.filter(({ id, blocks }) => {
      const { buffer, byteOffset } = blocks[0]!.bytes;
      return new Uint32Array(buffer, byteOffset, 50).some((word) => word !== id);
    });
    expect(wrong).toEqual([]);
    for (const { blocks } of received) blocks[0]!.release();
    await until(() => counts(a).lent === 0);
    expect(counts(b).held).toBe(0);
  });

  it("blocks in one message, as many as it can name", async () => {
    const { a, b } = await shm();
    const blocks = Array.from({ length: 3000 }, (_, i) => {
      const block = a.tryAllocate(64)!;
      block.bytes.fill(i);
      return block;
    });
    await a.send({ id: 1, blocks });
    const message = await b.receive();
    expect(message.blocks.map(({ bytes }) => bytes[63])).toEqual(blocks.map((_, i) => i & 0xff));
    await b.send(message);
    const home = await a.receive();
    expect(home.blocks.every(({ bytes }, i) => bytes[0] === (i & 0xff))).toBe(true);
    for (const block of home.blocks) block.release();
    expect([counts(a), counts(b)]).toEqual(Array(2).fill({ own: 0, lent: 0, held: 0 }));
  });

  it("channels in one process keep their memory apart", async () => {
    const pairs = await Promise.all(Array.from({ length: 50 }, () => shm({ capacity: 4096 })));
    for (let round = 0; round < 3; round++) {
      for (const [i, { a }] of pairs.entries()) {
        const block = a.tryAllocate(1000 + i)!;
        block.bytes.fill(i + round);
        await a.send({ id: i, blocks: [block] });
      }
      for (const [i, { b }] of pairs.entries()) {
        const { id, blocks } = await b.receive();
        expect([id, blocks[0]!.byteLength, ...new Set(blocks[0]!.bytes)]).toEqual([i, 1000 + i, i + round]);
        blocks[0]!.release();
      }
    }
    for (const { a } of pairs) expect(counts(a)).toEqual({ own: 0, lent: 0, held: 0 });
  });
});

describe("views of long messages that were not copied", () => {
  it("are whole until the next receive", async () => {
    const { a, b } = await pair<Uint8Array>("shm", { codec: bytes({ copy: false }) });
    for (let i = 1; i <= 3; i++) {
      await a.send(Buffer.alloc(MIB, i));
      const view = await b.receive();
      expect([view.length, ...new Set(view)]).toEqual([MIB, i]);
    }
  });

  // Of messages of more than 2 MiB only one is on its way at a time: the next waits until nobody looks at the last.
  it.each(["a listener", "receive", "a loop"])(
    "don't hold up the sender of the next, with %s",
    async (how) => {
      const { a, b } = await pair<Uint8Array>("shm", { codec: bytes({ copy: false }) });
      const seen: number[] = [];
      const see = (view: Uint8Array) => {
        seen.push(view[0]!);
      };
      const sending = (async () => {
        for (let i = 0; i < 3; i++) await a.send(Buffer.alloc(3 * MIB, i));
      })();
      if (how === "a listener") b.on("message", see);
      else if (how === "receive") for (let i = 0; i < 3; i++) see(await b.receive());
      else {
        for await (const view of b) {
          see(view);
          if (seen.length === 3) break;
        }
      }
      await sending;
      await until(() => seen.length === 3);
      expect(seen).toEqual([0, 1, 2]);
    },
  );

  it("are good when others wait for room, and gone when this side asks for more", async () => {
    const { a, b } = await pair<Uint8Array>("shm", { codec: bytes({ copy: false }) });
    await a.send(Buffer.alloc(3 * MIB, 1));
    const view = await b.receive();
    const waiting = watchPromise(a.send(Buffer.alloc(3 * MIB, 2)));
    await turns(20);
    expect([waiting.state, ...new Set(view)]).toEqual(["pending", 1]);
    expect(b.tryReceive()).toBe(undefined);
    await turns(20);
    expect(waiting.state).toBe("fulfilled");
    expect((await b.receive())[0]).toBe(2);
  });
});
