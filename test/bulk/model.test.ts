import fc from "fast-check";
import { type Block, BlockError, type Channel, NoSpaceError } from "ringbell";
import { describe, expect, it } from "vitest";
import { brokenAt, counts, KIB, MIB, mappings, pair, peer, stamp, turns, until } from "./setup.js";

interface Message {
  readonly id: number;
  readonly own?: boolean;
  readonly block: Block;
}

/** A block in somebody's hands, as the model knows it. */
interface Live {
  /** Whose hands: an index into the four ends. */
  readonly end: number;
  readonly block: Block;
  /** What stands in it, from the beginning on: nobody writes to a block but who made it. */
  readonly seed: number;
  readonly shared: boolean;
  /** Whether it was made at this end. */
  readonly made: boolean;
}

type End = Channel<Message>;

/** The other end of the channel. */
const across = (end: number) => end ^ 1;

/** Two channels between four ends in this process, and all that is known of their blocks. */
class World {
  readonly ends: End[];
  live: Live[] = [];
  /** What was sent to each end and not received yet. */
  readonly sent: Omit<Live, "block" | "end">[][] = [[], [], [], []];
  readonly ended = new Set<number>();
  #seed = 0;

  constructor(ends: End[]) {
    this.ends = ends;
  }

  allocate(end: number, bytes: number): void {
    if (this.ended.has(end)) return;
    const block = this.ends[end]!.tryAllocate(bytes);
    if (block === undefined) return;
    const seed = this.#seed++;
    stamp(block.bytes, seed);
    this.live.push({ end, block, seed, shared: false, made: true });
  }

  /** Over the channel of the end that has it, or, `elsewhere`, the other channel: for shared ones alone. */
  send(which: Live, elsewhere: boolean): void {
    const from = elsewhere ? which.end ^ 2 : which.end;
    if (this.ended.has(from)) return;
    const message = { id: 1, block: which.block };
    if (elsewhere && !which.shared) {
      expect(() => this.ends[from]!.trySend(message)).toThrow(BlockError);
      return;
    }
    if (!this.ends[from]!.trySend(message)) return;
    expect(which.block.gone).toBe(true);
    this.live = this.live.filter((other) => other !== which);
    const { seed, shared, made } = which;
    this.sent[across(from)]!.push({ seed, shared, made: !made });
  }

  receive(end: number): void {
    const expected = this.sent[end]!;
    for (let message = this.ends[end]!.tryReceive(); message !== undefined; ) {
      const { block } = message;
      const { seed, shared, made } = expected.shift()!;
      expect(brokenAt(block.bytes, seed)).toBe(-1);
      this.live.push({ end, block, seed, shared, made });
      message = this.ends[end]!.tryReceive();
    }
  }

  share(which: Live): void {
    try {
      const handles = which.block.share(2);
      this.live = this.live.filter((other) => other !== which);
      for (const block of handles) this.live.push({ ...which, block, shared: true });
    } catch (error) {
      if (error instanceof NoSpaceError) return;
      // It is its sender's to share.
      expect([error instanceof BlockError, which.made]).toEqual([true, false]);
    }
  }

  release(which: Live): void {
    which.block.release();
    this.live = this.live.filter((other) => other !== which);
  }

  /** One side ends its channel at once. */
  end(end: number): void {
    for (const side of [end, across(end)]) {
      this.ended.add(side);
      this.sent[side]!.length = 0;
    }
    this.ends[end]!.destroy();
  }

  /** Nothing was handed out twice, or changed under its holder; and the ledgers say what the model does. */
  check(): void {
    for (const { block, seed } of this.live) expect(brokenAt(block.bytes, seed)).toBe(-1);
    for (let end = 0; end < 4; end++) {
      // A stream counts a shared block once, however many handles there are.
      if (this.ended.has(end) || this.ends[end]!.transport === "stream") continue;
      const here = this.live.filter((each) => each.end === end && !each.shared && each.made).length;
      expect(counts(this.ends[end]!).own).toBe(here);
    }
  }
}

const step = fc.tuple(fc.nat(9), fc.nat(3), fc.nat(1000));

describe("a model of who has which block", () => {
  it.each(["shm", "stream"] as const)(
    "agrees with four ends that allocate, send, receive, share and release at random, and end, over %s",
    async (transport) => {
      const before = mappings();
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 120 }), async (steps) => {
          const first = await pair<Message>(transport, { maxBulkBytes: MIB });
          const second = await pair<Message>(transport, { maxBulkBytes: 2 * MIB });
          const world = new World([first.a, first.b, second.a, second.b]);
          for (const [what, end, number] of steps) {
            const which = world.live[number % Math.max(1, world.live.length)];
            if (what <= 2) world.allocate(end, number < 900 ? number * 20 : number * 300);
            else if (what === 3) world.receive(end);
            else if (what === 9) {
              if (number > 990 && !world.ended.has(end)) world.end(end);
              else await turns(2);
            } else if (which === undefined) continue;
            else if (what <= 5) world.send(which, false);
            else if (what === 6) world.send(which, true);
            else if (what === 7) world.share(which);
            else world.release(which);
          }
          await turns(3);
          for (let end = 0; end < 4; end++) if (!world.ended.has(end)) world.receive(end);
          world.check();
          for (const each of [...world.live]) world.release(each);
          for (const channel of world.ends) await channel.close();
          const left = () =>
            world.ends.map(counts).reduce((sum, { own, lent, held }) => sum + own + lent + held, 0);
          await until(() => left() === 0);
        }),
        { numRuns: 40 },
      );
      await until(() => mappings() <= before);
    },
  );
});

/** Keeps some of what it gets, sends some home, releases the rest, and sends blocks of its own. */
const RESTLESS = `const kept = []; let turn = 0;
channel.on("message", ({ block }) => {
  turn++;
  if (turn % 3 === 0) kept.push(block);
  else if (turn % 3 === 1) block.release();
  else if (!channel.trySend({ id: turn, block })) block.release();
  if (kept.length > 20) kept.shift().release();
  const own = channel.tryAllocate((turn * 7919) % ${300 * KIB});
  if (own === undefined) return;
  own.bytes.fill(turn & 0xff);
  if (!channel.trySend({ id: turn, own: true, block: own })) own.release();
});`;

/** Whether it was sent; the peer may be gone. */
function sent(channel: Channel, message: Message): boolean {
  try {
    return channel.trySend(message);
  } catch {
    return false;
  }
}

describe("a peer that is killed at any moment", () => {
  it("leaves this side with whole blocks of its own, those of the peer readable, and nothing lent", async () => {
    for (let run = 0; run < 8; run++) {
      const before = mappings();
      const { child, channel } = await peer("shm", RESTLESS, { maxBulkBytes: 8 * MIB });
      const held: { block: Block; byte: number }[] = [];
      let received = 0;
      channel.on("message", (message) => {
        const { id, own, block } = message as Message;
        if (own === true) {
          expect(block.bytes.every((byte) => byte === (id & 0xff))).toBe(true);
          held.push({ block, byte: id & 0xff });
          if (held.length > 10) held.shift()!.block.release();
        } else {
          block.release();
        }
        if (++received === 20 + run * 13) child.kill("SIGKILL");
      });
      const mine: { block: Block; seed: number }[] = [];
      for (let i = 0; channel.state === "open"; i++) {
        const block = channel.tryAllocate((i * 104_729) % (400 * KIB));
        if (block !== undefined) {
          stamp(block.bytes, i);
          if (i % 5 === 0 && mine.length < 5) mine.push({ block, seed: i });
          else if (!sent(channel, { id: i, block })) block.release();
        }
        await turns(1);
      }
      await channel.closed;
      expect(mine.map(({ block, seed }) => brokenAt(block.bytes, seed))).toEqual(mine.map(() => -1));
      expect(held.every(({ block, byte }) => block.bytes.every((each) => each === byte))).toBe(true);
      expect(counts(channel)).toEqual({ own: mine.length, lent: 0, held: held.length });
      for (const { block } of [...mine, ...held]) block.release();
      expect(channel.stats().bulk).toMatchObject({
        allocatedBytes: 0,
        ownBlocks: 0,
        heldBlocks: 0,
        heldBytes: 0,
      });
      await until(() => mappings() <= before);
    }
  });
});
