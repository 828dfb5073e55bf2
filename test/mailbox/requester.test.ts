import { describe, expect, it, onTestFinished } from "vitest";
import { Broker } from "../../lib/mailbox/broker/broker.js";
import type { BrokerLink, LinkListener } from "../../lib/mailbox/client/broker-link.js";
import { Requester } from "../../lib/mailbox/client/requester.js";
import { MemoryTables } from "../../lib/mailbox/store/memory-tables.js";
import type { AnswerFrame, PostAnswer, RequestFrame, WireMessage } from "../../lib/mailbox/wire.js";

const POST = { op: "post", to: "a", from: "", body: "x" } as const;
const never = new Promise<never>(() => {});

/** A client of a broker over links that a test cuts: before a frame arrives, or before its answer does. */
function client() {
  const broker = new Broker({
    ...{ tables: new MemoryTables(), epoch: 1, time: () => 1_800_000_000_000, defaults: {} },
    ...({ maxMessageBytes: 1000, durability: "process", damaged: undefined, onLost() {} } as const),
  });
  const frames: RequestFrame[] = [];
  let cut: "frames" | "answers" | undefined;

  function link(): BrokerLink {
    let listener: LinkListener | undefined;
    const end = () => {
      const ended = listener;
      listener = undefined;
      // Another broker would find the claims in the store. This one must not give them back, so it does not hear of the end.
      ended?.end(undefined);
    };
    const { receive } = broker.attach({
      ...{ pid: process.pid, uid: 0, end },
      send(frame: AnswerFrame) {
        if (cut === "answers") end();
        else listener?.frame(frame);
      },
    });
    return {
      ...{ local: false, pid: process.pid, ref() {}, unref() {} },
      listen(one) {
        listener = one;
      },
      send(frame) {
        frames.push(structuredClone(frame));
        if (cut === "frames") queueMicrotask(end);
        else receive(frame);
        return undefined;
      },
      close: async () => end(),
    };
  }

  const requester = new Requester({
    ...{ stall: 5000, kill: false, path: undefined, onNotice() {}, onState() {}, onTrouble() {} },
    reach(later) {
      if (later) return never;
      // The next link is whole.
      cut = undefined;
      return Promise.resolve(link());
    },
  });
  onTestFinished(() => requester.close());
  return {
    ...{ requester, frames },
    ask: <T>(request: Parameters<Requester["ask"]>[0]) => requester.ask(request).answer as Promise<T>,
    cut(what: "frames" | "answers") {
      cut = what;
    },
  };
}

/** A client that has claimed a message. */
async function claimed() {
  const one = client();
  await one.requester.ready();
  await one.ask({ ...POST, number: one.requester.nextPost() });
  const [message] = await one.ask<WireMessage[]>({ op: "take", box: "a", most: 1 });
  one.requester.hold(message!.position, message!.token!);
  const ack = { op: "settle", how: "ack", claims: [[message!.position, message!.token!]] } as const;
  return { ...one, ack };
}

describe("a client whose link is cut", () => {
  it("before the answer to its acknowledgement: asks again, marked so, and is told that it is done", async () => {
    const { ask, cut, frames, ack } = await claimed();
    cut("answers");
    expect(await ask(ack)).toBe(true);
    const sent = frames.flatMap(({ requests }) => requests).filter(({ op }) => op === "settle");
    expect(sent.map((request) => "again" in request && request.again)).toEqual([false, true]);
    await expect(ask(ack), "a second acknowledgement").rejects.toMatchObject({
      code: "ERR_RINGBELL_LEASE_LOST",
    });
  });

  it("before its acknowledgement arrives: acknowledges over the next link", async () => {
    const { ask, cut, ack } = await claimed();
    cut("frames");
    expect(await ask(ack)).toBe(true);
    const { boxes } = await ask<{ boxes: { queued: number; claimed: number }[] }>({ op: "status" });
    expect(boxes).toMatchObject([{ queued: 0, claimed: 0 }]);
  });

  it.each(["answers", "frames"] as const)(
    "with its %s: repeats a post under its number, which is stored once",
    async (what) => {
      const { requester, ask, cut, frames } = client();
      await requester.ready();
      cut(what);
      const post = { ...POST, number: requester.nextPost() };
      expect(await ask<PostAnswer>(post)).toMatchObject({ position: 1, duplicate: false });
      const sent = frames.flatMap(({ requests }) => requests).filter(({ op }) => op === "post");
      expect(sent.map((request) => "number" in request && request.number)).toEqual([1, 1]);
      expect(await ask<WireMessage[]>({ op: "take", box: "a", most: 10 })).toHaveLength(1);
    },
  );
});
