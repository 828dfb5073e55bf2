import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Channel } from "ringbell";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { tryBinding } from "../../lib/native/load.js";
import { child, step } from "./steps.js";
import { instrumented } from "./stores.js";

/*
 * An end in TypeScript is killed after each of its stores, one process after the other. What native/test/every_instruction_test.cc does with
 * each instruction of native code, this does with what a script can be stopped between.
 */

const BEFORE = 5;
const MESSAGES = 2;

/** Dies after `stores` stores of what follows; reports their kinds where it does not. */
const dyingAfter = (stores: number, what: string) => `
  const kinds = [];
  globalThis.store = (kind) => {
    if (kinds.push(kind) === ${stores}) process.kill(process.pid, "SIGKILL");
  };
  if (${stores} === 0) process.kill(process.pid, "SIGKILL");
  ${what}
  report(kinds.join(" "));
  process.kill(process.pid, "SIGKILL");
`;

const sender = (stores: number) => `
  for (let n = 0; n < ${BEFORE}; n++) await channel.send({ n, side: n % 2 ? "left" : "right", last: false, half: n / 2 });
  await channel.receive();
  ${dyingAfter(
    stores,
    `for (let n = ${BEFORE}; n < ${BEFORE + MESSAGES}; n++) channel.trySend({ n, side: n % 2 ? "left" : "right", last: false, half: n / 2 });`,
  )}
`;

/** Asks for a message, polls for it, and so on. A message may come by way of the addon, so it goes on until two have been taken inline. */
const receiver = (stores: number) => `
  const ask = () => channel.trySend({ n: 0, side: "left", last: false, half: 0 });
  for (let n = 0; n < ${BEFORE}; n++) {
    ask();
    while (channel.tryReceive() === undefined);
  }
  ${dyingAfter(
    stores,
    `const count = globalThis.store;
     while (kinds.length < 2 * ${MESSAGES}) {
       globalThis.store = () => {};
       ask();
       globalThis.store = count;
       while (channel.tryReceive() === undefined);
     }`,
  )}
`;

type Ending = "polls" | "sleeps in its loop" | "sleeps on a futex";

/** All that comes until the end of the channel. */
async function rest(channel: Channel<unknown, unknown>, how: Ending): Promise<unknown[]> {
  const messages: unknown[] = [];
  const next = () => {
    if (how === "sleeps in its loop") return channel.receive();
    return how === "polls" ? channel.tryReceive() : channel.receiveSync({ timeout: 20_000 });
  };
  let closed = false;
  void channel.closed.then(() => {
    closed = true;
  });
  for (;;) {
    let message: unknown;
    try {
      message = await next();
    } catch (error) {
      expect(error).toMatchObject({ code: "ERR_RINGBELL_PEER_DIED" });
      return messages;
    }
    if (message !== undefined) messages.push(message);
    else if (closed) return messages;
    else await new Promise((resolve) => setImmediate(resolve));
  }
}

const held = () => ({
  descriptors: readdirSync("/proc/self/fd").length,
  regions: readFileSync("/proc/self/maps", "utf8").split("memfd:ringbell").length,
});

describe.runIf(process.platform === "linux" && tryBinding() !== undefined)(
  "an inline end, killed after each of its stores",
  () => {
    const folder = mkdtempSync(join(tmpdir(), "ringbell-stores-"));
    afterAll(() => rmSync(folder, { recursive: true }));
    let module: URL;
    beforeAll(() => {
      const made = instrumented(folder);
      module = made.module;
      // Of the producer: two words of the next header, two of its own, the publication. Of the consumer: two of its own.
      expect(made.places).toBe(7);
    });

    async function killedSender(stores: number, how: Ending) {
      const { server, channel, ended } = await child(sender(stores), { spin: 0 }, module);
      for (let n = 0; n < BEFORE; n++) expect(await channel.receive()).toEqual(step(n));
      channel.trySend(step(0));
      const messages = await rest(channel, how);
      expect(await channel.closed).toMatchObject({ reason: "peer-died" });
      await server.close();
      return { messages, kinds: (await ended).output.trim() };
    }

    it.each<Ending>(["polls", "sleeps in its loop", "sleeps on a futex"])(
      "a sender: the survivor, which %s, sees what was published, whole and in order, and the death",
      async (how) => {
        const whole = await killedSender(1e9, how);
        expect(whole.messages).toEqual([step(BEFORE), step(BEFORE + 1)]);
        const kinds = whole.kinds.split(" ");
        // Four fields a message, and a gap.
        expect(kinds.filter((kind) => kind === "publish")).toHaveLength(MESSAGES);
        expect(kinds.filter((kind) => kind === "field").length).toBeGreaterThanOrEqual(4 * MESSAGES);
        const before = held();
        for (let stores = 0; stores <= kinds.length; stores++) {
          const { messages } = await killedSender(stores, how);
          const published = kinds.slice(0, stores).filter((kind) => kind === "publish").length;
          expect(messages, `after ${stores} of ${whole.kinds}`).toEqual(
            Array.from({ length: published }, (_, i) => step(BEFORE + i)),
          );
        }
        const { descriptors, regions } = held();
        expect(descriptors).toBe(before.descriptors);
        // The last one may still be there: it goes with the objects of JavaScript.
        expect(regions).toBeLessThanOrEqual(before.regions + 1);
      },
      60_000,
    );

    it("a receiver: the survivor learns of the death, whatever was taken", async () => {
      const killed = async (stores: number) => {
        const { channel, ended } = await child(receiver(stores), {}, module);
        channel.on("message", () => channel.trySend(step(1)));
        expect(await channel.closed).toMatchObject({ reason: "peer-died" });
        expect(() => channel.trySend(step(9))).toThrow(
          expect.objectContaining({ code: "ERR_RINGBELL_PEER_DIED" }),
        );
        return (await ended).output.trim().split(" ");
      };
      const kinds = await killed(1e9);
      expect(kinds).toEqual(Array(MESSAGES).fill(["word", "word"]).flat());
      for (let stores = 0; stores <= kinds.length; stores++) await killed(stores);
    }, 60_000);
  },
);
