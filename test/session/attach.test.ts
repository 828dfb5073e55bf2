import { ConsumerBusyError, connect, json } from "ringbell";
import { contract, open, request } from "ringbell/rpc";
import { attach, serveSession } from "ringbell/session";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { ending, isGapFree, numbers, privateDirectory, serving, take, transports, until } from "./setup.js";

describe.each(transports)("an interface over %s", (transport) => {
  async function counting() {
    let sum = 0;
    const made = await serving<number, number>({ transport, snapshot: () => sum, log: { maxEvents: 20 } });
    const append = (...values: number[]) => {
      for (const n of values) {
        sum += n;
        made.session.append(n);
      }
    };
    return { ...made, append };
  }

  it("begins with a snapshot of all events up to S, and goes on with S + 1 (S4.39)", async () => {
    const { append, attached } = await counting();
    append(1, 2, 3);
    const ui = await attached();
    append(4);
    const items = await take(ui, 2);
    append(5);
    items.push(...(await take(ui, 1)));
    expect(items).toEqual([
      { type: "snapshot", sequence: 3, snapshot: 6, reason: "attach", missed: 0 },
      { type: "event", sequence: 4, class: "event", event: 4 },
      { type: "event", sequence: 5, class: "event", event: 5 },
    ]);
  });

  it("has one loop at a time; when it is left, another goes on", async () => {
    const { append, attached } = await counting();
    const ui = await attached({ from: "live" });
    append(1, 2);
    for await (const item of ui) {
      expect(numbers([item])).toEqual([1]);
      expect(() => ui[Symbol.asyncIterator]()).toThrow(ConsumerBusyError);
      break;
    }
    expect(numbers(await take(ui, 1))).toEqual([2]);
  });

  it("begins with the next event, the latest ones, or after a cursor, as it likes (S4.36)", async () => {
    const { session, append, attached } = await counting();
    append(1, 2, 3, 4, 5);
    const zero = session.cursor.replace(/\d+$/, "0");
    const live = await attached({ from: "live" });
    const last = await attached({ from: { last: 2 } });
    const cursor = await attached({ from: { cursor: zero } });
    expect([live, last, cursor].map((ui) => ui.cursor)).toEqual(
      [5, 3, 0].map((n) => zero.replace(/0$/, `${n}`)),
    );
    append(6);
    expect(numbers(await take(live, 1))).toEqual([6]);
    expect(numbers(await take(last, 3))).toEqual([4, 5, 6]);
    expect(numbers(await take(cursor, 6))).toEqual([1, 2, 3, 4, 5, 6]);
    expect(live.cursor).toBe(session.cursor);
  });

  it("gets a snapshot, and is told so, where its cursor is too old, of another log, or of the future", async () => {
    const { session, append, attached } = await counting();
    for (let n = 1; n <= 30; n++) append(n);
    const at = (n: number) => session.cursor.replace(/\d+$/, `${n}`);
    const first = async (cursor: string) => (await take(await attached({ from: { cursor } }), 1))[0];
    const snapshot = { type: "snapshot", sequence: 30, snapshot: 465, reason: "too-old" };
    expect(await first(at(9))).toEqual({ ...snapshot, missed: 21 });
    expect(await first(at(10))).toMatchObject({ type: "event", sequence: 11 });
    expect(await first("another-log.7")).toEqual({ ...snapshot, missed: undefined });
    expect(await first(at(31))).toEqual({ ...snapshot, missed: undefined });
    await expect(attached({ from: { cursor: "x" } })).rejects.toMatchObject({ argument: "options.from" });
  });

  it("is one of several, and each gets all (S4.4)", async () => {
    const { session, append, attached } = await counting();
    const all = await Promise.all([1, 2, 3].map(() => attached({ from: "live" })));
    expect(session.interfaces.size).toBe(3);
    append(1, 2, 3);
    for (const ui of all) expect(numbers(await take(ui, 3))).toEqual([1, 2, 3]);
    await all[0]!.close();
    await until(() => session.interfaces.size === 2);
    append(4);
    expect(numbers(await take(all[1]!, 1))).toEqual([4]);
  });

  it("knows the session's state and retained values when it attaches, and on each change (S4.37, S2.7)", async () => {
    const { session, attached } = await serving({ transport, state: "idle", retained: { tasks: ["a"] } });
    const ui = await attached();
    expect(ui.state).toBe("idle");
    expect([...ui.retained]).toEqual([["tasks", ["a"]]]);
    const states: string[] = [];
    ui.on("state", (state) => states.push(state));
    session.setState("awaiting_hitl");
    session.retain("tasks", ["a", "b"]);
    session.retain("groups", { all: 1 });
    await until(() => ui.retained.size === 2 && ui.state === "awaiting_hitl");
    expect(ui.retained.get("tasks")).toEqual(["a", "b"]);
    session.retain("tasks", undefined);
    // The newest state counts; those between may be left out.
    for (let n = 0; n < 1000; n++) session.setState(`state ${n}`);
    await until(() => ui.state === "state 999" && !ui.retained.has("tasks"));
    expect(states.length).toBeLessThan(1000);
    expect(session.retained("groups")).toEqual({ all: 1 });
  });

  it("has the newest state, also where that changes while it attaches", async () => {
    const { session, attached } = await serving({ transport, state: "old", retained: { value: "old" } });
    session.on("attach", () => {
      session.setState("new");
      session.retain("value", "new");
    });
    const ui = await attached();
    await until(() => ui.state === "new" && ui.retained.get("value") === "new");
  });

  it("makes inputs, which are checked by the contract, and answered", async () => {
    const inputs = contract("inputs", {
      approve: request(z.object({ call: z.number() }), z.object({ ok: z.boolean() })),
      fail: request(),
    });
    const { attached } = await serving({
      transport,
      inputs,
      handlers: {
        approve: ({ call }, { client, role, peer }) => ({
          ok: call === 7 && client === "me" && role === "boss" && peer?.pid === process.pid,
        }),
        fail: () => {
          throw new Error("no");
        },
      },
    });
    const ui = await attached({ client: "me", role: "boss", inputs });
    expect(await ui.input("approve", { call: 7 })).toEqual({ ok: true });
    await expect(ui.input("approve", { call: "7" } as never)).rejects.toMatchObject({ rpcCode: -32602 });
    await expect(ui.input("fail")).rejects.toMatchObject({ rpcCode: -32603, message: "no" });
    await expect(ui.input("other" as never)).rejects.toMatchObject({ rpcCode: -32601 });
  });

  it("takes a control message of any length whole, while events fill its lane (S4.8, S4.34, S4.32, S4.30)", async () => {
    const { session, attached } = await serving({
      transport,
      log: { maxEvents: 100_000 },
      handlers: { echo: (params: unknown) => params, stop: () => "stopped" },
    });
    const ui = await attached({ from: "live" });
    // Nobody reads the events, so the lane fills.
    while (![...session.interfaces][0]!.paused) session.append("x".repeat(1000));
    const long = { text: "é".repeat(300_000) };
    expect(await ui.input("echo", long)).toEqual(long);
    expect(await ui.input("stop", {}, { timeout: 5000 })).toBe("stopped");
  });

  it("asks for a snapshot at any time", async () => {
    const { append, attached } = await counting();
    const ui = await attached({ from: "live" });
    append(1, 2);
    expect(await ui.refresh()).toBe(true);
    append(3);
    const items = await take(ui, 4);
    expect(items.map(({ type, sequence }) => `${type} ${sequence}`)).toEqual([
      "event 1",
      "event 2",
      "snapshot 2",
      "event 3",
    ]);
    expect(items[2]).toMatchObject({ reason: "asked", snapshot: 3, missed: 0 });
  });

  it("gets what the log has, of a session without snapshots", async () => {
    const { session, attached } = await serving({ transport, log: { maxEvents: 3 } });
    for (let n = 1; n <= 5; n++) session.append(n);
    const ui = await attached();
    const items = await take(ui, 4);
    expect(items[0]).toEqual({
      type: "snapshot",
      sequence: 2,
      reason: "attach",
      missed: 0,
      snapshot: undefined,
    });
    expect(numbers(items)).toEqual([2, 3, 4, 5]);
    expect(await ui.refresh()).toBe(false);
    const old = await attached({ from: { cursor: session.cursor.replace(/\d+$/, "1") } });
    expect(await take(old, 2)).toMatchObject([{ type: "missed", sequence: 2, missed: 1 }, { sequence: 3 }]);
  });

  it("is told the end of the session, after all events, and its loop ends", async () => {
    const { session, append, attached } = await counting();
    const ui = await attached({ from: "live" });
    append(1, 2, 3);
    const all = take(ui, Number.POSITIVE_INFINITY);
    await session.close({ over: true });
    expect(numbers(await all)).toEqual([1, 2, 3]);
    expect(ui.connection).toBe("over");
    await expect(ui.input("any")).rejects.toMatchObject({ code: "ERR_RINGBELL_CLOSED" });
    expect(() => session.append(4)).toThrow("the session is closed");
  });

  it("ends its loop when it closes itself, also while it waits", async () => {
    const { session, attached } = await serving({ transport });
    const ui = await attached({ from: "live" });
    const all = take(ui, Number.POSITIVE_INFINITY);
    await expect(take(ui, 1)).rejects.toThrow("there is one loop at a time");
    await ui.close();
    await ui.close();
    expect(await all).toEqual([]);
    await until(() => session.interfaces.size === 0);
    expect(ui.connection).toBe("closed");
  });

  it("goes on without a snapshot that can't be made, and the session is told", async () => {
    let breaks = true;
    const { session, attached } = await serving<number, unknown>({
      transport,
      snapshot: () => {
        if (breaks) throw new Error("broken");
        return 10n;
      },
    });
    const errors: string[] = [];
    session.on("snapshotError", ({ message }) => errors.push(message));
    session.append(1);
    expect(numbers(await take(await attached(), 2))).toEqual([0, 1]);
    breaks = false;
    expect(numbers(await take(await attached(), 2))).toEqual([0, 1]);
    expect(errors).toEqual(["broken", expect.stringContaining("JSON.stringify failed")]);
  });
});

describe("a session", () => {
  it("has a role for each interface by its handshake, and refuses what the role may not do (S2.20)", async () => {
    const { attached, directory } = await serving({
      roles: { operator: { inputs: "all" }, viewer: { inputs: ["note"] } },
      handlers: { approve: () => "done", note: () => "noted" },
    });
    const viewer = await attached({ role: "viewer" });
    expect(await viewer.input("note")).toBe("noted");
    await expect(viewer.input("approve")).rejects.toMatchObject({ rpcCode: -32012 });
    await expect(viewer.input("approve", { role: "operator" })).rejects.toMatchObject({ rpcCode: -32012 });
    expect(await (await attached({ role: "operator" })).input("approve")).toBe("done");
    await expect(attach("agent", { directory, role: "root" })).rejects.toMatchObject({
      code: "ERR_RINGBELL_UNKNOWN_ROLE",
    });
    await expect(attach("agent", { directory })).rejects.toMatchObject({ code: "ERR_RINGBELL_UNKNOWN_ROLE" });
  });

  it("refuses an input that is for another session, or of a former attachment (S4.38)", async () => {
    let applied = 0;
    const { session, directory } = await serving({ handlers: { go: () => ++applied } });
    const channel = ending(await connect("agent", { directory, codec: json() }));
    const calls = ending(
      await open(contract<Record<string, (message: unknown) => Record<string, unknown>>>("raw"), {
        port: channel.lane("control") as never,
      }),
    );
    const call = (name: string, message: unknown) =>
      (calls as never as Record<string, (m: unknown) => Promise<Record<string, unknown>>>)[name]!(message);
    await expect(call("input", {})).rejects.toMatchObject({ rpcCode: -32600 });
    await expect(call("attach", { protocol: 2, client: "c", from: "live" })).rejects.toThrow(
      "speaks protocol 1, the interface 2",
    );
    await expect(call("attach", { protocol: 1, client: "no spaces", from: "live" })).rejects.toMatchObject({
      rpcCode: -32602,
    });
    await expect(call("attach", { protocol: 1, client: "c", from: { last: -1 } })).rejects.toMatchObject({
      rpcCode: -32602,
    });
    const { epoch } = await call("attach", { protocol: 1, client: "c", from: "live" });
    await expect(call("attach", { protocol: 1, client: "c", from: "live" })).rejects.toThrow(
      "attached already",
    );
    const good = { session: session.id, epoch, number: 1, acked: 0, method: "go", params: {} };
    await expect(call("input", { ...good, session: "another" })).rejects.toMatchObject({ rpcCode: -32010 });
    await expect(call("input", { ...good, session: undefined })).rejects.toMatchObject({ rpcCode: -32010 });
    await expect(call("input", { ...good, epoch: 0 })).rejects.toMatchObject({ rpcCode: -32011 });
    await expect(call("input", { ...good, number: 0 })).rejects.toMatchObject({ rpcCode: -32600 });
    await expect(call("input", { ...good, acked: 1 })).rejects.toMatchObject({ rpcCode: -32600 });
    await expect(call("input", { ...good, method: "toString" })).rejects.toMatchObject({ rpcCode: -32601 });
    expect(applied).toBe(0);
    expect(await call("input", good)).toBe(1);
    expect(await call("input", good)).toBe(1);
    expect(await call("input", { ...good, number: 9, acked: 8 })).toBe(2);
    await expect(call("input", good)).rejects.toMatchObject({ rpcCode: -32013 });
    expect(applied).toBe(2);
  });

  it("lives through garbage on both lanes of an interface, and the others are unaffected", async () => {
    const { session, directory, attached } = await serving();
    const errors: Error[] = [];
    session.on("peerError", (error) => errors.push(error));
    const good = await attached({ from: "live" });
    const bad = ending(await connect("agent", { directory, codec: json() }));
    const control = bad.lane("control");
    const garbage = [
      null,
      7,
      "x",
      [],
      {},
      { jsonrpc: "2.0", method: "attach", params: [] },
      [1, 2, 3],
      { result: 1 },
    ];
    for (const message of garbage) {
      await control.send(message);
      await bad.send(message);
    }
    await until(() => errors.length >= 5);
    while (bad.trySend("x".repeat(10_000))) {}
    session.append("still here");
    expect(await take(good, 1)).toMatchObject([{ event: "still here" }]);
    await bad.close({ timeout: 0 });
    expect(session.interfaces.size).toBe(1);
  });

  it("refuses options and events that it can't use", async () => {
    const directory = privateDirectory();
    const serve = (options: object) => serveSession("agent", { directory, ...options } as never);
    await expect(serve({ id: "" })).rejects.toMatchObject({ argument: "options.id" });
    await expect(serve({ log: { maxEvents: 0 } })).rejects.toMatchObject({
      argument: "options.log.maxEvents",
    });
    await expect(serve({ log: { most: 1 } })).rejects.toMatchObject({ code: "ERR_RINGBELL_UNKNOWN_OPTION" });
    await expect(serve({ classes: { token: "lose" } })).rejects.toMatchObject({
      argument: "options.classes.token",
    });
    await expect(serve({ snapshot: 1 })).rejects.toMatchObject({ argument: "options.snapshot" });
    await expect(serve({ roles: { a: { inputs: "some" } } })).rejects.toMatchObject({
      argument: "options.roles.a.inputs",
    });
    await expect(serve({ lgo: {} })).rejects.toMatchObject({ code: "ERR_RINGBELL_UNKNOWN_OPTION" });
    const inputs = contract("inputs", { approve: request() });
    await expect(serve({ inputs, handlers: {} })).rejects.toMatchObject({
      argument: "options.handlers.approve",
    });
    const session = ending(await serve({ maxEventBytes: 10 }));
    expect(() => session.append(undefined)).toThrow("no JSON form");
    expect(() => session.append(1n)).toThrow("JSON.stringify failed");
    expect(() => session.append("12345678901")).toThrow("13 bytes");
    expect(() => session.append(1, "x".repeat(65))).toThrow("class must be");
    expect(session.append(1)).toBe(1);
    await expect(attach("agent", { directory, client: "/" })).rejects.toMatchObject({
      argument: "options.client",
    });
    await expect(serveSession("agent", { directory })).rejects.toMatchObject({
      code: "ERR_RINGBELL_ALREADY_RUNNING",
    });
  });

  it("bounds its log by number, length and age", async () => {
    const { session } = await serving({ log: { maxEvents: 100, maxBytes: 3000, maxAge: 50 } });
    for (let n = 0; n < 1000; n++) session.append(n);
    expect(session.log.size).toBe(100);
    session.append("x".repeat(2900));
    expect(session.log.bytes).toBeLessThan(3001);
    session.append("x".repeat(5000));
    expect(session.log.size).toBe(1);
    await until(() => {
      session.log.expire();
      return session.log.size === 0;
    });
    expect(session.append(1)).toBe(1003);
    expect(isGapFree([])).toBe(true);
  });
});
