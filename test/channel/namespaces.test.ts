import { spawnSync } from "node:child_process";
import { chmodSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { listen } from "../../lib/channel/listen.js";
import { endpoints, health } from "../../lib/transport/places/status.js";
import { sweep } from "../../lib/transport/places/sweep.js";
import { scratchDirectory } from "../transport/scratch.js";
import { Child, listenerChild } from "./children.js";

const NO_ADDON = { RINGBELL_NO_ADDON: "1" };
const withAndWithout = [
  ["with the addon", {}],
  ["without the addon", NO_ADDON],
] as const;

/** A user namespace without a mapping: there, everybody is 65534. */
const UNMAPPED = ["unshare", "-U"];
/** A pid namespace, with the /proc that belongs to it, or with that of the machine. */
const PIDS = ["unshare", "-pf", "--kill-child", "--mount-proc"];
const PIDS_FOREIGN_PROC = ["unshare", "-pf", "--kill-child"];
/** What a container has for itself, /dev/shm included. */
const CONTAINER = [
  ...["unshare", "-mpinf", "--kill-child", "--mount-proc"],
  ...["sh", "-c", 'mount -t tmpfs none /dev/shm && exec "$0" "$@"'],
];
const STRANGER = 12345;
/** Each test starts several processes, on a machine that may be busy. */
const LIMIT = 120_000;

const may = (wrapper: readonly string[]): boolean =>
  process.platform === "linux" &&
  process.geteuid?.() === 0 &&
  spawnSync(wrapper[0]!, [...wrapper.slice(1), "true"]).status === 0;

async function connects(
  path: string,
  options: object = {},
  env: Record<string, string> = {},
  wrapper: readonly string[] = [],
): Promise<{ state: string; code?: string; message?: string; peer?: Record<string, unknown> }> {
  const child = new Child(
    "connector.mjs",
    [path, JSON.stringify({ retry: false, ...options })],
    env,
    wrapper,
  );
  await child.says();
  return (await child.says()) as never;
}

async function peersOf(listener: Child): Promise<Record<string, unknown>[]> {
  listener.tell("peers");
  return (await listener.says()).peers as never;
}

/** The pid that the only child of a process has here. */
function childOf(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim());
}

function openDirectory(): string {
  const directory = scratchDirectory();
  chmodSync(directory, 0o755);
  return directory;
}

describe.skipIf(!may(UNMAPPED))("in a user namespace without a mapping", () => {
  const inside = UNMAPPED;

  it(
    "a listener takes nobody for its own user: not a stranger, and not the peer that is",
    async () => {
      const path = join(openDirectory(), "s");
      await listenerChild(path, { mode: 0o666 }, {}, inside);
      for (const options of [{ uid: STRANGER }, {}]) {
        const said = await connects(path, { authorize: true, ...options });
        expect(said.code).toBe("ERR_RINGBELL_REFUSED");
        expect(said.message).toMatch(/an unknown user .*no option `authorize`/);
      }
      await expect(health(path)).rejects.toMatchObject({ code: "ERR_RINGBELL_REFUSED" });
    },
    LIMIT,
  );

  it(
    "a connector takes no listener for its own user",
    async () => {
      const path = join(openDirectory(), "s");
      await listenerChild(path, { mode: 0o666, authorize: true });
      const said = await connects(path, {}, {}, inside);
      expect(said.code).toBe("ERR_RINGBELL_REFUSED");
      expect(said.message).toMatch(/this side runs as an unknown user/);
    },
    LIMIT,
  );

  it.each(withAndWithout)(
    "two of them refuse each other, %s",
    async (_what, env) => {
      const path = join(openDirectory(), "s");
      await listenerChild(path, { mode: 0o666 }, env, inside);
      for (const [, other] of withAndWithout) {
        expect((await connects(path, { authorize: true }, other, inside)).code).toBe("ERR_RINGBELL_REFUSED");
      }
      const open = join(openDirectory(), "s");
      await listenerChild(open, { mode: 0o666, authorize: true }, env, inside);
      for (const [, other] of withAndWithout) {
        expect((await connects(open, {}, other, inside)).code).toBe("ERR_RINGBELL_REFUSED");
      }
    },
    LIMIT,
  );

  it(
    "`authorize` hears that the user is not known",
    async () => {
      const path = join(openDirectory(), "s");
      const listener = await listenerChild(path, { mode: 0o666, authorize: true }, {}, inside);
      expect((await connects(path, { authorize: true, uid: STRANGER })).state).toBe("connected");
      const [peer] = await peersOf(listener);
      expect(peer).toMatchObject({ uid: -1, gid: -1, verified: false });
      const said = await connects(path, { authorize: true }, {}, inside);
      expect(said.peer).toMatchObject({ uid: -1, gid: -1, verified: false, pid: listener.pid });
    },
    LIMIT,
  );

  it(
    "a private directory is used only if the kernel says that it is ours",
    async () => {
      const base = openDirectory();
      chmodSync(base, 0o1777);
      const env = { TMPDIR: base, XDG_RUNTIME_DIR: "" };
      const child = await listenerChild("n", {}, env, inside);
      child.tell("close");
      await child.exited;
      // In there, the directory of a stranger looks like our own.
      const directory = join(base, "ringbell-65534");
      spawnSync("chown", ["-R", String(STRANGER), directory]);
      const next = new Child("listener.mjs", ["n", "{}"], env, inside);
      // It is refused before it is used: its owner may open it to others at any time.
      expect(await next.says()).toMatchObject({
        code: "ERR_RINGBELL_ACCESS",
        message: expect.stringMatching(/ringbell-65534 must belong to us/),
      });
    },
    LIMIT,
  );
});

describe.skipIf(!may(CONTAINER))("two containers that share a directory only", () => {
  it.each(["sealed", "named"] as const)(
    "talk through sealed memory, and over the stream where the memory has names: %s",
    async (backing) => {
      const directory = scratchDirectory();
      const listener = await listenerChild("n", { directory, backing }, {}, CONTAINER);
      const connector = new Child(
        "connector.mjs",
        ["n", JSON.stringify({ directory, backing })],
        {},
        CONTAINER,
      );
      expect(await connector.says()).toMatchObject({ state: "started" });
      const { peer, ...said } = await connector.says();
      expect(said).toEqual({ state: "connected", transport: backing === "sealed" ? "shm" : "stream" });
      expect(await connector.says()).toMatchObject({ state: "answered" });
      for (const seen of [peer, ...(await peersOf(listener))]) {
        expect(seen).toMatchObject({ uid: 0 });
        expect(seen).not.toHaveProperty("pid");
      }
    },
    LIMIT,
  );
});

describe.skipIf(!may(PIDS))("a process of another pid namespace", () => {
  it.each(withAndWithout)(
    "has the pid that it has here, or none, as the owner of a name, %s",
    async (_what, env) => {
      const directory = scratchDirectory();
      const listener = await listenerChild("n", { directory }, env, PIDS);
      const pid = childOf(listener.pid);
      const { space } = JSON.parse(readFileSync(join(directory, "default", "n.lock"), "utf8")) as {
        space: string;
      };
      expect(space).not.toBe(Number(/\d+/.exec(readlinkSync("/proc/self/ns/pid"))![0]).toString(36));
      await expect(listen("n", { directory })).rejects.toMatchObject({
        code: "ERR_RINGBELL_ALREADY_RUNNING",
        pid,
      });
      const second = new Child("listener.mjs", ["n", JSON.stringify({ directory })], NO_ADDON);
      const said = await second.says();
      expect(said.code).toBe("ERR_RINGBELL_ALREADY_RUNNING");
      expect([undefined, pid]).toContain(said.pid);
      expect(await health("n", { directory })).toMatchObject({ state: "healthy", pid });
      expect(await endpoints({ directory })).toMatchObject([{ state: "healthy", pid }]);
      process.kill(pid, "SIGSTOP");
      expect(await health("n", { directory, timeout: 100 })).toMatchObject({ state: "blocked", pid });
      process.kill(pid, "SIGCONT");
      expect((await sweep({ directory })).live.length).toBe(1);
    },
  );

  it.each(withAndWithout)(
    "has the pid that it has here, or none, as a peer, %s",
    async (_what, env) => {
      const path = join(scratchDirectory(), "s");
      const outside = await listenerChild(path, {}, env);
      for (const [, other] of withAndWithout) {
        const { peer } = await connects(path, {}, other, PIDS);
        // From within, the listener has no pid.
        expect(peer).not.toHaveProperty("pid");
      }
      const seen = await peersOf(outside);
      expect(seen.length).toBe(2);
      for (const peer of seen) {
        // Never the number that it has in there, which is 1.
        if (env === NO_ADDON) expect(peer).not.toHaveProperty("pid");
        else if (peer.verified) expect(peer.pid).toBeGreaterThan(1);
      }
    },
    LIMIT,
  );

  it.each(withAndWithout)(
    "loses nothing to a sweep, and takes nothing, %s",
    async (_what, env) => {
      const directory = scratchDirectory();
      await listenerChild("outer", { directory }, env);
      const inner = await listenerChild("inner", { directory }, env, PIDS);
      // A listener sweeps when it starts.
      const sweepers = [[], PIDS, PIDS_FOREIGN_PROC].flatMap((wrapper, at) =>
        withAndWithout.map(([what, other]) =>
          listenerChild(`${at}-${what.split(" ")[0]}`, { directory }, other, wrapper),
        ),
      );
      for (const sweeper of await Promise.all(sweepers)) {
        sweeper.tell("close");
        await sweeper.exited;
      }
      expect(readdirSync(join(directory, "default")).sort()).toEqual(
        ["inner", "outer"].flatMap((name) => [`${name}.lock`, `${name}.sock`]),
      );
      expect((await connects(join(directory, "default", "inner.sock"))).state).toBe("connected");
      await inner.kill();
    },
    LIMIT,
  );

  it.each(withAndWithout)(
    "keeps its name where /proc shows other processes, %s",
    async (_what, env) => {
      const directory = scratchDirectory();
      const listener = fileURLToPath(new URL("./programs/listener.mjs", import.meta.url));
      const code = `
      const { spawn } = require("node:child_process");
      const { once } = require("node:events");
      const { rmSync } = require("node:fs");
      const start = async () => {
        const child = spawn(process.execPath, [${JSON.stringify(listener)}, "n", ${JSON.stringify(JSON.stringify({ directory }))}], { stdio: ["pipe", "pipe", "inherit"] });
        const [said] = await once(child.stdout, "data");
        return { child, said: JSON.parse(said) };
      };
      (async () => {
        const first = await start();
        const second = await start();
        rmSync(first.said.path);
        const third = await start();
        console.log(JSON.stringify([first.said, second.said, third.said]));
        first.child.kill();
        process.exit();
      })();`;
      const [command, ...args] = [...PIDS_FOREIGN_PROC, process.execPath, "-e", code];
      const { stdout } = spawnSync(command!, args, { env: { ...process.env, ...env }, encoding: "utf8" });
      const [{ pid }, second, third] = JSON.parse(stdout);
      expect(second).toMatchObject({ code: "ERR_RINGBELL_ALREADY_RUNNING", pid });
      // Without its socket, the owner is found by /proc, where it has another number.
      expect(third.code).toBe("ERR_RINGBELL_ALREADY_RUNNING");
      expect([undefined, pid]).toContain(third.pid);
    },
    LIMIT,
  );

  it(
    "keeps its turn at a name where /proc shows a dead process under its pid",
    () => {
      const module = JSON.stringify(new URL("../../dist/transport/places/link-lock.js", import.meta.url));
      const turn = JSON.stringify(join(scratchDirectory(), "turn"));
      const looks = `
      import { removeIfDead } from ${module};
      console.log(process.argv[1] + " in its turn; removed: " + removeIfDead(${turn}));`;
      const holds = `
      import { spawnSync } from "node:child_process";
      import { inTurn } from ${module};
      await inTurn(${turn}, async () => {
        const args = ["--input-type=module", "-e", ${JSON.stringify(looks)}, "process " + process.pid];
        spawnSync(process.execPath, args, { stdio: "inherit" });
      });`;
      // In the outer namespace, process 2 ends at once, and nobody waits for it. In the inner one it is the holder of the turn.
      const inner = '"$1" --input-type=module -e "$2" & wait';
      const outer = `true & exec ${PIDS_FOREIGN_PROC.join(" ")} sh -c '${inner}' sh "$1" "$2"`;
      const [command, ...args] = [...PIDS, "sh", "-c", outer, "sh", process.execPath, holds];
      const { stdout, stderr } = spawnSync(command!, args, { encoding: "utf8" });
      expect(stdout + stderr).toBe("process 2 in its turn; removed: false\n");
    },
    LIMIT,
  );
});
