import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { bytes, type Channel, type Codec, connect, json, listen, memoryPair, packed } from "ringbell";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { pair, privateDirectory, script, transports } from "./setup.js";

/** A message with a number of its own and a body that is shown to be the same by it. */
type Message = { n: number; body?: unknown; inner?: unknown };
type End = Pick<
  Channel<Message>,
  "send" | "trySend" | "sendSync" | "sendMany" | "trySendMany" | "sendManySync" | "receive" | "tryReceive"
>;

/** The ways that a lane can go, each with little room, so that many messages are refused, or wait. */
const CAPACITY = 4096;
const ways: Record<string, (codec: Codec<Message>) => Promise<readonly [End, End, () => void]>> = {
  async memory(codec) {
    const [a, b] = memoryPair({ codec, capacity: CAPACITY });
    return [a as End, b as End, () => a.destroy()];
  },
};
for (const transport of transports) {
  ways[transport] = async (codec) => {
    const { a, b, server } = await pair<Message>(transport, { codec, capacity: CAPACITY });
    return [a, b, () => void server.close()];
  };
}

const leaf = fc.oneof(
  fc.integer(),
  fc.double(),
  fc.string({ unit: "binary", maxLength: 90 }),
  fc.boolean(),
  fc.constantFrom(
    null,
    undefined,
    Number.NaN,
    -0,
    2n ** 70n,
    new Date(7),
    new Map([[{ k: 1 }, new Set([2n])]]),
  ),
  fc.uint8Array({ maxLength: 200 }),
);
/** Objects of few shapes, so that shapes come again, and some that are used as maps. */
const body = fc.letrec((tie) => ({
  value: fc.oneof({ depthSize: "small" }, leaf, tie("tool"), tie("list"), tie("map")),
  tool: fc.record({ tool: leaf, args: tie("value"), why: leaf }, { requiredKeys: ["tool"] }),
  list: fc.array(tie("value"), { maxLength: 4 }),
  map: fc.dictionary(fc.string({ maxLength: 5 }), leaf, { maxKeys: 4 }),
})).value;

const step = fc.oneof(
  fc.record({ do: fc.constantFrom("trySend", "send", "sendSync", "throw", "nest", "nestSend"), body }),
  fc.record({
    do: fc.constantFrom("sendMany", "trySendMany", "sendManySync", "throwMany"),
    bodies: fc.array(body, { maxLength: 60 }),
  }),
  fc.record({ do: fc.constantFrom("abort", "turn", "fill") }),
  fc.record({ do: fc.constant("take"), count: fc.nat(30) }),
);
type Step = { do: string; body?: unknown; bodies?: unknown[]; count?: number };

/** Does the steps over a channel with this codec. Returns what arrived, after checking that it is what went out. */
async function play(way: string, codec: Codec<Message>, steps: readonly Step[]): Promise<Message[]> {
  const [from, to, end] = await ways[way]!(codec);
  const went = new Set<number>();
  const unsure = new Set<number>();
  const got: Message[] = [];
  const pending: Promise<unknown>[] = [];
  let waiting: { n: number; controller: AbortController }[] = [];
  let next = 0;
  const originals = new Map<number, unknown>();
  const make = (content: unknown): Message => {
    originals.set(next, content);
    return { n: next++, body: content };
  };
  const trySend = (message: Message) => {
    try {
      if (from.trySend(message)) went.add(message.n);
    } catch (error) {
      expect(error).toMatchObject({ code: "ERR_RINGBELL_ENCODE" });
    }
  };
  const send = (message: Message) => {
    const controller = new AbortController();
    waiting.push({ n: message.n, controller });
    pending.push(
      from.send(message, { signal: controller.signal }).then(
        () => went.add(message.n),
        () => unsure.delete(message.n),
      ),
    );
  };
  /** A message that does something when its second key is read, and has a shape of its own behind it. */
  const acting = (content: unknown, act: () => void): Message => {
    const message = make(content);
    return Object.defineProperties({} as Message, {
      before: { enumerable: true, value: { shaped: [{ before: 1 }, { before: 2 }] } },
      n: {
        enumerable: true,
        get: () => {
          act();
          return message.n;
        },
      },
      body: { enumerable: true, value: content },
      inner: { enumerable: true, value: { shaped: content } },
    });
  };
  const fail = () => {
    throw new Error("a getter that throws");
  };
  for (const [index, { do: what, body: content, bodies = [], count = 0 }] of steps.entries()) {
    // The same numbers whatever there was room for.
    next = index * 1000;
    if (what === "trySend") trySend(make(content));
    else if (what === "sendSync") {
      const message = make(content);
      const sent = way === "shm" ? from.sendSync(message, { timeout: 0 }) : from.trySend(message);
      if (sent) went.add(message.n);
    } else if (what === "send") send(make(content));
    else if (what === "throw") {
      // It is not read where others wait for room.
      expect(() => from.trySend(acting(content, fail)) || fail()).toThrow();
    } else if (what === "nest" || what === "nestSend") {
      const outer = next;
      const message = acting(content, () => {
        if (what === "nest") trySend(inner);
        else send(inner);
      });
      const inner = { n: next++, inner: { shaped: content } };
      originals.set(inner.n, content);
      if (from.trySend(message)) went.add(outer);
    } else if (what === "trySendMany" || what === "sendManySync") {
      const messages = bodies.map(make);
      const blocks = way === "shm" && what === "sendManySync";
      const sent = blocks ? from.sendManySync(messages, { timeout: 0 }) : from.trySendMany(messages);
      for (const { n } of messages.slice(0, sent)) went.add(n);
    } else if (what === "sendMany" || what === "throwMany") {
      const messages: Message[] = bodies.map(make);
      for (const { n } of messages) unsure.add(n);
      if (what === "throwMany") messages.push(acting(0, fail));
      const progress = { sent: 0 };
      const settle = () => {
        for (const [i, { n }] of messages.slice(0, bodies.length).entries()) {
          unsure.delete(n);
          if (i < progress.sent) went.add(n);
        }
      };
      pending.push(from.sendMany(messages, { progress } as never).then(settle, settle));
    } else if (what === "abort") {
      for (const { controller } of waiting) controller.abort();
      waiting = [];
    } else if (what === "fill") {
      for (const length of [300, 100, 0]) {
        let before: number;
        do {
          before = went.size;
          originals.set(next, "x".repeat(length));
          trySend({ n: next, inner: { shaped: originals.get(next++) } });
        } while (went.size > before);
      }
    } else if (what === "take") {
      for (let i = 0; i < count; i++) {
        const message = to.tryReceive();
        if (message !== undefined) got.push(message);
      }
    } else {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  const last = -1;
  const done = Promise.all(pending).then(() => from.send({ n: last }));
  for (;;) {
    const message = await to.receive({ timeout: 10_000 });
    if (message.n === last) break;
    got.push(message);
  }
  await done;
  end();
  expect(unsure.size).toBe(0);
  for (const { n, body: content, inner } of got) {
    if (inner !== undefined) expect(inner).toEqual({ shaped: originals.get(n) });
    else expect(content).toEqual(originals.get(n));
  }
  expect(got.map(({ n }) => n).sort((a, b) => a - b)).toEqual([...went].sort((a, b) => a - b));
  return got;
}

/** What JSON makes of a body: json() can't carry these. */
const jsonable = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (_, one) => (typeof one === "bigint" ? String(one) : one)) ?? "null");

describe.each(Object.keys(ways))("packed() over %s", (way) => {
  it("brings what was sent, and only that, whatever is refused, aborted, thrown or sent from within", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
        const bodies = new Map<number, unknown>();
        const kept = steps as Step[];
        const arrived = await play(way, packed<Message>(), kept);
        for (const message of arrived) bodies.set(message.n, message.body);
        const simple = kept.map(({ body: content, bodies: many, ...rest }) => ({
          ...rest,
          body: jsonable(content),
          bodies: many?.map(jsonable) ?? [],
        }));
        for (const { n, body: content, inner } of await play(way, json<Message>(), simple)) {
          if (bodies.has(n) && inner === undefined) expect(jsonable(bodies.get(n))).toEqual(content);
        }
      }),
      { numRuns: 25 },
    );
  });

  it("sends a shape once, and by number when its introduction has gone out", async () => {
    const [from, to, end] = await ways[way]!(packed<Message>());
    const bytes = () => (from as Channel<Message>).stats().lanes[0]!.sentBytes;
    const lengths: number[] = [];
    for (let n = 0; n < 5; n++) {
      const before = bytes();
      expect(from.trySend({ n, body: { longNameOfAKey: n } })).toBe(true);
      lengths.push(bytes() - before);
      expect(await to.receive()).toEqual({ n, body: { longNameOfAKey: n } });
    }
    expect(lengths[2]).toBeLessThan(lengths[0]! / 2);
    expect(lengths[4]).toBe(lengths[2]);
    end();
  });

  it("introduces a shape again when the message that did was aborted as it waited", async () => {
    const [from, to, end] = await ways[way]!(packed<Message>());
    let filled = 0;
    for (const length of [300, 0]) while (from.trySend({ n: filled, body: "x".repeat(length) })) filled++;
    const controller = new AbortController();
    const message = () => ({ n: 1, body: [{ fresh: 1 }, { fresh: 2 }, { fresh: 3 }] });
    const aborted = from.send(message(), { signal: controller.signal });
    controller.abort();
    await expect(aborted).rejects.toThrow();
    const sent = from.send(message());
    for (let i = 0; i < filled; i++) await to.receive();
    expect(await to.receive()).toEqual(message());
    await sent;
    end();
  });
});

describe.each(transports)("packed() over %s", (transport) => {
  it("does not meet json(): both sides hear of it when they connect", async () => {
    const directory = privateDirectory();
    await using server = await listen("n", { directory, transport, codec: packed() });
    const error = await connect("n", { directory, codec: json() }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "ERR_RINGBELL_SCHEMA" });
    expect(String(error)).toMatch(/packed/);
    expect(server.channels.size).toBe(0);
  });

  it("begins anew when a channel is made anew, and on every lane", async () => {
    const directory = privateDirectory();
    const codec = packed<Message>();
    await using server = await listen("n", { directory, transport, codec, lanes: { more: {} } });
    for (let round = 0; round < 3; round++) {
      const b = await connect<Message>("n", { directory, codec, lanes: { more: {} } } as never);
      const a = (await server.accept()) as unknown as typeof b;
      for (let n = 0; n < 5; n++) {
        await Promise.all([a.send({ n, body: { of: "a" } }), b.send({ n, body: { of: "b" } })]);
        const [lane, other] = [a, b].map((end) => end.lane("more" as never) as unknown as Channel<Message>);
        await lane!.send({ n, inner: { of: "lane" } });
        expect(await b.receive()).toEqual({ n, body: { of: "a" } });
        expect(await a.receive()).toEqual({ n, body: { of: "b" } });
        expect(await other!.receive()).toEqual({ n, inner: { of: "lane" } });
      }
      await b.close();
    }
  });

  it("carries blocks, and releases those of a message that a schema refuses", async () => {
    const codec = packed(z.object({ n: z.number(), body: z.any() })) as Codec<Message>;
    const { a, b } = await pair<Message>(transport, { codec });
    for (let n = 0; n < 4; n++) {
      const block = await a.allocate(1000);
      block.bytes[999] = n;
      await a.send({ n, body: new Map([["in", [block]]]) });
      const { body: map } = (await b.receive()) as { body: Map<string, [typeof block]> };
      using arrived = map.get("in")![0];
      expect(arrived.bytes[999]).toBe(n);
    }
    await a.send({ n: "none", body: await a.allocate(1000) } as never);
    await expect(b.receive()).rejects.toMatchObject({ code: "ERR_RINGBELL_VALIDATION" });
    expect(b.stats().bulk.heldBlocks).toBe(0);
    const block = await a.allocate(10);
    await expect(a.send({ n: 1, body: [block, block] })).rejects.toMatchObject({
      code: "ERR_RINGBELL_BLOCK",
    });
    expect(block.gone).toBe(false);
    block.release();
  });

  it("learns nothing from a message that is too long for the ring, and brings it whole", async () => {
    const { a, b } = await pair<Message>(transport, { codec: packed(), capacity: 65_536 });
    const long = (n: number) => ({
      n,
      body: Array.from({ length: 30_000 }, (_, i) => ({ i, odd: i % 2 === 1 })),
    });
    for (let n = 0; n < 3; n++) {
      const sent = a.send(long(n));
      expect(isDeepStrictEqual(await b.receive(), long(n))).toBe(true);
      await sent;
      await a.send({ n, body: { i: n, odd: false } });
      expect(await b.receive()).toEqual({ n, body: { i: n, odd: false } });
    }
  });

  it("refuses what a hostile peer sends, message by message, on that channel alone", async () => {
    const raw: Codec<Uint8Array> = { ...bytes(), name: "packed", fingerprint: packed().fingerprint };
    const directory = privateDirectory();
    await using server = await listen("n", { directory, transport, codec: packed() });
    const hostile = await connect<Uint8Array>("n", { directory, codec: raw as never });
    const a = await server.accept();
    const friend = await connect("n", { directory, codec: packed() });
    const b = await server.accept();
    const bad = [
      [],
      [0xc0, 7, 0],
      [0xc5, 0xff, 0xff, 0xff, 0x7f, 0],
      [1, 9, 9, 9, 9, 1],
      [0xcc, 255, 255, 255, 255, 0],
    ];
    for (const one of bad) {
      await hostile.send(Uint8Array.from(one));
      await hostile.send(Uint8Array.of(5, 0));
      await expect(a.receive({ timeout: 5000 })).rejects.toMatchObject({ code: "ERR_RINGBELL_DECODE" });
      expect(await a.receive({ timeout: 5000 })).toBe(5);
      await friend.send([{ fine: 1 }, { fine: 2 }, { fine: 3 }]);
      expect(await b.receive({ timeout: 5000 })).toEqual([{ fine: 1 }, { fine: 2 }, { fine: 3 }]);
    }
    // A shape of one message does not stay behind in another lane.
    await hostile.send(Uint8Array.of(0xc0, 0, 1, 0, 0, 1, 0x81, 0x6b, 5, 0, 0, 0, 1));
    expect(await a.receive({ timeout: 5000 })).toEqual({ k: 1 });
    expect(a.stats().lanes[0]!.badMessages).toBe(bad.length);
    expect(a.state).toBe("open");
  });

  it("survives a peer that is killed in the middle, as a new peer starts without shapes", async () => {
    const directory = privateDirectory();
    await using server = await listen<Message>("n", { directory, transport, codec: packed() });
    for (let round = 0; round < 2; round++) {
      const { child } = script(
        `const channel = await ringbell.connect("n", { directory: ${JSON.stringify(directory)}, codec: ringbell.packed() });
         for (let n = 0; ; n++) await channel.send({ n, body: { of: "the child" } });`,
      );
      const channel = (await server.accept()) as Channel<Message>;
      for (let n = 0; n < 20; n++) expect(await channel.receive()).toEqual({ n, body: { of: "the child" } });
      child.kill("SIGKILL");
      await channel.closed;
    }
  });
});
