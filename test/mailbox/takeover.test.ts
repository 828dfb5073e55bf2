import { once } from "node:events";
import { describe, expect, it, onTestFinished } from "vitest";
import { Broker } from "../../lib/mailbox/broker/broker.js";
import { MemoryTables } from "../../lib/mailbox/store/memory-tables.js";
import type { AnswerFrame, WireMessage } from "../../lib/mailbox/wire.js";
import { script } from "../channel/setup.js";

/** Tables of which the next turn can be made to fail, as a store of SQLite does. */
class FailingTables extends MemoryTables {
  fails: Error | undefined;
  failsToInsert: Error | undefined;

  override insert(...args: Parameters<MemoryTables["insert"]>): void {
    if (this.failsToInsert !== undefined) throw this.failsToInsert;
    super.insert(...args);
  }

  override begin(): void {
    if (this.fails !== undefined) throw this.fails;
  }
}

/** A broker over tables that another one may have had before. */
function brokerOver(tables: MemoryTables, epoch: number) {
  const lost: Error[] = [];
  const broker = new Broker({
    ...{ tables, epoch, time: Date.now, defaults: {}, maxMessageBytes: 1000 },
    ...{ durability: "process", damaged: undefined, onLost: (error) => lost.push(error) },
  });
  onTestFinished(() => broker.close());
  return { broker, lost };
}

/** A client of the process `pid`, by hand. */
function clientOf(broker: Broker, client: string, pid = process.pid) {
  const waiting = new Map<number, (answer: AnswerFrame["answers"][number]) => void>();
  const { receive, gone } = broker.attach({
    pid,
    uid: 0,
    send({ answers }) {
      for (const answer of answers) waiting.get(answer.tag)?.(answer);
    },
    end() {},
  });
  let tag = 0;
  const ask = (request: object) => {
    const number = ++tag;
    const answer = new Promise<AnswerFrame["answers"][number]>((resolve) => waiting.set(number, resolve));
    receive({ requests: [{ ...request, tag: number }], unanswered: 1 });
    return answer;
  };
  const hello = (held: readonly (readonly [number, number])[] = []) =>
    ask({ op: "hello", version: 1, client, held });
  const post = (body: string, number: number) => ask({ op: "post", to: "a", from: "", body, number });
  const take = async (wait: boolean) => {
    const { value } = await ask({ op: "take", box: "a", most: 1, wait });
    return (value as WireMessage[])[0];
  };
  return { ask, hello, post, take, gone };
}

describe("a broker that takes over", () => {
  it("does not count a delivery that never arrived, and gives nobody a later message before it", async () => {
    const tables = new MemoryTables();
    const former = brokerOver(tables, 1).broker;
    const before = clientOf(former, "x");
    await before.hello();
    await before.post("first", 1);
    await before.post("second", 2);
    // The former broker has stored the claim, and dies before its answer arrives.
    expect(await before.take(false)).toMatchObject({ body: "first", attempt: 1 });
    former.close();

    const { broker } = brokerOver(tables, 2);
    const other = clientOf(broker, "y");
    await other.hello();
    let got: WireMessage | undefined;
    const waiting = other.take(true).then((message) => {
      got = message;
    });
    await other.ask({ op: "status" });
    expect(got).toBe(undefined);
    await clientOf(broker, "x").hello([]);
    await waiting;
    expect(got).toMatchObject({ body: "first", attempt: 1 });
    expect(await other.take(false)).toMatchObject({ body: "second" });
  });

  it("keeps a claim for a process that comes back with it", async () => {
    const tables = new MemoryTables();
    const former = brokerOver(tables, 1).broker;
    const before = clientOf(former, "x");
    await before.hello();
    await before.post("first", 1);
    const { position, token } = (await before.take(false))!;
    former.close();
    const { broker } = brokerOver(tables, 2);
    const after = clientOf(broker, "x");
    await after.hello([[position, token!]]);
    expect(await after.take(false)).toBe(undefined);
    expect((await after.ask({ op: "settle", how: "ack", claims: [[position, token]] })).value).toBe(true);
    // An acknowledgement that was sent to the former one as well has happened. One that is new has not.
    const again = { op: "settle", how: "ack", claims: [[position, token]] };
    expect((await after.ask({ ...again, again: true })).value).toBe(true);
    expect((await after.ask(again)).refusal?.code).toBe("ERR_RINGBELL_LEASE_LOST");
  });

  it("gives the claims of processes that have died back at once, and those of silent ones after a second", async () => {
    const { child } = script("");
    const [pid] = [child.pid!];
    await once(child, "exit");
    const tables = new MemoryTables();
    const former = brokerOver(tables, 1).broker;
    for (const [name, owner] of [
      ["dead", pid],
      ["silent", process.pid],
    ] as const) {
      const client = clientOf(former, name, owner);
      await client.hello();
      await client.post(name, 1);
      await client.take(false);
    }
    former.close();
    const { broker } = brokerOver(tables, 2);
    const other = clientOf(broker, "y");
    await other.hello();
    expect(await other.take(false)).toMatchObject({ body: "dead", attempt: 2 });
    expect(await other.take(false)).toBe(undefined);
    const begin = performance.now();
    expect(await other.take(true)).toMatchObject({ body: "silent", attempt: 2 });
    expect(performance.now() - begin).toBeLessThan(5000);
  });
});

describe("a turn that fails", () => {
  it("answers nothing as if it had happened: posts are refused, and a wait goes on", async () => {
    const tables = new FailingTables();
    const { broker } = brokerOver(tables, 1);
    const client = clientOf(broker, "x");
    await client.hello();
    const waiting = client.take(true);
    await client.ask({ op: "status" });
    tables.fails = Object.assign(new Error("database or disk is full"), { errcode: 13 });
    expect((await client.post("lost", 1)).refusal?.code).toBe("ERR_RINGBELL_NO_SPACE");
    tables.fails = Object.assign(new Error("disk I/O error"), { code: "SQLITE_IOERR_WRITE" });
    expect((await client.post("lost", 2)).refusal?.code).toBe("ERR_RINGBELL_STORE");
    tables.fails = undefined;
    await client.post("stored", 3);
    expect(await waiting).toMatchObject({ body: "stored" });
  });

  it("does again what else was asked for in it", async () => {
    const tables = new FailingTables();
    const { broker } = brokerOver(tables, 1);
    const client = clientOf(broker, "x");
    await client.hello();
    const waiting = client.ask({ op: "take", box: "a", most: 1, wait: true });
    await client.ask({ op: "status" });
    tables.failsToInsert = Object.assign(new Error("database or disk is full"), { errcode: 13 });
    // Both come in one turn. The second takes the wait back, as its tag says, and is done although the post fails.
    const cancelling = client.ask({ op: "cancel", wait: 2 });
    const posting = client.post("lost", 1);
    expect((await posting).refusal?.code).toBe("ERR_RINGBELL_NO_SPACE");
    expect((await cancelling).value).toBe(true);
    expect((await waiting).value).toEqual([]);
  });

  it("is made again where another program holds the file for a moment", async () => {
    const tables = new FailingTables();
    const { broker } = brokerOver(tables, 1);
    const client = clientOf(broker, "x");
    await client.hello();
    tables.fails = Object.assign(new Error("database is locked"), { errcode: 5 });
    const posting = client.post("late", 1);
    await new Promise((resolve) => setTimeout(resolve, 60));
    tables.fails = undefined;
    expect((await posting).value).toMatchObject({ position: 1 });
    expect(await client.take(false)).toMatchObject({ body: "late" });
  });
});
