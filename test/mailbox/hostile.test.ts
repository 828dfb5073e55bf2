import { connect } from "ringbell";
import { describe, expect, it } from "vitest";
import { steadyTime } from "../../lib/mailbox/steady.js";
import { scratchDirectory } from "../transport/scratch.js";
import { opened } from "./setup.js";

interface Frame {
  readonly answers: readonly {
    readonly tag: number;
    readonly value?: unknown;
    readonly refusal?: { code: string };
  }[];
}

/** A client by hand: what it sends is up to the test. */
async function rawClient(directory: string) {
  const channel = await connect<unknown, Frame>("mailbox", { directory });
  const ask = async (...requests: object[]) => {
    await channel.send({ requests, unanswered: 1 });
    const answers: Frame["answers"][number][] = [];
    while (answers.length < requests.length) answers.push(...(await channel.receive()).answers);
    return answers;
  };
  return { channel, ask };
}

const hello = { tag: 1, op: "hello", version: 1, client: "x", held: [] };

describe("a broker", () => {
  it("cuts off a client that sends no frames, and serves the others", async () => {
    const directory = scratchDirectory();
    const mail = await opened({ directory });
    for (const garbage of [
      ...[null, 1, "x", [], {}, { requests: 1, unanswered: 1 }, { requests: [null], unanswered: 1 }],
      ...[
        { requests: [{ op: "post" }], unanswered: 1 },
        { requests: [{ tag: 1 }], unanswered: 1 },
      ],
      { requests: [], unanswered: "1" },
      { requests: Array.from({ length: 10_001 }, () => ({ tag: 1, op: "status" })), unanswered: 1 },
    ]) {
      const { channel } = await rawClient(directory);
      await channel.send(garbage);
      expect((await channel.closed).reason, JSON.stringify(garbage).slice(0, 50)).not.toBe("ended");
    }
    await mail.post("a", 1);
    expect(await mail.fetch("a")).toHaveLength(1);
  });

  it("refuses requests with wrong fields one by one, and does the others", async () => {
    const directory = scratchDirectory();
    const mail = await opened({ directory });
    const { channel, ask } = await rawClient(directory);
    const [early] = await ask({ tag: 5, op: "status" });
    expect(early?.refusal?.code).toBe("ERR_RINGBELL_INVALID_ARGUMENT");
    const [other] = await ask({ ...hello, version: 2 });
    expect(other?.refusal?.code).toBe("ERR_RINGBELL_INVALID_ARGUMENT");
    await ask(hello);
    const post = { op: "post", to: "a", from: "", body: "x", number: 1 };
    const wrong = [
      ...[
        { op: "nonsense" },
        { op: "constructor" },
        { ...post, body: 5 },
        { ...post, to: {} },
        { ...post, to: "" },
      ],
      ...[
        { ...post, rank: 7 },
        { ...post, number: -1 },
        { ...post, ttl: "1" },
        { ...post, body: "x".repeat(1_000_001) },
      ],
      ...[
        { op: "take", box: "a", most: 0 },
        { op: "take", box: "a", most: 1e9 },
        { op: "list", after: -1, most: 1 },
      ],
      ...[
        { op: "settle", how: "eat", claims: [] },
        { op: "settle", how: "ack", claims: [[1]] },
      ],
      ...[
        { op: "settle", how: "ack", claims: [[1, 1]] },
        { op: "configure", box: "a", settings: { lease: -1 } },
      ],
      ...[
        { op: "purge", box: "a", what: "all" },
        { op: "requeue", box: "a", positions: "all" },
      ],
      ...[
        { op: "subscribe", box: "a", pattern: "a..b" },
        { op: "cancel", wait: "x" },
      ],
    ].map((request, at) => ({ ...request, tag: at + 10 }));
    const answers = await ask(...wrong, { ...post, number: 2, tag: 99 });
    const refused = answers.filter(({ refusal }) => refusal !== undefined).map(({ tag }) => tag);
    expect(refused.sort((a, b) => a - b)).toEqual(wrong.map(({ tag }) => tag));
    expect((await mail.fetch("a")).map(({ body }) => body)).toEqual(["x"]);
    channel.destroy();
  });

  it("lets no client settle what another has claimed", async () => {
    const directory = scratchDirectory();
    const mail = await opened({ directory });
    await mail.post("a", 1);
    const { channel, ask } = await rawClient(directory);
    await ask(hello);
    const [taken] = await ask({ tag: 2, op: "take", box: "a", most: 1 });
    const [{ position, token }] = taken!.value as [{ position: number; token: number }];
    const thief = await rawClient(directory);
    await thief.ask({ ...hello, client: "y" });
    const [stolen] = await thief.ask({ tag: 3, op: "settle", how: "ack", claims: [[position, token]] });
    expect(stolen?.refusal?.code).toBe("ERR_RINGBELL_LEASE_LOST");
    const [settled] = await ask({ tag: 3, op: "settle", how: "ack", claims: [[position, token]] });
    expect(settled?.value).toBe(true);
    channel.destroy();
    thief.channel.destroy();
  });

  it("stores a post once that is repeated on a new connection, and answers as before", async () => {
    const directory = scratchDirectory();
    const mail = await opened({ directory });
    await mail.box("full").configure({ maxMessages: 1 });
    const first = await rawClient(directory);
    await first.ask(hello);
    const posts = [1, 2, 3].map((number) => ({
      ...{ tag: number, op: "post", to: number === 1 ? "a" : "full", from: "", body: `${number}`, number },
    }));
    const before = await first.ask(...posts);
    first.channel.destroy();
    const second = await rawClient(directory);
    await second.ask(hello);
    const after = await second.ask(...posts);
    expect(after.map(({ value }) => (value as { position?: number })?.position)).toEqual(
      before.map(({ value }) => (value as { position?: number })?.position),
    );
    expect(after[2]?.refusal?.code).toBe("ERR_RINGBELL_BOX_FULL");
    expect((await mail.fetch("a")).map(({ body }) => body)).toEqual(["1"]);
    second.channel.destroy();
  });

  it("stops reading a client that reads no answers, and serves the others", async () => {
    const directory = scratchDirectory();
    const mail = await opened({ directory });
    for (let i = 0; i < 20; i++) await mail.post("a", "x".repeat(100_000));
    const { channel, ask } = await rawClient(directory);
    await ask(hello);
    let tag = 1;
    let sent = 0;
    // It asks for 2 MB again and again until its own ring is full, and takes none of it.
    for (let idle = 0; idle < 20; ) {
      const request = { tag: ++tag, op: "list", box: "a", after: 0, most: 1000, padding: "x".repeat(4000) };
      if (channel.trySend({ requests: [request], unanswered: 1 })) sent++;
      else idle++;
      await new Promise(setImmediate);
    }
    expect(sent).toBeLessThan(2000);
    expect(await mail.fetch("a", { limit: 1 })).toHaveLength(1);
    channel.destroy();
  });
});

describe("the time of a broker", () => {
  it("runs on from where the broker before had it, if the machine's clock was set back", () => {
    const later = Date.now() + 3600_000;
    const time = steadyTime(later);
    expect(time()).toBeGreaterThanOrEqual(later);
    expect(time()).toBeLessThan(later + 60_000);
    expect(Math.abs(steadyTime(0)() - Date.now())).toBeLessThan(1000);
  });
});
