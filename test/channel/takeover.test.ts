import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { connect } from "../../lib/channel/connect.js";
import { listen } from "../../lib/channel/listen.js";
import { AlreadyRunningError, SystemError } from "../../lib/errors.js";
import type { DiscoveryRecord } from "../../lib/transport/places/owner-record.js";
import { scratchDirectory } from "../transport/scratch.js";
import { Child, listenerChild } from "./children.js";

const NO_ADDON = { RINGBELL_NO_ADDON: "1" };
const withAndWithout = [
  ["with the addon", {}],
  ["without the addon", NO_ADDON],
] as const;

function files(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory).sort() : [];
}

async function echoes(name: string, directory: string): Promise<void> {
  const channel = await connect(name, { directory, retry: false });
  await channel.send("are you there?");
  expect(await channel.receive()).toBe("are you there?");
  await channel.close();
}

describe.each(withAndWithout)("taking a name, %s", (_what, env) => {
  it("a second owner is told who the first is, and the first goes on (S0.31)", async () => {
    const directory = scratchDirectory();
    const first = await listenerChild("n", { directory }, env);
    const second = new Child("listener.mjs", ["n", JSON.stringify({ directory })], env);
    expect(await second.says()).toMatchObject({ code: "ERR_RINGBELL_ALREADY_RUNNING", pid: first.pid });
    await second.exited;
    await echoes("n", directory);
  });

  it("a live name is not stolen, even if its lock file has gone (S0.43)", async () => {
    const directory = scratchDirectory();
    const first = await listenerChild("n", { directory }, env);
    unlinkSync(join(directory, "default", "n.lock"));
    for (const [, other] of withAndWithout) {
      const second = new Child("listener.mjs", ["n", JSON.stringify({ directory })], other);
      const said = await second.says();
      // The kernel knows the pid.
      expect(said).toMatchObject({ code: "ERR_RINGBELL_ALREADY_RUNNING", pid: first.pid });
      await second.exited;
    }
    await echoes("n", directory);
  });

  it("a name whose owner was killed is taken over (S0.31, S0.39)", async () => {
    const directory = scratchDirectory();
    const first = await listenerChild("n", { directory }, env);
    await first.kill();
    expect(files(join(directory, "default"))).toContain("n.sock");
    for (const [, other] of withAndWithout) {
      const next = await listenerChild("n", { directory }, other);
      await echoes("n", directory);
      await next.kill();
    }
  });

  it("of 20 that start at once exactly one gets it, also if a dead one had it before (S3.6)", async () => {
    const directory = scratchDirectory();
    const dead = await listenerChild("n", { directory }, env);
    await dead.kill();
    const starters = Array.from(
      { length: 20 },
      () => new Child("listener.mjs", ["n", JSON.stringify({ directory })], env),
    );
    const said = await Promise.all(starters.map((child) => child.says()));
    const winners = said.filter((one) => one.state === "listening");
    expect(winners.length).toBe(1);
    for (const one of said) {
      if (one.state === "listening") continue;
      expect(one).toMatchObject({ code: "ERR_RINGBELL_ALREADY_RUNNING", pid: winners[0]!.pid });
    }
    await echoes("n", directory);
  }, 60_000);

  it.each(["close", "exit"])("leaves nothing behind after %s", async (command) => {
    const directory = scratchDirectory();
    const child = await listenerChild("n", { directory }, env);
    expect(files(join(directory, "default"))).toEqual(["n.lock", "n.sock"]);
    child.tell(command);
    await child.exited;
    expect(files(directory)).toEqual([]);
  });

  it("the socket has its rights from the beginning, whatever the umask (S0.47)", async () => {
    const directory = scratchDirectory();
    const before = process.umask(0);
    onTestFinished(() => void process.umask(before));
    await listenerChild("open", { directory, mode: 0o660 }, env);
    await listenerChild("closed", { directory }, env);
    process.umask(before);
    expect(statSync(join(directory, "default", "open.sock")).mode & 0o777).toBe(0o660);
    expect(statSync(join(directory, "default", "closed.sock")).mode & 0o777).toBe(0o600);
    expect(statSync(join(directory, "default", "closed.lock")).mode & 0o777).toBe(0o600);
  });

  it("there is a record exactly as long as the owner lives (S1.22, S1.31)", async () => {
    const directory = scratchDirectory();
    const child = await listenerChild("n", { directory, role: "host" }, env);
    const lock = join(directory, "default", "n.lock");
    const record = JSON.parse(readFileSync(lock, "utf8")) as DiscoveryRecord;
    expect(record).toMatchObject({
      name: "n",
      namespace: "default",
      pid: child.pid,
      socket: join(directory, "default", "n.sock"),
      role: "host",
      version: 3,
      host: null,
      port: null,
    });
    expect(record.start).toBeGreaterThan(0);
    expect(Date.parse(record.created)).toBeGreaterThan(Date.now() - 60_000);
    child.tell("close");
    await child.exited;
    expect(existsSync(lock)).toBe(false);
  });
});

describe("taking a name", () => {
  it("tells the process itself that it listens already", async () => {
    const directory = scratchDirectory();
    await using server = await listen("n", { directory });
    await expect(listen("n", { directory })).rejects.toMatchObject({ pid: process.pid, path: server.path });
    await expect(listen("n", { directory })).rejects.toBeInstanceOf(AlreadyRunningError);
  });

  it("is possible again at once when it was given up", async () => {
    const directory = scratchDirectory();
    for (let round = 0; round < 20; round += 1) {
      const server = await listen("n", { directory });
      await server.close();
    }
    expect(files(directory)).toEqual([]);
  });

  it("does not believe the record of a process whose pid another one has got", async () => {
    const directory = scratchDirectory();
    const child = await listenerChild("n", { directory });
    await child.kill();
    const lock = join(directory, "default", "n.lock");
    const record = JSON.parse(readFileSync(lock, "utf8")) as DiscoveryRecord;
    writeFileSync(lock, JSON.stringify({ ...record, pid: process.pid }));
    await using server = await listen("n", { directory });
    expect((JSON.parse(readFileSync(lock, "utf8")) as DiscoveryRecord).pid).toBe(process.pid);
    await server.close();
  });

  it("waits for one that has the lock and not yet a record, and then names it", async () => {
    const { binding } = await import("../transport/handshake/rig.js");
    const directory = scratchDirectory();
    mkdirSync(join(directory, "default"), { mode: 0o700 });
    const lock = binding.lockFile(join(directory, "default", "n.lock"));
    const waiting = listen("n", { directory });
    setImmediate(() => binding.closeDescriptor(lock));
    await using server = await waiting;
    expect(server.name).toBe("n");
  });

  it.each(["file", "directory", "link"])(
    "does not remove a %s that is in the way of the socket",
    async (kind) => {
      const directory = scratchDirectory();
      const path = join(directory, "default", "n.sock");
      mkdirSync(join(directory, "default"), { mode: 0o700 });
      if (kind === "file") writeFileSync(path, "precious");
      else if (kind === "directory") mkdirSync(path);
      else symlinkSync("/nowhere", path);
      await expect(listen("n", { directory })).rejects.toMatchObject({ systemCode: "ENOTSOCK", path });
      expect(lstatSync(path)).toBeDefined();
      expect(files(join(directory, "default"))).toContain("n.sock");
    },
  );

  it("does not follow a link in place of the lock file", async () => {
    const directory = scratchDirectory();
    mkdirSync(join(directory, "default"), { mode: 0o700 });
    const victim = join(directory, "victim");
    writeFileSync(victim, "precious");
    symlinkSync(victim, join(directory, "default", "n.lock"));
    await expect(listen("n", { directory })).rejects.toBeInstanceOf(SystemError);
    expect(readFileSync(victim, "utf8")).toBe("precious");
  });

  it("does not overwrite a file of the user's that is called like the lock of a path", async () => {
    const path = join(scratchDirectory(), "app.sock");
    writeFileSync(`${path}.lock`, "precious");
    await expect(listen(path)).rejects.toMatchObject({ systemCode: "EEXIST" });
    expect(readFileSync(`${path}.lock`, "utf8")).toBe("precious");
  });

  it("removes at its end only the socket that is its own", async () => {
    const directory = scratchDirectory();
    const server = await listen("n", { directory });
    const kept = join(directory, "kept");
    linkSync(server.path, kept);
    unlinkSync(server.path);
    writeFileSync(server.path, "another one's");
    await server.close();
    expect(readFileSync(join(directory, "default", "n.sock"), "utf8")).toBe("another one's");
    renameSync(kept, `${kept}.gone`);
  });

  it("takes an explicit path, and leaves nothing beside it", async () => {
    const directory = scratchDirectory();
    const path = join(directory, "my.socket");
    const server = await listen(path);
    expect(server.path).toBe(path);
    await using channel = await connect(path, { retry: false });
    expect(channel.peer.pid).toBe(process.pid);
    await channel.close();
    await server.close();
    expect(files(directory)).toEqual([]);
  });

  it.skipIf(process.geteuid?.() !== 0)(
    "another user gets EACCES, and is told what it takes (S0.26, S0.28)",
    async () => {
      const directory = scratchDirectory();
      chmodSync(directory, 0o755);
      await using server = await listen("n", { directory });
      expect(server.name).toBe("n");
      // Becomes the other user after loading: that user need not be allowed to read this checkout.
      const code = `
      import { connect } from ${JSON.stringify(new URL("../../dist/channel/connect.js", import.meta.url).href)};
      import { tryBinding } from ${JSON.stringify(new URL("../../dist/native/load.js", import.meta.url).href)};
      tryBinding();
      process.setgroups([]);
      process.setgid(12345);
      process.setuid(12345);
      await connect("n", { directory: ${JSON.stringify(directory)}, retry: false }).catch((error) => {
        console.log(JSON.stringify({ code: error.code, message: error.message }));
      });`;
      const { execFileSync } = await import("node:child_process");
      const out = execFileSync(process.execPath, ["--input-type=module", "-e", code]);
      const said = JSON.parse(out.toString()) as { code: string; message: string };
      expect(said.code).toBe("ERR_RINGBELL_ACCESS");
      expect(said.message).toContain(server.path);
      expect(said.message).toContain("mode 0600, owner uid 0");
      expect(said.message).toContain("runs as uid 12345");
    },
  );
});
