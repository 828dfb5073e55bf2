import { existsSync, mkdirSync, readdirSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { connect } from "../../lib/channel/connect.js";
import { findLeftovers, type Item, type Kept } from "../../lib/cli/gc/leftovers.js";
import { ourIdentity, pidSpace } from "../../lib/transport/places/identity.js";
import { type Child, listenerChild } from "../channel/children.js";
import { scratchDirectory } from "../transport/scratch.js";
import { ringbell, ringbellJson } from "./run.js";

interface Collection {
  readonly dryRun: boolean;
  readonly removed: readonly Item[];
  readonly kept: readonly Kept[];
  readonly failed: readonly { readonly path: string; readonly code: string | null }[];
}

async function killed(name: string, directory: string): Promise<Child> {
  const child = await listenerChild(name, { directory });
  await child.kill();
  return child;
}

/** Those of this test: shared memory is common to all. */
function below(directory: string, items: readonly Item[]): string[] {
  return items
    .filter(({ path }) => path.startsWith(directory))
    .map(({ path }) => path.slice(directory.length + 1))
    .sort();
}

describe("ringbell gc", () => {
  it.each([
    ["with the addon", {}],
    ["without the addon", { RINGBELL_NO_ADDON: "1" }],
  ])("removes what a killed process left and just that, %s", async (_what, env: Record<string, string>) => {
    const directory = scratchDirectory();
    const alive = await listenerChild("alive", { directory });
    const blocked = await listenerChild("blocked", { directory });
    blocked.tell("block");
    await blocked.says();
    const dead = await killed("dead", directory);
    writeFileSync(join(directory, "default", "notes.txt"), "precious");

    const files = readdirSync(join(directory, "default")).sort();
    const dry = await ringbellJson<Collection>(["gc", "-d", directory, "--dry-run"], env);
    expect(dry).toMatchObject({ dryRun: true, failed: [] });
    expect(below(directory, dry.removed)).toEqual(["default/dead.lock", "default/dead.sock"]);
    expect(readdirSync(join(directory, "default")).sort()).toEqual(files);

    const wet = await ringbellJson<Collection>(["gc", "-d", directory], env);
    expect(wet.failed).toEqual([]);
    expect(below(directory, wet.removed)).toEqual(["default/dead.lock", "default/dead.sock"]);
    expect(wet.removed.find(({ kind }) => kind === "socket")).toMatchObject({ pid: dead.pid });
    expect(wet.kept.filter(({ path }) => path.startsWith(directory))).toEqual([
      {
        kind: "socket",
        path: join(directory, "default", "alive.sock"),
        pid: alive.pid,
        reason: `process ${alive.pid} listens`,
      },
      {
        kind: "socket",
        path: join(directory, "default", "blocked.sock"),
        pid: blocked.pid,
        reason: `process ${blocked.pid} listens`,
      },
      {
        kind: "other",
        path: join(directory, "default", "notes.txt"),
        pid: null,
        reason: "is not of ringbell",
      },
    ]);
    expect(readdirSync(join(directory, "default")).sort()).toEqual(
      files.filter((file) => !file.startsWith("dead.")),
    );
    await using channel = await connect("alive", { directory, retry: false });
    expect(channel.peer.pid).toBe(alive.pid);

    const again = await ringbell(["gc", "-d", directory], env);
    expect(again.code).toBe(0);
    expect(again.stdout).toContain(`process ${alive.pid} listens`);
  });

  it.skipIf(process.platform !== "linux")(
    "knows whose a name of shared memory is, and whether it has gone",
    async () => {
      const memory = scratchDirectory();
      const { pid, start } = ourIdentity();
      // No pid is as high as that.
      const gone = 4194304 + 77;
      const name = (owner: number, began: number, space = pidSpace()) =>
        `ringbell-${owner.toString(36)}-${began.toString(36)}-${space}-0123456789abcdef`;
      const files = [name(gone, 1), name(pid, start), name(gone, 1, "othr"), "ringbell-of-another"];
      for (const file of files) writeFileSync(join(memory, file), "");
      const { stale, kept } = await findLeftovers([], memory);
      expect(stale).toEqual([{ kind: "memory", path: `/${files[0]}`, pid: gone }]);
      expect(new Map(kept.map(({ path, reason }) => [path, reason]))).toEqual(
        new Map([
          [`/${files[2]}`, "was made 0 minutes ago in another container; removed when it is older"],
          [`/${files[1]}`, `process ${pid} lives`],
        ]),
      );
      expect(readdirSync(memory).sort()).toEqual(files.sort());
    },
  );

  it.skipIf(process.platform !== "linux")(
    "removes names of shared memory of the dead, and no others",
    async () => {
      const directory = scratchDirectory();
      const name = `ringbell-${(4194304 + 77).toString(36)}-1-${pidSpace()}-${process.pid.toString(36).padStart(16, "0")}`;
      const [dead, other] = [join("/dev/shm", name), join("/dev/shm", `ringbell-of-another-${process.pid}`)];
      for (const path of [dead, other]) {
        writeFileSync(path, "");
        onTestFinished(() => rmSync(path, { force: true }));
      }
      // Shared memory is common to all: another sweep may be faster, so only the outcome counts.
      await ringbell(["gc", "-d", directory]);
      expect(existsSync(dead)).toBe(false);
      expect(existsSync(other)).toBe(true);
    },
  );

  it("may run several times at once", async () => {
    const directory = scratchDirectory();
    const alive = await listenerChild("alive", { directory });
    // All of them first: each start sweeps.
    const doomed = await Promise.all(["a", "b", "c"].map((name) => listenerChild(name, { directory })));
    await Promise.all(doomed.map((child) => child.kill()));
    const runs = await Promise.all([1, 2, 3, 4].map(() => ringbell(["gc", "-d", directory, "--json"])));
    expect(runs.map(({ code, stderr }) => [code, stderr])).toEqual(runs.map(() => [0, ""]));
    const sockets = runs
      .flatMap(({ stdout }) => (JSON.parse(stdout) as Collection).removed)
      .filter(({ path, kind }) => kind === "socket" && path.startsWith(directory));
    expect(sockets.length).toBe(3);
    await using channel = await connect("alive", { directory, retry: false });
    expect(channel.peer.pid).toBe(alive.pid);
  });

  it.skipIf(process.platform !== "linux")(
    "leaves a live endpoint alone whose socket was taken away",
    async () => {
      for (const env of [{}, { RINGBELL_NO_ADDON: "1" }]) {
        const directory = scratchDirectory();
        const alive = await listenerChild("alive", { directory }, env);
        unlinkSync(join(directory, "default", "alive.sock"));
        for (const args of [
          ["gc", "-d", directory, "--dry-run"],
          ["gc", "-d", directory],
        ]) {
          const collection = await ringbellJson<Collection>(args);
          expect(collection.removed.filter(({ path }) => path.startsWith(directory))).toEqual([]);
          expect(collection.kept).toContainEqual({
            kind: "lock",
            path: join(directory, "default", "alive.lock"),
            pid: alive.pid,
            reason: `process ${alive.pid} listens, but its socket was taken away`,
          });
        }
      }
    },
  );

  it("says what it could not remove, and exits with 1", async () => {
    const directory = scratchDirectory();
    mkdirSync(join(directory, "default"), { mode: 0o700 });
    writeFileSync(join(directory, "default", "x.sock"), "precious");
    const { code, stdout, stderr } = await ringbell(["gc", "-d", directory]);
    expect([code, stderr]).toEqual([1, ""]);
    expect(stdout.replace(/\s+/g, " ")).toContain("x.sock is in the way: it must be a socket, and is a file");
    expect(existsSync(join(directory, "default", "x.sock"))).toBe(true);
  });

  it("of nothing removes nothing, and says so", async () => {
    const directory = join(scratchDirectory(), "none");
    const { code, stdout } = await ringbell(["gc", "-d", directory, "--all"]);
    expect(code).toBe(0);
    expect(stdout).toContain(` in ${directory} and in shared memory.`);
    expect(existsSync(directory)).toBe(false);
  });
});
