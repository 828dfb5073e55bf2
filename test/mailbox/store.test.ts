import { spawnSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { scratchDirectory } from "../transport/scratch.js";
import { Member, member, sqliteNode } from "./setup.js";

interface Got {
  readonly body: string;
  readonly position: number;
}

/** Runs SQL on a file, as another program would. Returns the rows of the last statement. */
function sql(path: string, ...statements: string[]): unknown[] {
  const code = `const { DatabaseSync } = await import("node:sqlite");
const db = new DatabaseSync(process.argv[1]);
let rows = [];
for (const sql of process.argv.slice(2)) rows = db.prepare(sql).all();
db.close();
console.log(JSON.stringify(rows));`;
  const args = ["--input-type=module", "-e", code, "--", path, ...statements];
  const { stdout, stderr, status } = spawnSync(sqliteNode(), args, {
    encoding: "utf8",
    env: { ...process.env, NODE_NO_WARNINGS: "1" },
  });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as unknown[];
}

const text = "x".repeat(2000);

describe("the file of mailboxes", () => {
  it("can be read by any program for SQLite, also while the broker runs (S1.17)", async () => {
    const mail = await member({ directory: scratchDirectory(), from: "alice" });
    await mail.call("post", "a", "hello");
    await mail.call("post", "b", { some: "JSON" });
    await mail.box("a", "claim");
    const rows = sql(await mail.call("path"), "select * from messages");
    expect(rows).toMatchObject([
      { position: 1, box: "a", state: "claimed", sender: "alice", pid: mail.pid, attempts: 1, body: "hello" },
      { position: 2, box: "b", state: "queued", body: '{"some":"JSON"}' },
    ]);
  });

  it("lies where the options say, readable by our user only", async () => {
    const directory = scratchDirectory();
    const mail = await member({ directory, name: "team" });
    expect(await mail.call("path")).toBe(join(directory, "default", "team.mail"));
    expect(statSync(join(directory, "default")).mode & 0o077).toBe(0);
    const path = join(directory, "elsewhere", "file.db");
    const other = await member({ directory, name: "other", path });
    expect(await other.call("path")).toBe(path);
    expect(statSync(join(directory, "elsewhere")).mode & 0o077).toBe(0);
    const wrong = new Member({ directory, name: "other", path: join(directory, "third.db") });
    await expect(wrong.ready).rejects.toMatchObject({
      code: "ERR_RINGBELL_STORE",
      message: expect.stringContaining(path),
    });
  });

  it("is refused if it is of a newer version, or another program's", async () => {
    const directory = scratchDirectory();
    const path = join(directory, "newer.mail");
    const first = await member({ directory, path });
    await first.call("post", "a", 1);
    await first.call("close");
    sql(path, "pragma user_version = 999");
    const newer = new Member({ directory, path });
    await expect(newer.ready).rejects.toMatchObject({
      code: "ERR_RINGBELL_STORE",
      message: expect.stringContaining("999"),
    });
    const foreign = join(directory, "foreign.db");
    sql(foreign, "create table theirs (x)");
    await expect(new Member({ directory, path: foreign }).ready).rejects.toMatchObject({
      code: "ERR_RINGBELL_STORE",
    });
    expect(sql(foreign, "select name from sqlite_master")).toEqual([{ name: "theirs" }]);
    sql(path, "pragma user_version = 1");
    const again = await member({ directory, path });
    expect(await again.call("fetch", "a")).toHaveLength(1);
  });

  it("is set aside if it is no database, and tells where it lies", async () => {
    const directory = scratchDirectory();
    const path = join(directory, "mail.db");
    writeFileSync(path, "this is no database, and long enough to look like one".repeat(100));
    const mail = await member({ directory, path });
    const { damaged } = await mail.call<{ damaged: string }>("status");
    expect(damaged).toMatch(/mail\.db\.damaged-/);
    expect(existsSync(damaged)).toBe(true);
    await mail.call("post", "a", 1);
    expect(await mail.call("fetch", "a")).toHaveLength(1);
  });

  it("that breaks in the middle is set aside, and what can be read of it is served", async () => {
    const directory = scratchDirectory();
    const path = join(directory, "mail.db");
    const first = await member({ directory, path });
    for (let i = 0; i < 200; i++) await first.call("post", "a", `${i} ${text}`);
    await first.call("close");
    const { size } = statSync(path);
    const file = openSync(path, "r+");
    writeSync(file, Buffer.alloc(8192, 0xff), 0, 8192, Math.floor(size / 2 / 4096) * 4096);
    closeSync(file);

    const mail = await member({ directory, path });
    const bodies = new Set<number>();
    for (let some = 1; some > 0; ) {
      // The fetch that meets the damage is refused or made again; the next broker serves the rest.
      const got = await mail.call<Got[]>("fetch", "a", { limit: 10 }).catch(() => undefined);
      for (const { body } of got ?? []) bodies.add(Number.parseInt(body, 10));
      some = got?.length ?? 1;
    }
    expect(mail.troubles.map(({ message }) => message).join("\n")).toMatch(
      /is damaged.* lies in .*\.damaged-/,
    );
    expect(readdirSync(directory).some((name) => name.includes(".damaged-"))).toBe(true);
    expect(bodies.size).toBeGreaterThan(150);
    await mail.call("post", "a", "goes on");
    expect(await mail.call<Got[]>("fetch", "a")).toMatchObject([{ body: "goes on" }]);
  });

  it("keeps each position for one message, over every restart", async () => {
    const options = { directory: scratchDirectory() };
    let last = 0;
    for (let i = 0; i < 3; i++) {
      const mail = await member(options);
      const { position } = await mail.call<Got>("post", "a", i);
      expect(position).toBeGreaterThan(last);
      last = position;
      await mail.call("fetch", "a");
      await mail.kill();
    }
  });
});

const small = "1000k";
const mount = ["unshare", "--mount", "--propagation", "private", "sh", "-c"];
const canMount =
  spawnSync(mount[0]!, [...mount.slice(1), `mount -t tmpfs -o size=${small} none /mnt`]).status === 0;

describe.runIf(canMount)("a disk that is full", () => {
  it("refuses posts, loses nothing that was accepted, and takes more when there is room", async () => {
    const directory = scratchDirectory();
    const disk = join(directory, "disk");
    mkdirSync(disk);
    const fill = `head -c 600000 /dev/zero > ${disk}/other`;
    const script = `mount -t tmpfs -o size=${small} none ${disk} && ${fill} && exec "$0" "$@"`;
    const mail = new Member({ directory, path: join(disk, "mail.db") }, [...mount, script]);
    await mail.ready;
    const accepted: string[] = [];
    let refused: { code?: string } | undefined;
    for (let i = 0; refused === undefined; i++) {
      const batch = Array.from({ length: 8 }, (_, j) => `${i}.${j}`);
      const results = await Promise.allSettled(
        batch.map((id) => mail.call("post", "a", `${id} ${text}`, { id })),
      );
      for (const [at, result] of results.entries()) {
        if (result.status === "fulfilled") accepted.push(batch[at]!);
        else refused = result.reason as { code?: string };
      }
    }
    expect(refused).toMatchObject({ code: "ERR_RINGBELL_NO_SPACE" });
    expect(accepted.length).toBeGreaterThan(10);
    const queued = async () => (await mail.box<{ queued: number }>("a", "status")).queued;
    expect(await queued()).toBe(accepted.length);
    // Another program makes room.
    rmSync(`/proc/${mail.pid}/root${disk}/other`);
    await mail.call("post", "a", "one more", { id: "one more" });
    const got = await mail.call<{ id: string }[]>("fetch", "a");
    expect(got.map(({ id }) => id)).toEqual([...accepted, "one more"]);
  });
});
