import assert from "node:assert/strict";
import type { Case } from "./cases.js";

/*
 * What mailboxes promise on one machine, where a broker sees everything. docs/mailbox.md#past-one-machine says what holds instead over NATS, and
 * test/mailbox/nats.test.ts tests that.
 */

const bodies = (messages: readonly { readonly body: unknown }[]) => messages.map(({ body }) => body);
const code = (expected: string) => (error: { code?: string }) => error.code === expected;

export const localCases: Readonly<Record<string, Case>> = {
  "names the sender as it claims, and its process and user as the kernel says (S3.27)": async ({ open }) => {
    const mail = await open({ from: "alice" });
    const other = await open();
    await mail.post("a", 1);
    await other.post("a", 2, { from: "bob" });
    const uid = process.getuid!();
    for (const name of ["alice", "bob"]) {
      assert.deepEqual((await mail.wait("a"))?.from, { name, pid: process.pid, uid });
    }
  },

  "makes a dead letter of a message that has outlived its time": async ({ open, pass }) => {
    const mail = await open();
    const box = mail.box("a");
    await box.configure({ ttl: 2000 });
    await box.post("long", { ttl: 60_000 });
    await box.post("short", { ttl: 1000 });
    await box.post("as the box says");
    await pass(mail, 1000);
    assert.deepEqual(bodies(await box.dead()), ["short"]);
    await pass(mail, 1000);
    assert.deepEqual(bodies(await box.dead()), ["short", "as the box says"]);
    assert.match((await box.dead())[0]!.reason!, /time to live/);
    assert.deepEqual(bodies(await box.fetch()), ["long"]);
  },

  "lets a notice replace the one that waits with its key": async ({ open }) => {
    const mail = await open();
    const notice = (body: string, key: string) => mail.post("a", body, { priority: "notice", key });
    const first = await notice("10 %", "build");
    await notice("1 %", "test");
    const second = await notice("20 percent", "build");
    assert.equal(second.position, first.position);
    assert.equal((await mail.box("a").status())?.bytes, 13);
    assert.deepEqual(bodies(await mail.fetch("a")), ["20 percent", "1 %"]);
    await notice("30 %", "build");
    assert.deepEqual(bodies(await mail.fetch("a")), ["30 %"]);
  },

  "counts the bytes of texts exactly, and bounds them": async ({ open }) => {
    const mail = await open();
    const box = mail.box("a");
    await box.configure({ maxBytes: 10 });
    await box.post("four");
    await box.post("ümlaut", { delay: 60_000 }).catch(() => {});
    assert.equal((await box.status())?.bytes, 4);
    await box.post("123456");
    await assert.rejects(box.post("1"), code("ERR_RINGBELL_BOX_FULL"));
    const claim = await box.claim();
    await assert.rejects(box.post("1"), code("ERR_RINGBELL_BOX_FULL"), "a claimed message takes room");
    await claim!.ack();
    await box.post("1");
    const status = await box.status();
    assert.deepEqual([status?.queued, status?.bytes, status?.refused, status?.full], [2, 7, 3, false]);
  },

  "lists messages of all boxes in the order of posting, from a position on": async ({ open }) => {
    const mail = await open();
    for (const [at, box] of ["a", "b", "a"].entries()) await mail.post(box, at);
    const [first] = await mail.list();
    assert.deepEqual(bodies(await mail.list({ after: first!.position, limit: 1 })), [1]);
  },
};
