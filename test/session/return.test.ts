import { connect, json } from "ringbell";
import { contract, open } from "ringbell/rpc";
import { type Attachment, attach } from "ringbell/session";
import { describe, expect, it } from "vitest";
import type { SessionInterface } from "../../lib/session/session.js";
import {
  ending,
  isGapFree,
  numbers,
  privateDirectory,
  program,
  serving,
  take,
  transports,
  until,
} from "./setup.js";

/** Cuts the connections of all interfaces, as seen from the session. */
function cut(session: { readonly interfaces: unknown }): void {
  for (const { carrier } of session.interfaces as Set<SessionInterface>) void carrier.close(0);
}

/** A daemon in a process of its own: it appends numbers, `append` many a turn, and its snapshot is their count. */
const daemon = (more = "") => `
let count = 0;
const session = await serveSession("agent", { directory, snapshot: () => count, log: { maxEvents: 1000 }, ${more}
  handlers: { add: ({ n }) => { for (let i = 0; i < n; i++) session.append(++count); return count; }, pid: () => process.pid } });
report("serving");`;

describe("an interface whose session's process is killed", () => {
  it("attaches to the next one within a second, and begins with its snapshot (S1.4)", async () => {
    const directory = privateDirectory();
    const first = program(daemon(), directory);
    await first.reported(1);
    const ui = ending(await attach("agent", { directory }));
    const changes: string[] = [];
    ui.on("connection", (state) => changes.push(state));
    await ui.input("add", { n: 5 });
    const items = await take(ui, 6);
    first.child.kill("SIGKILL");
    await first.ended;
    const waiting = ui.input("pid");
    const second = program(daemon(), directory);
    await second.reported(1);
    const up = performance.now();
    expect(await waiting).toBe(second.child.pid);
    // Half of the second is for a busy machine.
    expect(performance.now() - up).toBeLessThan(1500);
    await ui.input("add", { n: 2 });
    items.push(...(await take(ui, 3)));
    expect(items[6]).toMatchObject({ type: "snapshot", reason: "too-old", missed: undefined, snapshot: 0 });
    expect(numbers(items.slice(6))).toEqual([0, 1, 2]);
    expect(changes).toEqual(["reconnecting", "attached"]);
  });

  it("fails when it may not come back any more, and says so to inputs and the loop", async () => {
    const directory = privateDirectory();
    const one = program(daemon(), directory);
    await one.reported(1);
    const ui = ending(
      await attach("agent", {
        directory,
        from: "live",
        reconnect: { attempts: 2, minDelay: 1, maxDelay: 1 },
      }),
    );
    const never = ending(await attach("agent", { directory, from: "live", reconnect: false }));
    const ends = [
      expect(take(ui, 1)).rejects.toMatchObject({ code: "ERR_RINGBELL_NOT_FOUND" }),
      expect(take(never, 1)).rejects.toMatchObject({ code: "ERR_RINGBELL_PEER_DIED" }),
    ];
    one.child.kill("SIGKILL");
    await Promise.all(ends);
    expect([ui.connection, never.connection]).toEqual(["failed", "failed"]);
    await expect(ui.input("pid")).rejects.toMatchObject({ code: "ERR_RINGBELL_NOT_FOUND" });
  });

  it("is one of many that do not come back in step (S0.32)", async () => {
    const directory = privateDirectory();
    const one = program(daemon(), directory);
    await one.reported(1);
    const delays: number[] = [];
    const clock = {
      now: () => performance.now(),
      sleep: (ms: number) => {
        delays.push(ms);
        return new Promise<void>((resolve) => setTimeout(resolve, ms));
      },
    };
    const reconnect = { minDelay: 200, clock };
    const uis = await Promise.all(
      Array.from({ length: 20 }, () => attach("agent", { directory, from: "live", reconnect })),
    );
    for (const ui of uis) ending(ui);
    one.child.kill("SIGKILL");
    await one.ended;
    await until(() => delays.length >= 20);
    const firsts = delays.slice(0, 20);
    expect(Math.max(...firsts)).toBeLessThanOrEqual(200);
    expect(new Set(firsts).size).toBe(20);
    expect(Math.max(...firsts) - Math.min(...firsts)).toBeGreaterThan(50);
    const two = program(daemon(), directory);
    await two.reported(1);
    await until(() => uis.every((ui) => ui.connection === "attached"));
  });
});

describe("an interface that is killed", () => {
  it("goes on in its next process after what it had taken, without gap or repeat (S4.3, S4.41)", async () => {
    const { session, directory } = await serving({ log: { maxEvents: 20_000 } });
    const ui = (from: string) => `
      const ui = await attach("agent", { directory, client: "ui", from: ${from} });
      report("attached");
      for await (const { sequence } of ui) report([sequence, ui.cursor]);`;
    let from = '"live"';
    let last = 0;
    for (let round = 0; round < 3; round++) {
      const one = program(ui(from), directory);
      await one.reported(1);
      for (let n = 0; n < 3000; n++) session.append(n);
      const [, ...seen] = (await one.reported(50)) as [string, ...[number, string][]];
      one.child.kill("SIGKILL");
      await one.ended;
      const all = (one.reports().slice(1) as [number, string][]).map(([sequence]) => sequence);
      expect(all).toEqual(Array.from({ length: all.length }, (_, i) => last + 1 + i));
      expect(seen.length).toBeGreaterThan(0);
      last = all.at(-1)!;
      from = JSON.stringify({ cursor: (one.reports().at(-1) as [number, string])[1] });
    }
    await until(() => session.interfaces.size === 0);
  });
});

describe.each(transports)("an interface whose connection is cut (%s)", (transport) => {
  it("goes on by itself where it was, while events come (S4.41)", async () => {
    const { session, attached } = await serving<number>({ transport, log: { maxEvents: 100_000 } });
    const ui = await attached({ from: "live", reconnect: { minDelay: 1, maxDelay: 5 } });
    const all = take(ui, 5000);
    for (let n = 1; n <= 5000; n++) {
      session.append(n);
      if (n % 500 === 0) {
        cut(session);
        await until(() => session.interfaces.size === 1 && [...session.interfaces][0]!.epoch > n / 500);
      }
    }
    expect(numbers(await all)).toEqual(Array.from({ length: 5000 }, (_, i) => i + 1));
  });

  it("repeats an input whose answer was lost once, and it is applied once", async () => {
    let applied = 0;
    const { session, attached } = await serving({
      transport,
      handlers: {
        async go({ cuts }: { cuts: number }) {
          applied++;
          if (cuts > 0) {
            cut(session);
            await until(() => session.interfaces.size === 0);
            await until(() => session.interfaces.size === 1);
          }
          if (cuts > 1) {
            cut(session);
            await until(() => session.interfaces.size === 0);
          }
          return applied;
        },
      },
    });
    const ui = await attached({ from: "live", reconnect: { minDelay: 1, maxDelay: 5 } });
    const go = (cuts: number) => ui.input("go", { cuts });
    expect(await go(1)).toBe(1);
    expect(await go(0)).toBe(2);
    await expect(go(2)).rejects.toMatchObject({ code: "ERR_RINGBELL_INPUT_LOST", mayHaveRun: true });
    expect(applied).toBe(3);
    await until(() => ui.connection === "attached");
    // What waits for a connection is made on the next one.
    cut(session);
    await until(() => ui.connection === "reconnecting");
    expect(await go(0)).toBe(4);
    cut(session);
    await until(() => ui.connection === "reconnecting");
    await expect(ui.input("go", { cuts: 0 }, { timeout: 0 })).rejects.toMatchObject({
      code: "ERR_RINGBELL_TIMEOUT",
    });
  });

  it("does not repeat an input in a session that was started again", async () => {
    const directory = privateDirectory();
    const hangs = `handlers: { go: () => { report("called"); return new Promise(() => {}); } }`;
    const source = (handlers: string) =>
      `await serveSession("agent", { directory, transport: "${transport}", ${handlers} }); report("serving");`;
    const one = program(source(hangs), directory);
    await one.reported(1);
    const ui = ending(await attach("agent", { directory }));
    const lost = ui.input("go");
    await one.reported(2);
    one.child.kill("SIGKILL");
    const two = program(source(hangs), directory);
    await expect(lost).rejects.toMatchObject({ code: "ERR_RINGBELL_INPUT_LOST", mayHaveRun: true });
    expect(await two.reported(1)).toEqual(["serving"]);
  });
});

describe("an attachment that switches to another session", () => {
  it("goes on there in the same loop, and takes no input along", async () => {
    const sessions = await Promise.all(
      ["one", "two"].map(async (name) => {
        const made = await serving<string, string>({
          snapshot: () => name,
          state: name,
          handlers: { hang: () => new Promise(() => {}), name: () => name } as never,
        });
        return made;
      }),
    );
    const [one, two] = sessions as [(typeof sessions)[0], (typeof sessions)[0]];
    const ui = await one.attached({ client: "ui" });
    const items = await take(ui, 1);
    const hanging = expect(ui.input("hang")).rejects.toMatchObject({
      code: "ERR_RINGBELL_INPUT_LOST",
    });
    const loop = take(ui, 2);
    await until(() => [...one.session.interfaces].length === 1);
    await ui.switchTo(`${two.directory}/default/agent.sock`);
    await hanging;
    expect(ui.state).toBe("two");
    two.session.append("hello");
    items.push(...(await loop));
    expect(items).toMatchObject([{ snapshot: "one" }, { snapshot: "two" }, { event: "hello" }]);
    expect(await ui.input("name")).toBe("two");
    await until(() => one.session.interfaces.size === 0);
    await ui.close();
    await expect(ui.switchTo("x")).rejects.toMatchObject({ code: "ERR_RINGBELL_CLOSED" });
  });
});

describe("an attachment with a client id that is attached already", () => {
  it("takes the place of the former one, whose inputs are refused from then on", async () => {
    const { session, attached } = await serving({
      handlers: { who: (_: unknown, { client }: { client: string }) => client },
    });
    const one = await attached({ client: "tab-1", from: "live" });
    const loop = expect(take(one as Attachment, 1)).rejects.toMatchObject({ code: "ERR_RINGBELL_REPLACED" });
    const two = await attached({ client: "tab-1", from: "live" });
    await loop;
    expect(one.connection).toBe("replaced");
    await expect(one.input("who")).rejects.toMatchObject({ code: "ERR_RINGBELL_REPLACED" });
    expect(await two.input("who")).toBe("tab-1");
    await until(() => session.interfaces.size === 1);
    expect([...session.interfaces][0]).toMatchObject({ client: "tab-1", epoch: 2 });
  });

  it("counts its inputs anew, and none is taken for one of the former run", async () => {
    let applied = 0;
    const { attached } = await serving({ handlers: { go: () => ++applied } });
    for (let run = 1; run <= 3; run++) {
      const ui = await attached({ client: "ui" });
      expect(await ui.input("go")).toBe(2 * run - 1);
      expect(await ui.input("go")).toBe(2 * run);
      await ui.close();
    }
  });

  it("takes over from one that is half-open: stopped, and not noticed", async () => {
    const { session, directory } = await serving();
    const frozen = program(
      `await attach("agent", { directory, client: "ui", from: "live" }); report("attached");`,
      directory,
    );
    await frozen.reported(1);
    frozen.child.kill("SIGSTOP");
    session.append(1);
    const ui = ending(await attach("agent", { directory, client: "ui", from: { last: 10 } }));
    expect(numbers(await take(ui, 1))).toEqual([1]);
    session.append(2);
    expect(numbers(await take(ui, 1))).toEqual([2]);
    await until(() => session.interfaces.size === 1);
  });

  it("does not apply what the former one sends late", async () => {
    let applied = 0;
    const { session, directory, attached } = await serving({ handlers: { go: () => ++applied } });
    const channel = ending(await connect("agent", { directory, codec: json() }));
    const calls = ending(
      await open(contract<Record<string, (message: unknown) => Record<string, unknown>>>("raw"), {
        port: channel.lane("control") as never,
      }),
    ) as never as Record<string, (m: unknown) => Promise<Record<string, unknown>>>;
    const { epoch } = await calls.attach!({ protocol: 1, client: "c", from: "live" });
    const input = { session: session.id, epoch, number: 1, acked: 0, method: "go" };
    const next = await attached({ client: "c" });
    await calls.input!(input).catch(({ rpcCode, code }) =>
      expect(rpcCode ?? code).toSatisfy((what) => what === -32011 || what === "ERR_RINGBELL_CALL_LOST"),
    );
    expect(applied).toBe(0);
    expect(await next.input("go")).toBe(1);
    expect(isGapFree([])).toBe(true);
  });
});
