import {
  array,
  bytes,
  type Codec,
  clone,
  json,
  type ListenOptions,
  packed,
  struct,
  text,
  u32,
  union,
} from "ringbell";
import { describe, expect, it } from "vitest";
import { pair, transports } from "./setup.js";

/*
 * Code of the program runs while a message is encoded: getters, toJSON, iterators. It runs once a message, also where the message does not fit the
 * ring, the memory at hand or the batch, and the codec is called again.
 */

/** A message that counts how often it was looked at. */
interface Counted {
  readonly message: unknown;
  readonly runs: () => number;
  readonly expected: unknown;
}

type Make = (length: number) => Counted;

const plain = (length: number) => ({ head: 1, body: "x".repeat(length) });

/** With a getter for each field. */
const withGetters: Make = (length) => {
  let runs = 0;
  const values = plain(length);
  const message = {};
  for (const [key, value] of Object.entries(values)) {
    const get = () => {
      runs++;
      return value;
    };
    Object.defineProperty(message, key, { get, enumerable: true });
  }
  return { message, runs: () => runs / 2, expected: values };
};

const withToJSON: Make = (length) => {
  let runs = 0;
  const expected = plain(length);
  const toJSON = () => {
    runs++;
    return expected;
  };
  return { message: { toJSON }, runs: () => runs, expected };
};

const Message = struct({ head: u32, body: text() });
const fields = { head: u32, body: text(), list: array(struct({ data: bytes() })) };
const Variants = union("type", { one: struct(fields), two: struct({ head: u32 }) });

/** A union whose variant has a tail of its own, of getters all the way down. */
const inUnion: Make = (length) => {
  let runs = 0;
  const once = <T>(value: T) => {
    runs++;
    return value;
  };
  const data = Uint8Array.of(1, 2, 3);
  const message = {
    get type() {
      return once("one");
    },
    get head() {
      return once(1);
    },
    get body() {
      return once("y".repeat(length));
    },
    get list() {
      return once([
        {
          get data() {
            return once(data);
          },
        },
      ]);
    },
  };
  const expected = { type: "one", head: 1, body: "y".repeat(length), list: [{ data }] };
  return { message, runs: () => runs / 5, expected };
};

const wrapped: Codec<unknown> = {
  ...json(),
  name: "wrapped",
  encode: (message, scratch, offset, blocks) => json().encode({ message }, scratch, offset, blocks),
  decode: (scratch, offset, length, blocks) =>
    (json().decode(scratch, offset, length, blocks) as { message: unknown }).message,
};

const kinds: Record<string, [Codec<unknown>, Make]> = {
  "a toJSON by json()": [json(), withToJSON],
  "getters by json()": [json(), withGetters],
  "a toJSON by a codec that wraps json()": [wrapped, withToJSON],
  "getters by clone()": [clone(), withGetters],
  "a toJSON by packed()": [packed(), withToJSON],
  "getters by packed()": [packed(), withGetters],
  "getters by struct()": [Message as Codec<unknown>, withGetters],
  "getters by union()": [Variants as Codec<unknown>, inUnion],
};

/** From what fits anywhere to what needs a block of its own. */
const lengths = [10, 3000, 40_000, 70_000, 140_000, 400_000, 3_000_000];

const KIB = 1024;
const places: Record<string, ListenOptions<unknown, unknown>> = {
  "by default": {},
  "with a small ring": { capacity: 4 * KIB },
  "without blocks": { capacity: 8 * KIB * KIB, maxBulkBytes: 0 },
};

describe.each(transports)("over %s", (transport) => {
  describe.each(Object.entries(kinds))("%s", (_name, [codec, make]) => {
    it.each(Object.entries(places))("run once a message of any length, %s", async (_place, options) => {
      const { a, b } = await pair<unknown>(transport, { codec, ...options }, options);
      for (const length of lengths) {
        const { message, runs, expected } = make(length);
        const received = b.receive();
        await a.send(message);
        expect(await received).toEqual(expected);
        expect(runs(), `${length} bytes`).toBe(1);
      }
    });

    it("run once a message that waits for memory", async () => {
      const { a, b } = await pair<unknown>(transport, { codec, maxBulkBytes: 1024 * KIB });
      const all = Array.from({ length: 12 }, () => make(300_000));
      const sends = all.map(({ message }) => a.send(message));
      for (const { expected } of all) expect(await b.receive()).toEqual(expected);
      await Promise.all(sends);
      expect(all.map(({ runs }) => runs())).toEqual(all.map(() => 1));
    });

    it("run once a message of a batch, long ones among short ones", async () => {
      // With room for all: what finds none in a batch is encoded once more, when there is some.
      const { a, b } = await pair<unknown>(transport, { codec, capacity: 4096 * KIB });
      const all = [10, 40_000, 10, 70_000, 10, 400_000].map(make);
      const sent = a.sendMany(all.map(({ message }) => message));
      for (const { expected } of all) expect(await b.receive()).toEqual(expected);
      await sent;
      expect(all.map(({ runs }) => runs())).toEqual(all.map(() => 1));
    });

    it("run again for what the program sends again", async () => {
      const { a, b } = await pair<unknown>(transport, { codec });
      const { message, runs, expected } = make(100_000);
      for (let i = 1; i <= 3; i++) {
        const received = b.receive();
        await a.send(message);
        expect(await received).toEqual(expected);
        expect(runs()).toBe(i);
      }
    });
  });

  it("a message that is too long is forgotten: what is sent next is as it is then", async () => {
    const { a, b } = await pair<unknown>(transport, { codec: json(), maxMessageBytes: 100 * KIB });
    const message = { body: "x".repeat(200 * KIB) };
    expect(() => a.trySend(message)).toThrow(expect.objectContaining({ name: "MessageTooLargeError" }));
    message.body = "short";
    await a.send(message);
    expect(await b.receive()).toEqual({ body: "short" });
  });
});

it("run once by the methods that block", async () => {
  const { a, b } = await pair<unknown>("shm", { codec: json() });
  // Not in blocks, for which one end would have to wait for the other.
  for (const length of lengths.filter((length) => length < 100_000)) {
    const { message, runs, expected } = withToJSON(length);
    expect(a.sendSync(message, { timeout: 5000 })).toBe(true);
    expect(b.receiveSync({ timeout: 5000 })).toEqual(expected);
    expect(runs()).toBe(1);
  }
});
