import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { loadBinding, tryBinding } from "../../lib/native/load.js";
import { RingReader } from "../../lib/watch/ring-reader.js";
import { CAPACITY, FakeProducer } from "./fake-ring.js";

const reader = (producer: FakeProducer) => new RingReader(producer.place, loadBinding().layout);
const filled = (length: number, seed: number) => Buffer.alloc(length, String.fromCharCode(97 + (seed % 26)));

/** Reads until nothing is there. */
function readAll(from: RingReader) {
  const [records, gaps] = [[] as { number: number; text: string }[], [] as number[]];
  for (;;) {
    const found = from.read();
    if (found.missed > 0) gaps.push(found.missed);
    records.push(...found.records.map(({ number, content }) => ({ number, text: content.toString() })));
    if (found.records.length === 0 && found.missed === 0)
      return { records, missed: gaps.reduce((a, b) => a + b, 0) };
  }
}

describe.skipIf(tryBinding() === undefined)("one who watches a ring", () => {
  it("finds each message once, in order, or says how many it has missed, however fast the producer is (S0.18)", () => {
    const step = fc.oneof(
      { weight: 8, arbitrary: fc.record({ send: fc.nat(600) }) },
      { weight: 2, arbitrary: fc.constant({ read: true as const }) },
      { weight: 1, arbitrary: fc.record({ burst: fc.nat(40), of: fc.nat(400) }) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.boolean(), (steps, history) => {
        const producer = new FakeProducer();
        const watching = reader(producer);
        watching.start(history);
        let next = 0;
        const check = () => {
          const { records, missed } = readAll(watching);
          next += missed;
          const expected = producer.sent.slice(producer.sent.length - records.length);
          expect(records.map(({ text }) => text)).toEqual(expected.map(String));
          next += records.length;
          expect(records.map(({ number }) => number)).toEqual(
            records.map((_, i) => next - records.length + i),
          );
          expect(next).toBe(producer.sent.length);
        };
        for (const done of steps) {
          if ("send" in done) producer.send(filled(done.send, producer.sent.length));
          else if ("read" in done) check();
          else for (let i = 0; i < done.burst; i++) producer.send(filled(done.of, producer.sent.length));
        }
        check();
      }),
      { numRuns: 60 },
    );
  });

  it("never shows a message that a producer is overwriting, though its header still looks whole", () => {
    const producer = new FakeProducer();
    const watching = reader(producer);
    watching.start(false);
    const length = CAPACITY / 8 - 8;
    producer.send(filled(length, 0));
    expect(readAll(watching).records).toHaveLength(1);
    for (let i = 1; i < 8; i++) producer.send(filled(length, i));
    // The next record lies over the first two, and looks like one where the second began.
    const lying = Buffer.alloc(2 * (length + 8) - 8, "z");
    lying.writeUInt32LE(2 ** 31 + length, length);
    lying.writeUInt32LE(0, length + 4);
    producer.send(lying, true);
    const { records } = readAll(watching);
    expect(records.filter(({ text }) => text.includes("z"))).toEqual([]);
    expect(records.map(({ text }) => text)).toEqual(
      producer.sent.slice(producer.sent.length - records.length).map(String),
    );
    expect(records.length).toBeLessThan(8);
  });

  it("begins in the middle of what is there, or at its end", () => {
    const producer = new FakeProducer();
    for (let i = 0; i < 100; i++) producer.send(filled(50, i));
    const late = reader(producer);
    late.start(false);
    expect(readAll(late)).toEqual({ records: [], missed: 0 });
    const early = reader(producer);
    early.start(true);
    const { records, missed } = readAll(early);
    expect([records.at(-1)!.number, missed]).toEqual([99, 0]);
    expect(records.length).toBeGreaterThan(0);
  });

  it("refuses a ring whose producer does not say where it is", () => {
    const producer = new FakeProducer();
    producer.scribble(128, Buffer.from([8]));
    expect(() => reader(producer).start(false)).toThrow(
      expect.objectContaining({ code: "ERR_RINGBELL_TRANSPORT" }),
    );
  });

  it("takes no word of the memory on trust: garbage is refused, or found to be nothing, and ends soon", () => {
    const bytes = fc.uint8Array({ minLength: 1, maxLength: 64 });
    const scribbles = fc.array(fc.tuple(fc.nat(4096 + CAPACITY - 64), bytes), {
      minLength: 1,
      maxLength: 20,
    });
    fc.assert(
      fc.property(scribbles, fc.boolean(), fc.boolean(), (writes, history, later) => {
        const producer = new FakeProducer();
        for (let i = 0; i < 30; i++) producer.send(filled(100, i));
        const watching = reader(producer);
        const scribble = () => {
          for (const [offset, of] of writes) producer.scribble(offset, Buffer.from(of));
        };
        try {
          if (!later) scribble();
          watching.start(history);
          if (later) scribble();
          for (let i = 0; i < 10; i++) {
            for (const { content } of watching.read().records)
              expect(content.length).toBeLessThanOrEqual(CAPACITY);
          }
        } catch (error) {
          expect(["ERR_RINGBELL_CORRUPT", "ERR_RINGBELL_TRANSPORT"]).toContain(
            (error as { code?: string }).code,
          );
        }
      }),
      { numRuns: 500, seed: 7 },
    );
  });
});
