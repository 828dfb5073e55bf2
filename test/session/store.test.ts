import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect, json } from "ringbell";
import { contract, open } from "ringbell/rpc";
import { type Attachment, attach, type Item, serveSession } from "ringbell/session";
import { describe, expect, it } from "vitest";
import { sqliteNode } from "../sqlite-node.js";
import { ending, isGapFree, numbers, privateDirectory, program, take, until } from "./setup.js";

const hasSqlite = sqliteNode() === process.execPath;

/**
 * A daemon whose session is stored. Each of its events is the event's own number. It reports what it found, and then answers inputs.
 * `log` and `more`: the text of options.
 */
const daemon = (log = "", more = "") => `
let runs = 0;
const session = await serveSession("agent", { directory, log: { store: directory + "/session.db", ${log} }, ${more}
  handlers: {
    add: async ({ n, turns = 1 }) => {
      for (let t = 0; t < turns; t++) {
        for (let i = 0; i < n; i++) session.append(session.log.last + 1);
        await session.stored();
      }
      return session.log.last;
    },
    stream: async () => {
      for (;;) {
        for (let i = 0; i < 20; i++) session.append(session.log.last + 1);
        await sleep(1);
      }
    },
    fast: ({ n }) => { for (let i = 0; i < n; i++) session.append(session.log.last + 1); },
    set: ({ state, name, value }) => { session.setState(state); session.retain(name, value); return session.stored(); },
    once: () => { session.append(session.log.last + 1); return ++runs; },
    hang: async () => { session.append(session.log.last + 1); await session.stored(); report("hangs"); await new Promise(() => {}); },
    end: () => void session.close(),
    pid: () => process.pid,
  } });
session.on("storeError", ({ code, message }) => report({ code, message }));
session.on("storeRecovered", () => report("recovered"));
report({ last: session.log.last, first: session.log.first, log: session.logId, id: session.id, state: session.state,
  events: [...session.events()].map(({ event }) => event) });
setInterval(() => {}, 1000);`;

interface Found {
  readonly last: number;
  readonly first: number;
  readonly log: string;
  readonly id: string;
  readonly state: string;
  readonly events: readonly number[];
}

/** Starts a daemon, and waits until it serves. */
async function started(directory: string, log = "", more = "", command = [sqliteNode()]) {
  const one = program(daemon(log, more), directory, command);
  const [found] = (await one.reported(1)) as [Found];
  const kill = async (signal: NodeJS.Signals = "SIGKILL") => {
    one.child.kill(signal);
    return one.ended;
  };
  return { ...one, found, kill };
}

/** Runs `code` with the session's file as `db`, and returns what it returns. */
async function inFile(directory: string, code: string): Promise<unknown> {
  const one = program(
    `import { DatabaseSync } from "node:sqlite";
    const db = new DatabaseSync(directory + "/session.db");
    report((() => { ${code} })() ?? null);
    db.close();`,
    directory,
    [sqliteNode()],
  );
  const [value] = await one.reported(1);
  await one.ended;
  return value;
}

const rows = (directory: string, sql: string) =>
  inFile(directory, `return db.prepare(${JSON.stringify(sql)}).all();`);

const attached = async (directory: string, options = {}): Promise<Attachment> =>
  ending(await attach("agent", { directory, client: "ui", from: "live", ...options }));

const valuesOf = (items: readonly Item[]) => items.map((item) => (item as { event?: unknown }).event);
const upTo = (last: number, first = 1) => Array.from({ length: last - first + 1 }, (_, i) => first + i);

describe("a session with a store", () => {
  it("is there again after its process was killed: events, cursor, state, retained values (S1.4)", async () => {
    const directory = privateDirectory();
    const one = await started(directory);
    expect(one.found).toMatchObject({ last: 0, state: "running" });
    const ui = await attached(directory);
    await ui.input("add", { n: 10 });
    await ui.input("set", { state: "awaiting_hitl", name: "plan", value: { steps: ["delete build/"] } });
    const items = await take(ui, 7);
    const { cursor } = ui;
    await one.kill();
    const two = await started(directory, "", `state: "fresh", retained: { plan: "fresh", more: 1 },`);
    const { log, id } = one.found;
    expect(two.found).toEqual({ last: 10, first: 1, log, id, state: "awaiting_hitl", events: upTo(10) });
    await ui.input("add", { n: 5 });
    items.push(...(await take(ui, 8)));
    expect(valuesOf(items)).toEqual(upTo(15));
    expect(ui.state).toBe("awaiting_hitl");
    expect(Object.fromEntries(ui.retained)).toEqual({ plan: { steps: ["delete build/"] }, more: 1 });
    // The interface's next process has the cursor of before the kill.
    const next = await attached(directory, { client: "next", from: { cursor } });
    expect(numbers(await take(next, 8))).toEqual(upTo(15, 8));
  });

  it("shows no interface an event that the next process does not have, whenever it is killed (S4.39)", async () => {
    const directory = privateDirectory();
    let one = await started(directory, "maxEvents: 100000");
    const ui = await attached(directory);
    const items: Item[] = [];
    for (let round = 0; round < 5; round++) {
      const adding = ui.input("stream");
      adding.catch(() => {});
      // In the midst of events.
      const start = items.length;
      for await (const item of ui) {
        items.push(item);
        if (items.length >= start + 200 + round * 333) break;
      }
      await one.kill();
      one = await started(directory, "maxEvents: 100000");
      await expect(adding).rejects.toMatchObject({ code: "ERR_RINGBELL_INPUT_LOST", mayHaveRun: true });
      expect(one.found.last).toBeGreaterThanOrEqual(items.at(-1)!.sequence);
    }
    const last = (await ui.input("add", { n: 1 })) as number;
    items.push(...(await take(ui, (item) => item.sequence === last)));
    expect(isGapFree(items, 0)).toBe(true);
    expect(valuesOf(items)).toEqual(upTo(last));
  });

  it("goes on after an orderly end as well, and an older cursor is told that it is too old", async () => {
    const directory = privateDirectory();
    const one = await started(directory, "maxEvents: 20");
    const ui = await attached(directory);
    await ui.input("add", { n: 5 });
    await take(ui, 5);
    const { cursor } = ui;
    await ui.input("add", { n: 100 });
    await ui.input("end");
    await ui.close();
    await one.kill();
    const two = await started(directory, "maxEvents: 20", "snapshot: () => session.log.last,");
    expect(two.found).toMatchObject({ first: 86, last: 105, log: one.found.log });
    const next = await attached(directory, { client: "next", from: { cursor } });
    expect(await take(next, 1)).toMatchObject([
      { type: "snapshot", reason: "too-old", sequence: 105, snapshot: 105, missed: 100 },
    ]);
  });
});

describe("an input of a session with a store, whose process is killed", () => {
  const raw = contract<Record<string, (message: unknown) => Record<string, unknown>>>("raw");
  const calls = async (directory: string) => {
    const channel = ending(await connect("agent", { directory, codec: json() }));
    const client = ending(await open(raw, { port: channel.lane("control") as never }));
    return client as never as Record<string, (message: unknown) => Promise<Record<string, unknown>>>;
  };
  const hello = { protocol: 1, client: "c", instance: "i", from: "live" };

  it("is answered as before when it comes again, and is not applied again", async () => {
    const directory = privateDirectory();
    const one = await started(directory);
    const first = await calls(directory);
    const { session, epoch } = await first.attach!(hello);
    const input = { session, number: 1, acked: 0, method: "once" };
    expect(await first.input!({ ...input, epoch })).toBe(1);
    await expect(first.input!({ ...input, epoch, number: 2, method: "none" })).rejects.toMatchObject({
      rpcCode: -32601,
    });
    await one.kill();
    await started(directory);
    const second = await calls(directory);
    const again = await second.attach!(hello);
    // The epoch goes on, so that what is late from a former process's time is refused.
    expect(again).toMatchObject({ session, epoch: (epoch as number) + 1 });
    await expect(second.input!({ ...input, epoch })).rejects.toMatchObject({ rpcCode: -32011 });
    expect(await second.input!({ ...input, epoch: again.epoch })).toBe(1);
    // The next one is applied: the first of this process.
    expect(await second.input!({ ...input, epoch: again.epoch, number: 2 })).toBe(1);
    expect((await rowsAfter(directory)).events).toEqual([1, 2]);
  });

  /** The events, when the daemon of the directory has ended. */
  const rowsAfter = async (directory: string) => {
    const ui = await attached(directory, { client: "end" });
    await ui.input("end");
    await until(() => ui.connection !== "attached");
    await ui.close();
    const found = (await rows(directory, "select event from events")) as { event: number }[];
    return { events: found.map(({ event }) => event) };
  };

  it("is lost and said to be so where its handler ran, and is not applied again", async () => {
    const directory = privateDirectory();
    const one = await started(directory);
    const ui = await attached(directory);
    const hanging = ui.input("hang");
    await one.reported(2);
    await one.kill();
    const two = await started(directory);
    await expect(hanging).rejects.toMatchObject({ code: "ERR_RINGBELL_INPUT_LOST", mayHaveRun: true });
    expect(await ui.input("pid")).toBe(two.child.pid);
    expect(two.reports()).toHaveLength(1);
    expect(two.found.events).toEqual([1]);
  });
});

describe("the file of a session", () => {
  it.each([
    ["maxEvents: 100", 100],
    ["maxBytes: 1000", 100],
  ])("keeps to the limits of the log: %s", async (limits, most) => {
    const directory = privateDirectory();
    const one = await started(directory, limits);
    const ui = await attached(directory);
    await ui.input("add", { n: 300, turns: 3 });
    await ui.input("fast", { n: 5000 });
    await ui.input("add", { n: 1 });
    await one.kill();
    const [{ n, last, bytes }] = (await rows(
      directory,
      "select count(*) as n, max(sequence) as last, sum(length(frame)) as bytes from event",
    )) as [{ n: number; last: number; bytes: number }];
    expect(last).toBe(5901);
    expect(n).toBeLessThanOrEqual(most);
    expect(n).toBeGreaterThan(most / 3);
    expect(bytes).toBeLessThanOrEqual(2000);
    // Of a smaller log, the rest is dropped.
    const two = await started(directory, "maxEvents: 3");
    expect(two.found.events).toEqual([5899, 5900, 5901]);
    await two.kill();
    expect(await rows(directory, "select event from events")).toEqual([
      { event: 5899 },
      { event: 5900 },
      { event: 5901 },
    ]);
  });

  it("loses events that are too old, also while nothing happens, and no number comes twice", async () => {
    const directory = privateDirectory();
    const one = program(
      `const session = await serveSession("agent", { directory, log: { store: directory + "/session.db", maxAge: 100 } });
      for (let i = 1; i <= 5; i++) session.append(i);
      await session.stored();
      while (session.log.size > 0) await sleep(10);
      await session.stored();
      report(session.cursor);
      await sleep(1e6);`,
      directory,
      [sqliteNode()],
    );
    const [cursor] = await one.reported(1);
    one.child.kill("SIGKILL");
    await one.ended;
    expect(await rows(directory, "select * from event")).toEqual([]);
    const { found } = await started(directory);
    expect(found).toMatchObject({ first: 6, last: 5 });
    expect(`${found.log}.5`).toBe(cursor);
  });

  it("is refused if it is of a newer version, or another program's", async () => {
    const directory = privateDirectory();
    const refused = async () => {
      const code = daemon()
        .replace("const session = await", "const session = await attempt(() =>")
        .replace(/\} \}\);\nsession\.on/, "} }));\nsession.on");
      const one = program(
        `const attempt = async (make) => { try { return await make(); } catch ({ name, code, message }) { report({ name, code, message }); process.exit(); } };${code}`,
        directory,
        [sqliteNode()],
      );
      return (await one.reported(1))[0];
    };
    const one = await started(directory);
    await one.kill();
    await inFile(directory, `db.exec("pragma user_version = 2");`);
    expect(await refused()).toMatchObject({
      name: "StoreError",
      code: "ERR_RINGBELL_STORE",
      message: expect.stringContaining("has format 2; this version of ringbell reads up to 1"),
    });
    await inFile(directory, `db.exec("pragma user_version = 1; pragma application_id = 7");`);
    expect(await refused()).toMatchObject({
      code: "ERR_RINGBELL_STORE",
      message: expect.stringContaining("database of another program"),
    });
    await inFile(directory, `db.exec("pragma application_id = ${0x72627365}");`);
    expect((await started(directory)).found.last).toBe(0);
  });

  it("is set aside if it is no database, and another is begun", async () => {
    const directory = privateDirectory();
    writeFileSync(join(directory, "session.db"), "no database at all, ".repeat(500));
    const one = await started(directory);
    expect(await one.reported(2)).toMatchObject([
      { last: 0 },
      { code: "ERR_RINGBELL_STORE", message: expect.stringContaining("session.db.damaged-") },
    ]);
    const aside = readdirSync(directory).filter((name) => /^session\.db\.damaged-[\dTZ.-]+$/.test(name));
    expect(aside).toHaveLength(1);
    const ui = await attached(directory);
    await ui.input("add", { n: 2 });
    await one.kill();
    expect((await started(directory)).found.events).toEqual([1, 2]);
  });

  it("is set aside if it breaks while it is open, and the new one has all that the log has", async () => {
    const directory = privateDirectory();
    const one = program(
      `import { openSync, writeSync, fstatSync } from "node:fs";
      const session = await Session.open({ log: { store: directory + "/session.db", maxEvents: 3000 } });
      session.on("storeError", ({ code }) => report(code));
      session.retain("plan", 1);
      const add = async (n) => {
        for (let i = 0; i < n; i += 50) {
          for (let j = 0; j < 50; j++) session.append({ n: session.log.last + 1, text: "x".repeat(1500) });
          await session.stored();
        }
      };
      await add(6000);
      const file = openSync(directory + "/session.db", "r+");
      const { size } = fstatSync(file);
      writeSync(file, Buffer.alloc(size - 8192, 0x55), 0, size - 8192, 8192);
      await add(3000);
      report({ id: session.logId, ready: session.log.ready });
      await sleep(1e6);`,
      directory,
      [sqliteNode()],
    );
    const [code, { id, ready }] = (await one.reported(2)) as [string, { id: string; ready: number }];
    expect([code, ready]).toEqual(["ERR_RINGBELL_STORE", 9000]);
    one.child.kill("SIGKILL");
    await one.ended;
    const { found } = await started(directory, "maxEvents: 3000");
    expect(found).toMatchObject({ first: 6001, last: 9000, log: id });
  });

  it("is written anew from the memory if it is deleted while it is open", async () => {
    const directory = privateDirectory();
    const one = await started(directory);
    const ui = await attached(directory);
    await ui.input("add", { n: 3 });
    rmSync(join(directory, "session.db"));
    while (!readdirSync(directory).includes("session.db")) await ui.input("add", { n: 1 });
    const last = await ui.input("add", { n: 1 });
    await one.kill();
    expect((await started(directory)).found.events).toEqual(upTo(last as number));
  });

  it("belongs to one process: another one is refused, until the first has ended", async () => {
    const directory = privateDirectory();
    const one = await started(directory);
    const other = (name: string) =>
      program(
        `await serveSession(${JSON.stringify(name)}, { directory, log: { store: directory + "/session.db" } }).then(
          () => report("serves"), ({ code, message }) => report({ code, message }));
        await sleep(1e6);`,
        directory,
        [sqliteNode()],
      ).reported(1);
    expect(await other("elsewhere")).toMatchObject([
      { code: "ERR_RINGBELL_STORE", message: expect.stringContaining("in use by another process") },
    ]);
    // The name is asked first: a program that begins the daemon where none runs can tell.
    expect(await other("agent")).toMatchObject([{ code: "ERR_RINGBELL_ALREADY_RUNNING" }]);
    const ui = await attached(directory);
    expect(await ui.input("add", { n: 1 })).toBe(1);
    await ui.close();
    await one.kill();
    expect(await other("elsewhere")).toEqual(["serves"]);
  });

  it("gives cursors of another run of the machine no place, if its end may be lost", async () => {
    const directory = privateDirectory();
    const one = await started(directory);
    const ui = await attached(directory, { reconnect: { minDelay: 1 } });
    await ui.input("add", { n: 4 });
    await take(ui, 4);
    await one.kill();
    await inFile(directory, `db.exec("update fact set value = 'another' where name = 'boot'");`);
    const two = await started(directory, "", "snapshot: () => 0,");
    expect(two.found.events).toEqual([1, 2, 3, 4]);
    expect(two.found.log).not.toBe(one.found.log);
    expect(await take(ui, 1)).toMatchObject([{ type: "snapshot", reason: "too-old", sequence: 4 }]);
  });

  it.skipIf(hasSqlite)("needs a Node with SQLite, or a package, and says so", async () => {
    const directory = privateDirectory();
    await expect(
      serveSession("agent", { directory, log: { store: join(directory, "session.db") } }),
    ).rejects.toMatchObject({ code: "ERR_RINGBELL_MISSING_PACKAGE", packageName: "better-sqlite3" });
    // The name is free.
    ending(await serveSession("agent", { directory }));
  });
});

const small = "1000k";
const mount = ["unshare", "--mount", "--propagation", "private", "sh", "-c"];
const canMount =
  spawnSync(mount[0]!, [...mount.slice(1), `mount -t tmpfs -o size=${small} none /mnt`]).status === 0;

describe.runIf(canMount)("a disk that is full", () => {
  const text = "x".repeat(3500);
  const append = (whenFull: string) => `
const session = await serveSession("agent", { directory, log: { store: directory + "/disk/session.db", whenFull: "${whenFull}", maxBytes: 1e6 },
  handlers: {
    fill: async () => {
      let appended = 0;
      for (;;) {
        try { session.append({ n: ++appended, text: "${text}" }); } catch ({ code }) { return { appended: appended - 1, code, last: session.log.last }; }
        await new Promise(setImmediate);
        if (told > 0 && "${whenFull}" === "hold" && appended >= 120) return { appended, last: session.log.last };
      }
    },
    add: () => session.append({ n: session.log.last + 1 }),
  } });
let told = 0;
session.on("storeError", ({ code }) => { told++; report(code); });
session.on("storeRecovered", () => report("recovered"));
report("serves");`;
  const full = (directory: string, whenFull: string) => {
    const disk = join(directory, "disk");
    mkdirSync(disk);
    const fill = `head -c 600000 /dev/zero > ${disk}/other`;
    const script = `mount -t tmpfs -o size=${small} none ${disk} && ${fill} && exec "$0" "$@"`;
    const one = program(append(whenFull), directory, [...mount, script, sqliteNode()]);
    /** Another program makes room. */
    const makeRoom = () => rmSync(`/proc/${one.child.pid}/root${disk}/other`);
    return { ...one, makeRoom };
  };

  it("refuses events, loses none that it took, and takes more when there is room", async () => {
    const directory = privateDirectory();
    const one = full(directory, "refuse");
    await one.reported(1);
    const ui = await attached(directory);
    const filled = (await ui.input("fill").catch((error) => error)) as Record<string, unknown>;
    expect(filled).toMatchObject({ code: "ERR_RINGBELL_NO_SPACE" });
    expect(filled.appended).toBe(filled.last);
    expect(filled.last).toBeGreaterThan(10);
    await expect(ui.input("add")).rejects.toMatchObject({ rpcCode: -32015 });
    one.makeRoom();
    expect(await one.reported(3)).toEqual(["serves", "ERR_RINGBELL_NO_SPACE", "recovered"]);
    expect(await ui.input("add")).toBe((filled.last as number) + 1);
    const items = await take(ui, (filled.last as number) + 1);
    expect(items.map((item) => (item as { event?: { n: number } }).event?.n)).toEqual(upTo(items.length));
  });

  it("holds events back, if that is asked for, and interfaces get them when there is room", async () => {
    const directory = privateDirectory();
    const one = full(directory, "hold");
    await one.reported(1);
    const ui = await attached(directory);
    const { appended } = (await ui.input("fill")) as { appended: number };
    expect(appended).toBe(120);
    one.makeRoom();
    expect(await one.reported(3)).toEqual(["serves", "ERR_RINGBELL_NO_SPACE", "recovered"]);
    const items = await take(ui, 120);
    expect(items.map((item) => (item as { event?: { n: number } }).event?.n)).toEqual(upTo(120));
  });
});
