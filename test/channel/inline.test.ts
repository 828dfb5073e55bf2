import { struct, u32 } from "ringbell";
import { expect, it } from "vitest";
import { pair } from "./setup.js";
import { child, Step, step } from "./steps.js";

/* Channels whose short messages go through the ring without the addon, at both ends. The other tests run so as well: see vitest.config.ts. */

it("a peer that is killed while it sends leaves whole messages, in order, and then its end", async () => {
  for (let round = 0; round < 3; round++) {
    const { child: process, channel } = await child(`for (let n = 0; ; n++) {
      while (!channel.trySend({ n, side: n % 2 ? "left" : "right", last: false, half: n / 2 }));
    }`);
    let next = 0;
    const kill = 2000 + 777 * round;
    for (;;) {
      const message = channel.tryReceive();
      if (message !== undefined) {
        expect(message).toEqual(step(next++));
        if (next === kill) process.kill("SIGKILL");
      } else if (next > kill) {
        break;
      }
    }
    expect(await channel.closed).toMatchObject({ reason: "peer-died" });
  }
});

it("a peer that is killed while it receives ends the sender's channel, whatever it had taken", async () => {
  const { child: process, channel } = await child(`for (;;) channel.tryReceive();`);
  let sent = 0;
  let died: unknown;
  void channel.closed.then(() => {
    died = true;
  });
  while (died === undefined) {
    for (let i = 0; i < 5000 && died === undefined; i++) {
      try {
        if (channel.trySend(step(sent))) sent++;
      } catch (error) {
        died = error;
      }
    }
    if (sent > 20_000) process.kill("SIGKILL");
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(await channel.closed).toMatchObject({ reason: "peer-died" });
});

it("a message that goes inline wakes a peer that sleeps, in its event loop or on a futex, each time", async () => {
  const { channel, ended } = await child(
    `for (let n = 0; n < 600; n++) {
      const message = n % 3 === 0 ? channel.receiveSync({ timeout: 20_000 }) : await channel.receive();
      if (message?.n !== n) throw new Error(n + " " + message?.n);
      if (!channel.trySend(message)) throw new Error("no room");
    }
    await channel.flush();
    report(String(channel.stats().rescues));
    await channel.close();`,
    { spin: 0 },
  );
  for (let n = 0; n < 600; n++) {
    expect(channel.trySend(step(n))).toBe(true);
    expect(await channel.receive()).toEqual(step(n));
  }
  expect((await ended).output.trim()).toBe("0");
});

it("messages that wait for room are not overtaken by one that would find room inline", async () => {
  const { a, b } = await pair<{ n: number }>("shm", { codec: struct({ n: u32 }) as never, capacity: 4096 });
  let sent = 0;
  while (a.trySend({ n: sent })) sent++;
  const late = [a.send({ n: sent }), a.send({ n: sent + 1 })];
  expect(b.tryReceive()).toEqual({ n: 0 });
  expect(a.trySend({ n: 1e6 })).toBe(false);
  for (let n = 1; n < sent + 2; n++) expect(await b.receive()).toEqual({ n });
  await Promise.all(late);
  expect(a.trySend({ n: sent + 2 })).toBe(true);
  expect(await b.receive()).toEqual({ n: sent + 2 });
});

it("what a getter of the message does comes before the message: it sends, it fills the ring, it closes the channel", async () => {
  const { a, b } = await pair<{ n: number }>("shm", { codec: struct({ n: u32 }) as never, capacity: 4096 });
  const message = (n: number, inside: () => void) => ({
    get n() {
      inside();
      return n;
    },
  });
  expect(a.trySend(message(1, () => void a.trySend({ n: 0 })))).toBe(true);
  expect([b.tryReceive(), b.tryReceive()]).toEqual([{ n: 0 }, { n: 1 }]);
  let runs = 0;
  const full = message(9, () => {
    runs++;
    while (a.trySend({ n: 2 }));
  });
  expect([a.trySend(full), runs]).toEqual([false, 1]);
  while (b.tryReceive() !== undefined);
  expect(() => a.trySend(message(3, () => a.destroy()))).toThrow(
    expect.objectContaining({ code: "ERR_RINGBELL_CLOSED" }),
  );
});

it("a message from within whose getters another one began to wait does not overtake it, even if there is room by now", async () => {
  const { a, b } = await pair<{ n: number }>("shm", { codec: struct({ n: u32 }) as never, capacity: 4096 });
  let waiting: Promise<void> | undefined;
  const inBatch = {
    get n() {
      while (a.trySend({ n: 1 }));
      waiting ??= a.send({ n: 2 });
      while (b.tryReceive() !== undefined);
      return 3;
    },
  };
  const outer = {
    get n() {
      a.trySendMany([inBatch]);
      return 4;
    },
  };
  expect(a.trySend(outer)).toBe(false);
  await waiting;
  const got: unknown[] = [];
  for (let message = b.tryReceive(); message !== undefined; message = b.tryReceive()) got.push(message.n);
  expect(got.at(-1)).toBe(2);
});

it("a message with a wrong value is refused with the field's name, and the next one goes", async () => {
  const { a, b } = await pair<unknown>("shm", { codec: Step as never });
  for (const wrong of [{ n: -1 }, { side: "up" }, { last: 1 }, { half: "1" }]) {
    expect(() => a.trySend({ ...step(1), ...wrong })).toThrow(
      expect.objectContaining({ code: "ERR_RINGBELL_ENCODE", path: Object.keys(wrong)[0] }),
    );
    expect(() => a.trySend(null)).toThrow(expect.objectContaining({ code: "ERR_RINGBELL_ENCODE" }));
    expect(a.trySend(step(7))).toBe(true);
    expect(b.tryReceive()).toEqual(step(7));
  }
});

it("maxMessageBytes holds for messages that would go inline", async () => {
  const { a } = await pair<unknown>("shm", { codec: Step as never, maxMessageBytes: 8 });
  expect(() => a.trySend(step(1))).toThrow(
    expect.objectContaining({ code: "ERR_RINGBELL_MESSAGE_TOO_LARGE" }),
  );
});
