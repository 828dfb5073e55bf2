import { describe, expect, it } from "vitest";
import { isGapFree, numbers, take, until } from "../session/setup.js";
import { bridged, Raw, TOKENS } from "./setup.js";

describe("a page behind a bridge", () => {
  it("gets a snapshot, the events after it, states and retained values, and makes inputs (S0.11, S4.13)", async () => {
    let sum = 0;
    const { session, bridge, attached } = await bridged<number, number>({
      snapshot: () => sum,
      retained: { tasks: ["a"] },
      handlers: {
        approve: ({ call }: { call: number }, source: { client: string; role: string; via: string }) => ({
          call,
          ...source,
          via: source.via.split(" ")[0],
        }),
      } as never,
    });
    const append = (n: number) => {
      sum += n;
      session.append(n);
    };
    append(1);
    append(2);
    const page = await attached({ client: "tab" });
    append(3);
    const items = await take(page as never, 2);
    expect(items).toEqual([
      { type: "snapshot", sequence: 2, snapshot: 3, reason: "attach", missed: 0 },
      { type: "event", sequence: 3, class: "event", event: 3 },
    ]);
    expect([page.state, page.role, page.inputs, [...page.retained]]).toEqual([
      "running",
      "operator",
      ["approve", "reject", "abort"],
      [["tasks", ["a"]]],
    ]);
    session.setState("awaiting_hitl");
    session.retain("tasks", undefined);
    await until(() => page.state === "awaiting_hitl" && page.retained.size === 0);
    expect(await page.input("approve", { call: 7 })).toEqual({
      call: 7,
      client: "boss/tab",
      role: "operator",
      via: "websocket",
    });
    await expect(page.input("run", { command: "rm" })).rejects.toMatchObject({ code: -32012 });
    expect([...bridge.clients]).toMatchObject([{ name: "boss", role: "operator", state: "live", missed: 0 }]);
    expect(page.cursor).toBe(session.cursor);
  });

  it("goes on where it was when its connection is cut, again and again (S4.41)", async () => {
    const { session, bridge, attached } = await bridged<number>({ log: { maxEvents: 100_000 } });
    const page = await attached({ from: "live" });
    const all = take(page as never, 3000);
    for (let n = 1; n <= 3000; n++) {
      session.append(n);
      if (n % 300 === 0) {
        const before = [...session.interfaces][0]!.epoch;
        for (const client of bridge.clients) (client as never as { terminate(): void }).terminate();
        await until(() => [...session.interfaces].some(({ epoch }) => epoch > before));
      }
    }
    const items = await all;
    expect(numbers(items)).toEqual(Array.from({ length: 3000 }, (_, i) => i + 1));
    expect(isGapFree(items, 0)).toBe(true);
  });

  it("repeats an input whose answer was lost, and it is applied once", async () => {
    let applied = 0;
    const { session, bridge, attached } = await bridged({
      handlers: {
        async approve() {
          applied++;
          const before = [...session.interfaces][0]!.epoch;
          for (const client of bridge.clients) (client as never as { terminate(): void }).terminate();
          await until(() => [...session.interfaces].some(({ epoch }) => epoch > before));
          return applied;
        },
      } as never,
    });
    const page = await attached();
    expect(await page.input("approve")).toBe(1);
    expect(applied).toBe(1);
  });

  it("has the newest state, also where that changes while it attaches", async () => {
    const { session, attached } = await bridged({ state: "old", retained: { value: "old" } });
    session.on("attach", () => {
      session.setState("new");
      session.retain("value", "new");
    });
    const page = await attached();
    await until(() => page.state === "new" && page.retained.get("value") === "new");
  });

  it("that is reloaded counts its inputs anew", async () => {
    let applied = 0;
    const { attached } = await bridged({ handlers: { approve: () => ++applied } as never });
    for (let run = 1; run <= 3; run++) {
      const page = await attached({ client: "tab" });
      expect(await page.input("approve")).toBe(run);
    }
  });

  it("takes the place of its former connection, which may be half open, and of nobody else's", async () => {
    const { session, bridge } = await bridged();
    const one = await Raw.open(bridge.url);
    await one.attach({ client: "tab" });
    one.socket.pause();
    const other = await Raw.open(bridge.url);
    await other.attach({ client: "tab", token: TOKENS.viewer });
    const two = await Raw.open(bridge.url);
    const { epoch } = await two.attach({ client: "tab" });
    expect(epoch).toBe(2);
    expect(session.interfaces.size).toBe(2);
    one.socket.resume();
    expect(await one.closed).toBe(4409);
    expect((await other.ask("ping")).result).toBe(null);
    expect((await two.ask("ping")).result).toBe(null);
  });

  it("is told how the connection ends (S4.16)", async () => {
    const { session, bridge, attached } = await bridged();
    const page = await attached({ client: "tab" });
    const again = await attached({ client: "tab" });
    await until(() => page.connection === "replaced");
    await expect(attached({ token: "x".repeat(20) })).rejects.toThrow("unauthorised");
    const raw = await Raw.open(bridge.url);
    await raw.attach();
    raw.socket.close(1000, "bye");
    await until(() => session.interfaces.size === 1);
    await session.close({ over: true });
    await until(() => again.connection === "over");
    await expect(again.input("approve")).rejects.toThrow("over");
  });

  it("fails when nobody comes back in time, and closes when it likes", async () => {
    const { bridge, attached } = await bridged();
    const page = await attached({ from: "live", reconnectFor: 50 });
    const other = await attached({ from: "live" });
    const loop = take(other as never, 1);
    await bridge.close();
    await until(() => page.connection === "failed");
    await expect(take(page as never, 1)).rejects.toThrow("failed");
    other.close();
    expect(await loop).toEqual([]);
  });
});

describe("a broadcast", () => {
  it("is made once for all clients", async () => {
    const { session, bridge } = await bridged();
    const clients = await Promise.all(Array.from({ length: 10 }, () => Raw.open(bridge.url)));
    await Promise.all(clients.map((client, n) => client.attach({ client: `c${n}` })));
    for (let n = 0; n < 50; n++) session.append(n);
    await until(() =>
      clients.every(({ messages }) => messages.filter(({ method }) => method === "item").length === 50),
    );
    expect(bridge.framesMade).toBe(50);
  });
});
