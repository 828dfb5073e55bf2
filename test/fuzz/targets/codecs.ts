// Every decoder on any bytes, and its answer under three surroundings of the record.
//
// A decoder gives a value, or throws its typed error. What stands around the record must make no difference: a decoder that reads outside
// would show it. A value is encoded again; what comes back is the same. Generated code and closures agree. Tables of blocks are a part of it.
import { isDeepStrictEqual } from "node:util";
import { serialize } from "node:v8";
import { z } from "zod";
import type { Codec } from "../../../lib/codec/codec.js";
import {
  array,
  block,
  bool,
  bytes,
  clone,
  f32,
  f64,
  i8,
  i16,
  i32,
  i53,
  i64,
  json,
  oneOf,
  optional,
  packed,
  Scratch,
  struct,
  text,
  u8,
  u16,
  u32,
  u53,
  u64,
  union,
} from "../../../lib/codec/index.js";
import { codecToReceive } from "../../../lib/codec/lane-codec.js";
import { EncodeError, RingbellError } from "../../../lib/errors.js";
import { blockOf, encode, OFFSET, scratchOf } from "../../codec/support.js";
import { reset } from "../driver/virtual-clock.js";
import { exchangeBlocks } from "./block-books.js";
import { check, Input } from "./input.js";

type AnyCodec = Codec<unknown>;

/** The same codec by generated code and by closures. */
function both(make: () => unknown): [AnyCodec, AnyCodec] {
  const generated = make() as AnyCodec;
  process.env.RINGBELL_CODEGEN = "0";
  const closures = make() as AnyCodec;
  delete process.env.RINGBELL_CODEGEN;
  return [generated, closures];
}

const fixed = both(() =>
  struct({ a: u8, b: i16, c: u32, d: f64, e: bool, f: oneOf("x", "yy"), g: text(8), h: bytes(4), i: u53 }),
);
const variable = both(() =>
  struct({
    name: text(),
    data: bytes(),
    list: array(u16),
    nested: array(struct({ x: f32, y: optional(i64), tags: array(text()) })),
    maybe: optional(struct({ deep: i8, deeper: optional(i53) })),
    big: u64,
    last: i32,
  }),
);
const withBlocks = both(() => struct({ id: u32, image: block, more: array(block) }));
const variants = both(() =>
  union("type", {
    ping: struct({ at: f64 }),
    chat: struct({ from: text(), lines: array(text()) }),
    move: struct({ x: i32, y: i32, name: text(6) }),
    raw: struct({ data: bytes() }),
  }),
);
const checked = z.object({ id: z.number(), tags: z.array(z.string()).optional(), to: z.string().max(20) });

interface Choice {
  readonly codec: AnyCodec;
  /** The other way to decode the same. */
  readonly other?: AnyCodec;
  /** Whether a decoded value may be one that can't be sent. */
  readonly unsendable?: boolean;
  readonly samples: readonly unknown[];
}

const objects: readonly unknown[] = [
  { id: 1, to: "a", tags: ["x", "y"] },
  [1, -0, 1.5, "é€😀", null, true, { a: { b: [] } }],
  { __proto__: null, constructor: 1 },
  "text",
];
const rich: readonly unknown[] = [
  ...objects,
  {
    date: new Date(5),
    map: new Map([[1, { x: 1 }]]),
    set: new Set(["a"]),
    big: -(2n ** 70n),
    none: undefined,
  },
  { floats: new Float64Array([1, Number.NaN]), memory: new ArrayBuffer(3), bytes: new Uint8Array([1, 2, 3]) },
  Array.from({ length: 5 }, (_, id) => ({ id, name: `name ${id}`, at: id * 1e9 })),
];
const fixedSample = {
  a: 1,
  b: -2,
  c: 3,
  d: 4.5,
  e: true,
  f: "yy",
  g: "abc",
  h: new Uint8Array(4),
  i: 2 ** 50,
};
const variableSample = {
  name: "n",
  data: new Uint8Array([1, 2, 3]),
  list: [1, 2, 3],
  nested: [
    { x: 1, y: 5n, tags: ["a", "b"] },
    { x: 2, y: undefined, tags: [] },
  ],
  maybe: { deep: -1, deeper: 7 },
  big: 1n,
  last: -9,
};

const CHOICES: readonly Choice[] = [
  { codec: json() as AnyCodec, samples: objects },
  { codec: json(checked) as AnyCodec, samples: objects },
  { codec: clone() as AnyCodec, unsendable: true, samples: [...rich, new Error("e"), /x/gi, Object(1)] },
  { codec: packed() as AnyCodec, samples: rich },
  { codec: packed(checked) as AnyCodec, samples: objects },
  { codec: text() as unknown as AnyCodec, samples: ["", "plain", "é€😀", "x".repeat(100)] },
  { codec: bytes() as unknown as AnyCodec, samples: [new Uint8Array([1, 2])] },
  { codec: bytes({ copy: false }) as unknown as AnyCodec, samples: [new Uint8Array([1, 2])] },
  { codec: fixed[0], other: fixed[1], samples: [fixedSample] },
  { codec: variable[0], other: variable[1], samples: [variableSample] },
  { codec: withBlocks[0], other: withBlocks[1], samples: [] },
  {
    codec: variants[0],
    other: variants[1],
    samples: [
      { type: "ping", at: 1 },
      { type: "chat", from: "me", lines: ["a", ""] },
      { type: "move", x: 1, y: -1, name: "abc" },
      { type: "raw", data: new Uint8Array(9) },
    ],
  },
];
/** The number of the choice that reads several records as one lane does. */
const LANE = CHOICES.length;
/** The number of the choice that is about blocks. */
const BLOCKS = LANE + 1;

interface Outcome {
  readonly value?: unknown;
  readonly error?: string;
}

/** Decodes bytes among others. `behind`: how many there are behind them. */
function decodeAmong(
  codec: AnyCodec,
  record: Uint8Array,
  fill: number,
  behind: number,
  blocks: number,
): Outcome {
  const scratch = new Scratch(new ArrayBuffer(OFFSET + record.length + behind));
  scratch.buffer.fill(fill);
  scratch.buffer.set(record, OFFSET);
  const before = Buffer.from(scratch.buffer);
  const met = Array.from({ length: blocks }, (_, at) => blockOf(`block ${at}`));
  const list: ((typeof met)[number] | undefined)[] = [...met];
  try {
    const value = codec.decode(scratch, OFFSET, record.length, list);
    check(before.equals(scratch.buffer), "a decoder leaves the scratch as it is");
    return { value };
  } catch (error) {
    const isTyped =
      error instanceof RingbellError &&
      (error.code === "ERR_RINGBELL_DECODE" || error.code === "ERR_RINGBELL_VALIDATION");
    if (!isTyped) throw error;
    // A block that a decoder put into a message which it then refuses has gone; the others are the channel's to release.
    // The words may differ: packed() may look at what stands behind a record before it finds that the record has ended.
    return { error: error.code };
  } finally {
    for (const one of list) one?.release();
  }
}

function isSame(one: Outcome, other: Outcome): boolean {
  // An invalid Date is not equal to another in Node 20; its bytes are.
  return isDeepStrictEqual(one, other) || serialize(one).equals(serialize(other));
}

function decodeEverywhere({ codec, other }: Choice, record: Uint8Array, blocks: number): Outcome {
  const first = decodeAmong(codec, record, 0, 0, blocks);
  for (const fill of [0xff, 0x00]) {
    const next = decodeAmong(codec, record, fill, 64, blocks);
    check(isSame(first, next), `${first.error ?? "a value"} became ${next.error ?? "another"}`);
  }
  if (other !== undefined) {
    const otherwise = decodeAmong(other, record, 0xff, 8, blocks);
    check(
      isSame(first, otherwise),
      `closures: ${first.error ?? "a value"} became ${otherwise.error ?? "another"}`,
    );
  }
  return first;
}

function encodeAgain(codec: AnyCodec, value: unknown): Uint8Array | undefined {
  for (let room = 1 << 14; room <= 1 << 26; room *= 8) {
    const scratch = scratchOf(room);
    const length = codec.encode(value, scratch, OFFSET, []);
    if (length >= 0) return scratch.buffer.subarray(OFFSET, OFFSET + length);
  }
  return undefined;
}

function returnsTheSame({ codec, unsendable }: Choice, value: unknown): void {
  let again: Uint8Array | undefined;
  try {
    again = encodeAgain(codec, value);
  } catch (error) {
    if (unsendable && error instanceof EncodeError) return;
    throw error;
  }
  if (again === undefined) return;
  const second = decodeAmong(codec, again, 0xff, 0, 0);
  check(second.error === undefined, `what was encoded can be decoded; ${second.error}`);
  const third = encodeAgain(codec, second.value);
  check(third !== undefined && Buffer.compare(again, third) === 0, "what comes back is encoded as it was");
}

/** Several records of one lane, in which shapes are learnt. An error leaves the lane usable. */
function lane(input: Input): void {
  const receiver = codecToReceive(packed() as AnyCodec);
  while (input.more) decodeAmong(receiver, input.bytes(200), 0xff, 8, 0);
}

export function run(bytes: Uint8Array): void {
  reset();
  const input = new Input(bytes);
  const number = input.below(BLOCKS + 1);
  if (number >= LANE) {
    if (number === LANE) lane(input);
    else exchangeBlocks(input);
    return;
  }
  const choice = CHOICES[number]!;
  const blocks = input.below(4);
  const { value, error } = decodeEverywhere(choice, input.rest(), blocks);
  if (error === undefined && blocks === 0) returnsTheSame(choice, value);
}

export function* seeds(): Iterable<Uint8Array> {
  for (const [number, { codec, samples }] of CHOICES.entries()) {
    for (const sample of samples) yield Buffer.concat([Buffer.of(number, 0), encode(codec, sample)]);
    yield Buffer.of(number, 2);
  }
  for (const step of [3, 5, 7, 11]) {
    yield Buffer.from([BLOCKS, ...Array.from({ length: 200 }, (_, at) => (at * step) % 29)]);
  }
  const [one, two] = [encode(packed() as AnyCodec, rich[6]), encode(packed() as AnyCodec, rich[4])];
  yield Buffer.concat([Buffer.of(LANE, one.length), one, Buffer.of(two.length), two]);
  for (const { codec, value } of [
    { codec: json(), value: (a: unknown) => ({ a }) },
    { codec: clone(), value: (a: unknown) => [a, { b: 1 }] },
    { codec: packed(), value: (a: unknown) => ({ list: [a] }) },
  ]) {
    const number = CHOICES.findIndex((choice) => choice.codec.name === codec.name);
    const message = encode(codec as AnyCodec, value(blockOf("x")), scratchOf(), []);
    yield Buffer.concat([Buffer.of(number, 1), message]);
  }
}

export const words = ["null", "true", "\\u0000", '{"id":1,"to":"a"}', "1e999", "-0", "\\ud800"];
