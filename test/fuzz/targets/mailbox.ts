// A broker with two clients that send what the input says, on tables in memory; and what is read of a store or of another process: bodies,
// envelopes, outcomes, frames of two sides without a broker.
//
// A frame that is none cuts its client off. Each request gets one answer at most: a value, or a refusal with a code. Nobody settles what
// somebody else has claimed. The books of each box agree with what lies in it.
import { CorruptError, RingbellError } from "../../../lib/errors.js";
import { messageOf, storedOf } from "../../../lib/mailbox/body.js";
import { Broker } from "../../../lib/mailbox/broker/broker.js";
import { envelopeOf, pulledOf, wireOf } from "../../../lib/mailbox/nats/envelope.js";
import { replyOf, sayOf } from "../../../lib/mailbox/point/frames.js";
import { steadyTime } from "../../../lib/mailbox/steady.js";
import { MemoryTables } from "../../../lib/mailbox/store/memory-tables.js";
import type { AnswerFrame } from "../../../lib/mailbox/wire.js";
import { advance, reset, settle } from "../driver/virtual-clock.js";
import { check, Input, split } from "./input.js";

const KEYS = [
  ...split("op tag version client held path to from body json id rank key ttl delay number again topic box"),
  ...split(
    "most lease wait how claims reason settings pattern state after positions what policy maxMessages",
  ),
  ...split("maxBytes maxAttempts duplicateWindow a b a.b a.* a.> ack box dead latest __proto__"),
];
const BOXES = ["a", "b", "c.d"];
const PATTERNS = ["a", "a.*", "a.>", "*", "c.d"];

/** A client of the broker by the hand of the input. */
class Client {
  readonly #connection: { receive(frame: unknown): void; gone(): void };
  readonly asked = new Map<number, string>();
  /** Deliveries that this client got and may settle. */
  readonly deliveries: (readonly [number, number])[] = [];
  isCutOff = false;
  error: Error | undefined;
  isGone = false;
  tag = 0;
  number = 0;

  constructor(
    broker: Broker,
    readonly name: string,
    away: boolean,
  ) {
    this.#connection = broker.attach({
      pid: away ? undefined : process.pid,
      uid: 0,
      away,
      send: (frame) => this.#hear(frame),
      end: (error) => {
        this.isCutOff = true;
        this.error = error;
      },
    });
  }

  say(frame: unknown): void {
    if (!this.isCutOff && !this.isGone) this.#connection.receive(frame);
  }

  go(): void {
    if (this.isGone) return;
    this.isGone = true;
    this.#connection.gone();
  }

  #hear(frame: AnswerFrame): void {
    check(!this.isGone, "a client that has gone is told nothing");
    JSON.stringify(frame);
    for (const { tag, value, refusal } of frame.answers) {
      const op = this.asked.get(tag);
      check(op !== undefined, `an answer to ${tag}, which was not asked or is answered already`);
      this.asked.delete(tag);
      check(op !== "steal" || refusal !== undefined, "nobody settles what another client has claimed");
      check((value === undefined) !== (refusal === undefined), `${op} is answered by a value or a refusal`);
      if (refusal !== undefined)
        check(refusal.code.startsWith("ERR_RINGBELL"), `a typed refusal; ${refusal.code}`);
      if (op === "take" && Array.isArray(value)) {
        for (const { position, token } of value) this.deliveries.push([position, token]);
        for (const message of value) read(() => messageOf(message));
      }
    }
  }
}

/** A read that may refuse with a typed error. */
function read(act: () => unknown): void {
  try {
    act();
  } catch (error) {
    if (!(error instanceof RingbellError)) throw error;
  }
}

function usual(input: Input, client: Client, others: readonly (readonly [number, number])[]): object {
  const box = input.pick(BOXES);
  const posted = {
    from: "me",
    body: input.below(2) === 0 ? "text" : '{"a":1}',
    json: input.below(2) === 0,
    rank: input.below(3),
    number: ++client.number,
    again: input.below(8) === 0,
  };
  const claims = () => {
    const list = client.deliveries.length > 0 && input.below(4) > 0 ? client.deliveries : others;
    return list.length > 0 ? [input.pick(list)] : [[input.below(20), input.below(20)]];
  };
  switch (input.below(14)) {
    case 0:
      return { op: "publish", topic: input.pick(["a", "a.b", "c.d"]), ...posted };
    case 1:
    case 2:
      return {
        op: "take",
        box,
        most: 1 + input.below(5),
        wait: input.below(2) === 0,
        lease: 1 + input.below(100),
      };
    case 3:
    case 4:
      return {
        op: "settle",
        how: input.pick(["ack", "nack", "reject", "extend", "return"]),
        claims: claims(),
        delay: input.below(50),
        again: input.below(4) === 0,
      };
    case 5:
      return { op: "cancel", wait: input.below(client.tag + 2) };
    case 6: {
      const settings = {
        maxMessages: 1 + input.below(6),
        policy: input.pick(["reject", "dropOldest", "latest"]),
        ttl: input.below(60),
        maxAttempts: 1 + input.below(3),
        maxDead: input.below(4),
        duplicateWindow: input.below(50),
      };
      return { op: "configure", box, settings };
    }
    case 7:
      return { op: input.pick(["subscribe", "unsubscribe"]), box, pattern: input.pick(PATTERNS) };
    case 8:
      return { op: "list", box, state: input.pick([undefined, 0, 1, 2, 3]), after: 0, most: 10 };
    case 9:
      return { op: "requeue", box, positions: input.pick([undefined, [1, 2, 3]]) };
    case 10:
      return { op: "purge", box, what: input.pick(["waiting", "dead", "box"]) };
    case 11:
      return { op: "status", box: input.pick([undefined, ...BOXES]) };
    default: {
      const id = input.pick([undefined, "one", "two"]);
      const key = input.pick([undefined, "k"]);
      return { op: "post", to: box, ...posted, id, key, delay: input.pick([undefined, 10]) };
    }
  }
}

function say(input: Input, client: Client, other: Client): void {
  if (input.below(24) === 0) {
    client.say(
      input.below(2) === 0 ? input.json(KEYS) : { requests: input.json(KEYS), unanswered: input.number() },
    );
    check(
      client.error === undefined || client.error instanceof CorruptError,
      "a client is cut off for what is no frame",
    );
    return;
  }
  const requests = Array.from({ length: 1 + input.below(3) }, () => {
    const request: Record<string, unknown> = input.spoil(usual(input, client, other.deliveries), KEYS);
    request.op = typeof request.op === "string" ? request.op : "status";
    request.tag = ++client.tag;
    client.asked.set(client.tag, nameOf(request, client, other));
    return request;
  });
  client.say({ requests, unanswered: input.below(client.number + 2) });
}

/** What a request is called in the client's notes: `steal` if it settles what the other client has claimed. */
function nameOf({ op, how, claims, again }: Record<string, unknown>, client: Client, other: Client): string {
  const isTheirs =
    op === "settle" &&
    again === false &&
    ["ack", "nack", "reject", "extend"].includes(how as string) &&
    Array.isArray(claims) &&
    claims.length === 1 &&
    other.deliveries.some((one) => String(one) === String(claims[0])) &&
    !client.deliveries.some((one) => String(one) === String(claims[0]));
  return isTheirs ? "steal" : (op as string);
}

/** Whether the books of the boxes agree with what a list of them shows. */
function audit(broker: Broker): void {
  const auditor = new Client(broker, "auditor", false);
  const answers: Record<number, unknown> = {};
  const ask = (request: object): unknown => {
    const tag = ++auditor.tag;
    auditor.asked.set(tag, "audit");
    const hear = (frame: AnswerFrame) => {
      for (const answer of frame.answers) answers[answer.tag] = answer.value ?? answer.refusal;
    };
    const connection = broker.attach({ pid: 1, uid: 0, send: hear, end: () => {} });
    connection.receive({
      requests: [
        { op: "hello", tag: 0, version: 1, client: `auditor${tag}`, held: [] },
        { ...request, tag },
      ],
      unanswered: 1,
    });
    settle();
    connection.gone();
    settle();
    return answers[tag];
  };
  const status = ask({ op: "status" }) as
    | { boxes?: { name: string; [state: string]: unknown }[] }
    | undefined;
  for (const box of status?.boxes ?? []) {
    for (const [state, name] of ["queued", "claimed", "delayed", "dead"].entries()) {
      const rows = ask({ op: "list", box: box.name, state, after: 0, most: 1000 }) as unknown[];
      check(Array.isArray(rows), "a list");
      for (const row of rows) read(() => storedOf(row as never));
      check(box[name] === rows.length, `${box.name} has ${rows.length} ${name}; its books say ${box[name]}`);
    }
  }
}

function broker(input: Input): void {
  const broker = new Broker({
    tables: new MemoryTables(),
    epoch: 1,
    time: steadyTime(0),
    defaults: { maxMessages: 8, maxBytes: 2000, lease: 50, maxAttempts: 3 },
    maxMessageBytes: 1000,
    durability: "process",
    damaged: undefined,
    onLost: (error) => {
      throw error;
    },
  });
  const clients = [new Client(broker, "one", true), new Client(broker, "two", false)];
  for (const client of clients) {
    if (input.below(8) === 0) continue;
    const tag = ++client.tag;
    client.asked.set(tag, "hello");
    client.say({
      requests: [{ op: "hello", tag, version: 1, client: client.name, held: [] }],
      unanswered: 1,
    });
  }
  settle();
  while (input.more) {
    const [client, other] = input.below(2) === 0 ? clients : [clients[1]!, clients[0]!];
    switch (input.below(10)) {
      case 0:
        advance(input.below(100));
        break;
      case 1:
        settle();
        break;
      case 2:
        if (input.below(8) === 0) client!.go();
        break;
      default:
        say(input, client!, other!);
    }
  }
  settle();
  audit(broker);
  broker.close();
  settle();
}

/** What stands in stores and comes from other processes. */
function readers(input: Input): void {
  const text = input.below(2) === 0 ? input.text(200) : JSON.stringify(input.json(KEYS));
  const wire = wireOf(
    "a",
    { position: 1, stored: 1, body: text, envelope: envelopeOf(text) },
    { attempt: 1, state: 0 },
  );
  read(() => messageOf(wire));
  read(() => storedOf({ ...wire, json: input.below(2) === 0 }));
  const pulled = pulledOf({ reply: input.text(100), string: () => text, headers: undefined } as never);
  check(typeof pulled.position === "number", "a position is a number");
  const value = input.json([...KEYS, "message", "ping", "token", "taken", "pong", "refused"]);
  read(() => sayOf(value));
  read(() => replyOf(value));
}

export function run(bytes: Uint8Array): void {
  reset();
  const input = new Input(bytes);
  if (input.below(8) === 7) readers(input);
  else broker(input);
}

export function* seeds(): Iterable<Uint8Array> {
  yield Buffer.of(7, 1);
  yield Buffer.concat([
    Buffer.of(7, 0, 60),
    Buffer.from('{"from":"a","json":true,"rank":2,"dead":{"position":1}}'),
  ]);
  for (const step of [3, 5, 7, 11, 13]) {
    yield Buffer.from([0, 1, 1, ...Array.from({ length: 300 }, (_, at) => (at * step) % 17)]);
  }
}

export const words = KEYS.map((word) => `"${word}"`);
