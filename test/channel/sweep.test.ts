import { existsSync, mkdirSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { connect } from "../../lib/channel/connect.js";
import { listen } from "../../lib/channel/listen.js";
import { helloFrame } from "../../lib/transport/handshake/greetings.js";
import { encodeFrame } from "../../lib/transport/handshake/json-frames.js";
import { ourIdentity, pidSpace } from "../../lib/transport/places/identity.js";
import { regionName, regionOwner } from "../../lib/transport/places/region-names.js";
import { sweep, sweepRegions } from "../../lib/transport/places/sweep.js";
import { connectNet } from "../../lib/transport/wire/net-wire.js";
import { JSON_CODEC } from "../transport/handshake/rig.js";
import { scratchDirectory, withEnv } from "../transport/scratch.js";
import { Child, listenerChild } from "./children.js";

const linux = process.platform === "linux";

async function killed(names: readonly string[], options: object, env = {}): Promise<void> {
  const children = await Promise.all(names.map((name) => listenerChild(name, options, env)));
  await Promise.all(children.map((child) => child.kill()));
}

describe("sweeping", () => {
  it("removes the hidden directory of a process that died while it made its socket without the addon", async () => {
    const directory = scratchDirectory();
    const place = join(directory, "default");
    mkdirSync(place, { mode: 0o700 });
    const [old, young] = [join(place, ".rAbCd12"), join(place, ".rAbCd13")];
    for (const hidden of [old, young]) {
      mkdirSync(hidden, { mode: 0o700 });
      writeFileSync(join(hidden, "n.sock"), "");
    }
    const past = Date.now() / 1000 - 120;
    utimesSync(old, past, past);
    const report = await sweep({ directory });
    expect(report).toMatchObject({ removed: [old], failed: [] });
    expect(readdirSync(place)).toEqual([".rAbCd13"]);
  });

  it("listening removes what the dead of its namespace left, and nothing of the living (S1.11)", async () => {
    const directory = scratchDirectory();
    await killed(["dead-1", "dead-2"], { directory });
    const alive = await listenerChild("alive", { directory });
    await killed(["other"], { directory, namespace: "elsewhere" });
    await using server = await listen("n", { directory });
    expect(readdirSync(join(directory, "default")).sort()).toEqual([
      "alive.lock",
      "alive.sock",
      "n.lock",
      "n.sock",
    ]);
    expect(readdirSync(join(directory, "elsewhere"))).toContain("other.sock");
    await using channel = await connect("alive", { directory, retry: false });
    expect(channel.peer.pid).toBe(alive.pid);
    await server.close();
  });

  it.each([
    ["with the addon", {}],
    ["without the addon", { RINGBELL_NO_ADDON: "1" }],
  ])("on demand, in every namespace, leaves no file of those that were killed %s", async (_what, env) => {
    const directory = scratchDirectory();
    await killed(["a", "b"], { directory }, env);
    await killed(["c"], { directory, namespace: "dev" }, env);
    const report = await sweep({ directory, everyNamespace: true });
    expect(report.removed).toContain(join(directory, "default", "a.sock"));
    expect(report.removed).toContain(join(directory, "dev", "c.lock"));
    expect(report.live).toEqual([]);
    expect(report.failed).toEqual([]);
    for (const namespace of ["default", "dev"]) expect(readdirSync(join(directory, namespace))).toEqual([]);
  });

  const sides = [{}, { RINGBELL_NO_ADDON: "1" }];
  it.each(sides.flatMap((living) => sides.map((dead) => [living, dead] as const)))(
    "is idempotent, and safe where several do it at once (%o, %o) (S1.32)",
    async (living, dead) => {
      const directory = scratchDirectory();
      const alive = await listenerChild("alive", { directory }, living);
      await killed(["a", "b", "c"], { directory }, dead);
      const reports = await Promise.all(Array.from({ length: 8 }, () => sweep({ directory })));
      expect(reports.flatMap((report) => report.failed)).toEqual([]);
      expect(
        reports.flatMap((report) => report.removed).filter((path) => path.endsWith(".sock")).length,
      ).toBe(3);
      const again = await sweep({ directory });
      expect(again.removed).toEqual([]);
      expect(again.live).toEqual([join(directory, "default", "alive.sock")]);
      await using channel = await connect("alive", { directory, retry: false });
      expect(channel.peer.pid).toBe(alive.pid);
    },
  );

  it("does not take a name from one that is just starting", async () => {
    const directory = scratchDirectory();
    for (let round = 0; round < 25; round += 1) {
      await killedLocally(directory);
      const [server] = await Promise.all([
        listen("n", { directory }),
        sweep({ directory }),
        sweep({ directory }),
      ]);
      expect(existsSync(server.path)).toBe(true);
      await using channel = await connect("n", { directory, retry: false });
      await channel.close();
      await server.close();
    }
  });

  it("leaves alone what is no socket, and says so", async () => {
    const directory = scratchDirectory();
    mkdirSync(join(directory, "default"), { mode: 0o700 });
    writeFileSync(join(directory, "default", "x.sock"), "precious");
    writeFileSync(join(directory, "default", "notes.txt"), "precious");
    const report = await sweep({ directory });
    expect(report.failed.map(({ path }) => path)).toEqual([join(directory, "default", "x")]);
    expect(readdirSync(join(directory, "default"))).toEqual(expect.arrayContaining(["notes.txt", "x.sock"]));
  });

  it("of nothing finds nothing, and makes nothing", async () => {
    const directory = join(scratchDirectory(), "none");
    expect(await sweep({ directory })).toMatchObject({ removed: [], live: [], failed: [] });
    expect(existsSync(directory)).toBe(false);
  });
});

/** A socket that nobody listens on any more, as a killed process leaves it. */
async function killedLocally(directory: string): Promise<void> {
  const { binding } = await import("../transport/handshake/rig.js");
  const namespace = join(directory, "default");
  mkdirSync(namespace, { recursive: true });
  binding.closeDescriptor(binding.socketListen(join(namespace, "n.sock"), 0o600, 1));
  writeFileSync(join(namespace, "n.lock"), "");
}

describe("names of shared memory", () => {
  it("say whose they are", () => {
    const name = regionName();
    expect(name.length).toBeLessThanOrEqual(process.platform === "darwin" ? 31 : 64);
    expect(name).toMatch(/^\/ringbell-[a-z0-9-]+$/);
    expect(regionOwner(name)).toEqual({ ...ourIdentity(), space: pidSpace() });
    expect(new Set(Array.from({ length: 100 }, regionName)).size).toBe(100);
    for (const other of [
      "/ringbell",
      "ringbell-1-2",
      "/other-1-2-3-45",
      "/ringbell-1-2-3-../x",
      "/ringbell-0-1-1-22",
    ]) {
      expect(regionOwner(other)).toBeUndefined();
    }
  });

  it.skipIf(!linux)("are removed if their process is gone, or its pid is another's now; else not", () => {
    const directory = scratchDirectory();
    const { pid, start } = ourIdentity();
    const name = (...parts: (number | string)[]) =>
      `ringbell-${parts.map((part) => part.toString(36)).join("-")}-0123456789abcdef`;
    const stale = [name(4194304 + 5, 7, pidSpace()), name(pid, start - 1, pidSpace())];
    const kept = [name(pid, start, pidSpace()), name(4194304 + 5, 7, "othr"), "something-else", "ringbell-x"];
    for (const file of [...stale, ...kept]) writeFileSync(join(directory, file), "");
    const old = name(4194304 + 6, 7, "othr");
    writeFileSync(join(directory, old), "");
    utimesSync(join(directory, old), 0, 0);
    const report = { regions: [] as string[], failed: [] };
    sweepRegions(report, directory);
    expect(report.regions.sort()).toEqual([...stale, old].map((file) => `/${file}`).sort());
    expect(readdirSync(directory).sort()).toEqual(kept.sort());
  });

  it.skipIf(!linux)(
    "of a process killed in the middle of a handshake are gone with the next start (S0.39)",
    async () => {
      const directory = scratchDirectory();
      const child = new Child("starter.mjs", ["n", JSON.stringify({ directory, backing: "named" })]);
      const { path } = (await child.says()) as { path: string };
      const wire = await connectNet(path);
      onTestFinished(() => wire.destroy());
      wire.write(
        encodeFrame(
          helloFrame(
            {
              transports: ["shm"],
              backings: ["named"],
              abi: 2,
              claim: { pid: 1, uid: 0, gid: 0, role: undefined },
              codec: JSON_CODEC,
              capacity: undefined,
              bulk: 0,
              lanes: undefined,
            },
            true,
          ),
        )!,
      );
      const { names } = (await child.says()) as { names: string[] };
      // Before it is killed: from then on any listener that starts on this machine may sweep them, one of another test as well.
      expect(statSync(join("/dev/shm", names[0]!)).size).toBeGreaterThan(0);
      await child.kill();
      onTestFinished(() => {
        for (const name of names) rmSync(join("/dev/shm", name), { force: true });
      });
      await using server = await listen("n", { directory });
      for (const name of names) expect(existsSync(join("/dev/shm", name))).toBe(false);
      await server.close();
    },
  );
});

describe("isolation (S1.1)", () => {
  it("killing an instance in one namespace does nothing to its namesake in another", async () => {
    const directory = scratchDirectory();
    withEnv({ RINGBELL_DIRECTORY: directory });
    const production = await listenerChild("service", { namespace: "production" });
    const development = await listenerChild("service", { namespace: "development" });
    await using channel = await connect("service", { namespace: "production", retry: false });
    expect(channel.peer.pid).toBe(production.pid);
    await using other = await connect("service", { namespace: "development", retry: false });
    expect(other.peer.pid).toBe(development.pid);
    const errors: unknown[] = [];
    channel.on("error", (error) => errors.push(error));
    await development.kill();
    expect((await other.closed).reason).toBe("peer-died");
    await sweep({ everyNamespace: true });
    await using again = await listen("service", { namespace: "development" });
    for (let round = 0; round < 100; round += 1) {
      await channel.send(round);
      expect(await channel.receive()).toBe(round);
    }
    expect(errors).toEqual([]);
    await again.close();
  });

  it("a namespace of its own for each test leaves nothing behind (S1.38)", async () => {
    const directory = scratchDirectory();
    const servers = await Promise.all(
      Array.from({ length: 5 }, (_, i) => listen("same", { directory, namespace: `test-${i}` })),
    );
    expect(new Set(servers.map((server) => server.path)).size).toBe(5);
    await Promise.all(servers.map((server) => server.close()));
    expect(readdirSync(directory)).toEqual([]);
  });
});
