import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { scratchDirectory } from "../transport/scratch.js";
import { Member, member } from "./setup.js";

type Got = { readonly body: unknown; readonly position: number; readonly attempt: number } | undefined;

/** Members over one store: the first is the broker. */
async function members(count: number, more: object = {}) {
  const options = { directory: scratchDirectory(), ...more };
  const all: Member[] = [];
  for (let i = 0; i < count; i++) all.push(await member(options));
  return { options, all };
}

async function brokerOf(all: readonly Member[]): Promise<Member> {
  for (;;) {
    for (const one of all) if (await one.isBroker) return one;
  }
}

describe("processes with mailboxes", () => {
  it("of 20 that start at once one is the broker and 19 are its clients (S3.5, S3.6)", {
    timeout: 60_000,
  }, async () => {
    const directory = scratchDirectory();
    const all = Array.from({ length: 20 }, () => new Member({ directory }));
    const began = await Promise.all(all.map((one) => one.ready));
    expect(began.filter((state) => state === "broker")).toHaveLength(1);
    expect(began.filter((state) => state === "client")).toHaveLength(19);
    await Promise.all(all.map((one, i) => one.call("post", "a", i)));
    expect(await all[7]!.call("fetch", "a")).toHaveLength(20);
  });

  it("go on when the broker is killed: another takes over within a second, and a wait goes on waiting (S3.23)", async () => {
    const { all } = await members(3);
    const [broker, first, second] = all as [Member, Member, Member];
    await first.call("post", "a", "stored before");
    const waiting = first.call<Got>("wait", "b");
    await first.call("status");
    const begin = performance.now();
    await broker.kill();
    const { position } = await second.call<{ position: number }>("post", "b", "posted after");
    expect((await waiting)?.position).toBe(position);
    expect(performance.now() - begin).toBeLessThan(1000);
    expect((await second.call<Got>("wait", "a"))?.body).toBe("stored before");
    expect(await (await brokerOf([first, second])).call("status")).toMatchObject({ epoch: 2, clients: 2 });
  });

  it("find what was accepted when all of them have died (S1.16)", async () => {
    const { options, all } = await members(2);
    const [broker, client] = all as [Member, Member];
    for (let i = 0; i < 10; i++) await client.call("post", "a", i);
    await client.box("a", "claim");
    await Promise.all([broker.kill(), client.kill()]);
    const next = await member(options);
    const got = await next.call<NonNullable<Got>[]>("fetch", "a");
    expect(got.map(({ body, attempt }) => [body, attempt])).toEqual([
      [0, 2],
      ...Array.from({ length: 9 }, (_, i) => [i + 1, 1]),
    ]);
  });

  it("get a message again at once when the process is killed that had claimed it (S3.25)", async () => {
    const { all } = await members(3);
    const [broker, claimer, other] = all as [Member, Member, Member];
    await broker.call("post", "a", "x");
    await claimer.box("a", "claim", { lease: 60_000 });
    const waiting = other.call<Got>("wait", "a");
    await other.call("status");
    const begin = performance.now();
    await claimer.kill();
    expect(await waiting).toMatchObject({ body: "x", attempt: 2 });
    expect(performance.now() - begin).toBeLessThan(1000);
  });

  it("get it again when the lease ends of one that never settles", async () => {
    const { all } = await members(2);
    const [broker, claimer] = all as [Member, Member];
    await broker.call("post", "a", "x");
    await claimer.box("a", "claim", { lease: 100 });
    expect(await broker.call<Got>("wait", "a", { timeout: 5000 })).toMatchObject({ body: "x", attempt: 2 });
  });

  it("keep their claims when the broker dies: they acknowledge to the next, and nothing comes twice", async () => {
    const { all } = await members(3);
    const [broker, claimer, other] = all as [Member, Member, Member];
    await broker.call("post", "a", "x");
    const claim = await claimer.box<NonNullable<Got>>("a", "claim", { lease: 60_000 });
    await broker.kill();
    await brokerOf([claimer, other]);
    await claimer.settle(claim.position, "ack");
    expect(await other.call("fetch", "a")).toEqual([]);
    expect(await other.box("a", "status")).toMatchObject({ queued: 0, claimed: 0 });
  });

  it("stop the broker only in its own process, which hands over and goes on as a client (S3.7)", async () => {
    const { all } = await members(2);
    const [broker, client] = all as [Member, Member];
    await expect(client.call("stop")).rejects.toMatchObject({
      code: "ERR_RINGBELL_NOT_BROKER",
      pid: broker.pid,
    });
    const waiting = broker.call<Got>("wait", "a");
    await broker.call("post", "b", "before");
    expect(await broker.call("stop")).toBe(true);
    await client.until(() => client.states.includes("broker"));
    await client.call("post", "a", "after");
    expect((await waiting)?.body).toBe("after");
    expect(await broker.isBroker).toBe(false);
    expect((await broker.call<NonNullable<Got>[]>("fetch", "b")).map(({ body }) => body)).toEqual(["before"]);
  });

  it("end the broker where nobody else is there, and begin it anew with the next call", async () => {
    const { all } = await members(1);
    const [only] = all as [Member];
    await only.call("post", "a", 1);
    expect(await only.call("stop")).toBe(false);
    expect(await only.isBroker).toBe(false);
    expect(await only.call("fetch", "a")).toHaveLength(1);
    expect(await only.isBroker).toBe(true);
  });

  it("end at once when they have closed their mailboxes, whoever was the broker", async () => {
    const { all } = await members(2);
    for (const one of all) {
      await one.call("post", "a", 1);
      // Its input is the only other thing that keeps it.
      one.process.stdin!.write(`${JSON.stringify({ n: 0, call: "close" })}\n`);
      one.process.stdin!.end();
      const begin = performance.now();
      expect(await one.exited).toEqual([0, null]);
      expect(performance.now() - begin).toBeLessThan(4000);
    }
  });

  it("pass a thousand rounds from A to B and back, without loss or repeat (S3.19)", async () => {
    const { options, all } = await members(1);
    const [a] = all as [Member];
    const b = await member(options);
    const rounds = 1000;
    const answering = (async () => {
      for (let i = 0; i < rounds; i++) {
        const got = await b.call<NonNullable<Got>>("wait", "b");
        expect(got).toMatchObject({ body: i, attempt: 1 });
        await b.call("post", "a", got.body);
      }
    })();
    for (let i = 0; i < rounds; i++) {
      await a.call("post", "b", i);
      expect(await a.call<Got>("wait", "a")).toMatchObject({ body: i, attempt: 1 });
    }
    await answering;
    expect(await a.call("fetch", "a")).toEqual([]);
    expect(await a.call("fetch", "b")).toEqual([]);
  });
});

describe("a stopped broker", () => {
  it("is not killed by itself: others hear who it is, and go on when it does", async () => {
    const { options, all } = await members(2, { stall: 1000 });
    const [broker, client] = all as [Member, Member];
    broker.process.kill("SIGSTOP");
    await expect(client.call("post", "a", 1)).rejects.toMatchObject({
      code: "ERR_RINGBELL_BROKER_STALLED",
      pid: broker.pid,
    });
    const late = new Member(options);
    await expect(late.ready).rejects.toMatchObject({ code: "ERR_RINGBELL_BROKER_STALLED", pid: broker.pid });
    broker.process.kill("SIGCONT");
    await client.call("post", "a", 2);
    const got = await client.call<NonNullable<Got>[]>("fetch", "a");
    expect(got.map(({ body }) => body)).toEqual([1, 2]);
  });

  it("is killed where the program wants that, and its clients take over", async () => {
    const { options, all } = await members(1, { stall: 1000 });
    const [broker] = all as [Member];
    const client = await member({ ...options, takeover: "kill" });
    await client.call("post", "a", 1);
    broker.process.kill("SIGSTOP");
    await client.call("post", "a", 2);
    expect(await client.isBroker).toBe(true);
    await broker.exited;
    const got = await client.call<NonNullable<Got>[]>("fetch", "a");
    expect(got.map(({ body }) => body)).toEqual([1, 2]);
  });

  it("that another one has replaced at the same file notices, and writes nothing more", async () => {
    const path = join(scratchDirectory(), "shared.mail");
    const old = await member({ directory: scratchDirectory(), path });
    await old.call("post", "a", "from the old one");
    old.process.kill("SIGSTOP");
    const next = await member({ directory: scratchDirectory(), path });
    expect(await next.isBroker).toBe(true);
    old.process.kill("SIGCONT");
    await expect(old.call("post", "a", "too late")).rejects.toMatchObject({
      code: "ERR_RINGBELL_STORE",
      message: expect.stringContaining(`process ${next.pid}`),
    });
    expect(await old.isBroker).toBe(false);
    await next.call("post", "a", "from the next one");
    const got = await next.call<NonNullable<Got>[]>("fetch", "a");
    expect(got.map(({ body }) => body)).toEqual(["from the old one", "from the next one"]);
  });
});

describe("the file of a broker", () => {
  it("is written anew when it is deleted: nothing is lost", async () => {
    const { options, all } = await members(1);
    const [broker] = all as [Member];
    await broker.call("post", "a", 1);
    const path = await broker.call<string>("path");
    for (const end of ["", "-wal", "-shm"]) rmSync(path + end, { force: true });
    // It looks for its file once a second, at most.
    for (let i = 2; !existsSync(path); i++) await broker.call("post", "a", i);
    await broker.call("post", "a", "last");
    await broker.kill();
    const next = await member(options);
    const got: NonNullable<Got>[] = [];
    for (let some = 1; some > 0; ) {
      const more = await next.call<NonNullable<Got>[]>("fetch", "a");
      got.push(...more);
      some = more.length;
    }
    expect(got[0]?.body).toBe(1);
    expect(got.at(-1)?.body).toBe("last");
    expect(got.map(({ position }) => position)).toEqual(got.map((_, i) => i + 1));
  });
});
