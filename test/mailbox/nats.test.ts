import { spawnSync } from "node:child_process";
import { cpSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { jetstreamManager } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { headers, connect as natsConnect } from "@nats-io/transport-node";
import { type MailboxesOptions, mailboxes } from "ringbell/mailbox";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { scratchDirectory } from "../transport/scratch.js";
import { chaos } from "./chaos-run.js";
import { NatsServer, withoutNats } from "./nats-server.js";
import { member } from "./setup.js";

type Got = { readonly body: unknown; readonly position: number; readonly attempt: number } | undefined;

/** How long processes are killed, in s. */
const SECONDS = Math.min(30, Number(process.env.RINGBELL_TEST_CHAOS ?? 6));

const server = new NatsServer();
let sets = 0;

/** A set of mailboxes of its own. */
function fresh(more: MailboxesOptions = {}): MailboxesOptions {
  return { engine: "nats", servers: server.servers, name: `set ${++sets}`, silence: 1000, ...more };
}

async function opened(options: MailboxesOptions) {
  const mail = await mailboxes(options);
  onTestFinished(() => mail.close());
  return mail;
}

const bodies = (messages: readonly { readonly body: unknown }[]) => messages.map(({ body }) => body);

describe.skipIf(withoutNats !== undefined)("processes with mailboxes in NATS", () => {
  beforeAll(() => server.start());
  afterAll(() => server.end());

  it("share boxes without a broker, and refuse to stop one", async () => {
    const options = fresh();
    const [one, other] = [await member(options), await member(options)];
    const waiting = other.call<Got>("wait", "a");
    await one.call("post", "a", { any: "JSON" });
    expect(await waiting).toMatchObject({ body: { any: "JSON" }, attempt: 1 });
    await expect(one.call("stop")).rejects.toMatchObject({ code: "ERR_RINGBELL_NOT_BROKER" });
    expect(await one.call("state")).toBe("client");
  });

  it("get a message again when a process is killed that had claimed it, after the time of silence", async () => {
    const options = fresh();
    const [claimer, other] = [await member(options), await member(options)];
    await other.call("post", "a", "x");
    await claimer.box("a", "claim", { lease: 60_000 });
    const waiting = other.call<Got>("wait", "a");
    const begin = performance.now();
    await claimer.kill();
    expect(await waiting).toMatchObject({ body: "x", attempt: 2 });
    expect(performance.now() - begin).toBeLessThan(10_000);
  });

  it("do not lose a claim to silence as long as they live", async () => {
    const mail = await opened(fresh());
    await mail.post("a", "x");
    const claim = await mail.box("a").claim();
    expect(await mail.wait("a", { timeout: 3000 })).toBeUndefined();
    await claim!.ack();
  });

  it("refuse the late acknowledgement of one that was stopped: the next holder keeps the message", async () => {
    const options = fresh();
    const [stopped, other] = [await member(options), await member(options)];
    await other.call("post", "a", "x");
    const { position } = (await stopped.box<Got>("a", "claim"))!;
    const waiting = other.box<Got>("a", "claim");
    stopped.process.kill("SIGSTOP");
    expect(await waiting).toMatchObject({ body: "x", attempt: 2 });
    stopped.process.kill("SIGCONT");
    await expect(stopped.settle(position, "ack")).rejects.toMatchObject({ code: "ERR_RINGBELL_LEASE_LOST" });
    expect(await other.box("a", "status")).toMatchObject({ claimed: 1 });
    await other.settle(position, "ack");
    expect(await other.box("a", "status")).toMatchObject({ queued: 0, claimed: 0 });
  });

  it("take a lease back at its end from a process that lives", async () => {
    const mail = await opened(fresh());
    await mail.post("a", "x");
    const claim = await mail.box("a").claim({ lease: 200 });
    expect(await mail.wait("a")).toMatchObject({ body: "x", attempt: 2 });
    await expect(claim!.ack()).rejects.toMatchObject({ code: "ERR_RINGBELL_LEASE_LOST" });
  });

  it("take a wait back that is aborted while its message is on its way, which the next one gets at once", async () => {
    const options = fresh({ silence: 60_000 });
    const [mail, other] = [await opened(options), await opened(options)];
    let aborted = 0;
    for (let i = 0; i < 40; i++) {
      const stop = new AbortController();
      const waiting = other.wait("a", { signal: stop.signal });
      while ((await mail.box("a").status())?.waiting !== 1);
      const posting = mail.post("a", i);
      await new Promise((resolve) => setTimeout(resolve, i % 4));
      stop.abort(new Error("stop"));
      const got = await waiting.then(
        (message) => message?.body,
        () => "aborted",
      );
      await posting;
      if (got !== "aborted") expect(got).toBe(i);
      else {
        aborted++;
        expect((await mail.wait("a", { timeout: 5000 }))?.body).toBe(i);
      }
    }
    expect(aborted).toBeGreaterThan(0);
  });

  it("deliver no message before its time", async () => {
    const mail = await opened(fresh());
    const box = mail.box("a");
    await box.configure({ ttl: 1000 });
    await box.post("short");
    await box.post("long", { ttl: 60_000 });
    await new Promise((resolve) => setTimeout(resolve, 1100));
    expect(bodies(await box.fetch())).toEqual(["long"]);
    const [dead] = await box.dead();
    expect(dead).toMatchObject({ body: "short", position: 1, reason: "its time to live was over" });
    expect(await box.purge("dead")).toBe(1);
  });

  it("keep a message back that was given back with a delay, also when its consumer is made anew", async () => {
    const options = fresh();
    const mail = await opened(options);
    await mail.post("a", "x");
    await (await mail.box("a").claim())!.nack({ delay: 1500 });
    const nats = await natsConnect({ servers: server.servers });
    onTestFinished(() => nats.close());
    const { streams } = JSON.parse((await nats.request("$JS.API.STREAM.NAMES", "")).string());
    const stream = (streams as string[]).find((name) => name.includes("+") && !name.includes("DEAD"))!;
    const names = (streams as string[]).filter((name) => name.startsWith("RINGBELL+"));
    expect(names).toContain(stream);
    for (const name of names) await nats.request(`$JS.API.CONSUMER.DELETE.${name}.R1`, "");
    expect(await mail.fetch("a")).toEqual([]);
    expect(await mail.wait("a")).toMatchObject({ body: "x", attempt: 2 });
  });

  it("replace a notice by a later one of its key, which takes the later place", async () => {
    const mail = await opened(fresh());
    const notice = (body: string, key: string) => mail.post("a", body, { priority: "notice", key });
    await notice("10 %", "build");
    await notice("1 %", "test");
    await notice("20 %", "build");
    expect(bodies(await mail.fetch("a"))).toEqual(["1 %", "20 %"]);
  });

  it("bound the bytes of a box with what the server stores beside the texts", async () => {
    const mail = await opened(fresh());
    const box = mail.box("a");
    await box.configure({ maxBytes: 1000 });
    await box.post("x".repeat(500));
    await expect(box.post("x".repeat(500))).rejects.toMatchObject({ code: "ERR_RINGBELL_BOX_FULL" });
    expect((await box.status())!.bytes).toBeGreaterThan(500);
  });

  it("say who posted as the sender claims, and no process and user", async () => {
    const mail = await opened(fresh({ from: "alice" }));
    await mail.post("a", 1);
    expect((await mail.wait("a"))!.from).toEqual({ name: "alice", pid: undefined, uid: -1 });
    await expect(mail.list({ after: 1 })).rejects.toThrow(/each box counts its own positions/);
  });

  it("take what others have put into a stream for what it is, a text", async () => {
    const mail = await opened(fresh({ name: "hostile" }));
    await mail.post("a", "ours");
    const nats = await natsConnect({ servers: server.servers });
    onTestFinished(() => nats.close());
    const garbage = [
      "",
      "{",
      "null",
      "[]",
      '{"from":5,"rank":"x","delay":-1,"ttl":{},"json":true}',
      '{"dead":7}',
    ];
    for (const text of garbage) {
      const head = headers();
      head.set("Ringbell", text);
      nats.publish("ringbell.n-hostile.n-a.1", text.includes("json") ? "no JSON" : "theirs", {
        headers: head,
      });
    }
    nats.publish("ringbell.n-hostile.n-a.1", "bare");
    await nats.flush();
    const got = await mail.box("a").fetch({ limit: 5 });
    expect(bodies(got)).toEqual(["ours", "theirs", "theirs", "theirs", "theirs"]);
    await expect(mail.box("a").fetch({ limit: 1 })).rejects.toMatchObject({ code: "ERR_RINGBELL_DECODE" });
    expect(bodies(await mail.fetch("a"))).toEqual(["theirs", "bare"]);
  });

  it("pass over what others have put among the names, settings and subscriptions of boxes", async () => {
    const options = fresh({ name: "books" });
    const mail = await opened(options);
    await mail.box("a").configure({ maxAttempts: 7 });
    await mail.box("a").subscribe("news.>");
    const nats = await natsConnect({ servers: server.servers });
    onTestFinished(() => nats.close());
    const kv = await new Kvm(nats).open("RINGBELL-BOXES_n-books");
    const settings = { maxMessages: "many", lease: -1, maxAttempts: 7, policy: {}, other: 1 };
    await kv.put("n-a", JSON.stringify({ name: "a", settings }));
    for (const name of [5, null, "other", { a: 1 }]) await kv.put("n-b", JSON.stringify({ name }));
    for (const text of ["{", "null", "[]", "7"]) await kv.put(`n-${text.length}`, text);
    await kv.put("n-a.counts", '{"refused":"x","dropped":-1}');
    const patterns = [5, null, ["a"], ["a", {}], [1, 2], ["a", "news.>"]];
    await kv.put("topics", JSON.stringify({ patterns }));
    const other = await opened(options);
    const { boxes } = await other.status();
    expect(boxes.map(({ name }) => name)).toEqual(["a"]);
    expect(boxes[0]).toMatchObject({ refused: 0, dropped: 0 });
    expect(boxes[0]!.settings).toMatchObject({ maxMessages: 1_000_000, maxAttempts: 7, policy: "reject" });
    expect(await other.publish("news.today", "x")).toMatchObject({ boxes: 1 });
    expect((await other.wait("a"))!.body).toBe("x");
  });

  it("refuse a stream of theirs that others have made, by its name", async () => {
    const nats = await natsConnect({ servers: server.servers });
    onTestFinished(() => nats.close());
    const { streams } = await jetstreamManager(nats);
    await streams.add({ name: "RINGBELL+n-taken+n-a", subjects: ["ringbell.n-taken.n-a.*"] });
    await streams.add({ name: "RINGBELL+n-taken+n-b", subjects: ["another"] });
    await streams.add({ name: "FOREIGN", subjects: ["ringbell.n-taken.n-c.>"] });
    const mail = await opened(fresh({ name: "taken" }));
    for (const box of ["a", "b", "c"]) {
      await expect(mail.post(box, "x")).rejects.toMatchObject({
        code: "ERR_RINGBELL_STORE",
        message: expect.stringContaining(`the stream RINGBELL+n-taken+n-${box}`),
      });
    }
  });
});

describe.skipIf(withoutNats !== undefined)("a server of NATS that is killed", () => {
  it("is sent again what it had not answered, in order, and stores it once", async () => {
    const own = new NatsServer();
    onTestFinished(() => own.end());
    await own.start();
    const mail = await opened({ ...fresh({ silence: 60_000 }), servers: own.servers });
    const numbers = Array.from({ length: 3000 }, (_, i) => i);
    const posts = numbers.map((i) => mail.post("a", i));
    await posts[0];
    await own.kill();
    await own.start();
    await Promise.all(posts);
    const got: unknown[] = [];
    while (got.length < numbers.length) got.push(...bodies(await mail.fetch("a")));
    expect(got).toEqual(numbers);
    expect(await mail.fetch("a")).toEqual([]);
  });

  it("is waited for: posts are held, stored once, and waits go on; a claim is no delivery more", async () => {
    const own = new NatsServer();
    onTestFinished(() => own.end());
    await own.start();
    const options = { ...fresh({ silence: 10_000 }), servers: own.servers };
    const [one, other] = [await member(options), await member(options)];
    await one.call("post", "claimed", "x");
    const { position } = (await one.box<Got>("claimed", "claim"))!;
    const again = other.call<Got>("wait", "claimed", { timeout: 5000 });
    const waiting = other.call<Got>("wait", "a");
    await other.call("status");
    await own.kill();
    await one.until(() => one.states.includes("connecting"));
    const posts = Array.from({ length: 20 }, (_, i) => one.call("post", "a", i));
    await own.start();
    await Promise.all(posts);
    expect((await waiting)?.body).toBe(0);
    expect(bodies(await other.call<NonNullable<Got>[]>("fetch", "a"))).toEqual(
      Array.from({ length: 19 }, (_, i) => i + 1),
    );
    expect(await again, "somebody else got what was claimed").toBeUndefined();
    await one.settle(position, "ack");
    expect(await one.call("post", "a", "after")).toMatchObject({ duplicate: false });
    expect(one.troubles).toEqual([]);
  });

  it.each([
    ["nothing, and repeats nothing that was acknowledged, when processes are killed", false],
    ["nothing, when it is killed and processes as well", true],
  ])("loses %s", { timeout: SECONDS * 1000 + 120_000 }, async (_, isVictim) => {
    const own = new NatsServer();
    onTestFinished(() => own.end());
    await own.start();
    const options = { ...fresh(), servers: own.servers, boxes: { maxAttempts: 1_000_000 } };
    const victims = isVictim ? [{ kill: () => own.kill().then(() => own.start()) }] : [];
    const { book, last } = await chaos(options, SECONDS, 200_000, { victims, ordered: false });
    expect(book.wrong).toEqual([]);
    // A server that is killed forgets acknowledgements which it has confirmed.
    if (!isVictim) expect(book.repeated).toEqual([]);
    // What takers held when they were killed comes when they have been silent long enough.
    while (book.lost.length > 0) {
      type Rest = { body: number; from: { name: string } };
      const message = await last.call<Rest | undefined>("wait", "box");
      expect(message, `${book.lost.length} are lost, such as ${book.lost[0]}`).toBeDefined();
      for (const { from, body } of [message!, ...(await last.call<Rest[]>("fetch", "box"))]) {
        book.hear("last", `got ${from.name} ${body} 2`);
      }
    }
    expect(book.accepted.size).toBeGreaterThan(SECONDS * 10);
  });
});

describe("mailboxes in NATS that can't be opened", () => {
  it("say that there is no server", async () => {
    const closed = mailboxes({ engine: "nats", servers: "127.0.0.1:1", stall: 100 });
    await expect(closed).rejects.toMatchObject({ code: "ERR_RINGBELL_NOT_FOUND" });
  });

  it("name the package that is missing", async () => {
    const place = scratchDirectory();
    // A copy of the package beside which nothing is installed.
    cpSync(fileURLToPath(new URL("../../dist", import.meta.url)), join(place, "dist"), { recursive: true });
    writeFileSync(join(place, "package.json"), '{ "type": "module" }');
    const opening =
      'import("./dist/mailbox/index.js").then(({ mailboxes }) => mailboxes({ engine: "nats" }))';
    const code = `${opening}.catch(({ code, packageName, message }) => console.log(code, packageName, message.split(": ").at(-1)))`;
    const { stdout } = spawnSync(process.execPath, ["-e", code], { cwd: place, encoding: "utf8" });
    const all = "npm install @nats-io/transport-node @nats-io/jetstream @nats-io/kv";
    expect(stdout).toBe(`ERR_RINGBELL_MISSING_PACKAGE @nats-io/transport-node ${all}\n`);
  });

  it("refuse options of a broker", async () => {
    const refused = mailboxes({ engine: "nats", durability: "disk" });
    await expect(refused).rejects.toMatchObject({ code: "ERR_RINGBELL_UNKNOWN_OPTION" });
    await expect(mailboxes({ servers: "x" })).rejects.toMatchObject({ code: "ERR_RINGBELL_UNKNOWN_OPTION" });
    for (const servers of [[], "", "no address", ["127.0.0.1:4222", "127.0.0.1:99999"]]) {
      await expect(mailboxes({ engine: "nats", servers })).rejects.toMatchObject({
        code: "ERR_RINGBELL_INVALID_ARGUMENT",
        argument: "options.servers",
      });
    }
  });

  it.skipIf(withoutNats !== undefined)(
    "say that the server has no JetStream, or takes shorter texts",
    async () => {
      const plain = new NatsServer([]);
      onTestFinished(() => plain.end());
      await plain.start();
      const opening = mailboxes({ engine: "nats", servers: plain.servers });
      await expect(opening).rejects.toThrow(/no JetStream/);
      const long = mailboxes({ engine: "nats", servers: plain.servers, maxMessageBytes: 2_000_000 });
      await expect(long).rejects.toThrow(/max_payload is 1048576/);
    },
  );
});
