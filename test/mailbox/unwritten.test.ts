import { describe, expect, it } from "vitest";
import { type NewMessage, State } from "../../lib/mailbox/store/tables.js";
import { Unwritten } from "../../lib/mailbox/store/unwritten.js";
import { scratchDirectory } from "../transport/scratch.js";
import { member } from "./setup.js";

function message(position: number, rank = 1): NewMessage {
  return {
    ...{ position, box: 1, rank, id: null, key: null, sender: "", pid: 1, uid: 0, posted: 0, expires: null },
    ...{ bytes: 1, json: false, body: "x", topic: null, content: null },
  };
}

const claimed = { state: State.CLAIMED, attempts: 1, due: 9, token: 3, holder: "h", reason: null };
const queued = { state: State.QUEUED, attempts: 1, due: null, token: null, holder: null, reason: null };

describe("what a turn has still to write", () => {
  it("is given by rank and position, and no longer when it is claimed", () => {
    const unwritten = new Unwritten();
    for (const [position, rank] of [
      [1, 2],
      [2, 1],
      [3, 0],
      [4, 1],
    ] as const) {
      unwritten.add(message(position, rank), null, 0);
    }
    unwritten.add(message(5), 1000, 0);
    expect(unwritten.queued(1)).toBe(4);
    expect(unwritten.first(1, 3, undefined).map(({ position }) => position)).toEqual([3, 2, 4]);
    expect(unwritten.first(1, 9, 1).map(({ position }) => position)).toEqual([2, 4]);
    expect(unwritten.stand(2, claimed)).toBe(true);
    expect(unwritten.first(1, 9, undefined).map(({ position }) => position)).toEqual([3, 4, 1]);
    expect(unwritten.stand(2, queued), "back into the queue, where its place is before others").toBe(false);
    expect(unwritten.take().rows.find(({ position }) => position === 2)).toMatchObject(claimed);
    expect(unwritten.some).toBe(false);
  });

  it("is nothing for a message that was taken and acknowledged in the turn", () => {
    const unwritten = new Unwritten();
    unwritten.add(message(1), null, 0);
    unwritten.stand(1, claimed);
    unwritten.remove(1);
    expect(unwritten.some).toBe(false);
    unwritten.remove(7);
    expect(unwritten.take().removed).toEqual([7]);
  });
});

describe("a flood that is stored by one statement", () => {
  it("keeps every text as it is, in order, whatever characters it has", async () => {
    const mail = await member({ directory: scratchDirectory() });
    const special = ["", '"\\', "a\0b", "é 漢", "😀", "\ud800", "\u0001\u007f", "{}", "null"];
    const texts = Array.from({ length: 12 }, () => ["plain", ...special]).flat();
    const posts = await Promise.all(texts.map((text) => mail.call("post", "a", text)));
    expect(posts).toHaveLength(texts.length);
    // SQLite has UTF-8, in which there are no halves of characters.
    const stored = texts.map((text) => text.replace("\ud800", "\ufffd"));
    const { bytes } = await mail.box<{ bytes: number }>("a", "status");
    expect(bytes).toBe(stored.reduce((sum, text) => sum + Buffer.byteLength(text), 0));
    const rows = await mail.call<{ body: string }[]>("list");
    expect(rows.map(({ body }) => body)).toEqual(stored);
  });

  it("ends where other senders, ids or delays come between", async () => {
    const mail = await member({ directory: scratchDirectory() });
    const options = (i: number) =>
      [{}, { from: "x" }, { id: `${i}` }, { delay: 60_000 }][Math.floor(i / 5) % 4];
    await Promise.all(Array.from({ length: 40 }, (_, i) => mail.call("post", "a", i, options(i))));
    const rows =
      await mail.call<{ body: number; id: string; state: string; from: { name: string } }[]>("list");
    expect(rows.map(({ body }) => body)).toEqual(Array.from({ length: 40 }, (_, i) => i));
    for (const { body, id, state, from } of rows) {
      const { from: name = "", delay, id: given } = { from: "", ...options(body) } as Record<string, string>;
      expect([from.name, state]).toEqual([name, delay === undefined ? "queued" : "delayed"]);
      if (given !== undefined) expect(id).toBe(given);
    }
  });
});
