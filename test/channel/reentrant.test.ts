import { type Channel, type Codec, clone, EncodeError, json, packed, struct, u32 } from "ringbell";
import { describe, expect, it } from "vitest";
import { fill, pair, type TransportName, transports } from "./setup.js";

type Message = { n: number };

/** A codec that has written a part of the message by the time it runs code of the program, and the rest later. */
const piecewise: Codec<Message> = {
  name: "piecewise",
  fingerprint: "piecewise",
  encode(message, scratch, offset) {
    if (scratch.length - offset < 64) return -64;
    for (let i = 0; i < 32; i++) scratch.buffer[offset + i] = 1;
    const { n } = message;
    for (let i = 32; i < 60; i++) scratch.buffer[offset + i] = 2;
    scratch.view.setUint32(offset + 60, n, true);
    return 64;
  },
  decode(scratch, offset) {
    const bytes = scratch.buffer.subarray(offset, offset + 60);
    expect(bytes.every((byte, i) => byte === (i < 32 ? 1 : 2))).toBe(true);
    return { n: scratch.view.getUint32(offset + 60, true) };
  },
};

const codecs: Record<string, () => Codec<Message>> = {
  json: () => json<Message>(),
  clone: () => clone<Message>(),
  packed: () => packed<Message>(),
  struct: () => struct({ n: u32 }) as unknown as Codec<Message>,
  piecewise: () => piecewise,
};

/** A message whose getter runs `inside` each time that it is encoded. */
function message(n: number, inside: () => void): Message {
  return {
    get n() {
      inside();
      return n;
    },
  };
}

type Sends = (channel: Channel<Message>, messages: readonly Message[]) => unknown;

const ways: Record<string, Sends> = {
  trySend: (channel, messages) => {
    for (const one of messages) expect(channel.trySend(one)).toBe(true);
  },
  send: (channel, messages) => Promise.all(messages.map((one) => channel.send(one))),
  trySendMany: (channel, messages) => {
    for (let next = 0; next < messages.length; ) next = channel.trySendMany(messages, next);
  },
  sendMany: (channel, messages) => channel.sendMany(messages),
};
const blockingWays: Record<string, Sends> = {
  sendSync: (channel, messages) => {
    for (const one of messages) expect(channel.sendSync(one)).toBe(true);
  },
  sendManySync: (channel, messages) => expect(channel.sendManySync(messages)).toBe(messages.length),
};
const waysOf = (transport: TransportName) => (transport === "shm" ? { ...ways, ...blockingWays } : ways);

async function receiveAll(channel: Channel<unknown, Message>, count: number): Promise<number[]> {
  const got: number[] = [];
  while (got.length < count) got.push((await channel.receive({ timeout: 5000 })).n);
  expect(channel.tryReceive()).toBeUndefined();
  return got;
}

describe.each(transports)("%s: a message that is sent from within encoding", (transport) => {
  describe.each(Object.entries(codecs))("%s", (_, codec) => {
    const names = Object.keys(waysOf(transport));
    const both = names.flatMap((outer) => names.map((inner) => [outer, inner] as const));
    it.each(both)(
      "goes out whole and once, right before its message: %s, from within it %s",
      async (outer, inner) => {
        const all = waysOf(transport);
        const { a, b } = await pair<Message>(transport, { codec: codec() });
        const nested: unknown[] = [];
        const first = [
          { n: 1 },
          { n: 2 },
          message(3, () => nested.push(all[inner]!(a, [{ n: 100 }, { n: 101 }]))),
          { n: 4 },
        ];
        const last = [{ n: 5 }, message(6, () => nested.push(all[inner]!(a, [{ n: 102 }])))];
        await all[outer]!(a, first);
        await all[outer]!(a, last);
        await Promise.all(nested);
        expect(await receiveAll(b, 9)).toEqual([1, 2, 100, 101, 3, 4, 5, 102, 6]);
      },
    );
  });

  it("may itself be one in whose encoding another is sent", async () => {
    const { a, b } = await pair<Message>(transport, { codec: piecewise });
    const deepest = message(30, () => a.trySend({ n: 40 }));
    const deeper = message(20, () => a.trySendMany([{ n: 25 }, deepest, { n: 35 }]));
    await a.sendMany([{ n: 1 }, message(2, () => a.trySend(deeper)), { n: 3 }]);
    expect(await receiveAll(b, 8)).toEqual([1, 25, 40, 30, 35, 20, 2, 3]);
  });

  it("waits with its message behind it where there is no room", async () => {
    const { a, b } = await pair<unknown>(transport, { capacity: 4096 });
    const sent = fill(a);
    const sends: Promise<void>[] = [];
    const outer = { toJSON: () => sends.push(a.send("inner")) && "outer" };
    sends.push(
      a.send(outer),
      a.sendMany(["behind", { toJSON: () => sends.push(a.send("inner 2")) && "last" }]),
    );
    const got: unknown[] = [];
    while (got.length < sent + 5) got.push(await b.receive({ timeout: 5000 }));
    await Promise.all(sends);
    expect(got.slice(sent)).toEqual(["inner", "outer", "behind", "inner 2", "last"]);
  });

  it("may be long, or have blocks, and so may its message", async () => {
    const { a, b } = await pair<unknown>(transport, { capacity: 65536 });
    const blockOf = (byte: number) => {
      const block = a.tryAllocate(5000)!;
      block.bytes.fill(byte);
      return block;
    };
    const long = (letter: string) => letter.repeat(100_000);
    const outer = (inner: unknown, value: unknown) => {
      let done = false;
      return {
        toJSON() {
          if (!done) expect(a.trySend(inner)).toBe(true);
          done = true;
          return value;
        },
      };
    };
    const block = blockOf(1);
    await a.sendMany([
      "1",
      outer({ block: blockOf(2) }, { block, text: "outer" }),
      outer(long("i"), "short"),
      outer("short inside", long("o")),
      outer("x".repeat(30_000), "y".repeat(20_000)),
      "2",
    ]);
    const got: unknown[] = [];
    while (got.length < 10) got.push(await b.receive({ timeout: 5000 }));
    const [one, inner, held, ...rest] = got as [
      string,
      { block: { bytes: Uint8Array } },
      { block: { bytes: Uint8Array } },
      ...string[],
    ];
    expect(one).toBe("1");
    expect(inner.block.bytes.every((byte) => byte === 2)).toBe(true);
    expect(held.block.bytes.every((byte) => byte === 1)).toBe(true);
    expect(rest).toEqual([
      long("i"),
      "short",
      "short inside",
      long("o"),
      "x".repeat(30_000),
      "y".repeat(20_000),
      "2",
    ]);
  });
});

describe.each(transports)("%s: encoding", (transport) => {
  it.each(["close", "destroy"] as const)("may %s the channel: the message is refused", async (end) => {
    for (const size of [10, 20_000, 200_000]) {
      const { a, b } = await pair<unknown>(transport, { capacity: 65536 });
      const ends = {
        toJSON() {
          void a[end]();
          return "x".repeat(size);
        },
      };
      await expect(a.sendMany(["before", ends, "after"])).rejects.toMatchObject({
        code: "ERR_RINGBELL_CLOSED",
      });
      const got: unknown[] = [];
      for await (const one of b) got.push(one);
      expect(got.length).toBeLessThanOrEqual(1);
      expect((await b.closed).reason).toBe("peer-closed");
    }
  });

  it("may allocate, receive, flush and abort", async () => {
    const { a, b } = await pair<unknown>(transport);
    await b.send("for a");
    await b.send("for a, too");
    const controller = new AbortController();
    const waits: Promise<unknown>[] = [];
    const busy = {
      toJSON() {
        waits.push(
          a.allocate(100_000).then((block) => block.release()),
          a.receive(),
          a.receive(),
          a.flush(),
        );
        controller.abort(new Error("no more"));
        return 2;
      },
    };
    await a.sendMany([1, busy, 3], { signal: controller.signal });
    expect([await b.receive(), await b.receive(), await b.receive()]).toEqual([1, 2, 3]);
    expect((await Promise.all(waits)).slice(1, 3)).toEqual(["for a", "for a, too"]);
  });

  it("that fails leaves the messages whole that it sent", async () => {
    const { a, b } = await pair<unknown>(transport);
    const progress = { sent: -1 };
    const bad = { toJSON: () => a.trySend("inner") && 1n };
    await expect(a.sendMany([1, bad, 3], { progress })).rejects.toThrow(EncodeError);
    expect(progress.sent).toBe(1);
    await a.send(4);
    expect([await b.receive(), await b.receive(), await b.receive()]).toEqual([1, "inner", 4]);
  });

  it("meets an array whose elements send as they are read", async () => {
    const { a, b } = await pair<unknown>(transport);
    const list = [1, 2, 3];
    Object.defineProperty(list, 1, { get: () => a.trySend("inner") && 2 });
    await a.sendMany(list);
    const got: unknown[] = [];
    while (got.length < 4) got.push(await b.receive({ timeout: 5000 }));
    expect(got).toEqual([1, "inner", 2, 3]);
  });
});

/** A codec that reads a part of the message, then calls `inside`, and reads the rest. */
function reading(inside: () => void): Codec<string> {
  const whole = json<string>();
  return {
    ...whole,
    decode(scratch, offset, bytes, blocks) {
      const half = scratch.buffer.toString("latin1", offset, offset + 3);
      inside();
      const text = whole.decode(scratch, offset, bytes, blocks);
      expect(text.slice(0, 2)).toBe(half.slice(1));
      return text;
    },
  };
}

describe.each(transports)("%s: a codec that receives while it decodes", (transport) => {
  it.each([10, 3000, 90_000])("gets the next messages, whole, and each once: %d letters", async (length) => {
    let inside = () => {};
    const codec = reading(() => inside());
    const { a, b } = await pair<string>(
      transport,
      { codec, capacity: 65536 },
      { codec: { send: json(), receive: codec } as never },
    );
    const texts = Array.from({ length: 40 }, (_, i) => String.fromCharCode(65 + i).repeat(length));
    const got: string[] = [];
    let depth = 0;
    inside = () => {
      if (depth === 3) return;
      depth++;
      const next = b.tryReceive();
      if (next !== undefined) got.push(next);
      got.push(...b.receiveMany(2));
      depth--;
    };
    const sending = (async () => {
      for (const text of texts) await a.send(text);
    })();
    while (got.length < texts.length) got.push(await b.receive({ timeout: 5000 }));
    await sending;
    expect([...got].sort()).toEqual([...texts].sort());
  });

  it("may end the channel", async () => {
    let inside = () => {};
    const codec = reading(() => inside());
    const { a, b } = await pair<string>(
      transport,
      { codec },
      { codec: { send: json(), receive: codec } as never },
    );
    await a.sendMany(["one", "two", "three"]);
    inside = () => b.destroy();
    expect(await b.receive()).toBe("one");
    await expect(b.receive()).rejects.toMatchObject({ code: "ERR_RINGBELL_CLOSED" });
  });
});

describe("shm: a codec that receives while it decodes, when more comes meanwhile", () => {
  /** Both ends of a channel. `b` calls what is left of `insides` while it decodes: a function a message. */
  async function open(insides: (() => void)[]) {
    const codec = reading(() => insides.shift()?.());
    return pair<string>("shm", {}, { codec: { send: json(), receive: codec } as never });
  }

  it.each([
    ["receiveSync", (b: Channel<string>) => [b.receiveSync()]],
    ["receiveManySync", (b: Channel<string>) => b.receiveManySync(10)],
  ])("gets it whole by %s, and its own message as well", async (_, receive) => {
    const got: unknown[] = [];
    const insides: (() => void)[] = [];
    const { a, b } = await open(insides);
    insides.push(() => {
      a.sendSync("second");
      got.push(...receive(b));
    });
    a.sendSync("first");
    got.push(b.receiveSync());
    expect(got).toEqual(["second", "first"]);
  });

  it("gets it whole also at a later message of a batch", async () => {
    const got: unknown[] = [];
    const insides: (() => void)[] = [];
    const { a, b } = await open(insides);
    insides.push(
      () => {
        a.sendManySync(["third", "four", "fifth"]);
        got.push(b.tryReceive(), b.tryReceive());
      },
      // While "two" and "third" are decoded nothing happens.
      () => {},
      () => {},
      // "four" belongs to the batch, and has come into other memory than "one".
      () => {
        got.push(b.tryReceive());
        a.sendManySync(["sixth", "seventh"]);
        got.push(b.tryReceive(), b.tryReceive());
      },
    );
    a.sendManySync(["one", "two"]);
    got.push(...b.receiveMany(2));
    expect(got).toEqual(["two", "third", "fifth", "sixth", "seventh", "one", "four"]);
  });

  it("goes on with its message where the channel ends and the rest is put aside", async () => {
    const insides: (() => void)[] = [];
    const { a, b } = await open(insides);
    insides.push(() => {
      fill(a);
      a.destroy();
      // A sender that finds no room again and again learns that the peer has gone.
      expect(() => {
        for (;;) b.trySend("x".repeat(1000));
      }).toThrow(expect.objectContaining({ code: "ERR_RINGBELL_CLOSED" }));
      void b.close();
    });
    a.sendSync("first");
    expect(b.receiveSync()).toBe("first");
    expect((await b.closed).reason).toBe("peer-closed");
  });
});
