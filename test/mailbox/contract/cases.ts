import assert from "node:assert/strict";
import type { Mailboxes, MailboxesOptions } from "ringbell/mailbox";

/*
 * What mailboxes promise, wherever their messages lie. The same cases run over memory and NATS in the process of the tests, and over SQLite in a
 * Node that has it. So the file imports nothing but types and Node's own modules. See local-cases.ts for what holds on one machine only.
 */

export interface Stage {
  /** Mailboxes of the case; the first that are opened have the broker. All are closed after it. */
  open(options?: MailboxesOptions): Promise<Mailboxes>;
  /** Lets time pass: the broker's, which it is made to notice, or that of the world. */
  pass(mail: Mailboxes, ms: number): Promise<void>;
}

export type Case = (stage: Stage) => Promise<void>;

const bodies = (messages: readonly { readonly body: unknown }[]) => messages.map(({ body }) => body);
const code = (expected: string) => (error: { code?: string }) => error.code === expected;

export const cases: Readonly<Record<string, Case>> = {
  "gives a message that was posted before anyone waited to the next wait or fetch (S3.13)": async ({
    open,
  }) => {
    const mail = await open();
    await mail.post("a", "first");
    await mail.post("a", "second");
    assert.equal((await mail.wait("a"))?.body, "first");
    assert.deepEqual(bodies(await mail.fetch("a")), ["second"]);
  },

  "fetches all that waits in the order of posting, and nothing from an empty box (S3.9)": async ({
    open,
  }) => {
    const mail = await open();
    assert.deepEqual(await mail.fetch("a"), []);
    const many = Array.from({ length: 500 }, (_, i) => i);
    await Promise.all(many.map((i) => mail.post("a", i)));
    assert.deepEqual(bodies(await mail.fetch("a", { limit: 100 })), many.slice(0, 100));
    assert.deepEqual(bodies(await mail.fetch("a")), many.slice(100));
    assert.deepEqual(await mail.fetch("a"), []);
  },

  "resolves a wait as soon as there is a message, else when its time is over (S3.10)": async ({ open }) => {
    const mail = await open();
    const other = await open();
    const waiting = other.wait("a");
    await other.status();
    await mail.post("a", { any: ["JSON"] });
    assert.deepEqual((await waiting)?.body, { any: ["JSON"] });
    assert.equal(await other.wait("a", { timeout: 10 }), undefined);
    assert.equal((await mail.box("a").status())?.waiting, 0);
  },

  "stores a post without any reader, and says whether the box ever had one (S1.18, S3.8)": async ({
    open,
  }) => {
    const mail = await open();
    assert.equal((await mail.post("a", 1)).readers, "never");
    await mail.fetch("a");
    assert.equal((await mail.post("a", 2)).readers, "seen");
    await mail.fetch("a");
    const waiting = mail.wait("a");
    assert.equal((await mail.post("a", 3)).readers, "waiting");
    await waiting;
  },

  "counts exactly what each box holds (S3.11)": async ({ open }) => {
    const mail = await open();
    await mail.post("a", "four");
    await mail.post("a", "ümlaut");
    await mail.post("a", "later", { delay: 60_000 });
    await mail.post("b", "");
    const claimed = await mail.box("a").claim();
    const { boxes } = await mail.status();
    const counts = boxes.map(({ name, queued, delayed, claimed: taken, dead }) => [
      ...[name, queued, delayed, taken, dead],
    ]);
    assert.deepEqual(counts, [
      ["a", 1, 1, 1, 0],
      ["b", 1, 0, 0, 0],
    ]);
    await claimed?.ack();
    assert.equal((await mail.box("a").status())?.claimed, 0);
  },

  "never gives one message to two that wait (S3.24)": async ({ open }) => {
    const mail = await open();
    const others = [await open(), await open(), mail];
    const waits = Array.from({ length: 60 }, (_, i) => others[i % 3]!.wait("a"));
    await Promise.all(others.map((one) => one.status()));
    await Promise.all(Array.from({ length: 60 }, (_, i) => mail.post("a", i)));
    const got = (await Promise.all(waits)).map((message) => message!.body as number);
    assert.deepEqual(
      got.sort((a, b) => a - b),
      Array.from({ length: 60 }, (_, i) => i),
    );
  },

  "serves those that wait in the order in which they came": async ({ open }) => {
    const mail = await open();
    const waits = ["x", "y", "z"].map(() => mail.wait("a"));
    for (const body of [1, 2, 3]) await mail.post("a", body);
    assert.deepEqual(
      (await Promise.all(waits)).map((message) => message?.body),
      [1, 2, 3],
    );
  },

  "takes a wait back that is aborted, and loses nothing by it": async ({ open }) => {
    const mail = await open();
    const other = await open();
    for (let i = 0; i < 50; i++) {
      const stop = new AbortController();
      const waiting = other.wait("a", { signal: stop.signal });
      const posting = mail.post("a", i);
      if (i % 2 === 0) await new Promise(setImmediate);
      stop.abort(new Error("stop"));
      const got = await waiting.then(
        (message) => message?.body,
        () => "aborted",
      );
      await posting;
      if (got === "aborted") assert.equal((await mail.wait("a", { timeout: 5000 }))?.body, i);
      else assert.equal(got, i);
    }
    assert.equal((await mail.box("a").status())?.waiting, 0);
    const stopped = other.wait("a", { signal: AbortSignal.abort(new Error("before")) });
    await assert.rejects(stopped, /before/);
  },

  "keeps a claimed message from others, and delivers it again when it is given back, marked": async ({
    open,
  }) => {
    const mail = await open();
    await mail.post("a", "x");
    const first = await mail.box("a").claim();
    assert.equal(first?.attempt, 1);
    assert.equal(first?.redelivered, false);
    assert.deepEqual(await mail.fetch("a"), []);
    await first?.nack();
    const second = await mail.box("a").claim();
    assert.equal(second?.position, first?.position);
    assert.equal(second?.attempt, 2);
    assert.equal(second?.redelivered, true);
    await second?.ack();
    assert.deepEqual(await mail.fetch("a"), []);
    await assert.rejects(second!.ack(), code("ERR_RINGBELL_LEASE_LOST"));
  },

  "puts a message that comes back before those that were posted later": async ({ open }) => {
    const mail = await open();
    for (const body of [1, 2, 3]) await mail.post("a", body);
    const [first] = await mail.fetch("a", { limit: 1, ack: false });
    await first!.putBack();
    const again = await mail.fetch("a", { ack: false });
    assert.deepEqual(bodies(again), [1, 2, 3]);
    assert.equal(again[0]!.attempt, 1, "putting back is no attempt");
  },

  "delivers a message again when its lease ends, and refuses the late acknowledgement": async ({
    open,
    pass,
  }) => {
    const mail = await open();
    await mail.post("a", "x");
    const late = await mail.box("a").claim({ lease: 2000 });
    await pass(mail, 1000);
    assert.deepEqual(await mail.fetch("a"), []);
    await pass(mail, 1000);
    const next = await mail.box("a").claim();
    assert.equal(next?.attempt, 2);
    await assert.rejects(late!.ack(), code("ERR_RINGBELL_LEASE_LOST"));
    await assert.rejects(late!.reject("no"), code("ERR_RINGBELL_LEASE_LOST"));
    await next!.ack();
  },

  "extends a lease": async ({ open, pass }) => {
    const mail = await open();
    await mail.post("a", "x");
    const claim = await mail.box("a").claim({ lease: 2000 });
    await pass(mail, 1200);
    await claim!.extend(2000);
    await pass(mail, 1200);
    assert.deepEqual(await mail.fetch("a"), []);
    await claim!.ack();
  },

  "gives a message back after a delay": async ({ open, pass }) => {
    const mail = await open();
    await mail.post("a", "x");
    await (await mail.box("a").claim())!.nack({ delay: 2000 });
    assert.deepEqual(await mail.fetch("a"), []);
    await pass(mail, 2000);
    assert.equal((await mail.fetch("a"))[0]?.attempt, 2);
  },

  "makes a dead letter of a message that comes back too often, or is rejected, with the reason": async ({
    open,
  }) => {
    const mail = await open();
    const box = mail.box("a");
    await box.configure({ maxAttempts: 2 });
    await box.post("often");
    await box.post("bad");
    for (let i = 0; i < 2; i++) await (await box.claim())!.nack({ reason: `try ${i + 1}` });
    await (await box.claim())!.reject("it is bad");
    const dead = await box.dead();
    assert.deepEqual(bodies(dead), ["often", "bad"]);
    assert.match(dead[0]!.reason!, /delivered 2 times; at last try 2/);
    assert.equal(dead[1]!.reason, "it is bad");
    const { dead: count, queued, claimed } = (await box.status())!;
    assert.deepEqual([count, queued, claimed], [2, 0, 0]);
  },

  "puts dead letters back as if they had never been tried": async ({ open }) => {
    const mail = await open();
    const box = mail.box("a");
    for (const body of [1, 2, 3]) await box.post(body);
    for (const claim of await box.fetch({ ack: false })) await claim.reject("no");
    const [first] = await box.dead();
    assert.equal(await box.requeue([first!.position]), 1);
    assert.deepEqual(
      (await box.fetch()).map(({ body, attempt }) => [body, attempt]),
      [[1, 1]],
    );
    assert.equal(await box.requeue(), 2);
    assert.deepEqual(bodies(await box.fetch()), [2, 3]);
    assert.equal(await box.requeue(), 0);
  },

  "keeps no more dead letters than the box may have": async ({ open }) => {
    const mail = await open();
    const box = mail.box("a");
    await box.configure({ maxDead: 2 });
    for (const body of [1, 2, 3]) await box.post(body);
    for (const claim of await box.fetch({ ack: false })) await claim.reject("no");
    assert.deepEqual(bodies(await box.dead()), [2, 3]);
  },

  "keeps a delayed message back until its time": async ({ open, pass }) => {
    const mail = await open();
    await mail.post("a", "later", { delay: 1000 });
    await mail.post("a", "now");
    assert.deepEqual(bodies(await mail.fetch("a")), ["now"]);
    await pass(mail, 1000);
    assert.deepEqual(bodies(await mail.fetch("a")), ["later"]);
  },

  "stores a message with the id of an earlier one once, within the window": async ({ open, pass }) => {
    const mail = await open();
    const box = mail.box("a");
    await box.configure({ duplicateWindow: 1000 });
    const first = await box.post("x", { id: "one" });
    const again = await box.post("y", { id: "one" });
    assert.deepEqual([again.duplicate, again.position, again.id], [true, first.position, "one"]);
    assert.equal((await mail.post("b", "z", { id: "one" })).duplicate, false, "another box");
    assert.deepEqual(bodies(await box.fetch()), ["x"]);
    assert.equal((await box.post("x", { id: "one" })).duplicate, true, "also after it was taken");
    await pass(mail, 1001);
    assert.equal((await box.post("x", { id: "one" })).duplicate, false);
  },

  "delivers interrupts first and notices last": async ({ open }) => {
    const mail = await open();
    for (const priority of ["notice", "normal", "interrupt", "normal", "interrupt"] as const) {
      await mail.post("a", priority, { priority });
    }
    const order = ["interrupt", "interrupt", "normal", "normal", "notice"];
    assert.deepEqual(bodies(await mail.fetch("a")), order);
  },

  "refuses what a full box does not take, and says so": async ({ open }) => {
    const mail = await open();
    const box = mail.box("a");
    const told: string[] = [];
    mail.on("full", (name) => told.push(name));
    await box.configure({ maxMessages: 2 });
    await box.post("1");
    await box.post("2");
    await assert.rejects(box.post("3"), code("ERR_RINGBELL_BOX_FULL"));
    const claim = await box.claim();
    await assert.rejects(box.post("3"), code("ERR_RINGBELL_BOX_FULL"), "a claimed message takes room");
    await claim!.ack();
    await box.post("3");
    const status = await box.status();
    assert.deepEqual([status?.queued, status?.refused, status?.full], [2, 2, true]);
    assert.deepEqual(told, ["a"]);
  },

  "drops the oldest, the lowest priority first, where the box is to": async ({ open }) => {
    const mail = await open();
    const box = mail.box("a");
    await box.configure({ maxMessages: 3, policy: "dropOldest" });
    await box.post("n1", { priority: "notice" });
    await box.post("1");
    await box.post("2");
    await box.post("3");
    await box.post("i", { priority: "interrupt" });
    assert.equal((await box.status())?.dropped, 2);
    await assert.rejects(
      box.post("n2", { priority: "notice" }),
      code("ERR_RINGBELL_BOX_FULL"),
      "a notice displaces nothing else",
    );
    assert.deepEqual(bodies(await box.fetch()), ["i", "2", "3"]);
  },

  "keeps the latest only, where the box is to": async ({ open }) => {
    const mail = await open();
    const box = mail.box("a");
    await box.configure({ policy: "latest" });
    for (const body of [1, 2, 3]) await box.post(body);
    assert.deepEqual(bodies(await box.fetch()), [3]);
    assert.equal((await box.status())?.dropped, 2);
  },

  "delivers what is published to all boxes that subscribe, by pattern": async ({ open }) => {
    const mail = await open();
    await mail.box("all").subscribe(">");
    await mail.box("failures").subscribe("build.*.failed");
    await mail.box("linux").subscribe("build.linux.>");
    await mail.box("linux").subscribe("build.linux.failed");
    assert.deepEqual(await mail.publish("build.linux.failed", { at: 1 }), { boxes: 3, full: [] });
    assert.deepEqual(await mail.publish("build.mac.ok", 2), { boxes: 1, full: [] });
    assert.deepEqual(bodies(await mail.fetch("all")), [{ at: 1 }, 2]);
    const [failure] = await mail.fetch("failures");
    assert.deepEqual([failure?.body, failure?.topic], [{ at: 1 }, "build.linux.failed"]);
    assert.equal((await mail.fetch("linux")).length, 1);
    await mail.box("all").unsubscribe(">");
    await mail.box("all").configure({ maxMessages: 1 });
    assert.deepEqual(await mail.publish("build.mac.ok", 3), { boxes: 0, full: [] });
    await mail.box("linux").configure({ maxMessages: 1 });
    await mail.publish("build.linux.ok", 4);
    assert.deepEqual(await mail.publish("build.linux.ok", 5), { boxes: 0, full: ["linux"] });
    assert.deepEqual((await mail.box("linux").status())?.subscriptions, [
      "build.linux.>",
      "build.linux.failed",
    ]);
  },

  "lists messages without taking them, in any state": async ({ open }) => {
    const mail = await open();
    await mail.post("a", 1);
    await mail.post("b", 2, { delay: 1000 });
    await mail.post("a", 3);
    await mail.box("a").claim();
    const all = await mail.list();
    assert.deepEqual(
      all.map(({ box, body, state }) => [box, body, state]),
      [
        ["a", 1, "claimed"],
        ["b", 2, "delayed"],
        ["a", 3, "queued"],
      ],
    );
    assert.deepEqual(bodies(await mail.box("a").list({ after: all[0]!.position, limit: 1 })), [3]);
    assert.deepEqual(bodies(await mail.box("a").list({ state: "queued" })), [3]);
    assert.deepEqual(bodies(await mail.list({ state: "delayed" })), [2]);
    assert.deepEqual(await mail.box("none").list(), []);
  },

  "empties a box, and forgets one that is empty": async ({ open }) => {
    const mail = await open();
    const box = mail.box("a");
    for (const body of [1, 2, 3]) await box.post(body);
    await box.post(4, { delay: 1000 });
    const claim = await box.claim();
    assert.equal(await box.purge(), 3);
    await assert.rejects(box.remove(), code("ERR_RINGBELL_BOX_FULL"));
    await claim!.reject("no");
    assert.equal(await box.purge("dead"), 1);
    await box.subscribe("x");
    assert.equal(await box.remove(), true);
    assert.equal(await box.status(), undefined);
    assert.deepEqual(await mail.publish("x", 1), { boxes: 0, full: [] });
  },

  "refuses texts over the limit, and what JSON does not have (S3.14)": async ({ open }) => {
    const mail = await open();
    await mail.post("a", "x".repeat(1_000_000));
    await assert.rejects(mail.post("a", "x".repeat(1_000_001)), code("ERR_RINGBELL_INVALID_ARGUMENT"));
    await assert.rejects(mail.post("a", "ä".repeat(500_001)), code("ERR_RINGBELL_INVALID_ARGUMENT"));
    await assert.rejects(mail.post("a", undefined), code("ERR_RINGBELL_INVALID_ARGUMENT"));
    await assert.rejects(mail.post("a", 1n), code("ERR_RINGBELL_INVALID_ARGUMENT"));
    assert.equal((await mail.wait("a"))?.body, "x".repeat(1_000_000));
  },

  "works on messages in a loop, and ends on the text shutdown (S3.21)": async ({ open }) => {
    const mail = await open();
    for (const body of [1, 2, 3, "shutdown", "after"]) await mail.post("jobs", body);
    for await (const { body } of mail.box<number>("jobs").work()) await mail.post("results", body * 10);
    assert.deepEqual(bodies(await mail.fetch("results")), [10, 20, 30]);
    const status = await mail.box("jobs").status();
    assert.deepEqual([status?.queued, status?.claimed, status?.waiting], [1, 0, 0]);
  },

  "acknowledges what a handler returned from, and gives back what it threw at": async ({ open }) => {
    const mail = await open();
    const box = mail.box<string>("jobs");
    const seen: string[] = [];
    const errors: unknown[] = [];
    await box.post("bad");
    await box.post("good");
    let running = 0;
    let most = 0;
    const working = box.work(
      async ({ body, attempt }) => {
        most = Math.max(most, ++running);
        await new Promise((resolve) => setTimeout(resolve, 5));
        running--;
        seen.push(`${body} ${attempt}`);
        if (body === "bad" && attempt < 3) throw new Error("not yet");
        if (seen.length === 4) await box.post("shutdown");
      },
      { concurrency: 2, onError: (error) => errors.push(error) },
    );
    await working;
    assert.deepEqual(seen.sort(), ["bad 1", "bad 2", "bad 3", "good 1"]);
    assert.equal(errors.length, 2);
    assert.equal(most, 2);
    assert.deepEqual(await box.fetch(), []);
  },

  "gives back the message of a loop that is left": async ({ open }) => {
    const mail = await open();
    const box = mail.box("jobs");
    await box.post(1);
    await box.post(2);
    const loop = async () => {
      for await (const _ of box.work({ concurrency: 2 })) throw new Error("left");
    };
    await assert.rejects(loop(), /left/);
    const back = await box.fetch({ ack: false });
    assert.deepEqual(
      back.map(({ body, attempt }) => [body, attempt]),
      [
        [1, 2],
        [2, 1],
      ],
    );
  },

  "brings an interrupt to a worker in the middle of its work (S2.11)": async ({ open }) => {
    const mail = await open();
    const worker = await open();
    const box = mail.box<string>("jobs");
    const heard: string[] = [];
    await box.post("long");
    let interrupted!: () => void;
    const interruption = new Promise<void>((resolve) => {
      interrupted = resolve;
    });
    const working = worker.box<string>("jobs").work(
      async ({ body }) => {
        heard.push(`begins ${body}`);
        await box.post("stop that", { priority: "interrupt" });
        await interruption;
        heard.push(`ends ${body}`);
      },
      {
        onInterrupt({ body }) {
          heard.push(`hears ${body}`);
          interrupted();
        },
      },
    );
    await interruption;
    await box.post("shutdown");
    await working;
    assert.deepEqual(heard, ["begins long", "hears stop that", "ends long"]);
    assert.deepEqual(await box.fetch(), []);
  },

  "refuses invalid arguments before it asks the broker (S3.15)": async ({ open }) => {
    const mail = await open();
    const invalid = "ERR_RINGBELL_INVALID_ARGUMENT";
    await assert.rejects(mail.wait("a", { timeout: 300_001 }), code(invalid));
    await assert.rejects(mail.wait("a", { timeout: -1 }), code(invalid));
    await assert.rejects(mail.wait("", {}), code(invalid));
    await assert.rejects(mail.post("a\nb", 1), code(invalid));
    await assert.rejects(mail.post("x".repeat(201), 1), code(invalid));
    await assert.rejects(mail.post("a", 1, { priority: "urgent" as never }), code(invalid));
    await assert.rejects(mail.post("a", 1, { delay: 0.5 }), code(invalid));
    await assert.rejects(mail.publish("a..b", 1), code(invalid));
    await assert.rejects(mail.post("a", 1, { tll: 5 } as never), code("ERR_RINGBELL_UNKNOWN_OPTION"));
    await assert.rejects(mail.box("a").subscribe("a.>.b"), code(invalid));
  },

  "rejects what waits when it is closed, and gives claims back": async ({ open }) => {
    const mail = await open();
    const other = await open();
    await mail.post("a", 1);
    await other.box("a").claim();
    const waiting = other.wait("a");
    await other.status();
    await Promise.all([other.close(), assert.rejects(waiting, code("ERR_RINGBELL_CLOSED"))]);
    await assert.rejects(other.post("a", 1), code("ERR_RINGBELL_CLOSED"));
    assert.equal((await mail.wait("a"))?.attempt, 2);
  },
};
