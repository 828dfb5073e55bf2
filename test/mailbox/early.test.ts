import { describe, expect, it, onTestFinished } from "vitest";
import { Broker } from "../../lib/mailbox/broker/broker.js";
import type { BrokerLink, LinkListener } from "../../lib/mailbox/client/broker-link.js";
import { Requester } from "../../lib/mailbox/client/requester.js";
import { MemoryTables } from "../../lib/mailbox/store/memory-tables.js";
import type { BoxRow } from "../../lib/mailbox/store/tables.js";
import type { AnswerFrame, Request, RequestFrame, WireMessage } from "../../lib/mailbox/wire.js";

const POST = { op: "post", to: "a", from: "", body: "x" } as const;
const TAKE = { op: "take", box: "a", most: 1, wait: true } as const;
const busy = () => Object.assign(new Error("database is locked"), { errcode: 5 });
const full = () => Object.assign(new Error("database or disk is full"), { errcode: 13 });

/** Tables that seem to be stored, and of which commits can be made to fail. */
class StoredTables extends MemoryTables {
  override readonly kind = "node:sqlite" as unknown as "memory";
  readonly log: string[] = [];
  /** What the next commits throw. */
  fails: Error[] = [];
  readonly #boxes = new Map<number, BoxRow>();
  #added: number[] = [];
  #outcomes: Parameters<MemoryTables["saveOutcomes"]>[] = [];

  override saveOutcomes(...args: Parameters<MemoryTables["saveOutcomes"]>): void {
    this.#outcomes.push(args);
  }

  override addBox(name: string): BoxRow {
    const box = super.addBox(name);
    this.#boxes.set(box.id, { ...box });
    return box;
  }

  override saveBox(box?: BoxRow): void {
    if (box !== undefined) this.#boxes.set(box.id, { ...box });
  }

  override boxes(): BoxRow[] {
    return [...this.#boxes.values()].map((box) => ({ ...box }));
  }

  override insert(...args: Parameters<MemoryTables["insert"]>): void {
    this.#added.push(args[0].position);
    super.insert(...args);
  }

  override commit(): void {
    const error = this.fails.shift();
    if (error !== undefined) throw error;
    for (const args of this.#outcomes) super.saveOutcomes(...args);
    this.#outcomes = [];
    this.#added = [];
    this.log.push("commit");
  }

  override rollback(): void {
    for (const position of this.#added) super.remove(position, null);
    this.#added = [];
    this.#outcomes = [];
  }
}

function begin() {
  const tables = new StoredTables();
  const broker = new Broker({
    ...{ tables, epoch: 1, time: Date.now, defaults: {}, maxMessageBytes: 1000 },
    ...({ durability: "process", damaged: undefined, onLost() {} } as const),
  });
  onTestFinished(() => broker.close());

  /** A client by hand. It logs what it gets. */
  const client = async (name: string, away = true) => {
    const frames: AnswerFrame[] = [];
    const waiting = new Map<number, (answer: AnswerFrame["answers"][number]) => void>();
    let ended = false;
    const { receive, gone } = broker.attach({
      ...{ pid: process.pid, uid: 0, away },
      send(frame) {
        frames.push(frame);
        tables.log.push(`${name}${frame.early ? " early" : ""}`);
        for (const answer of frame.answers) waiting.get(answer.tag)?.(answer);
      },
      end() {
        ended = true;
        queueMicrotask(gone);
      },
    });
    let tag = 0;
    const frame = (...requests: object[]) => {
      const tagged = requests.map((request) => ({ ...request, tag: ++tag }));
      const answers = tagged.map(
        (one) => new Promise<AnswerFrame["answers"][number]>((resolve) => waiting.set(one.tag, resolve)),
      );
      receive({ requests: tagged, unanswered: 1 });
      return answers;
    };
    const ask = (request: object) => frame(request)[0]!;
    await ask({ op: "hello", version: 1, client: name, held: [] });
    return { ask, frame, frames, ended: () => ended };
  };

  /** A client that waits for the next message of the box. */
  const waiter = async (name: string, away?: boolean) => {
    const one = await client(name, away);
    const message = one.ask(TAKE).then(({ value }) => (value as WireMessage[])[0]!);
    await one.ask({ op: "status" });
    tables.log.length = 0;
    return { ...one, message };
  };
  return { tables, broker, client, waiter };
}

/** A broker from which positions are reserved already. */
async function begun() {
  const one = begin();
  const poster = await one.client("poster");
  await poster.ask({ ...POST, to: "other", number: 1 });
  return { ...one, poster };
}

describe("a message for somebody who waits", () => {
  it("reaches another process before it is stored, and its poster hears after that", async () => {
    const { tables, poster, waiter } = await begun();
    const { message } = await waiter("waiter");
    await poster.ask({ ...POST, number: 2 });
    expect(tables.log).toEqual(["waiter early", "commit", "poster"]);
    expect(await message).toMatchObject({ body: "x", attempt: 1 });
  });

  it("is stored first for the broker's own process, which could end by what it does with it", async () => {
    const { tables, poster, waiter } = await begun();
    await waiter("waiter", false);
    await poster.ask({ ...POST, number: 2 });
    expect(tables.log[0]).toBe("commit");
  });

  it("is stored first if it was there before, or if its position is not reserved yet", async () => {
    const { tables, client, waiter } = begin();
    const poster = await client("poster");
    const { message } = await waiter("waiter");
    await poster.ask({ ...POST, number: 1 });
    expect(tables.log[0]).toBe("commit");
    const { position, token } = await message;
    await waiter("second");
    await (await client("waiter")).ask({ op: "settle", how: "return", claims: [[position, token]] });
    expect(tables.log).not.toContain("second early");
  });

  it("goes with the other answers of its process", async () => {
    const { tables, waiter } = await begun();
    const { frame } = await waiter("both");
    await Promise.all(frame({ ...POST, number: 1 }));
    expect(tables.log).toEqual(["commit", "both"]);
  });

  it("that is not stored then comes again, marked so; who had it is cut off", async () => {
    const { tables, poster, waiter } = await begun();
    const first = await waiter("first");
    tables.fails = [busy()];
    const { value } = await poster.ask({ ...POST, number: 2 });
    expect(await first.message).toMatchObject({ body: "x", attempt: 1 });
    expect(first.ended()).toBe(true);
    const { message } = await waiter("second");
    expect(await message).toMatchObject({ body: "x", attempt: 2, position: (value as WireMessage).position });
  });

  it("is stored first as long as the posts before could not be stored", async () => {
    const { tables, poster, waiter } = await begun();
    const first = await waiter("first");
    const second = await waiter("second");
    tables.fails = [full()];
    expect((await poster.ask({ ...POST, number: 2 })).refusal?.code).toBe("ERR_RINGBELL_NO_SPACE");
    expect(first.ended()).toBe(true);
    // Turns that store no post say nothing of the disk.
    await poster.ask({ op: "status" });
    await poster.ask({ ...POST, number: 3 });
    expect(await second.message).toMatchObject({ body: "x" });
    expect(tables.log).toContain("first early");
    expect(tables.log).not.toContain("second early");
    await waiter("third");
    await poster.ask({ ...POST, number: 4 });
    expect(tables.log).toContain("third early");
  });
});

describe("a flood", () => {
  it("is answered part by part, so that the poster goes on while the rest is stored", async () => {
    const { poster, tables } = await begun();
    tables.log.length = 0;
    await Promise.all(poster.frame(...Array.from({ length: 300 }, (_, i) => ({ ...POST, number: i + 2 }))));
    expect(tables.log).toEqual(Array.from({ length: 3 }, () => ["commit", "poster"]).flat());
  });

  it("is stored whole by a broker that closes", async () => {
    const { poster, broker } = await begun();
    const answers = poster.frame(...Array.from({ length: 300 }, (_, i) => ({ ...POST, number: i + 2 })));
    broker.close();
    expect((await Promise.all(answers)).filter(({ value }) => value !== undefined)).toHaveLength(300);
  });
});

/** A client whose broker the test plays. */
async function played() {
  const frames: RequestFrame["requests"][] = [];
  let listener: LinkListener | undefined;
  let linked = () => {};
  const link = (): BrokerLink => ({
    ...{ local: false, pid: 1, ref() {}, unref() {}, close: async () => {} },
    listen(one) {
      listener = one;
    },
    send({ requests }) {
      if (requests[0]!.op !== "hello") frames.push(structuredClone(requests));
      else {
        const value = { pid: 1, epoch: 1, path: undefined, maxMessageBytes: 1000 };
        queueMicrotask(() => listener!.frame({ answers: [{ tag: 0, value }] }));
      }
      linked();
      return undefined;
    },
  });
  const requester = new Requester({
    ...{ stall: 5000, kill: false, path: undefined, onNotice() {}, onState() {}, onTrouble() {} },
    reach: async () => link(),
  });
  onTestFinished(() => requester.close());
  await requester.ready();
  const answer = (frame: AnswerFrame) => listener!.frame(frame);
  /** Asks, and resolves when that is sent. */
  const ask = async (request: Request) => {
    const count = frames.length;
    requester.ask(request).answer.catch(() => {});
    await sent(count);
    return frames.at(-1)![0]!.tag;
  };
  const sent = (count: number) =>
    new Promise<void>((resolve) => {
      linked = () => {
        if (frames.length > count) resolve();
      };
      linked();
    });
  /** Ends the link, and returns what is asked again over the next. */
  const cut = async () => {
    const count = frames.length;
    listener!.end(undefined);
    await sent(count);
    return frames.slice(count).flat();
  };
  return { requester, ask, answer, cut };
}

describe("a client whose broker is lost", () => {
  const ack = { op: "settle", how: "ack", claims: [[5, 9]] } as const;
  const value = [{ position: 5, token: 9 }];

  it("does not hear that its acknowledgement is done of a message that came early and may not be stored", async () => {
    const { requester, ask, answer, cut } = await played();
    answer({ answers: [{ tag: await ask(TAKE), value }], early: true });
    requester.hold(5, 9);
    await ask(ack);
    // The mark would make the next broker believe that an unknown message was acknowledged before.
    expect(await cut()).toEqual([{ ...ack, tag: expect.any(Number) }]);
    expect(await cut(), "also when the next one is lost").toEqual([{ ...ack, tag: expect.any(Number) }]);
  });

  it("hears that, if the broker has said since that the message is stored", async () => {
    const { requester, ask, answer, cut } = await played();
    answer({ answers: [{ tag: await ask(TAKE), value }], early: true });
    requester.hold(5, 9);
    const status = await ask({ op: "status" });
    answer({ answers: [{ tag: status, value: {} }] });
    await ask(ack);
    expect(await cut()).toMatchObject([{ op: "settle", again: true }]);
  });

  it("posts again with a mark, since the message may have been delivered", async () => {
    const { ask, cut } = await played();
    await ask({ ...POST, number: 1 });
    expect(await cut()).toMatchObject([{ op: "post", number: 1, again: true }]);
  });
});
