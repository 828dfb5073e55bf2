import { openSync, readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MOST_SEGMENTS } from "../../lib/bulk/size-classes.js";
import {
  COMES_HOME,
  duel,
  type Hostile,
  IMMUTABLE,
  IN_BLOCK,
  RETIRE,
  RETURN,
  SHARED,
  text,
  WITH_BLOCKS,
} from "./hostile-rig.js";
import {
  counts,
  KIB,
  type Message,
  MIB,
  mappings,
  memoryDescriptors,
  openDescriptors,
  pair,
  privateDirectory,
  turns,
  until,
} from "./setup.js";

/** A flag of Linux: the descriptor stands for a place in the file system, and takes next to no calls. */
const O_PATH = 0o10000000;

type Home = ReturnType<Hostile["handles"]>;

/** What a hostile peer does, after it got three blocks, `home`, from its victim: of 100 and 5000 bytes, and a shared one of 300 KiB. */
type Attack = (hostile: Hostile, home: Home) => unknown;

const LIMIT = 4 * MIB;

/** The paths of the descriptors of this process that are of memory of ours. */
function memoryPaths(): string[] {
  const paths = readdirSync("/proc/self/fd").map((fd) => `/proc/self/fd/${fd}`);
  return paths.filter((path) => {
    try {
      return readlinkSync(path).startsWith("/memfd:ringbell");
    } catch {
      return false; // The descriptor by which the directory was read.
    }
  });
}

/** Runs the attack, and checks that it ended this channel by a typed error, and did nothing else. */
async function survives(attack: Attack): Promise<void> {
  const other = await pair<Message>("shm");
  await other.a.send({ id: 0, blocks: [other.a.tryAllocate(1000)!] });
  const kept = await other.b.receive();
  await turns(2);
  const before = { mappings: mappings(), memory: memoryDescriptors(), all: openDescriptors().length };

  const { victim, hostile } = await duel({ maxBulkBytes: LIMIT });
  const received: Message[] = [];
  victim.on("message", (message) => received.push(message));
  victim.on("error", () => {});
  const [one, two, three] = [victim.tryAllocate(100)!, victim.tryAllocate(5000)!, victim.tryAllocate(100)!];
  const shared = victim.tryAllocate(300 * KIB)!.share(2);
  expect(victim.trySend({ id: 0, blocks: [one, two, shared[0]!] })).toBe(true);
  const home = hostile.handles();
  expect(home.map(({ length }) => length)).toEqual([100, 5000, 300 * KIB]);
  expect(counts(victim)).toEqual({ own: 1, lent: 3, held: 0 });

  await attack(hostile, home);
  hostile.native.ring();
  const { reason, error } = await victim.closed;
  expect([reason, (error as { code?: string }).code]).toEqual(["protocol-error", "ERR_RINGBELL_CORRUPT"]);
  // It is told so.
  await until(() => hostile.why !== undefined);
  expect(hostile.why).toBe(4);

  // What it had is the victim's again, and what the program holds stays with it.
  const held = received.flatMap(({ blocks }) => blocks);
  expect(counts(victim).lent).toBe(0);
  for (const block of [three, shared[1]!]) {
    block.bytes.fill(1);
    block.release();
  }
  for (const block of held) {
    expect(block.bytes.byteLength).toBe(block.byteLength);
    block.release();
  }
  expect(victim.stats().bulk).toMatchObject({ allocatedBytes: 0, ownBlocks: 0, heldBlocks: 0, heldBytes: 0 });
  hostile.close();
  await turns(3);
  expect({ mappings: mappings(), memory: memoryDescriptors() }).toEqual({
    mappings: before.mappings,
    memory: before.memory,
  });
  // The endpoint listens on, and nothing else stays open.
  expect(openDescriptors().length).toBeLessThanOrEqual(before.all + 2);

  // Nobody else has noticed.
  kept.blocks[0]!.bytes.fill(3);
  await other.b.send({ id: 1, blocks: kept.blocks });
  const [back] = (await other.a.receive()).blocks;
  expect(back!.bytes[999]).toBe(3);
  back!.release();
}

describe("a handle", () => {
  const attacks: Record<string, Attack> = {
    "of a segment that was never announced": (h) => h.message([{ segment: 77 }]),
    "of the victim's own segment, as if it were the peer's": (h, [one]) => {
      h.message([{ segment: one!.segment + 1000, slot: one!.slot }]);
    },
    "of a slot beyond its segment": (h) => {
      h.lend();
      h.message([{ slot: 4 }]);
    },
    "of the last slot that a number can name": (h) => {
      h.lend();
      h.message([{ slot: 2 ** 32 - 1 }]);
    },
    "longer than its slot": (h) => {
      h.lend();
      h.message([{ length: 4097 }]);
    },
    "longer than its slot by a whole 4 GiB": (h) => {
      h.lend();
      h.message([{ length: 100, high: 1 }]);
    },
    "of a length that is no number": (h) => {
      h.lend();
      h.message([{ length: 100, high: 2 ** 21 }]);
    },
    "of a length that is negative to some": (h) => {
      h.lend();
      h.message([{ length: 2 ** 32 - 1, high: 2 ** 32 - 1 }]);
    },
    "of a slot twice in one message": (h) => {
      h.lend();
      h.message([{ slot: 1 }, { slot: 1 }]);
    },
    "of a slot that the victim holds": (h) => {
      h.lend();
      h.message([{ slot: 1 }]);
      h.message([{ slot: 2 }, { slot: 1, length: 50 }]);
    },
    "of a segment that was retired": (h) => {
      h.lend();
      h.bulk(RETIRE, 1);
      h.message([{}]);
    },
    "with flags that are none": (h) => {
      h.lend();
      h.message([{ flags: 2 }]);
    },
    "with all flags": (h) => {
      h.lend();
      h.message([{ flags: 2 ** 32 - 1 }]);
    },
    "with something where nothing should be": (h) => {
      h.lend();
      h.message([{ reserved: 1 }]);
    },
  };
  it.each(Object.entries(attacks))("%s ends the channel, and nothing else", (_, attack) => survives(attack));
});

describe("a block that comes home", () => {
  const attacks: Record<string, Attack> = {
    "though its slot was not lent": (h, [one]) =>
      h.message([{ segment: one!.segment, slot: one!.slot + 1, flags: COMES_HOME }]),
    "though its slot is none": (h, [one]) =>
      h.message([{ segment: one!.segment, slot: 2 ** 32 - 1, flags: COMES_HOME }]),
    "from a segment that is none": (h) => h.message([{ segment: 99, flags: COMES_HOME }]),
    "longer than it was": (h, [one]) => h.message([{ ...one!, flags: COMES_HOME, length: 101 }]),
    "shorter than it was": (h, [, two]) => h.message([{ ...two!, flags: COMES_HOME, length: 4999 }]),
    "twice in one message": (h, [one]) =>
      h.message([
        { ...one!, flags: COMES_HOME },
        { ...one!, flags: COMES_HOME },
      ]),
    "twice, in two messages": (h, [one]) => {
      h.message([{ ...one!, flags: COMES_HOME }]);
      h.message([{ ...one!, flags: COMES_HOME }]);
    },
    "though it is shared, longer than it was": (h, [, , shared]) =>
      h.message([{ ...shared!, flags: COMES_HOME, length: 300 * KIB + 1 }]),
    "though it is shared, from another slot": (h, [, , shared]) =>
      h.message([{ ...shared!, flags: COMES_HOME, slot: 1 }]),
    "though it is shared, twice": (h, [, , shared]) =>
      h.message([
        { ...shared!, flags: COMES_HOME },
        { ...shared!, flags: COMES_HOME },
      ]),
    "after it was returned": (h, [one]) => {
      h.bulk(RETURN, one!.segment, one!.slot);
      h.native.ring();
      h.message([{ ...one!, flags: COMES_HOME }]);
      h.bulk(RETURN, one!.segment, one!.slot);
    },
  };
  it.each(Object.entries(attacks))("%s ends the channel, and nothing else", (_, attack) => survives(attack));
});

describe("a table", () => {
  const attacks: Record<string, Attack> = {
    "of no handles": (h) => h.message([], { payload: text(0) }),
    "of more handles than there are": (h) => {
      h.lend();
      h.message([{}], { count: 2 });
    },
    "of so many handles that their bytes overflow": (h) => {
      h.lend();
      // 24 times this is 8 in 32 bits, and 2^32 + 8 in truth.
      h.message([{}], { count: 178_956_971 });
    },
    "of as many handles as a number can say": (h) => {
      h.lend();
      h.message([{}], { count: 2 ** 32 - 1 });
    },
    "behind a payload longer than the record": (h) => {
      h.lend();
      h.message([{}], { bytes: 10_000 });
    },
    "behind a payload that overflows": (h) => {
      h.lend();
      h.message([{}], { bytes: 2 ** 32 - 1 });
    },
    "behind a payload shorter than it is": (h) => {
      h.lend();
      h.message([{}], { bytes: 1 });
    },
    "in a record without room for one": (h) => h.record(0, WITH_BLOCKS, Buffer.alloc(24)),
    "in an empty record": (h) => h.record(0, WITH_BLOCKS, Buffer.alloc(0)),
    "in an empty record of a long message": (h) => h.record(0, IN_BLOCK, Buffer.alloc(0)),
    "that does not end where a table ends": (h) => h.record(0, WITH_BLOCKS, Buffer.alloc(37, 1)),
  };
  it.each(Object.entries(attacks))("%s ends the channel, and nothing else", (_, attack) => survives(attack));
});

describe("a return", () => {
  const attacks: Record<string, Attack> = {
    "of a slot that was not lent": (h, [one]) => h.bulk(RETURN, one!.segment, one!.slot + 1),
    "of a slot beyond its segment": (h, [one]) => h.bulk(RETURN, one!.segment, 2 ** 31),
    "from a segment that is none": (h) => h.bulk(RETURN, 1000, 0),
    "of the same slot twice": (h, [one]) => {
      h.bulk(RETURN, one!.segment, one!.slot);
      h.bulk(RETURN, one!.segment, one!.slot);
    },
    "of shared memory twice": (h, [, , shared]) => {
      h.bulk(RETURN, shared!.segment, 0);
      h.bulk(RETURN, shared!.segment, 0);
    },
    "of shared memory from another slot": (h, [, , shared]) => h.bulk(RETURN, shared!.segment, 1),
    "of shared memory that came home": (h, [, , shared]) => {
      h.message([{ ...shared!, flags: COMES_HOME }]);
      h.bulk(RETURN, shared!.segment, 0);
      h.bulk(RETURN, shared!.segment, 0);
    },
    "after it came home": (h, [one]) => {
      h.message([{ ...one!, flags: COMES_HOME }]);
      h.bulk(RETURN, one!.segment, one!.slot);
      h.bulk(RETURN, one!.segment, one!.slot);
    },
    "that is too short": (h, [one]) => h.bulk(RETURN, one!.segment),
    "that is too long": (h, [one]) => h.bulk(RETURN, one!.segment, one!.slot, 0),
  };
  it.each(Object.entries(attacks))("%s ends the channel, and nothing else", (_, attack) => survives(attack));
});

describe("a retirement", () => {
  const attacks: Record<string, Attack> = {
    "of a segment that the victim uses": async (h) => {
      h.lend();
      h.message([{ slot: 1 }]);
      h.native.ring();
      // Until it has received the block.
      await turns(20);
      h.bulk(RETIRE, 1);
    },
    "of a segment that is none": (h) => h.bulk(RETIRE, 5),
    "of the victim's own segment": (h, [one]) => h.bulk(RETIRE, one!.segment),
    "of a segment twice": (h) => {
      h.lend();
      h.bulk(RETIRE, 1);
      h.bulk(RETIRE, 1);
    },
    "that is too short": (h) => h.bulk(RETIRE),
  };
  it.each(Object.entries(attacks))("%s ends the channel, and nothing else", (_, attack) => survives(attack));
});

describe("an announcement", () => {
  const with64KiB = (h: Hostile) => h.native.pass(h.segment(64 * KIB));
  const attacks: Record<string, Attack> = {
    "of the same segment twice": (h) => {
      h.lend();
      h.lend();
    },
    "of no slots": (h) => {
      with64KiB(h);
      h.announce({ slots: 0 });
    },
    "of more slots than a segment may have": (h) => {
      with64KiB(h);
      h.announce({ slots: 2 ** 20 + 1, slotBytes: 64 });
    },
    "of as many slots as a number can say": (h) => {
      with64KiB(h);
      h.announce({ slots: 2 ** 32 - 1, slotBytes: 64 });
    },
    "of slots of no bytes": (h) => {
      with64KiB(h);
      h.announce({ slotBytes: 0 });
    },
    "of slots that are not aligned": (h) => {
      with64KiB(h);
      h.announce({ slotBytes: 1000 });
    },
    "of slots above the limit": (h) => {
      with64KiB(h);
      h.announce({ slots: 1, slotBytes: LIMIT + 64 });
    },
    "of slots of which only the lower half is within the limit": (h) => {
      with64KiB(h);
      h.announce({ slots: 1, slotBytes: 64, high: 1 });
    },
    "of slots that are as long as can be": (h) => {
      with64KiB(h);
      h.announce({ slots: 1, slotBytes: 2 ** 32 - 64, high: 2 ** 32 - 1 });
    },
    "of more memory than agreed": (h) => {
      with64KiB(h);
      h.announce({ slots: 1000, slotBytes: 64 * KIB });
    },
    "of more memory than agreed, bit by bit": (h) => {
      for (let id = 1; id <= 5; id++) h.lend({ id, slots: 16, slotBytes: 64 * KIB });
    },
    "with flags that are none": (h) => {
      with64KiB(h);
      h.announce({ slots: 1, flags: 4 });
    },
    "of shared memory in several slots": (h) => {
      with64KiB(h);
      h.announce({ slots: 2, flags: SHARED });
    },
    "of immutable memory that can be written to": (h) => {
      with64KiB(h);
      h.announce({ slots: 1, slotBytes: 64 * KIB, flags: SHARED | IMMUTABLE });
    },
    "without a descriptor": (h) => h.announce(),
    "with the descriptor of a file": (h) => {
      h.pass(openSync("/proc/self/exe", "r"));
      h.announce({ slots: 1, slotBytes: 16 * KIB });
    },
    "with the descriptor of a file that can be changed": (h) => {
      h.pass(openSync(join(privateDirectory(), "file"), "w+"));
      h.announce({ slots: 1, slotBytes: 64 });
    },
    "with the descriptor of a device": (h) => {
      h.pass(openSync("/dev/zero", "r+"));
      h.announce();
    },
    "with the descriptor of a directory": (h) => {
      h.pass(openSync("/proc/self", "r"));
      h.announce();
    },
    "with a descriptor that takes no calls": (h) => {
      h.pass(openSync("/proc/self/exe", O_PATH));
      h.announce();
    },
    "with a descriptor that only reads": (h) => {
      const before = memoryPaths();
      h.segment(64 * KIB);
      const own = memoryPaths().find((path) => !before.includes(path))!;
      h.pass(openSync(own, "r"));
      h.announce({ slots: 4 });
    },
    "of memory that is shorter": (h) => {
      with64KiB(h);
      h.announce({ slots: 17, slotBytes: 4096 });
    },
    "of memory that can be resized": (h) => {
      h.native.pass(
        h.segment(64 * KIB, `/ringbell-test-${process.pid}-${Math.random().toString(36).slice(2)}`),
      );
      h.announce({ slots: 4 });
    },
    "of memory that can only be read": (h) => {
      const segment = h.segment(64 * KIB);
      segment.makeImmutable();
      h.native.pass(segment);
      h.announce({ slots: 4 });
    },
    "that is too short": (h) => {
      with64KiB(h);
      h.bulk(1, 1, 4, 0, 4096);
    },
    "that is too long": (h) => {
      with64KiB(h);
      h.bulk(1, 1, 4, 0, 4096, 0, 0);
    },
  };
  it.each(Object.entries(attacks))("%s ends the channel, and nothing else", (_, attack) => survives(attack));

  it("never comes of a thousand descriptors: they end the channel, and are closed", () =>
    survives(async (h) => {
      const segment = h.segment(16 * KIB);
      for (let passed = 0; passed < 1100 && h.why === undefined; ) {
        if (h.native.pass(segment)) passed++;
        else await turns(1);
      }
    }));

  it("of one segment too many ends the channel before this process has no mappings left", async () => {
    const { victim, hostile } = await duel({ maxBulkBytes: 1024 * MIB });
    const segment = hostile.segment(16 * KIB);
    for (let id = 1; id <= MOST_SEGMENTS + 1 && hostile.why === undefined; id++) {
      while (hostile.why === undefined && !hostile.native.pass(segment)) await turns(1);
      hostile.announce({ id });
      if (id % 100 > 0) continue;
      hostile.native.ring();
      await turns(1);
      if (id === MOST_SEGMENTS - (MOST_SEGMENTS % 100)) expect(victim.state).toBe("open");
    }
    hostile.native.ring();
    expect((await victim.closed).error).toMatchObject({ code: "ERR_RINGBELL_CORRUPT" });
    expect(victim.stats().bulk.heldBytes).toBe(0);
  });
});

describe("the lane of the blocks", () => {
  const attacks: Record<string, Attack> = {
    "with an empty record": (h) => h.bulkBytes(new Uint8Array(0)),
    "with a record of one byte": (h) => h.bulkBytes(new Uint8Array(1)),
    "with a record of type 0": (h) => h.bulk(0, 1),
    "with a record of a type that is none": (h) => h.bulk(4, 1, 1),
    "with a record of the largest type": (h) => h.bulk(2 ** 32 - 1, 1, 1),
    "with the longest record": (h) => h.bulkBytes(new Uint8Array(8184).fill(2)),
    "with a record with blocks": (h) => h.record(1, WITH_BLOCKS, new Uint8Array(40)),
  };
  it.each(Object.entries(attacks))("%s ends the channel, and nothing else", (_, attack) => survives(attack));
});

describe("what is only a bad message", () => {
  it("of a long message is skipped, and its block given back", async () => {
    const { victim, hostile } = await duel({ maxBulkBytes: LIMIT });
    const errors: unknown[] = [];
    victim.on("error", (error) => errors.push(error));
    victim.on("message", () => {});
    hostile.lend();
    const length = (low: number, high = 0) => {
      const payload = Buffer.alloc(8);
      payload.writeUInt32LE(low, 0);
      payload.writeUInt32LE(high, 4);
      return payload;
    };
    const lies = [length(101), length(2 ** 32 - 1), length(0, 2 ** 32 - 1), length(50, 1), Buffer.alloc(16)];
    for (const payload of lies) hostile.message([{}], { kind: IN_BLOCK, payload });
    // One after the other: each finds the slot free again.
    await until(() => errors.length === lies.length || victim.state === "closed");
    expect(victim.state).toBe("open");
    expect(errors).toEqual(lies.map(() => expect.objectContaining({ code: "ERR_RINGBELL_DECODE" })));
    expect(counts(victim).held).toBe(0);
    expect(hostile.drain(1).length).toBe(lies.length);
  });

  it("with blocks that nobody asks for is skipped or taken, and its blocks given back", async () => {
    const { victim, hostile } = await duel({ maxBulkBytes: LIMIT });
    const errors: unknown[] = [];
    victim.on("error", (error) => errors.push(error));
    hostile.lend();
    hostile.message([{ slot: 0 }, { slot: 1 }], { payload: Buffer.from("{}") });
    hostile.message([{ slot: 0 }, { slot: 1 }], { payload: text(1) });
    hostile.message([{ slot: 2 }], { payload: text(2) });
    const received = victim.receive();
    await until(() => victim.stats().lanes[0]!.badMessages === 1 || victim.state === "closed").catch(
      () => {},
    );
    expect(errors).toEqual([]);
    await expect(received).rejects.toMatchObject({ code: "ERR_RINGBELL_DECODE" });
    const message = await victim.receive();
    expect(message.blocks.length).toBe(1);
    message.blocks[0]!.release();
    await expect(victim.receive()).rejects.toMatchObject({ code: "ERR_RINGBELL_DECODE" });
    expect(counts(victim)).toEqual({ own: 0, lent: 0, held: 0 });
    expect(victim.state).toBe("open");
  });
});

describe("random bytes", () => {
  it("on the lane of the blocks, and as tables of handles, end the channel or are taken for what they say", async () => {
    // What the test before this one has closed goes in the next turn.
    await turns(3);
    const before = { mappings: mappings(), memory: memoryDescriptors() };
    const word = fc.oneof(
      fc.integer({ min: 0, max: 5 }),
      fc.constantFrom(64, 100, 4096, 2 ** 20, 2 ** 31, 2 ** 32 - 1),
      fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    );
    const step = fc.oneof(
      fc.record({ what: fc.constant("bulk" as const), words: fc.array(word, { maxLength: 7 }) }),
      fc.record({ what: fc.constant("bytes" as const), words: fc.array(word, { maxLength: 40 }) }),
      fc.record({
        what: fc.constant("handles" as const),
        words: fc.array(word, { minLength: 6, maxLength: 18 }),
      }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
        const { victim, hostile } = await duel({ maxBulkBytes: LIMIT });
        const received: Message[] = [];
        victim.on("message", (message) => received.push(message));
        victim.on("error", () => {});
        victim.trySend({ id: 0, blocks: [victim.tryAllocate(100)!, victim.tryAllocate(100)!] });
        hostile.lend();
        for (const { what, words } of steps) {
          if (what === "bulk") hostile.bulk(...words);
          else if (what === "bytes") {
            hostile.record(0, 2 + (words.length % 2), new Uint8Array(Uint32Array.from(words).buffer));
          } else {
            const handles: never[] = [];
            for (let i = 0; i + 6 <= words.length; i += 6) {
              const [segment, slot, flags, reserved, length, high] = words.slice(i, i + 6) as number[];
              handles.push({ segment, slot, flags, reserved, length, high } as never);
            }
            hostile.message(handles);
          }
          hostile.native.ring();
          if (words.length % 3 === 0) await turns(2);
        }
        await turns(5);
        const { lentBlocks } = victim.stats().bulk;
        expect(lentBlocks).toBeLessThanOrEqual(2);
        hostile.close();
        await victim.closed;
        for (const block of received.flatMap(({ blocks }) => blocks ?? [])) block?.release?.();
        expect(victim.stats().bulk).toMatchObject({
          allocatedBytes: 0,
          lentBlocks: 0,
          heldBlocks: 0,
          heldBytes: 0,
        });
      }),
      { numRuns: 200 },
    );
    await turns(3);
    expect({ mappings: mappings(), memory: memoryDescriptors() }).toEqual(before);
  });
});

describe("memory of the peer's", () => {
  it("is not read again after it was copied: what is changed meanwhile changes no message", async () => {
    const { victim, hostile } = await duel({ maxBulkBytes: LIMIT });
    const segment = hostile.lend({ slots: 1, slotBytes: 64 * KIB });
    const memory = Buffer.from(segment.view(0, 64 * KIB));
    const long = Buffer.from(JSON.stringify({ id: 7, blocks: [], pad: "x".repeat(1000) }));
    long.copy(memory);
    const payload = Buffer.alloc(8);
    payload.writeUInt32LE(long.length, 0);
    hostile.message([{ length: 2000 }], { kind: IN_BLOCK, payload });
    const message = await victim.receive();
    memory.fill(0xff);
    expect(message.id).toBe(7);
    expect(JSON.stringify(message)).toBe(long.toString());
  });

  it("that is immutable is not changed by the one who sent it", async () => {
    const { victim, hostile } = await duel({ maxBulkBytes: LIMIT });
    const segment = hostile.segment(16 * KIB);
    const memory = Buffer.from(segment.view(0, 16 * KIB));
    memory.fill(1);
    segment.makeImmutable();
    hostile.native.pass(segment);
    hostile.announce({ slots: 1, slotBytes: 16 * KIB, flags: SHARED | IMMUTABLE });
    hostile.message([{}]);
    const [block] = (await victim.receive()).blocks;
    memory.fill(2);
    expect(block!.sealed).toBe(true);
    expect(block!.bytes.every((byte) => byte === 1)).toBe(true);
    block!.release();
  });
});
