import type { StandardSchemaV1 } from "@standard-schema/spec";
import fc from "fast-check";
import { describe, expect, expectTypeOf, it } from "vitest";
import { z } from "zod";
import { Block, forget } from "../../lib/bulk/block.js";
import {
  array,
  block,
  bytes,
  type Codec,
  clone,
  type Infer,
  json,
  optional,
  packed,
  struct,
  text,
  u8,
  u32,
} from "../../lib/codec/index.js";
import { layOut, makeStruct, type StructFields, type StructOf } from "../../lib/codec/struct.js";
import {
  AsyncSchemaError,
  BlockError,
  DecodeError,
  EncodeError,
  type RingbellError,
  ValidationError,
} from "../../lib/errors.js";
import {
  blockOf,
  carry,
  contentOf,
  encode,
  OFFSET,
  pack,
  roundTrip,
  scratchOf,
  thrown,
  unpack,
} from "./support.js";

/** A block in a message that is only planned, so that a property can be tried again. */
class Planned {
  constructor(readonly content: string) {}
}

/** The values of a message, with what `change` makes of its blocks. Not for cycles. */
function mapBlocks(value: unknown, change: (block: object) => unknown): unknown {
  if (value instanceof Planned || value instanceof Block) return change(value);
  if (Array.isArray(value)) return value.map((item) => mapBlocks(item, change));
  if (value instanceof Map) {
    return new Map([...value].map(([key, item]) => [mapBlocks(key, change), mapBlocks(item, change)]));
  }
  if (value instanceof Set) return new Set([...value].map((item) => mapBlocks(item, change)));
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return value;
  // Not by assignment, for the key __proto__.
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, mapBlocks(item, change)]));
}

const make = (plan: unknown) => mapBlocks(plan, (planned) => blockOf((planned as Planned).content));
const toPlan = (message: unknown) =>
  mapBlocks(message, (received) => new Planned(contentOf(received as Block)));

const planned = fc.string({ maxLength: 8 }).map((content) => new Planned(content));
const marklike = fc
  .tuple(fc.stringMatching(/^[0-9a-f]{16}$/), fc.nat(3))
  .chain(([mark, number]) => fc.constantFrom(mark, `${mark}:${number}`, `:${number}`, `${mark}${mark}:0`));
const leaf = fc.oneof(planned, fc.jsonValue({ maxDepth: 0 }), marklike);
const jsonPlan = fc.letrec((tie) => ({
  tree: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    leaf,
    fc.array(tie("tree"), { maxLength: 5 }),
    fc.dictionary(fc.oneof(fc.string(), fc.constant("__proto__"), marklike), tie("tree"), { maxKeys: 5 }),
  ),
})).tree;
const clonePlan = fc.letrec((tie) => ({
  tree: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    leaf,
    fc.bigInt(),
    fc.constant(undefined),
    fc.uint8Array({ maxLength: 5 }),
    fc.array(tie("tree"), { maxLength: 5 }),
    fc.dictionary(fc.oneof(fc.string(), fc.constant("__proto__")), tie("tree"), { maxKeys: 5 }),
    fc.array(fc.tuple(tie("tree"), tie("tree")), { maxLength: 4 }).map((entries) => new Map(entries)),
    fc.array(tie("tree"), { maxLength: 4 }).map((items) => new Set(items)),
  ),
})).tree;

const Image = {
  id: u32,
  pixels: block,
  masks: array(block),
  thumbnail: optional(block),
  pair: array(block, 2),
  name: text(),
};
const imagePlan = fc.record(
  {
    id: fc.nat(),
    pixels: planned,
    masks: fc.array(planned, { maxLength: 4 }),
    thumbnail: planned,
    pair: fc.tuple(planned, planned).map((pair) => [...pair]),
    name: fc.string({ unit: "grapheme", maxLength: 20 }),
  },
  { requiredKeys: ["id", "pixels", "masks", "pair", "name"] },
);

type AnyCodec = Codec<unknown, unknown>;
const generated = makeStruct<StructOf<typeof Image>>(layOut(Image), true);
const closures = makeStruct<StructOf<typeof Image>>(layOut(Image), false);

describe.each<[string, AnyCodec, fc.Arbitrary<unknown>]>([
  ["json()", json(), jsonPlan],
  ["clone()", clone(), clonePlan],
  ["packed()", packed(), clonePlan],
  ["a struct by generated code", generated as AnyCodec, imagePlan],
  ["a struct by closures", closures as AnyCodec, imagePlan],
])("blocks in messages of %s", (_name, codec, plans) => {
  it("arrive where they were, with the same memory", () => {
    fc.assert(
      fc.property(plans, (plan) => {
        const received = carry(codec, make(plan));
        expect(normal(toPlan(received))).toEqual(normal(plan));
      }),
      { numRuns: 300 },
    );
  });

  it("are all claimed, or else released or left for the channel, whatever bytes arrive", () => {
    const mutation = fc.record({
      at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      to: fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 2, 0x30, 0x31)),
    });
    let refused = 0;
    fc.assert(
      fc.property(
        plans,
        fc.array(mutation, { minLength: 1, maxLength: 3 }),
        fc.nat(),
        (plan, mutations, cut) => {
          const parcel = pack(codec, make(plan));
          const { bytes, blocks } = parcel;
          for (const { at, to } of mutations) bytes[Math.floor(at * bytes.length)] = to;
          const whole = cut % 3 !== 0;
          const { error, left, released } = unpack(codec, {
            bytes: whole ? bytes : bytes.subarray(0, cut % (bytes.length + 1)),
            blocks,
          });
          if (error !== undefined) {
            refused++;
            expect(error).toBeInstanceOf(DecodeError);
          }
          for (const [i, one] of blocks.entries()) {
            expect(released[i]).toBe(error !== undefined && !left.includes(one) ? 1 : 0);
            expect(one.gone).toBe(released[i] === 1);
          }
        },
      ),
      { numRuns: 1000 },
    );
    expect(refused).toBeGreaterThan(50);
  });
});

/** What it is compared by: 0 as -0, which JSON does not know, and an absent key as an undefined one; but the order of keys counts. */
function normal(plan: unknown): unknown {
  if (Array.isArray(plan)) return plan.map(normal);
  if (typeof plan === "number") return plan + 0;
  if (typeof plan !== "object" || plan === null || ArrayBuffer.isView(plan) || plan instanceof Planned)
    return plan;
  if (plan instanceof Map) return { map: [...plan].map(normal) };
  if (plan instanceof Set) return { set: [...plan].map(normal) };
  return {
    entries: Object.entries(plan)
      .map(([key, value]) => [key, normal(value)])
      .filter(([, value]) => value !== undefined),
  };
}

describe.each<[string, Codec<unknown>]>([
  ["json()", json()],
  ["clone()", clone()],
  ["packed()", packed()],
])("%s", (_name, codec) => {
  it("takes a block for a whole message", () => {
    const sent = blockOf("all");
    const { bytes } = sent;
    const received = carry(codec, sent);
    expect(received).toBeInstanceOf(Block);
    expect((received as Block).bytes).toBe(bytes);
    expect(received).not.toBe(sent);
  });

  it("encodes messages without blocks as if there were none", () => {
    const message = { a: [1, "text", { b: null }], c: "d" };
    const blocks: Block[] = [];
    expect(encode(codec, message, scratchOf(), blocks)).toEqual(encode(codec, message));
    expect(blocks).toEqual([]);
  });

  it("refuses a block that is gone, and one that stands twice, with the error of the block", () => {
    const gone = blockOf("x");
    forget(gone);
    const twice = blockOf("y");
    for (const message of [[gone], gone, [twice, { twice }]]) {
      const error = thrown(() => codec.encode(message, scratchOf(), OFFSET, []));
      expect(error).toBeInstanceOf(BlockError);
      expect(error.code).toBe("ERR_RINGBELL_BLOCK");
    }
  });

  it("says how much room a message with blocks needs, and takes that much", () => {
    const message = { a: "ä".repeat(20), b: blockOf("x") };
    const needed = -codec.encode(message, scratchOf(OFFSET + 16), OFFSET, []);
    const exact = scratchOf(OFFSET + needed);
    const blocks: Block[] = [];
    expect(codec.encode(message, exact, OFFSET, blocks)).toBe(needed);
    expect(blocks).toEqual([message.b]);
    const short = scratchOf(OFFSET + needed - 1);
    expect(codec.encode(message, short, OFFSET, [])).toBe(-needed);
  });

  it("refuses what it can't send beside a block, and leaves the block alone", () => {
    const own = blockOf("mine");
    const bad = { json: 5n, clone: () => {}, packed: new SharedArrayBuffer(1) }[codec.name];
    const error = thrown(() => codec.encode({ own, list: [{ bad }] }, scratchOf(), OFFSET, []));
    expect(error).toMatchObject({ name: "EncodeError", path: "list[0].bad" });
    expect(contentOf(own)).toBe("mine");
  });

  it("lets a getter send another message with blocks by the same scratch in between", () => {
    const scratch = scratchOf();
    const inner: unknown[] = [];
    const outer = {
      a: blockOf("a"),
      get b() {
        // packed() has begun to write: a channel gives the other message other memory.
        const other = codec.name === "packed" ? scratchOf() : scratch;
        const parcel = pack(codec, { deep: [blockOf("inner")] }, other);
        inner.push(unpack(codec, parcel).message);
        return blockOf("b");
      },
      c: blockOf("c"),
    };
    const { message, left } = unpack(codec, pack(codec, outer, scratch));
    expect(toPlan(message)).toEqual({ a: new Planned("a"), b: new Planned("b"), c: new Planned("c") });
    expect(left).toEqual([]);
    for (const one of inner) expect(toPlan(one)).toEqual({ deep: [new Planned("inner")] });
  });

  it("does not send the blocks of a message that a getter has sent in between", () => {
    const scratch = scratchOf();
    const outer = {
      get a() {
        encode(codec, blockOf("inner"), scratch);
        return 1;
      },
    };
    const blocks: Block[] = [];
    encode(codec, outer, scratch, blocks);
    expect(blocks).toEqual([]);
  });

  it("refuses a block that a getter has sent already", () => {
    const scratch = scratchOf();
    const given = blockOf("x");
    const outer = {
      given,
      get a() {
        if (!given.gone) pack(codec, given, scratch);
        return 1;
      },
    };
    expect(() => encode(codec, outer, scratch)).toThrow(BlockError);
  });
});

describe("blocks in JSON", () => {
  const markOf = (parcel: { bytes: Uint8Array }) => Buffer.from(parcel.bytes.subarray(0, 16)).toString();
  const forge = (json: string, count: number) => {
    const blocks = Array.from({ length: count }, (_, i) => blockOf(`${i}`));
    return unpack(json_, { bytes: Buffer.from(json), blocks });
  };
  const json_ = json();
  const mark = "0123456789abcdef";

  it("are marked by digits that no string of the message has, even if the peer knows those of earlier messages", () => {
    const marks = new Set<string>();
    const codec = json();
    for (let i = 0; i < 600; i++) {
      const strings = [...marks].slice(-3).flatMap((known) => [known, `${known}:0`, `${known}:1`]);
      const parcel = pack(codec, { strings, one: blockOf("1") });
      marks.add(markOf(parcel));
      expect(toPlan(unpack(codec, parcel).message)).toEqual({ strings, one: new Planned("1") });
    }
    expect(marks.size).toBe(600);
  });

  it.each([
    ["no marks", '{"a":1}', 1],
    ["no text at all", "", 1],
    ["less than a mark", mark.slice(1), 1],
    ["a mark and nothing more", mark, 1],
    ["a mark that is none", `${mark.toUpperCase()}{}`, 1],
    ["text that is not JSON", `${mark}{"a":"${mark}:0"`, 1],
    ["a number that is too high", `${mark}["${mark}:1"]`, 1],
    ["a number twice", `${mark}["${mark}:0",{"b":"${mark}:0"}]`, 1],
    ["a mark without a number", `${mark}["${mark}"]`, 1],
    ["a number that is not one", `${mark}["${mark}:0","${mark}:-1","${mark}:x"]`, 2],
    ["a number with zeros in front", `${mark}["${mark}:00"]`, 1],
    ["a number of many digits", `${mark}["${mark}:${"9".repeat(400)}"]`, 1],
    ["a property of arrays", `${mark}["${mark}:0","${mark}:length"]`, 1],
  ])("are released when there is %s", (_what, json, count) => {
    const { error, left, released } = forge(json, count);
    expect(error).toBeInstanceOf(DecodeError);
    expect(left.length + released.reduce((sum, times) => sum + times, 0)).toBe(count);
  });

  it("are refused by the name of what is wrong with the mark", () => {
    expect(forge(`${mark}["${mark}:x"]`, 1).error?.message).toMatch(
      /must be followed by a colon and the number/,
    );
    expect(forge(`${mark}["${mark}:7"]`, 1).error?.message).toMatch(
      /names block 7, which did not come with it/,
    );
    expect(forge('["a message of the right length"]', 1).error?.message).toMatch(
      /does not begin with their mark/,
    );
  });

  it("are left to the channel where the message does not name them", () => {
    const { message, left } = forge(`${mark}["${mark}:1"]`, 3);
    expect(toPlan(message)).toEqual([new Planned("1")]);
    expect(left.map(contentOf)).toEqual(["0", "2"]);
  });

  it("are found at any depth", () => {
    const depth = 50_000;
    const { message, error } = forge(`${mark}${"[".repeat(depth)}"${mark}:0"${"]".repeat(depth)}`, 1);
    expect(error).toBeUndefined();
    let inner = message;
    while (Array.isArray(inner)) inner = inner[0];
    expect(contentOf(inner as Block)).toBe("0");
  });

  it("are looked for in a key __proto__, which changes no prototype", () => {
    const { message } = forge(`${mark}{"__proto__":"${mark}:0","a":{"__proto__":{"b":"${mark}:1"}}}`, 2);
    const proto = Object.getOwnPropertyDescriptor(message, "__proto__")?.value as Block;
    expect(contentOf(proto)).toBe("0");
    expect(Object.getPrototypeOf(message)).toBe(Object.prototype);
  });

  it("are not marks where no blocks came along", () => {
    expect(roundTrip(json(), [`${mark}:0`])).toEqual([`${mark}:0`]);
  });

  it("have no form of their own before, after, or in spite of a failed message", () => {
    const own = blockOf("x");
    expect(() => JSON.stringify(own)).toThrow(BlockError);
    const fails = {
      own,
      toJSON() {
        throw new Error("no");
      },
    };
    expect(thrown(() => encode(json(), [own, fails]))).toBeInstanceOf(EncodeError);
    expect(() => JSON.stringify(own)).toThrow(BlockError);
    expect(toPlan(carry(json(), own))).toEqual(new Planned("x"));
    expect(() => JSON.stringify(own)).toThrow(BlockError);
  });

  it("survive a toJSON whose own message fails", () => {
    const message = {
      a: blockOf("a"),
      b: {
        toJSON() {
          expect(thrown(() => encode(json(), [blockOf("lost"), 5n]))).toBeInstanceOf(EncodeError);
          return 2;
        },
      },
      c: blockOf("c"),
    };
    expect(toPlan(carry(json(), message))).toEqual({ a: new Planned("a"), b: 2, c: new Planned("c") });
  });

  it("are refused, not lost, as the result of a toJSON", () => {
    const message = { image: { toJSON: () => blockOf("x") } };
    expect(thrown(() => encode(json(), message)).message).toMatch(/toJSON returned a block/);
    const wrapped = { image: { toJSON: () => ({ inside: blockOf("x") }) } };
    expect(toPlan(carry(json(), wrapped))).toEqual({ image: { inside: new Planned("x") } });
  });
});

describe("blocks and schemas", () => {
  const shape = z.object({ id: z.number(), image: z.instanceof(Block) });

  it("give the schema the blocks themselves", () => {
    const codec = json(shape);
    expectTypeOf<Infer<typeof codec>>().toEqualTypeOf<{ id: number; image: Block }>();
    expect(toPlan(carry(codec, { id: 1, image: blockOf("x") }))).toEqual({ id: 1, image: new Planned("x") });
    const custom = json(z.array(z.custom<Block>((value) => value instanceof Block)));
    expect(toPlan(carry(custom, [blockOf("x")]))).toEqual([new Planned("x")]);
  });

  it("release the blocks of a message that the schema refuses", () => {
    const codec = json(shape);
    const { error, released } = unpack(codec, pack(codec, { id: "1", image: blockOf("x") } as never));
    expect(error).toBeInstanceOf(ValidationError);
    expect(released).toEqual([1]);
    // What was not a block, though a string was sent that looks like one.
    const other = unpack(codec, pack(codec, { id: 1, image: "0123456789abcdef:0" } as never));
    expect(other.error).toBeInstanceOf(ValidationError);
  });

  it("release the blocks of a message where the schema is asynchronous, or throws", () => {
    const schemaOf = (validate: StandardSchemaV1.Props["validate"]) =>
      json({ "~standard": { version: 1, vendor: "test", validate } });
    const later = schemaOf(async () => ({ value: 1 }));
    const throwing = schemaOf(() => {
      throw new Error("no");
    });
    for (const [codec, failure] of [
      [later, AsyncSchemaError],
      [throwing, ValidationError],
    ] as const) {
      const { error, released } = unpack(codec, pack(codec, [blockOf("x"), blockOf("y")]));
      expect(error).toBeInstanceOf(failure);
      expect(released).toEqual([1, 1]);
    }
  });

  it("release nothing that a schema has received in between by the same scratch", () => {
    const codec = json();
    const { bytes: nested, blocks } = pack(codec, [blockOf("left"), blockOf("claimed")]);
    // The first is named no more.
    nested.set(Buffer.from(`${" ".repeat(21)}`), nested.indexOf("[".charCodeAt(0)) + 1);
    const scratch = scratchOf();
    let received: unknown;
    const greedy = json({
      "~standard": {
        version: 1,
        vendor: "test",
        validate: () => {
          scratch.buffer.set(nested, 1024);
          received = codec.decode(scratch, 1024, nested.length, [...blocks]);
          return { issues: [{ message: "no" }] };
        },
      },
    });
    const parcel = pack(codec, [blockOf("outer"), blockOf("outer too")]);
    scratch.buffer.set(parcel.bytes, OFFSET);
    expect(() => greedy.decode(scratch, OFFSET, parcel.bytes.length, [...parcel.blocks])).toThrow(
      ValidationError,
    );
    expect(toPlan(received)).toEqual([new Planned("claimed")]);
    expect(blocks.map((one) => one.gone)).toEqual([false, false]);
    expect(parcel.blocks.map((one) => one.gone)).toEqual([true, true]);
  });
});

describe("blocks in clones", () => {
  it("arrive in Maps, Sets, sparse arrays, and objects of classes, with what stands beside them", () => {
    class Frame {
      at = 5;
      pixels = blockOf("pixels");
    }
    const sparse: unknown[] & { note?: unknown } = [];
    sparse[3] = blockOf("third");
    sparse.note = blockOf("note");
    sparse.length = 6;
    const date = new Date(5);
    const message = {
      map: new Map<unknown, unknown>([
        [blockOf("key"), 1],
        ["value", blockOf("value")],
      ]),
      set: new Set([1, blockOf("member")]),
      sparse,
      frame: new Frame(),
      ["__proto__"]: blockOf("proto"),
      date,
      same: [date, date],
      error: new RangeError("r"),
      view: new Uint16Array([1, 2]),
    };
    const received = carry(clone<typeof message>(), message);
    expect([...received.map].map(toPlan)).toEqual([
      [new Planned("key"), 1],
      ["value", new Planned("value")],
    ]);
    expect([...received.set].map(toPlan)).toEqual([1, new Planned("member")]);
    expect(Object.keys(received.sparse)).toEqual(["3", "note"]);
    expect(received.sparse.length).toBe(6);
    expect(toPlan(received.sparse[3])).toEqual(new Planned("third"));
    expect(toPlan(received.sparse.note)).toEqual(new Planned("note"));
    expect(toPlan(received.frame)).toEqual({ at: 5, pixels: new Planned("pixels") });
    expect(toPlan(Object.getOwnPropertyDescriptor(received, "__proto__")?.value)).toEqual(
      new Planned("proto"),
    );
    expect(received.same[0]).toBe(received.date);
    expect(received.same[1]).toBe(received.date);
    expect(received.error).toEqual(new RangeError("r"));
    expect(received.view).toEqual(new Uint16Array([1, 2]));
  });

  it("leave cycles and shared references as they are, and the message too", () => {
    const node = fc.record({
      kind: fc.constantFrom("object", "array", "map", "set"),
      edges: fc.array(fc.oneof(fc.nat(20), fc.constant("block"), fc.boolean()), { maxLength: 5 }),
    });
    fc.assert(
      fc.property(fc.array(node, { minLength: 1, maxLength: 8 }), (nodes) => {
        const containers = nodes.map(({ kind }) =>
          kind === "array" ? [] : kind === "map" ? new Map() : kind === "set" ? new Set() : {},
        );
        let count = 0;
        nodes.forEach(({ edges }, i) => {
          edges.forEach((edge, position) => {
            const value =
              typeof edge === "number"
                ? containers[edge % containers.length]
                : edge === "block"
                  ? blockOf(`${count++}`)
                  : edge;
            const container = containers[i]!;
            if (Array.isArray(container)) container.push(value);
            else if (container instanceof Map)
              container.set(position % 2 === 0 ? value : `k${position}`, value instanceof Block ? 1 : value);
            else if (container instanceof Set) container.add(value);
            else (container as Record<string, unknown>)[`k${position}`] = value;
          });
        });
        const before = drawn(containers[0]);
        // Only what the first node leads to is sent.
        const { message, error, left } = unpack(clone(), pack(clone(), containers[0]));
        expect(error).toBeUndefined();
        expect(left).toEqual([]);
        expect(drawn(message)).toEqual(before);
      }),
      { numRuns: 500 },
    );
  });

  /** A graph as a list: each container once, the others by number. */
  function drawn(top: unknown): unknown[] {
    const numbers = new Map<object, number>();
    const lines: unknown[] = [];
    const draw = (value: unknown): unknown => {
      if (value instanceof Block) return value.gone ? "gone" : `block ${contentOf(value)}`;
      if (typeof value !== "object" || value === null) return value;
      const known = numbers.get(value);
      if (known !== undefined) return `#${known}`;
      const number = numbers.size;
      numbers.set(value, number);
      const kind = Object.prototype.toString.call(value);
      const children =
        value instanceof Map || value instanceof Set || Array.isArray(value)
          ? [...value].map((child) => (value instanceof Map ? (child as unknown[]).map(draw) : draw(child)))
          : Object.entries(value).map(([key, child]) => [key, draw(child)]);
      lines[number] = [kind, children];
      return `#${number}`;
    };
    draw(top);
    return lines;
  }

  it("do not take views of their memory along, which are copied", () => {
    const image = blockOf("pixels");
    const received = carry(clone(), { image, head: image.bytes.subarray(0, 3) }) as {
      image: Block;
      head: Uint8Array;
    };
    expect(Buffer.from(received.head).toString()).toBe("pix");
    expect(received.head.buffer).not.toBe(received.image.bytes.buffer);
  });

  it("arrive in objects with a tag and in the causes of errors, and are not looked for in a proxy", () => {
    class Tagged {
      image = blockOf("x");
      get [Symbol.toStringTag]() {
        return "Tagged";
      }
    }
    const message = { a: [new Tagged()], error: new Error("e", { cause: blockOf("y") }) };
    const received = carry(clone(), message) as { a: Tagged[]; error: Error };
    expect(contentOf(received.a[0]!.image)).toBe("x");
    expect(contentOf(received.error.cause as Block)).toBe("y");
    const proxy = new Proxy({ image: blockOf("x") }, {});
    expect(thrown(() => encode(clone(), { proxy, image: blockOf("y") }))).toMatchObject({ path: "proxy" });
  });

  it("are refused with the reason where a getter throws beside them", () => {
    const message = {
      image: blockOf("x"),
      get broken() {
        throw new Error("no such thing");
      },
    };
    const error = thrown(() => encode(clone(), message));
    expect(error).toBeInstanceOf(EncodeError);
    expect(error.message).toContain("no such thing");
    expect(contentOf(message.image)).toBe("x");
  });

  it("are refused when they stand twice for what arrives, and once is enough for two references", () => {
    const parcel = pack(clone(), [blockOf("x"), blockOf("y")]);
    // The number of the second becomes that of the first.
    const at = parcel.bytes.lastIndexOf(1);
    parcel.bytes[at] = 0;
    const { error, left, released } = unpack(clone(), parcel);
    expect(error).toMatchObject({
      name: "DecodeError",
      message: expect.stringMatching(/^the message names block 0/),
    });
    expect(released).toEqual([1, 0]);
    expect(left.map(contentOf)).toEqual(["y"]);
    const shared = { image: blockOf("z") };
    const received = carry(clone(), [shared, shared]) as (typeof shared)[];
    expect(received[0]).toBe(received[1]);
  });

  it("can't be cloned by others", () => {
    expect(() => structuredClone(blockOf("x"))).toThrow();
    expect(() => new MessageChannel().port1.postMessage({ a: blockOf("x") })).toThrow();
  });
});

describe.each([
  ["generated code", true],
  ["closures", false],
])("blocks in a struct by %s", (_name, code) => {
  const make = <F extends StructFields>(fields: F) => makeStruct<StructOf<F>>(layOut(fields), code);

  it("take four bytes each: their number", () => {
    const codec = make({ a: u8, b: block, c: optional(block), d: array(block) });
    const { bytes } = pack(codec, {
      a: 1,
      b: blockOf("0"),
      c: blockOf("1"),
      d: [blockOf("2"), blockOf("3")],
    });
    expect(Buffer.from(bytes).toString("hex")).toBe(
      ["01000000", "00000000", "01000000", "01000000", "02000000", "02000000", "03000000"].join(""),
    );
    expect(codec.schema).toBe("{ a: u8, b: block, c: optional(block), d: array(block) }");
    expect(make({ a: block }).size).toBe(4);
  });

  it("may be missing where they are optional", () => {
    const codec = make({ a: optional(block), b: optional(array(block)) });
    expect(carry(codec, {})).toEqual({ a: undefined, b: undefined });
    expect(toPlan(carry(codec, { a: blockOf("x"), b: [] }))).toEqual({ a: new Planned("x"), b: [] });
  });

  it.each([undefined, null, 5, "x", {}, new Uint8Array(4), { bytes: new Uint8Array(1) }])(
    "are not %o, and the error names the field",
    (value) => {
      const codec = make({ images: array(struct({ pixels: block })) });
      const error = thrown(() =>
        encode(codec, { images: [{ pixels: blockOf("x") }, { pixels: value as Block }] }),
      );
      expect(error).toMatchObject({ name: "EncodeError", path: "images[1].pixels" });
      expect(error.message).toMatch(/must be a block/);
    },
  );

  it("do not stand in the way of the error about another field", () => {
    const codec = make({ a: block, b: array(block), c: text() });
    const message = { a: blockOf("a"), b: [blockOf("b")], c: 5 as unknown as string };
    const scratch = scratchOf();
    expect(thrown(() => codec.encode(message, scratch, OFFSET, []))).toMatchObject({
      name: "EncodeError",
      path: "c",
    });
    message.c = "good";
    expect(toPlan(carry(codec, message))).toEqual({ a: new Planned("a"), b: [new Planned("b")], c: "good" });
  });

  it("are refused with the error of the block when they are gone or stand twice", () => {
    const codec = make({ a: block, b: optional(array(block)) });
    const gone = blockOf("x");
    gone.release();
    const twice = blockOf("y");
    expect(() => encode(codec, { a: gone })).toThrow(BlockError);
    expect(() => encode(codec, { a: twice, b: [twice] })).toThrow(BlockError);
  });

  it("are released, and the field is named, when a message can't be decoded", () => {
    const codec = make({ a: block, b: array(struct({ c: block, d: optional(u8) })) });
    const fresh = () => pack(codec, { a: blockOf("0"), b: [{ c: blockOf("1") }, { c: blockOf("2"), d: 5 }] });
    const cases: [number, number, string, number[]][] = [
      // The number of the last block: too high, and once more.
      [16, 3, "b[1].c", [1, 1, 0]],
      [16, 0, "b[1].c", [1, 1, 0]],
      // Whether there is a value behind it.
      [20, 2, "b[1].d", [1, 1, 1]],
      [0, 0xff, "a", [0, 0, 0]],
      [4, 0xff, "b", [1, 0, 0]],
    ];
    for (const [at, value, path, released] of cases) {
      const parcel = fresh();
      parcel.bytes[at] = value;
      const result = unpack(codec, parcel);
      expect(result.error).toMatchObject({ name: "DecodeError", path });
      expect(result.released).toEqual(released);
      expect(result.left.length).toBe(released.filter((times) => times === 0).length);
    }
    const cut = fresh();
    const result = unpack(codec, { ...cut, bytes: cut.bytes.subarray(0, cut.bytes.length - 1) });
    expect(result.error).toBeInstanceOf(DecodeError);
    expect(result.released.every((times, i) => times === 1 || result.left.includes(cut.blocks[i]!))).toBe(
      true,
    );
  });

  it("are missing when the message comes without them", () => {
    const codec = make({ a: u8, b: block });
    const { bytes } = pack(codec, { a: 1, b: blockOf("x") });
    expect(unpack(codec, { bytes, blocks: [] }).error).toMatchObject({ name: "DecodeError", path: "b" });
  });

  it("say how much room the message needs", () => {
    const codec = make({ a: block, b: array(block), c: text() });
    const message = { a: blockOf("a"), b: [blockOf("b"), blockOf("c")], c: "text" };
    expect(codec.encode(message, scratchOf(OFFSET + 23), OFFSET, [])).toBe(-24);
    expect(pack(codec, message, scratchOf(OFFSET + 24)).blocks.length).toBe(3);
  });
});

it("a field for blocks has values of type Block", () => {
  const codec = struct({ image: block, more: optional(block) });
  expectTypeOf<Infer<typeof codec>>().toEqualTypeOf<{ image: Block; more?: Block | undefined }>();
});

it("text and bytes refuse a block, and say what carries it", () => {
  const own = blockOf("x");
  const hint = /json\(\), packed\(\), clone\(\) or struct/;
  for (const codec of [bytes(), bytes({ copy: false }), text()] as unknown as Codec<Block>[]) {
    const error = thrown(() => encode(codec, own)) as RingbellError;
    expect(error).toBeInstanceOf(EncodeError);
    expect(error.message).toMatch(hint);
  }
  expect(thrown(() => encode(struct({ a: bytes() }), { a: own as never })).message).toBe(
    "a: must be a Uint8Array; it is a block",
  );
  expect(contentOf(own)).toBe("x");
});

it("no codec reads in the memory that it writes to, which another process may change", () => {
  const scratch = scratchOf();
  const refuse = () => {
    throw new Error("read");
  };
  for (const object of [scratch.view, scratch.buffer]) {
    for (let type: object = object; type !== Object.prototype; type = Object.getPrototypeOf(type) as object) {
      for (const name of Object.getOwnPropertyNames(type)) {
        if (/^(get|read|slice|subarray|toString|at$|compare|equals|indexOf|includes|\w+Slice)/.test(name)) {
          Object.defineProperty(object, name, { value: refuse });
        }
      }
    }
  }
  const long = "long ä ".repeat(20);
  const all = { n: 1, s: "short", l: long, d: new Uint8Array(50), i: [blockOf("x")] };
  const everything = {
    n: u32,
    s: text(),
    l: text(),
    f: text(200),
    d: bytes(),
    i: array(block),
    o: optional(array(u32, 9)),
  };
  for (const code of [true, false]) {
    const codec = makeStruct<StructOf<typeof everything>>(layOut(everything), code);
    expect(codec.encode({ ...all, f: "fixed" }, scratch, OFFSET, [])).toBeGreaterThan(0);
  }
  expect(json().encode(all, scratch, OFFSET, [])).toBeGreaterThan(0);
  expect(clone().encode(all, scratch, OFFSET, [])).toBeGreaterThan(0);
  expect(packed().encode([all, all.d, { n: 1 }], scratch, OFFSET, [])).toBeGreaterThan(0);
  expect(text().encode(long, scratch, OFFSET, [])).toBeGreaterThan(0);
  expect(bytes().encode(all.d, scratch, OFFSET, [])).toBe(50);
});
