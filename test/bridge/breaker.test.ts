import { describe, expect, it } from "vitest";
import {
  type BreakerEvent,
  type BreakerState,
  CLOSED_BREAKER,
  isSnapshotDue,
  step,
} from "../../lib/bridge/breaker.js";
import { until } from "../session/setup.js";
import { bridged, Raw } from "./setup.js";

const LIMITS = { stallAfter: 100, maxLag: 50, maxErrors: 3, snapshotEvery: 1000, recoverAfter: 2 };

/** The states after events, each at a time. */
function stateAfter(
  events: readonly (readonly [number, BreakerEvent])[],
  state: BreakerState = CLOSED_BREAKER,
): BreakerState {
  return events.reduce((one, [now, event]) => step(one, event, now, LIMITS), state);
}

describe("the breaker of a client", () => {
  const looked = (stalledFor: number, lag = 0) => ({ type: "looked", stalledFor, lag }) as const;

  it("opens for one that takes nothing, is far behind, or is wrong again and again (S4.31)", () => {
    expect(stateAfter([[0, looked(99, 50)]])).toBe(CLOSED_BREAKER);
    expect(stateAfter([[0, looked(100)]])).toMatchObject({ mode: "summary", why: "stalled" });
    expect(stateAfter([[0, looked(0, 51)]])).toMatchObject({ mode: "summary", why: "behind" });
    const wrong = [0, { type: "refused" }] as const;
    expect(stateAfter([wrong, wrong])).toMatchObject({ mode: "live", errors: 2 });
    expect(stateAfter([wrong, wrong, wrong])).toMatchObject({ mode: "summary", why: "errors" });
    expect(stateAfter([wrong, wrong, [0, { type: "heeded" }], wrong, wrong])).toMatchObject({ mode: "live" });
  });

  it("sends snapshots at a limited rate, and closes when the client took enough of them in time", () => {
    const open = stateAfter([[0, looked(100)]]);
    expect(isSnapshotDue(CLOSED_BREAKER, 0, LIMITS)).toBe(false);
    expect(isSnapshotDue(open, 0, LIMITS)).toBe(true);
    const sent = stateAfter([[0, { type: "snapshot" }]], open);
    expect([isSnapshotDue(sent, 999, LIMITS), isSnapshotDue(sent, 1000, LIMITS)]).toEqual([false, true]);
    const caught = { type: "caught-up" } as const;
    const once = stateAfter([[50, caught]], sent);
    expect(once).toMatchObject({ mode: "summary", good: 1 });
    expect(
      stateAfter(
        [
          [1000, { type: "snapshot" }],
          [1101, caught],
        ],
        once,
      ),
    ).toMatchObject({ mode: "summary", good: 0 });
    expect(
      stateAfter(
        [
          [1000, { type: "snapshot" }],
          [1100, caught],
        ],
        once,
      ),
    ).toEqual(CLOSED_BREAKER);
    expect(stateAfter([[60, looked(100)]], once)).toMatchObject({ good: 0 });
  });

  it("gives a page that is slow summaries and snapshots, and events again when it takes them", async () => {
    let count = 0;
    const { session, bridge } = await bridged<number, number>(
      { snapshot: () => count, log: { maxEvents: 100_000 } },
      { breaker: { stallAfter: 100, snapshotEvery: 100, recoverAfter: 2 }, limits: { windowBytes: 2000 } },
    );
    const raw = await Raw.open(bridge.url);
    await raw.attach();
    const items = () => raw.messages.filter(({ method }) => method === "item");
    const acked = { count: 0 };
    const ackAll = () => {
      const data = raw.messages.filter(({ method }) => method !== undefined).length;
      if (data > acked.count)
        raw.send({ jsonrpc: "2.0", method: "ack", params: { count: data - acked.count } });
      acked.count = data;
    };
    while (bridge.clients.size === 0 || [...bridge.clients][0]!.state === "live") session.append(++count);
    expect([...bridge.clients][0]!.state).toBe("slow");
    await until(() => [...bridge.clients][0]!.state === "summary");
    const before = items().length;
    for (let n = 0; n < 1000; n++) session.append(++count);
    ackAll();
    await until(() => raw.messages.some(({ method }) => method === "summary"));
    ackAll();
    await until(() => items().length > before);
    expect(items()[before]!.params).toMatchObject({ kind: "snapshot", snapshot: count, sequence: count });
    const timer = setInterval(ackAll, 5);
    await until(() =>
      raw.messages.some(
        ({ method, params }) => method === "mode" && (params as unknown as { mode: string }).mode === "live",
      ),
    );
    session.append(++count);
    await until(() => (items().at(-1)!.params as unknown as unknown[])[0] === count);
    clearInterval(timer);
    expect([...bridge.clients][0]!.state).toBe("live");
  });
});
