// Calls in both directions, with a peer that sends what the input says: JSON-RPC that is valid but for a field or two, extensions about calls
// that do not exist, answers to questions that nobody asked, and any text, in each of the three framings.
//
// Everything ends with an answer, a refusal or a report. No request is answered twice, all that is sent is JSON-RPC, and after the end of the
// connection nothing runs any more.
import { z } from "zod";
import { RingbellError } from "../../../lib/errors.js";
import { RpcConnection } from "../../../lib/rpc/connection.js";
import { contract, notification, request, stream } from "../../../lib/rpc/contract.js";
import { CallError } from "../../../lib/rpc/errors.js";
import { EventPort, textOf } from "../../../lib/rpc/event-port.js";
import { type Deframer, deframer, type Framing, framed } from "../../../lib/rpc/framing.js";
import { servedBy } from "../../../lib/rpc/handlers.js";
import {
  CANCEL,
  CREDIT,
  INPUT,
  INPUT_CREDIT,
  INPUT_END,
  ITEMS,
  PING,
  PROGRESS,
} from "../../../lib/rpc/message.js";
import { advance, reset, settle } from "../driver/virtual-clock.js";
import { check, Input, split } from "./input.js";

const FRAMINGS: readonly Framing[] = ["lines", "length", "content-length"];
const LONGEST = 4096;
const METHODS = split("echo hang count sum report log fail back rpc.unknown constructor");
const EXTENSIONS = [CANCEL, CREDIT, INPUT, INPUT_CREDIT, INPUT_END, ITEMS, PING, PROGRESS];
const KEYS = [
  ...split("jsonrpc id method params timeout credit input result error code message data value items count"),
  ...split("to line cause name 2.0 __proto__"),
];

/** A port whose other side is the input. */
class InputPort extends EventPort {
  readonly sent: unknown[] = [];
  isFull = false;
  readonly #deframer: Deframer;

  constructor(framing: Framing) {
    super();
    this.#deframer = deframer(framing, LONGEST, (text) => this.deliverText(text));
  }
  come(bytes: Uint8Array): void {
    if (this.isOver) return;
    try {
      this.#deframer.push(bytes);
    } catch (error) {
      if (!(error instanceof RingbellError)) throw error;
      this.over("protocol-error", error);
    }
  }
  hangUp(): void {
    this.over("peer-closed");
  }
  trySend(message: unknown): boolean {
    this.mustBeOpen();
    if (this.isFull) return false;
    this.sent.push(JSON.parse(textOf(message)));
    return true;
  }
  async send(message: unknown): Promise<void> {
    this.mustBeOpen();
    this.sent.push(JSON.parse(textOf(message)));
  }
  async close(): Promise<void> {
    this.destroy();
  }
  destroy(error?: Error): void {
    this.over("ended", error);
  }
}

const theirs = contract("theirs", {
  ask: request(z.unknown(), z.object({ n: z.number() }), { progress: z.number(), input: z.number() }),
  feed: stream(z.unknown(), z.number()),
});
const ours = contract("ours", {
  echo: request(z.unknown(), z.unknown()),
  hang: request(z.unknown(), z.unknown(), { progress: z.number(), input: z.number() }),
  count: stream(z.object({ to: z.number().max(1000) }), z.number()),
  sum: request(z.unknown(), z.number(), { input: z.number() }),
  report: request(z.object({ n: z.number() }), z.unknown(), { progress: z.unknown() }),
  log: notification(z.object({ line: z.string() })),
  fail: request(z.unknown(), z.unknown()),
  back: request(z.unknown(), z.unknown()),
});

interface Client {
  ask(params: unknown, options?: object): Promise<unknown>;
  feed(params: unknown, options?: object): AsyncIterable<unknown>;
}

let running = 0;
/** Counts a handler that runs. */
async function counted<T>(work: () => Promise<T>): Promise<T> {
  running++;
  try {
    return await work();
  } finally {
    running--;
  }
}

type Call = {
  readonly signal: AbortSignal;
  readonly input: AsyncIterable<number>;
  readonly client: Client;
  progress(value: unknown): Promise<void>;
};

const handlers = {
  echo: (params: unknown) => params ?? null,
  hang: (_params: unknown, { signal }: Call) =>
    counted(
      () =>
        new Promise((_resolve, reject) => {
          if (signal.aborted) reject(signal.reason);
          else signal.addEventListener("abort", () => reject(signal.reason));
        }),
    ),
  async *count({ to }: { to: number }) {
    running++;
    try {
      for (let n = 0; n < to; n++) yield n;
    } finally {
      running--;
    }
  },
  sum: (_params: unknown, { input }: Call) =>
    counted(async () => {
      let sum = 0;
      for await (const n of input) sum += n;
      return sum;
    }),
  report: ({ n }: { n: number }, call: Call) =>
    counted(async () => {
      for (let at = 0; at < Math.min(n, 20); at++) await call.progress(at);
      return n;
    }),
  log: () => {},
  fail: (params: unknown) => {
    throw params === 1 ? new CallError(7, "seven", { params }) : new TypeError("no");
  },
  back: (params: unknown, { client, signal }: Call) =>
    counted(() => client.ask({ params }, { signal, timeout: 50 })),
};

function message(input: Input, asked: readonly unknown[]): unknown {
  const id = input.below(3) === 0 ? input.json(KEYS, 1) : input.below(6);
  switch (input.below(8)) {
    case 0:
      return input.json(KEYS);
    case 1: {
      // An answer, often to something that was asked.
      const to = asked.length > 0 && input.below(4) > 0 ? input.pick(asked) : id;
      const answer =
        input.below(2) === 0
          ? { jsonrpc: "2.0", id: to, result: input.pick([{ n: 1 }, null, 5, "x"]) }
          : {
              jsonrpc: "2.0",
              id: to,
              error: { code: input.number(), message: "m", data: input.json(KEYS, 1) },
            };
      return input.spoil(answer, KEYS);
    }
    case 2:
    case 3: {
      const about = asked.length > 0 && input.below(2) === 0 ? input.pick(asked) : id;
      const params = {
        id: about,
        count: input.number(),
        items: Array.from({ length: input.below(5) }, () => input.number()),
        value: input.number(),
        error: { code: 1, message: "m" },
      };
      const extension = { jsonrpc: "2.0", method: input.pick(EXTENSIONS), params: input.spoil(params, KEYS) };
      return input.spoil(input.below(4) === 0 ? { ...extension, id } : extension, KEYS);
    }
    case 4:
      return Array.from({ length: input.below(5) }, () => call(input, id));
    default:
      return call(input, id);
  }
}

function call(input: Input, id: unknown): unknown {
  const params = { to: input.below(600), n: input.below(30), line: "x" };
  const fields = {
    jsonrpc: "2.0",
    id,
    method: input.pick(METHODS),
    params: input.below(3) === 0 ? input.json(KEYS, 2) : params,
    ...(input.below(4) === 0 ? { timeout: input.number() } : {}),
    ...(input.below(4) === 0 ? { credit: input.number() } : {}),
    ...(input.below(4) === 0 ? { input: true } : {}),
  };
  if (input.below(4) === 0) delete (fields as { id?: unknown }).id;
  return input.spoil(fields, KEYS);
}

/** What this side asks the peer. */
function ask(input: Input, client: Client): void {
  const typed = (error: unknown) =>
    check(error instanceof RingbellError, `a typed error; ${(error as Error).stack}`);
  const more = input.below(2) === 0 ? { input: [1, 2, 3] } : {};
  const options =
    input.below(2) === 0 ? {} : { timeout: 1 + input.below(100), onProgress: () => {}, ...more };
  if (input.below(2) === 0) client.ask({ n: input.number() }, options).catch(typed);
  else void drink(client.feed({}, options), input.below(20)).catch(typed);
}

async function drink(items: AsyncIterable<unknown>, most: number): Promise<void> {
  let count = 0;
  for await (const _item of items) if (++count >= most) return;
}

/** Looks at what was sent: all of it is JSON-RPC, and no request is answered more often than it was asked. */
function judge(sent: readonly unknown[], ids: readonly unknown[]): void {
  const left = new Map<string, number>();
  for (const id of ids) left.set(JSON.stringify(id), (left.get(JSON.stringify(id)) ?? 0) + 1);
  for (const message of sent.flat() as Record<string, unknown>[]) {
    check(message.jsonrpc === "2.0", "what is sent is JSON-RPC");
    if ("method" in message) continue;
    check(
      "id" in message && "result" in message !== "error" in message,
      "an answer has one of result and error",
    );
    // Without an id that can be read, the answer has null.
    if (message.id === null) continue;
    const id = JSON.stringify(message.id);
    const times = left.get(id) ?? 0;
    check(times > 0, `an answer for ${id} that nobody waits for`);
    left.set(id, times - 1);
  }
}

/** All ids in what was sent to this side, as often as they stand there. */
function idsIn(text: string, ids: unknown[]): void {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return;
  }
  for (const one of [value].flat()) {
    if (typeof one === "object" && one !== null && "id" in one) ids.push(one.id);
  }
}

export function run(bytes: Uint8Array): void {
  reset();
  running = 0;
  const input = new Input(bytes);
  const framing = input.pick(FRAMINGS);
  const port = new InputPort(framing);
  const concurrency = 1 + input.below(4);
  const served = servedBy(ours, handlers, {
    concurrency,
    queue: input.below(4),
    whenFull: input.pick(["refuse", "wait"] as const),
    onError: () => {},
  });
  let ended = 0;
  const connection = new RpcConnection(port, served, theirs, {
    bad: (error) => check(error instanceof RingbellError, `a typed report; ${error.stack}`),
    ended: () => ended++,
  });
  const client = connection.client as Client;
  const ids: unknown[] = [];
  let isRaw = false;
  const asked = () =>
    (port.sent.flat() as Record<string, unknown>[])
      .filter((one) => "method" in one && "id" in one)
      .map(({ id }) => id);
  while (input.more) {
    switch (input.below(12)) {
      case 0:
        ask(input, client);
        break;
      case 1:
        advance(input.below(120));
        break;
      case 2:
        port.isFull = input.below(2) === 0;
        break;
      case 3:
        isRaw = true;
        port.come(input.bytes(60));
        break;
      default: {
        const text = JSON.stringify(message(input, asked()));
        idsIn(text, ids);
        const whole = Buffer.from(framed(framing, text));
        const cut = input.below(4) === 0 ? input.below(whole.length) : whole.length;
        port.come(whole.subarray(0, cut));
        port.come(whole.subarray(cut));
      }
    }
    settle();
  }
  if (!isRaw) judge(port.sent, ids);
  port.hangUp();
  settle();
  advance(1000);
  check(ended === 1, `the end is told once; ${ended}`);
  check(running === 0, `handlers end with their connection; ${running} run`);
}

/** Bytes for `ask`: a request or a stream with a time-out, reports, and perhaps an input. */
const asking = (isStream: number, more: number) => [0, more, 1, 90, isStream, 8, ...(isStream ? [] : [1])];
/** Bytes for a message about the first call that was asked. */
const about = (extension: string) => [
  4,
  1,
  1,
  2,
  0,
  0,
  8,
  1,
  1,
  8,
  1,
  8,
  1,
  EXTENSIONS.indexOf(extension),
  1,
  1,
  1,
  1,
];
/** Bytes for the answer to it. */
const answering = [4, 1, 1, 1, 1, 0, 0, 0, 1, 1];

export function* seeds(): Iterable<Uint8Array> {
  for (const more of [0, 1]) {
    yield Buffer.from([
      0,
      2,
      3,
      0,
      ...asking(0, more),
      ...about(INPUT_CREDIT),
      ...about(PROGRESS),
      ...answering,
    ]);
    yield Buffer.from([
      0,
      2,
      3,
      0,
      ...asking(1, more),
      ...about(ITEMS),
      ...about(PROGRESS),
      ...about(ITEMS),
      ...answering,
    ]);
  }
  const plain = [
    { jsonrpc: "2.0", id: 1, method: "echo", params: { a: 1 } },
    { jsonrpc: "2.0", id: 2, method: "count", params: { to: 3 }, credit: 2 },
    { jsonrpc: "2.0", method: CREDIT, params: { id: 2, count: 5 } },
    { jsonrpc: "2.0", id: 3, method: "sum", input: true },
    { jsonrpc: "2.0", method: INPUT, params: { id: 3, items: [1, 2] } },
    { jsonrpc: "2.0", method: INPUT_END, params: { id: 3 } },
  ];
  for (const [at, framing] of FRAMINGS.entries()) {
    const texts = plain.map((one) => Buffer.from(framed(framing, JSON.stringify(one))));
    const parts = texts.flatMap((text) => [Buffer.of(3, Math.min(60, text.length)), text.subarray(0, 60)]);
    yield Buffer.concat([Buffer.of(at, 2, 3, 0), ...parts]);
    yield Buffer.concat([
      Buffer.of(at, 2, 3, 0),
      Buffer.from(Array.from({ length: 200 }, (_, n) => (n * 7) % 23)),
    ]);
    yield Buffer.concat([
      Buffer.of(at, 1, 1, 1),
      Buffer.from(Array.from({ length: 200 }, (_, n) => (n * 5) % 13)),
    ]);
  }
}

export const words = [...KEYS, ...METHODS, ...EXTENSIONS].map((word) => `"${word}"`);
