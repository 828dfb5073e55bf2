import { describe, expect, it } from "vitest";
import { counts, KIB, type Message, MIB, peer, until } from "./setup.js";

/** More than the lane of the blocks holds of returns: 16 KiB of 24 bytes each. */
const MANY = 1000;

describe("a peer that never comes to its event loop", () => {
  it("gives back more blocks at once than the lane of the blocks holds, and the owner goes on", async () => {
    const { channel, ended } = await peer(
      "shm",
      `const held = [];
      for (let stop = false; !stop; ) {
        const message = channel.receiveSync();
        stop = message.id < 0;
        held.push(...message.blocks);
        if (held.length < ${MANY} && !stop) continue;
        for (const block of held.splice(0)) block.release();
        channel.sendSync({ id: message.id, blocks: [] });
      }
      process.exit(0);`,
      // Room for 1024 blocks.
      { maxBulkBytes: 64 * KIB },
    );
    for (let round = 0; round < 5; round++) {
      for (let i = 1; i <= MANY; i++) {
        await channel.send({ id: i, blocks: [await channel.allocate(64)] });
      }
      expect(await channel.receive()).toEqual({ id: MANY, blocks: [] });
    }
    expect(channel.stats().bulk.allocatedBytes).toBeLessThanOrEqual(64 * KIB);
    await channel.send({ id: -1, blocks: [] });
    expect(await ended).toMatchObject({ code: 0 });
  });

  it("and only ever looks whether there is a message, gives back as many all the same", async () => {
    const { channel, ended } = await peer(
      "shm",
      `const held = [];
      for (let stop = false; !stop; ) {
        const message = channel.tryReceive();
        if (message === undefined) continue;
        stop = message.id < 0;
        held.push(...message.blocks);
        if (held.length < ${MANY} && !stop) continue;
        for (const block of held.splice(0)) block.release();
        while (!channel.trySend({ id: message.id, blocks: [] }));
      }
      process.exit(0);`,
      { maxBulkBytes: 64 * KIB },
    );
    for (let round = 0; round < 5; round++) {
      for (let i = 1; i <= MANY; i++) {
        await channel.send({ id: i, blocks: [await channel.allocate(64)] });
      }
      expect(await channel.receive()).toEqual({ id: MANY, blocks: [] });
    }
    await channel.send({ id: -1, blocks: [] });
    expect(await ended).toMatchObject({ code: 0 });
  });

  it("is answered by a block of a new segment, though it has not looked at what came back to it", async () => {
    const { channel } = await peer(
      "shm",
      `const held = [];
      channel.on("message", async (message) => {
        held.push(...message.blocks);
        if (message.id < ${MANY}) return;
        for (const block of held.splice(0)) block.release();
        await channel.send({ id: 0, blocks: [await channel.allocate(1_000_000)] });
      });`,
    );
    for (let round = 0; round < 3; round++) {
      for (let i = 1; i <= MANY; i++) channel.sendSync({ id: i, blocks: [channel.tryAllocate(64)] });
      const answer = channel.receiveSync({ timeout: 10_000 }) as Message;
      expect(answer?.blocks[0]?.byteLength).toBe(1_000_000);
      answer.blocks[0]!.release();
    }
    await until(() => counts(channel).lent === 0);
    expect(counts(channel)).toEqual({ own: 0, lent: 0, held: 0 });
  });

  it("is told, while it waits for memory without limit, that the other died", async () => {
    const { channel } = await peer(
      "shm",
      `const held = [];
      channel.on("message", (message) => {
        held.push(message);
        setTimeout(() => process.kill(process.pid, "SIGKILL"), 200);
      });`,
      { maxBulkBytes: 1024 * KIB },
    );
    await channel.send({ id: 1, blocks: [channel.tryAllocate(1024 * KIB)] });
    // A time limit only to see it fail: from here on this process does not come to its event loop.
    expect(() => channel.sendSync("x".repeat(500 * KIB), { timeout: 10_000 })).toThrow(
      expect.objectContaining({ code: "ERR_RINGBELL_PEER_DIED" }),
    );
  });

  const MAPPED = `
    const { readFileSync } = await import("node:fs");
    const mapped = () => readFileSync("/proc/self/smaps", "utf8").split(/\\n(?=[0-9a-f]+-)/)
      .filter((one) => one.split("\\n")[0].includes("memfd:ringbell"))
      .reduce((sum, one) => sum + Number(/\\nSize: +(\\d+)/.exec(one)[1]) * 1024, 0);`;

  it.runIf(process.platform === "linux").each([
    ["receiveSync", "channel.receiveSync()"],
    ["receiveManySync", "channel.receiveManySync(1)[0]"],
    ["tryReceive", "channel.tryReceive()"],
    ["receiveMany", "channel.receiveMany(1)[0]"],
  ])("unmaps what the sender has given up, with %s", async (_, call) => {
    const limit = 4 * MIB;
    const { channel, ended } = await peer(
      "shm",
      `${MAPPED}
      const rings = mapped();
      let most = 0;
      for (let message; message?.id !== -1; ) {
        message = ${call};
        for (const block of message?.blocks ?? []) block.release();
        if (message?.id % 100 === 0) most = Math.max(most, mapped() - rings);
      }
      channel.sendSync({ id: most, blocks: [] });
      process.exit(0);`,
      { maxBulkBytes: limit },
    );
    // So many lengths that the sender gives up a segment for nearly every one.
    for (let i = 1; i <= 2000; i++) {
      await channel.send({ id: i, blocks: [await channel.allocate(1 + ((i * 7919) % 500_000))] });
    }
    await channel.send({ id: -1, blocks: [] });
    const { id: most } = (await channel.receive()) as Message;
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(limit);
    expect(await ended).toMatchObject({ code: 0 });
  });

  it.runIf(process.platform === "linux").each([
    ["receiveSync", "channel.receiveSync()"],
    ["tryReceive", "channel.tryReceive()"],
  ])(
    "unmaps all of it while short messages come without end, with %s",
    { timeout: 120_000 },
    async (_, call) => {
      const { channel, ended } = await peer(
        "shm",
        `${MAPPED}
      const rings = mapped();
      for (let message; message?.id !== -1; ) {
        message = ${call};
        for (const block of message?.blocks ?? []) block.release();
        // Whenever it is asked, it says what is mapped.
        if (message?.id === -2) channel.sendSync({ id: mapped() - rings, blocks: [] });
      }
      process.exit(0);`,
        // So many messages are on their way that the receiver finds some whenever it looks.
        { capacity: 4 * MIB },
      );
      const answers: number[] = [];
      channel.on("message", (message) => answers.push((message as Message).id));
      await channel.send({ id: 1, blocks: [await channel.allocate(MIB)] });
      const short: Message[] = Array.from({ length: 1000 }, () => ({ id: 0, blocks: [] }));
      // The sender gives memory up that it has not used for some seconds.
      do await channel.sendMany([...short, { id: -2, blocks: [] }]);
      while (answers.at(-1) !== 0);
      expect(answers[0]).toBe(MIB);
      await channel.send({ id: -1, blocks: [] });
      expect(await ended).toMatchObject({ code: 0 });
    },
  );

  /** Ways to wait for what never comes. */
  const WAITS = [
    ["receiveSync", "channel.receiveSync();"],
    ["receiveManySync", "channel.receiveManySync(10);"],
    ["tryReceive", "for (;;) channel.tryReceive();"],
    ["receiveMany", "for (;;) channel.receiveMany(10);"],
    ["sendSync, for which there is no room", "for (;;) channel.sendSync({ id: 2, blocks: [] });"],
    ["trySend, for which there is no room", "for (;;) channel.trySend({ id: 2, blocks: [] });"],
  ] as const;

  it.each(WAITS)("gives its own idle memory back while it waits, with %s", async (_, call) => {
    const { channel } = await peer(
      "shm",
      `channel.sendSync({ id: 1, blocks: [channel.tryAllocate(1_000_000)] });
      ${call}`,
    );
    const { blocks } = (await channel.receive()) as Message;
    expect(channel.stats().bulk.heldBytes).toBeGreaterThan(0);
    for (const block of blocks) block.release();
    await until(() => channel.stats().bulk.heldBytes === 0);
  });

  it.each(WAITS)("tells of the memory that it gave back while it waits, with %s", async (_, call) => {
    const { channel } = await peer(
      "shm",
      `for (const block of channel.receiveSync().blocks) block.release();
      ${call}`,
    );
    await channel.send({ id: 1, blocks: [await channel.allocate(100)] });
    // Nothing else happens on the channel that this side would hear of.
    await until(() => counts(channel).lent === 0);
  });
});
