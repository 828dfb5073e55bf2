import type { Item } from "ringbell/session";
import { describe, expect, it } from "vitest";
import { isGapFree, numbers, program, serving, take, transports, until } from "./setup.js";

/** About a message that fills the ring soon. */
const LONG = "x".repeat(2000);

describe.each(transports)("a slow interface over %s", (transport) => {
  it("is paused, told how much it missed, and goes on from a snapshot; nobody else is held up", async () => {
    let count = 0;
    const { session, attached } = await serving<string, number>({
      transport,
      snapshot: () => count,
      log: { maxEvents: 500 },
    });
    const slow = await attached({ from: "live" });
    const quick = await attached({ from: "live" });
    const info = [...session.interfaces].find(({ client }) => client === slow.client)!;
    const all = take(quick, (item) => item.sequence === 3000);
    while (count < 3000) {
      for (let n = 0; n < 50; n++) {
        count++;
        session.append(LONG);
      }
      // The quick one has time to take them; the slow one takes nothing.
      const reached = count;
      await until(() =>
        [...session.interfaces].every((one) => one === info || reached - one.lag >= reached - 400),
      );
    }
    expect(numbers(await all)).toEqual(Array.from({ length: 3000 }, (_, i) => i + 1));
    expect(info).toMatchObject({ paused: true });
    const items = await take(slow, (item) => item.sequence === 3000);
    expect(isGapFree(items, 0)).toBe(true);
    const snapshots = items.filter((item) => item.type === "snapshot") as Extract<
      Item<string, number>,
      { type: "snapshot" }
    >[];
    expect(snapshots).toHaveLength(1);
    const [snapshot] = snapshots;
    const before = items[items.indexOf(snapshot!) - 1]!.sequence;
    expect(snapshot).toMatchObject({
      reason: "slow",
      missed: snapshot!.sequence - before,
      snapshot: snapshot!.sequence,
    });
    expect(info.missed).toBeGreaterThan(0);
    session.append("live again");
    expect(await take(slow, 1)).toMatchObject([{ event: "live again" }]);
    expect(info.paused).toBe(false);
  });

  it("loses events of some classes only, which are counted by class; of others it gets the latest (S4.33)", async () => {
    const { session, attached } = await serving({
      transport,
      classes: { log: "drop", progress: "latest" },
      slowAfter: 0,
      log: { maxEvents: 100_000 },
    });
    const ui = await attached({ from: "live" });
    while (![...session.interfaces][0]!.paused) session.append(LONG);
    const first = session.log.last;
    for (let n = 0; n < 30; n++) {
      session.append(n, "log");
      session.append(n, "progress");
      if (n % 10 === 9) session.append(n, "result");
    }
    const items = await take(ui, (item) => item.sequence === session.log.last);
    expect(isGapFree(items, 0)).toBe(true);
    const later = items.filter(({ sequence }) => sequence > first);
    expect(later.map((item) => (item.type === "event" ? [item.class, item.event] : item.type))).toEqual([
      "missed",
      ["result", 9],
      "missed",
      ["result", 19],
      "missed",
      ["progress", 29],
      ["result", 29],
    ]);
    expect(later[0]).toMatchObject({ missed: 20, classes: { log: 10, progress: 10 } });
    // Who keeps up gets all.
    session.append(1, "log");
    session.append(2, "log");
    expect(await take(ui, 2)).toMatchObject([{ event: 1 }, { event: 2 }]);
  });

  it("holds up a program that asks, for classes that must not be lost, and not for ever", async () => {
    const { session, attached } = await serving({
      transport,
      classes: { result: "block" },
      log: { maxEvents: 1000 },
      blockTimeout: 200,
    });
    const ui = await attached({ from: "live" });
    const fill = async () => {
      for (let n = 0; n < 2000; n++) {
        await session.ready();
        session.append(LONG, "result");
      }
    };
    const took = take(ui, (item) => item.sequence === 2000);
    await fill();
    const items = await took;
    expect(items.every(({ type }) => type === "event")).toBe(true);
    expect(items).toHaveLength(2000);
    // Now nobody reads: the time is over, and the program goes on.
    await fill();
    expect(session.log.last).toBe(4000);
    const rest = await take(ui, (item) => item.sequence === 4000);
    expect(isGapFree(rest, 2000)).toBe(true);
    expect(rest.some(({ type }) => type === "missed")).toBe(true);
  });
});

describe("an interface that is stopped", () => {
  it("costs the session no more than its log, and nobody's events (S4.24)", async () => {
    const { session, attached, directory } = await serving<string, number>({
      snapshot: () => 0,
      log: { maxEvents: 200 },
    });
    const frozen = program(
      `const ui = await attach("agent", { directory, from: "live" });
      report("attached");
      for await (const { type, sequence, missed } of ui) if (type !== "event" || sequence % 1000 === 0) report([type, sequence, missed]);`,
      directory,
    );
    await frozen.reported(1);
    frozen.child.kill("SIGSTOP");
    const quick = await attached({ from: "live" });
    const before = process.memoryUsage().heapUsed;
    let taken = 0;
    const reading = (async () => {
      for await (const { sequence } of quick) {
        taken = sequence;
        if (sequence === 50_000) break;
      }
    })();
    for (let n = 1; n <= 50_000; n++) {
      session.append(`${LONG}${n}`);
      if (n % 50 === 0) await until(() => taken >= n - 100);
    }
    await reading;
    expect(session.log.size).toBe(200);
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(64 * 1024 * 1024);
    for (let n = 0; n < 1000; n++) session.setState(`${n}`);
    frozen.child.kill("SIGCONT");
    await until(() => [...session.interfaces].every(({ lag }) => lag === 0));
    session.append("end");
    const told = (await frozen.reported(2)) as unknown[];
    expect(told[1]).toMatchObject(["snapshot", 50_000, expect.any(Number)]);
  });
});
