import fc from "fast-check";
import type { Block, Channel } from "ringbell";
import { describe, expect, it } from "vitest";
import type { TransportName } from "../channel/setup.js";
import {
  brokenAt,
  counts,
  KIB,
  mappings,
  memoryDescriptors,
  pair,
  peer,
  reported,
  stamp,
  turns,
  until,
} from "./setup.js";

/** What goes with each block, so that who gets it can tell whether it is whole. */
interface Label {
  readonly seed: number;
  readonly length: number;
}

interface Message {
  readonly labels: readonly Label[];
  readonly blocks: readonly Block[];
  /** Makes it longer than a ring takes. */
  readonly pad: string;
}

type Kind = "own" | "received" | "handle" | "received handle";

/** A block in somebody's hands. */
interface Held extends Label {
  readonly block: Block;
  readonly kind: Kind;
  /** The channel that it is of: the one that it was allocated or received by. */
  readonly side: Side;
  /** Whether it may be written to. */
  readonly writable: boolean;
}

/** A message on its way. */
interface Sent {
  readonly parts: readonly Part[];
  /** It lies in a block of its sender's, which comes back when it was received. */
  readonly long: boolean;
}

/** A block on its way: what it will be for the receiver, and whether it is the receiver's own, coming home. */
interface Part {
  readonly held: Omit<Held, "block" | "side">;
  readonly home: boolean;
}

/** One end of a channel, and what the model knows of it. */
class Side {
  readonly channel: Channel<Message>;
  peer!: Side;
  /** What the ledger should say. */
  own = 0;
  lent = 0;
  held = 0;
  /** Messages that were sent here and not received. */
  readonly inbox: Sent[] = [];
  ended = false;

  constructor(channel: Channel<Message>) {
    this.channel = channel;
  }
}

/** Two channels of one process, with their four ends; everything that happens to their blocks, and what should come of it. */
class Model {
  readonly sides: Side[] = [];
  /** Whether what is sent is a copy, so that the ledgers of the two ends agree only after a while. */
  readonly #copied: boolean;
  readonly hands: Held[] = [];
  #seed = 1;

  constructor(transport: TransportName) {
    this.#copied = transport === "stream";
  }

  add(a: Channel<Message>, b: Channel<Message>): void {
    const [one, two] = [new Side(a), new Side(b)];
    [one.peer, two.peer] = [two, one];
    this.sides.push(one, two);
  }

  /** Puts a mark of its own into a block, which stays as long as nobody else writes there. */
  #mark(block: Block): Label {
    const seed = this.#seed++;
    stamp(block.bytes, seed);
    return { seed, length: block.byteLength };
  }

  allocate(side: Side, bytes: number): void {
    if (side.ended) return;
    const block = side.channel.tryAllocate(bytes);
    if (block === undefined) return;
    expect(block.byteLength).toBe(bytes);
    side.own++;
    this.hands.push({ block, side, kind: "own", writable: true, ...this.#mark(block) });
  }

  release(which: number): void {
    const held = this.#take(which);
    if (held === undefined) return;
    held.block.release();
    expect(held.block.gone).toBe(true);
    this.#gone(held);
  }

  /** What the ledgers should say when a block is released. */
  #gone({ kind, side }: Held): void {
    if (kind === "own") side.own--;
    if (kind !== "received" && kind !== "received handle") return;
    side.held--;
    if (!side.ended) side.peer.lent--;
  }

  rewrite(which: number): void {
    const held = this.hands[which % this.hands.length];
    if (held?.writable !== true) return;
    Object.assign(held, this.#mark(held.block));
  }

  share(which: number, count: number, seal: boolean): void {
    const held = this.#take(which);
    if (held === undefined) return;
    const { block, side, seed, length, kind } = held;
    try {
      if (kind === "received" || kind === "received handle") {
        expect(() => block.share(count)).toThrow(expect.objectContaining({ code: "ERR_RINGBELL_BLOCK" }));
        this.hands.push(held);
        return;
      }
      if (seal && kind === "own") {
        block.seal();
        expect(block.sealed).toBe(true);
        side.own--;
        Object.assign(held, { kind: "handle", writable: false });
      }
      const blocks = block.share(count);
      expect([block.gone, blocks.length]).toEqual([true, count]);
      if (held.kind === "own") side.own--;
      for (const each of blocks) {
        this.hands.push({ block: each, side, seed, length, kind: "handle", writable: false });
      }
    } catch (error) {
      // No memory for a copy: all is as it was.
      if ((error as { code?: string }).code !== "ERR_RINGBELL_NO_SPACE") throw error;
      expect(block.gone).toBe(false);
      this.hands.push(held);
    }
  }

  /** Sends some of what is in hand over this end. */
  send(side: Side, which: readonly number[], long: boolean): void {
    if (side.ended) return;
    const chosen = [...new Set(which.map((each) => each % Math.max(1, this.hands.length)))]
      .map((index) => this.hands[index])
      .filter((held) => held !== undefined);
    const message: Message = {
      labels: chosen.map(({ seed, length }) => ({ seed, length })),
      blocks: chosen.map(({ block }) => block),
      pad: long ? "x".repeat(70_000) : "",
    };
    const foreign = chosen.some(
      (held) => held.side !== side && (held.kind === "own" || held.kind === "received"),
    );
    let sent = false;
    try {
      sent = side.channel.trySend(message);
    } catch (error) {
      const { code } = error as { code: string };
      if (code === "ERR_RINGBELL_BLOCK") expect(foreign).toBe(true);
      else expect(code).toMatch(/ERR_RINGBELL_(BLOCK_TOO_LARGE|MESSAGE_TOO_LARGE)/);
    }
    expect(chosen.map(({ block }) => block.gone)).toEqual(chosen.map(() => sent));
    if (!sent) return;
    expect(foreign).toBe(false);
    for (const held of chosen) this.hands.splice(this.hands.indexOf(held), 1);
    side.peer.inbox.push({ parts: chosen.map((held) => this.#handOver(held, side)), long });
    if (long) side.lent++;
  }

  #handOver(held: Held, side: Side): Part {
    const { seed, length, kind, writable } = held;
    const isHome =
      held.side === side && (kind === "received" || (kind === "received handle" && !this.#copied));
    if (isHome) {
      side.held--;
      return { held: { seed, length, kind: kind === "received" ? "own" : "handle", writable }, home: true };
    }
    if (kind === "own") side.own--;
    // Of another channel: a copy of it goes, and it is released.
    else if (kind === "received handle") this.#gone(held);
    side.lent++;
    const copied = kind === "own" || kind === "received handle";
    // A copy in shared memory is nobody else's, and is not called shared.
    const shared = kind !== "own" && (this.#copied || !copied);
    return {
      held: { seed, length, kind: shared ? "received handle" : "received", writable: !shared },
      home: false,
    };
  }

  async receive(side: Side): Promise<void> {
    const sent = side.inbox.shift();
    if (sent === undefined) return;
    let message = side.channel.tryReceive();
    // What was sent before the peer closed may take a turn to be told.
    while (message === undefined) {
      await turns(1);
      message = side.channel.tryReceive();
    }
    if (sent.long && !side.ended) side.peer.lent--;
    expect(message.labels).toEqual(sent.parts.map(({ held: { seed, length } }) => ({ seed, length })));
    for (const [i, { held, home }] of sent.parts.entries()) {
      const block = message.blocks[i]!;
      expect([block.byteLength, brokenAt(block.bytes, held.seed)]).toEqual([held.length, -1]);
      if (home) {
        if (!side.ended) side.lent--;
        if (held.kind === "own") side.own++;
      } else {
        side.held++;
      }
      this.hands.push({ ...held, block, side });
    }
  }

  /** This end closes. The other hears of it, and may take what was sent before. */
  async end(side: Side): Promise<void> {
    if (side.ended) return;
    side.channel.destroy();
    side.inbox.length = 0;
    for (const each of [side, side.peer]) each.ended = true;
    await until(() => side.peer.channel.state === "closed");
    for (const each of [side, side.peer]) each.lent = 0;
    // What is still to be received was taken at the end: what came is held, what came home is own.
    for (const { parts, long } of side.peer.inbox) this.#count(side.peer, parts, long, 1);
    this.#takenAtTheEnd.add(side.peer);
  }

  #count(side: Side, parts: readonly Part[], long: boolean, by: 1 | -1): void {
    if (long) side.held += by;
    for (const { held, home } of parts) {
      if (!home) side.held += by;
      else if (held.kind === "own") side.own += by;
    }
  }

  readonly #takenAtTheEnd = new Set<Side>();

  /** Receives what had come before the end. */
  async receiveRest(side: Side): Promise<void> {
    for (let sent = side.inbox[0]; sent !== undefined; sent = side.inbox[0]) {
      if (this.#takenAtTheEnd.has(side)) this.#count(side, sent.parts, sent.long, -1);
      await this.receive(side);
    }
  }

  #take(which: number): Held | undefined {
    return this.hands.length === 0 ? undefined : this.hands.splice(which % this.hands.length, 1)[0];
  }

  /** Whether the ledgers say what they should, and no block was handed out twice, or written to by somebody else. */
  check(): void {
    for (const { channel, own, lent, held } of this.#copied ? [] : this.sides) {
      expect(counts(channel as never)).toEqual({ own, lent, held });
      const { allocatedBytes, heldBytes, limit } = channel.stats().bulk;
      expect(allocatedBytes).toBeLessThanOrEqual(limit);
      expect(heldBytes).toBeLessThanOrEqual(limit);
    }
    expect(this.hands.filter(({ block, seed }) => brokenAt(block.bytes, seed) >= 0)).toEqual([]);
  }

  /** Lets go of everything; then nothing is left anywhere, and all of the memory can be had again. */
  async finish(): Promise<void> {
    for (const side of this.sides) await this.receiveRest(side);
    this.check();
    while (this.hands.length > 0) this.release(0);
    // A stream that was closed has parts of blocks until the peer hangs up.
    await until(() =>
      this.sides.every(({ channel }) => {
        const { lent, held } = counts(channel as never);
        return lent === 0 && (held === 0 || !this.#copied);
      }),
    );
    for (const side of this.sides) {
      expect(counts(side.channel as never)).toEqual({ own: 0, lent: 0, held: 0 });
      if (!this.#copied) expect([side.own, side.held]).toEqual([0, 0]);
      if (side.ended) {
        expect(side.channel.stats().bulk).toMatchObject({ allocatedBytes: 0, heldBytes: 0 });
        continue;
      }
      const { limit } = side.channel.stats().bulk;
      const all = side.channel.tryAllocate(limit);
      expect(all?.byteLength).toBe(limit);
      all!.release();
    }
  }
}

const LIMIT = 512 * KIB;
const sizes = fc.oneof(
  fc.nat(300),
  fc.nat(20_000),
  fc.integer({ min: 250 * KIB, max: 300 * KIB }),
  fc.constant(0),
);
const which = fc.nat();
const side = fc.nat(3);
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ what: fc.constant("allocate" as const), side, size: sizes }) },
  {
    weight: 4,
    arbitrary: fc.record({
      what: fc.constant("send" as const),
      side,
      which: fc.array(which, { maxLength: 4 }),
      long: fc.boolean(),
    }),
  },
  { weight: 4, arbitrary: fc.record({ what: fc.constant("receive" as const), side }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant("release" as const), which }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant("rewrite" as const), which }) },
  {
    weight: 1,
    arbitrary: fc.record({
      what: fc.constant("share" as const),
      which,
      count: fc.integer({ min: 1, max: 3 }),
      seal: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ what: fc.constant("turn" as const) }) },
);
const end = fc.option(fc.record({ side, after: fc.nat(60) }));

describe.each([
  ["sealed memory", "shm", "sealed", 200],
  ["named memory", "shm", "named", 40],
  ["a stream", "stream", undefined, 80],
] as const)("blocks of %s, used at random", (_, transport, backing, numRuns) => {
  it("are never handed out twice, come back, and the ledgers say so", async () => {
    await turns(3);
    const before = { mappings: mappings(), memory: memoryDescriptors() };
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 80 }), end, async (steps, ending) => {
        const options = { backing, maxBulkBytes: LIMIT, capacity: 16 * KIB };
        const pairs = [await pair<Message>(transport, options), await pair<Message>(transport, options)];
        const model = new Model(transport);
        for (const { a, b } of pairs) model.add(a, b);
        for (const [i, each] of steps.entries()) {
          if (ending?.after === i) await model.end(model.sides[ending.side]!);
          switch (each.what) {
            case "allocate":
              model.allocate(model.sides[each.side]!, each.size);
              break;
            case "send":
              model.send(model.sides[each.side]!, each.which, each.long);
              break;
            case "receive":
              if (!model.sides[each.side]!.ended) await model.receive(model.sides[each.side]!);
              break;
            case "release":
              model.release(each.which);
              break;
            case "rewrite":
              model.rewrite(each.which);
              break;
            case "share":
              model.share(each.which, each.count, each.seal);
              break;
            case "turn":
              await turns(1);
              break;
          }
          model.check();
        }
        await model.finish();
        for (const { a, b, server } of pairs) {
          a.destroy();
          b.destroy();
          await server.close();
        }
      }),
      { numRuns },
    );
    await turns(3);
    expect({ mappings: mappings(), memory: memoryDescriptors() }).toEqual(before);
  }, 60_000);
});

/** A process that does with the blocks it gets what comes up, checks each, and sends some of its own. */
const WANDER = `
  ${stamp}
  ${brokenAt}
  let state = Number(process.env.TEST_SEED);
  const below = (limit) => { state = (Math.imul(state, 1664525) + 1013904223) >>> 0; return (state >>> 8) % limit; };
  const hands = [];
  channel.on("message", ({ labels, blocks }) => {
    for (const [i, block] of blocks.entries()) {
      if (block.byteLength !== labels[i].length || brokenAt(block.bytes, labels[i].seed) >= 0) report("broken");
      hands.push(block);
    }
    for (let i = below(4); i > 0; i--) {
      if (below(3) === 0 && hands.length > 0) hands.splice(below(hands.length), 1)[0].release();
      const out = [];
      for (let j = below(4); j > 0; j--) {
        const block = below(2) === 0 && hands.length > 0 ? hands.splice(below(hands.length), 1)[0] : channel.tryAllocate(below(40000));
        if (block !== undefined) out.push(block);
      }
      const labels = out.map((block) => ({ seed: below(1e9), length: block.byteLength }));
      for (const [j, block] of out.entries()) if (!block.sealed && !block.shared) stamp(block.bytes, labels[j].seed); else labels[j].seed = -1;
      let sent = false;
      try { sent = channel.trySend({ labels, blocks: out, pad: below(20) === 0 ? "x".repeat(100000) : "" }); } catch (error) { report(error.code); }
      if (!sent) hands.push(...out);
    }
  });
  report("up");
  await channel.closed;
`;

describe.each(["shm", "stream"] as TransportName[])(
  "a peer over %s that is killed in the middle of it",
  (transport) => {
    it("takes nothing along, and what came from it stays whole", async () => {
      await turns(3);
      const before = { mappings: mappings(), memory: memoryDescriptors() };
      await fc.assert(
        fc.asyncProperty(
          fc.integer({ min: 1, max: 1e6 }),
          fc.nat(150),
          fc.nat(3),
          async (seed, life, spare) => {
            const { child, channel } = await peer(
              transport,
              WANDER,
              { maxBulkBytes: 8192 * KIB, capacity: 16 * KIB },
              {
                TEST_SEED: String(seed),
              },
            );
            expect(await reported(child)).toBe("up");
            const outputs: string[] = [];
            child.on("report", (text: string) => outputs.push(text));
            const a = channel as Channel<Message>;
            const hands: { block: Block; seed: number }[] = [];
            let marks = seed;
            let received = 0;
            a.on("message", ({ labels, blocks }) => {
              received++;
              for (const [i, block] of blocks.entries()) {
                expect(block.byteLength).toBe(labels[i]!.length);
                if (labels[i]!.seed >= 0) expect(brokenAt(block.bytes, labels[i]!.seed)).toBe(-1);
                hands.push({ block, seed: labels[i]!.seed });
              }
              if (hands.length > 10) for (const { block } of hands.splice(0, 5)) block.release();
            });
            for (let n = 0; received < life && n < life * 5; n++) {
              const blocks: Block[] = [];
              for (let i = 0; i <= n % 3; i++) {
                const block = a.tryAllocate((n * 7919 + i) % 50_000);
                if (block !== undefined) blocks.push(block);
              }
              const labels = blocks.map((block) => {
                const mark = marks++;
                stamp(block.bytes, mark);
                return { seed: mark, length: block.byteLength };
              });
              if (n % (spare + 2) === 0 && hands.length > 0) {
                const { block, seed: mark } = hands.shift()!;
                if (mark >= 0) {
                  blocks.push(block);
                  labels.push({ seed: mark, length: block.byteLength });
                } else block.release();
              }
              if (!a.trySend({ labels, blocks, pad: "" })) for (const block of blocks) block.release();
              if (n % 4 === 0) await turns(1);
            }
            child.kill("SIGKILL");
            expect((await a.closed).reason).toBe("peer-died");
            expect(outputs).toEqual([]);
            expect(counts(a as never).lent).toBe(0);
            for (const { block, seed: mark } of hands) {
              if (mark >= 0) expect(brokenAt(block.bytes, mark)).toBe(-1);
              block.release();
            }
            expect(a.stats().bulk).toMatchObject({
              ownBlocks: 0,
              heldBlocks: 0,
              allocatedBytes: 0,
              heldBytes: 0,
            });
          },
        ),
        { numRuns: 10 },
      );
      await turns(3);
      expect({ mappings: mappings(), memory: memoryDescriptors() }).toEqual(before);
    }, 60_000);
  },
);
