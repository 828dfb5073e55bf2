import { struct, u32 } from "ringbell";
import { expect, it } from "vitest";
import { pair } from "./setup.js";
import { child, Step, step } from "./steps.js";

/* Many messages at once, over shared memory. */

it("a peer that is killed while it sends batches leaves whole messages, in order, and then its end", async () => {
  for (let round = 0; round < 3; round++) {
    const { child: process, channel } = await child(
      `const batch = Array.from({ length: 300 }, () => ({ last: false }));
      for (let n = 0; ; ) {
        for (const message of batch) Object.assign(message, { n, side: n % 2 ? "left" : "right", half: n++ / 2 });
        channel.sendManySync(batch);
      }`,
      { capacity: 16 * 1024 },
    );
    let next = 0;
    const kill = 20_000 + 7777 * round;
    for (;;) {
      const messages = channel.receiveMany(1 + (next % 700));
      for (const message of messages) expect(message).toEqual(step(next++));
      if (next >= kill) process.kill("SIGKILL");
      if (messages.length === 0) await new Promise((resolve) => setImmediate(resolve));
      if (channel.stats().state !== "open") break;
    }
    for (const message of channel.receiveMany(4096)) expect(message).toEqual(step(next++));
    expect(await channel.closed).toMatchObject({ reason: "peer-died" });
    expect(next).toBeGreaterThanOrEqual(kill);
  }
});

it("batches of all lengths go round the ring many times, whole and in order, and both sides count the same", async () => {
  for (const capacity of [4096, 8192, 256 * 1024]) {
    const { a, b } = await pair<unknown>("shm", { codec: Step as never, capacity });
    let [sent, received] = [0, 0];
    for (let round = 0; round < 4000 && received < 60_000; round++) {
      const batch = Array.from({ length: (round * 37) % 501 }, (_, i) => step(sent + i));
      sent += a.trySendMany(batch);
      if (round % 5 === 0 && a.trySend(step(sent))) sent++;
      if (round % 7 === 0) await new Promise((resolve) => setImmediate(resolve));
      for (const message of b.receiveMany(1 + ((round * 53) % 600))) {
        expect(message).toEqual(step(received++));
      }
      if (round % 3 === 0) {
        const message = b.tryReceive();
        if (message !== undefined) expect(message).toEqual(step(received++));
      }
    }
    while (received < sent)
      for (const message of b.receiveMany(4096)) expect(message).toEqual(step(received++));
    const [from, to] = [a.stats().lanes[0]!, b.stats().lanes[0]!];
    expect([from.sentMessages, to.receivedMessages]).toEqual([sent, sent]);
    expect(from.sentBytes).toBe(to.receivedBytes);
    expect(from.sentBytes % sent).toBe(0);
  }
});

it("nothing of a batch can be seen before it is published; what a getter sends goes between its neighbours", async () => {
  const { a, b } = await pair<{ n: number }>("shm", { codec: struct({ n: u32 }) as never });
  const seen: unknown[] = [];
  const look = {
    get n() {
      seen.push(b.tryReceive());
      return 3;
    },
  };
  expect(a.trySendMany([{ n: 1 }, { n: 2 }, look, { n: 4 }])).toBe(4);
  expect(seen).toEqual([undefined]);
  expect(b.receiveMany(4096)).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }]);
  const sends = {
    get n() {
      expect(a.trySend({ n: 6 })).toBe(true);
      expect(a.trySendMany([{ n: 7 }, { n: 8 }])).toBe(2);
      return 9;
    },
  };
  expect(a.trySendMany([{ n: 5 }, sends, { n: 10 }])).toBe(3);
  const all: unknown[] = [];
  for (let got = b.receiveMany(4096); got.length > 0; got = b.receiveMany(4096))
    all.push(...got.map(({ n }) => n));
  expect(all).toEqual([5, 6, 7, 8, 9, 10]);
});

it("a batch whose getter closes the channel sends what stood before it, or says that it did not", async () => {
  const { a, b } = await pair<{ n: number }>("shm", { codec: struct({ n: u32 }) as never });
  const closes = {
    get n() {
      a.destroy();
      return 2;
    },
  };
  let sent = 0;
  try {
    sent = a.trySendMany([{ n: 0 }, { n: 1 }, closes, { n: 3 }]);
  } catch (error) {
    expect(error).toMatchObject({ code: "ERR_RINGBELL_CLOSED" });
  }
  const received = b.receiveMany(4096);
  expect(received.length).toBe(sent);
  expect(received).toEqual([{ n: 0 }, { n: 1 }].slice(0, sent));
});

it("a batch stops at the message that can't be encoded, and says how many went out", async () => {
  const { a, b } = await pair<unknown>("shm", { codec: Step as never });
  expect(a.trySendMany([step(0), step(1), { ...step(2), side: "up" }, step(3)])).toBe(2);
  expect(() => a.trySendMany([{ ...step(2), side: "up" }])).toThrow(
    expect.objectContaining({ code: "ERR_RINGBELL_ENCODE", path: "side" }),
  );
  expect(b.receiveMany(4096)).toEqual([step(0), step(1)]);
  const thrower = {
    get n() {
      throw new RangeError("mine");
    },
  };
  await expect(a.sendMany([step(0), step(1), thrower])).rejects.toThrow("mine");
  expect(b.receiveMany(4096)).toEqual([step(0), step(1)]);
});

it("bad messages among good ones in the ring are told one by one, and the others arrive", async () => {
  // A codec of the program's with the same fingerprint, which writes a side that does not exist.
  const lying = {
    ...Step,
    encode(message: { n: number }, scratch: { buffer: Uint8Array }, offset: number, blocks: never[]) {
      const bytes = Step.encode(step(message.n), scratch as never, offset, blocks);
      if (message.n % 3 === 0) scratch.buffer.fill(0x77, offset, offset + bytes);
      return bytes;
    },
  };
  const { a, b } = await pair<unknown>("shm", { codec: Step as never }, { codec: lying as never });
  const bad: unknown[] = [];
  a.on("error", (error) => bad.push(error));
  for (let round = 0; round < 100; round++) {
    b.trySendMany([0, 1, 2, 3, 4].map((n) => ({ n })));
    expect(a.receiveMany(4096)).toEqual([step(1), step(2), step(4)]);
  }
  expect(bad.length).toBe(200);
  expect(a.stats().lanes[0]!.badMessages).toBe(200);
  b.trySendMany([{ n: 0 }, { n: 3 }]);
  expect(a.receiveMany(4096)).toEqual([]);
});

it("batches wake a peer that sleeps, in its event loop or on a futex, each time", async () => {
  const { channel, ended } = await child(
    `for (let n = 0; n < 300; n++) {
      const got = n % 3 === 0 ? channel.receiveManySync(100, { timeout: 20_000 }) : [await channel.receive(), ...channel.receiveMany(4096)];
      if (got.length !== 2 || got[0].n !== n) throw new Error(n + " " + JSON.stringify(got));
      if (channel.trySendMany(got) !== 2) throw new Error("no room");
    }
    await channel.flush();
    report(String(channel.stats().rescues));
    await channel.close();`,
    { spin: 0 },
  );
  for (let n = 0; n < 300; n++) {
    expect(channel.trySendMany([step(n), step(n)])).toBe(2);
    expect(await channel.receive()).toEqual(step(n));
    expect(await channel.receive()).toEqual(step(n));
  }
  expect((await ended).output.trim()).toBe("0");
});
