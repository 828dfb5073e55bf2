import fc from "fast-check";
import type { Cursor, Item } from "ringbell/session";
import { describe, expect, it } from "vitest";
import { itemOf } from "../../lib/session/item.js";
import { type Carrier, Session, type SessionInterface } from "../../lib/session/session.js";
import { isGapFree, serving, take } from "./setup.js";

/** An interface without a process: a ring of a few messages, and what was taken from it. */
class Ui implements Carrier {
  readonly role = "default";
  readonly peer = undefined;
  readonly via = "test";
  readonly client: string;
  readonly instance = "";
  readonly items: Item[] = [];
  readonly ring: string[] = [];
  attached: SessionInterface | undefined;
  isReplaced = false;
  cursor: Cursor | undefined;

  constructor(client: string) {
    this.client = client;
  }

  offer(text: string): boolean {
    if (this.ring.length >= 3) return false;
    this.ring.push(text);
    return true;
  }

  changed() {}

  replaced() {
    this.isReplaced = true;
  }

  async over() {}

  async close() {}
}

const CLASSES = ["keep", "drop", "latest"] as const;

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("append" as const),
      count: fc.integer({ min: 1, max: 6 }),
      kind: fc.constantFrom(...CLASSES),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("read" as const),
      ui: fc.nat(2),
      count: fc.integer({ min: 1, max: 5 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("attach" as const),
      ui: fc.nat(2),
      from: fc.constantFrom("snapshot" as const, "live" as const, "last" as const, "cursor" as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("drop" as const), ui: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("refresh" as const), ui: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.constant({ do: "restart" as const }) },
);

type Step = typeof step extends fc.Arbitrary<infer One> ? One : never;

/** The event before the first of these items; undefined if they begin with a snapshot. */
function startOf([first]: readonly Item[]): number | undefined {
  if (first?.type === "event") return first.sequence - 1;
  return first?.type === "missed" ? first.sequence - first.missed : undefined;
}

/** A session whose snapshot is the number of its events, and interfaces that come, read and go as the steps say. */
function run(steps: readonly Step[], hasSnapshot: boolean) {
  let session!: Session<number, number>;
  let appended = 0;
  const uis = [new Ui("a"), new Ui("b"), new Ui("c")];
  const start = () => {
    appended = 0;
    session = new Session<number, number>({
      log: { maxEvents: 8 },
      slowAfter: 0,
      classes: { drop: "drop", latest: "latest" },
      ...(hasSnapshot ? { snapshot: () => appended } : {}),
    });
    for (const ui of uis) {
      ui.attached = undefined;
      ui.ring.length = 0;
    }
  };
  const read = (ui: Ui, count: number) => {
    for (let n = 0; n < count && ui.ring.length > 0; n++) {
      const item = itemOf(JSON.parse(ui.ring.shift()!), ui.items.at(-1)?.sequence ?? place.get(ui));
      if (item === undefined) throw new Error("the feed broke the order");
      if (item.type === "snapshot" && hasSnapshot) expect(item.snapshot).toBe(item.sequence);
      if (item.type === "event") expect(item.event).toBe(item.sequence);
      ui.items.push(item);
      ui.cursor = session.cursor.replace(/\d+$/, `${item.sequence}`);
      if (ui.attached !== undefined) session.resume(ui.attached);
    }
  };
  /** Where each interface began. */
  const place = new Map<Ui, number | undefined>();
  const attach = (ui: Ui, how: "snapshot" | "live" | "last" | "cursor") => {
    ui.ring.length = 0;
    const from =
      how === "last"
        ? { last: 3 }
        : how === "cursor"
          ? ui.cursor === undefined
            ? "snapshot"
            : { cursor: ui.cursor }
          : how;
    const { welcome, attached } = session.attach(ui, from);
    ui.attached = attached;
    // What was seen is looked at in one piece only where the interface went on from it.
    const goesOn = how === "cursor" && !welcome.tooOld && ui.items.at(-1)?.sequence === welcome.sequence;
    if (!goesOn) ui.items.length = 0;
    place.set(ui, welcome.sequence);
    attached.feed.resume();
  };
  start();
  for (const one of steps) {
    if (one.do === "append") {
      for (let n = 0; n < one.count; n++) session.append(++appended, one.kind);
    } else if (one.do === "restart") {
      start();
    } else {
      const ui = uis[one.ui]!;
      if (one.do === "read") read(ui, one.count);
      else if (one.do === "attach") attach(ui, one.from);
      else if (one.do === "drop" && ui.attached !== undefined) {
        session.detach(ui.attached);
        ui.attached = undefined;
        ui.ring.length = 0;
      } else if (one.do === "refresh") ui.attached?.feed.refresh();
    }
  }
  // All that are attached read on until nothing comes, and then have seen everything.
  for (const ui of uis) {
    if (ui.attached === undefined) continue;
    while (ui.ring.length > 0) read(ui, 1);
    expect(ui.attached.lag).toBe(0);
    expect((ui.items.at(-1)?.sequence ?? place.get(ui)) === session.log.last).toBe(true);
    expect(isGapFree(ui.items, startOf(ui.items))).toBe(true);
  }
}

describe("whatever is appended, attached, dropped, read slowly and started again", () => {
  it.each([true, false])(
    "an interface has seen a snapshot and a suffix without gap (snapshots: %s) (S4.39, S4.3)",
    (hasSnapshot) => {
      fc.assert(
        fc.property(fc.array(step, { minLength: 5, maxLength: 60 }), (steps) => run(steps, hasSnapshot)),
        { numRuns: 2000 },
      );
    },
  );

  it("holds over a channel, with connections that are cut while events come", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 10, maxLength: 40 }),
        async (steps) => {
          let count = 0;
          const { session, attached } = await serving<number, number>({
            snapshot: () => count,
            log: { maxEvents: 30 },
          });
          const ui = await attached({ reconnect: { minDelay: 1, maxDelay: 5 } });
          const seen: Item[] = [];
          for (const one of steps) {
            if (one === 0) {
              for (const { carrier } of session.interfaces as unknown as Set<SessionInterface>)
                void carrier.close(0);
            } else if (one < 6) for (let n = 0; n < one * one; n++) session.append(++count);
            else if (session.log.last > (seen.at(-1)?.sequence ?? -1)) seen.push(...(await take(ui, 1)));
          }
          session.append(++count);
          seen.push(...(await take(ui, (item) => item.sequence === count)));
          expect(isGapFree(seen)).toBe(true);
          for (const item of seen)
            expect(item.type === "event" ? item.event : (item as { snapshot: number }).snapshot).toBe(
              item.sequence,
            );
          await ui.close();
          await session.close();
        },
      ),
      { numRuns: 30 },
    );
  });
});
