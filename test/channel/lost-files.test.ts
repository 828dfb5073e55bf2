import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, rmSync, unlinkSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { describe, expect, it } from "vitest";
import { connect } from "../../lib/channel/connect.js";
import { listen } from "../../lib/channel/listen.js";
import { endpoints, health } from "../../lib/transport/places/status.js";
import { sweep } from "../../lib/transport/places/sweep.js";
import { scratchDirectory } from "../transport/scratch.js";
import { Child, listenerChild } from "./children.js";

/** Each test starts several processes, on a machine that may be busy. */
const LIMIT = 120_000;
const NO_ADDON = { RINGBELL_NO_ADDON: "1" };
const withAndWithout = [
  ["with the addon", {}],
  ["without the addon", NO_ADDON],
] as const;

/** Takes files away as a program that cleans up does; returns the paths that are missing then. */
const takings = {
  socket: (directory: string) => remove(directory, "n.sock"),
  lock: (directory: string) => remove(directory, "n.lock"),
  "socket and lock": (directory: string) => remove(directory, "n.sock", "n.lock"),
  directory: (directory: string) => {
    rmSync(directory, { recursive: true });
    return ["n.sock", "n.lock"].map((file) => join(directory, "default", file));
  },
};

function remove(directory: string, ...files: string[]): string[] {
  const paths = files.map((file) => join(directory, "default", file));
  for (const path of paths) unlinkSync(path);
  return paths;
}

async function tellsOf(owner: Child, paths: readonly string[]): Promise<void> {
  for (;;) {
    const said = await owner.says();
    expect(said.state).toBe("lost");
    // It may tell of one file before the other has gone.
    if ((said.paths as string[]).length < paths.length) continue;
    expect(said.paths).toEqual(paths);
    expect(said.missing).toEqual(paths);
    return;
  }
}

async function nobodyElseGets(directory: string, owner: Child): Promise<void> {
  for (const [, env] of withAndWithout) {
    const second = new Child("listener.mjs", ["n", JSON.stringify({ directory })], env);
    expect(await second.says()).toMatchObject({ code: "ERR_RINGBELL_ALREADY_RUNNING", pid: owner.pid });
    await second.exited;
  }
}

async function echoes(name: string, directory: string): Promise<void> {
  await using channel = await connect(name, { directory, retry: false });
  await channel.send("are you there?");
  expect(await channel.receive()).toBe("are you there?");
}

const cases = withAndWithout.flatMap(([what, env]) =>
  (Object.keys(takings) as (keyof typeof takings)[]).map((taken) => [taken, what, env] as const),
);

describe.skipIf(process.platform !== "linux").each(cases)(
  "an owner whose %s was taken away, %s",
  (taken, _what, env) => {
    it("hears of it at once, keeps the name and its channels, and can bind again", async () => {
      const directory = join(scratchDirectory(), "d");
      const owner = await listenerChild("n", { directory }, env);
      await using channel = await connect("n", { directory });
      const missing = takings[taken](directory);
      await tellsOf(owner, missing);
      const state = taken === "lock" ? "healthy" : "lost";
      expect(await health("n", { directory })).toMatchObject({ state, pid: owner.pid, missing });
      expect(await endpoints({ directory })).toMatchObject([{ name: "n", state, pid: owner.pid, missing }]);
      await sweep({ directory });
      await nobodyElseGets(directory, owner);

      owner.tell("rebind");
      expect(await owner.says()).toEqual({ state: "bound", missing: [] });
      expect(await health("n", { directory })).toMatchObject({
        state: "healthy",
        pid: owner.pid,
        missing: [],
      });
      await nobodyElseGets(directory, owner);
      await echoes("n", directory);
      await channel.send("and the old channel?");
      expect(await channel.receive()).toBe("and the old channel?");

      // The new files are watched as the first ones were.
      await tellsOf(owner, remove(directory, "n.sock"));
      owner.tell("rebind");
      expect(await owner.says()).toEqual({ state: "bound", missing: [] });
      owner.tell("close");
      await owner.exited;
      expect(existsSync(directory) ? readdirSync(directory) : []).toEqual([]);
    });

    it("leaves the name to others when it has closed, or was killed", async () => {
      for (const end of ["close", "kill"]) {
        const directory = join(scratchDirectory(), "d");
        const owner = await listenerChild("n", { directory }, env);
        takings[taken](directory);
        if (end === "kill") await owner.kill();
        else owner.tell("close");
        await owner.exited;
        for (const [, other] of withAndWithout) {
          const next = await listenerChild("n", { directory }, other);
          await echoes("n", directory);
          await next.kill();
        }
      }
    });
  },
);

describe.each(withAndWithout)("binding again, %s", (_what, env) => {
  it(
    "fails while another process listens there, and can be tried again",
    async () => {
      const directory = scratchDirectory();
      const owner = await listenerChild("n", { directory }, env);
      const path = join(directory, "default", "n.sock");
      unlinkSync(path);
      expect(await owner.says()).toMatchObject({ state: "lost" });
      const other = createServer().listen(path);
      await once(other, "listening");
      owner.tell("rebind");
      expect(await owner.says()).toMatchObject({ code: "ERR_RINGBELL_ALREADY_RUNNING" });
      other.close();
      await once(other, "close");
      owner.tell("rebind");
      expect(await owner.says()).toEqual({ state: "bound", missing: [] });
      await echoes("n", directory);
    },
    LIMIT,
  );

  it(
    "does nothing where nothing is missing",
    async () => {
      const directory = scratchDirectory();
      const owner = await listenerChild("n", { directory }, env);
      owner.tell("rebind");
      expect(await owner.says()).toEqual({ state: "bound", missing: [] });
      await echoes("n", directory);
    },
    LIMIT,
  );
});

describe("a name", () => {
  it(
    "of a thread that was terminated can be taken, although its process lives",
    async () => {
      for (const [, env] of withAndWithout) {
        const directory = scratchDirectory();
        const module = new URL("../../dist/channel/listen.js", import.meta.url).href;
        const code = `import(${JSON.stringify(module)})
        .then(({ listen }) => listen("n", { directory: ${JSON.stringify(directory)} }))
        .then(() => require("node:worker_threads").parentPort.postMessage("listening"));`;
        const worker = new Worker(code, { eval: true, env: { ...process.env, ...env } });
        await once(worker, "message");
        await worker.terminate();
        await using server = await listen("n", { directory });
        expect(server.missing).toEqual([]);
      }
    },
    LIMIT,
  );

  it.skipIf(process.geteuid?.() !== 0 || spawnSync("unshare", ["-m", "true"]).status !== 0)(
    "is another one in another directory, though the path is the same",
    async () => {
      for (const [, env] of withAndWithout) {
        const directory = scratchDirectory();
        const command = 'mount -t tmpfs none "$0" && exec "$@"';
        const owner = await listenerChild("n", { directory }, env, [
          "unshare",
          "-m",
          "sh",
          "-c",
          command,
          directory,
        ]);
        for (const [, other] of withAndWithout) {
          const ours = await listenerChild("n", { directory }, other);
          ours.tell("close");
          await ours.exited;
        }
        expect(await endpoints({ directory })).toEqual([]);
        await owner.kill();
      }
    },
    LIMIT,
  );
});
