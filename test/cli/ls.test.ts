import { unlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Listing } from "../../lib/watch/index.js";
import { listenerChild } from "../channel/children.js";
import { scratchDirectory } from "../transport/scratch.js";
import { program, ringbell, ringbellJson } from "./run.js";

const linux = process.platform === "linux";

/** Asks until what is looked for can be seen: an endpoint takes a moment to fall silent, and a second to count as stalled. */
async function until(args: readonly string[], seen: (listing: Listing) => boolean): Promise<Listing> {
  for (;;) {
    const listing = await ringbellJson<Listing>(args);
    if (seen(listing)) return listing;
  }
}

describe("ringbell ls", () => {
  it("says in words that there is nothing, also where there is no directory", async () => {
    const directory = join(scratchDirectory(), "none");
    const { code, stdout, stderr } = await ringbell(["ls", "-d", directory]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toBe(
      `No endpoints in ${directory} (namespace default). --all looks into all namespaces.\n`,
    );
    const listing = await ringbellJson<Listing>(["ls", "-d", directory]);
    expect(listing).toMatchObject({ directory, namespace: "default", endpoints: [], unreadable: [] });
  });

  it("tells a healthy endpoint, one that blocks its loop, one that is stopped, and a dead one apart", async () => {
    const directory = scratchDirectory();
    const healthy = await listenerChild("healthy", { directory, role: "host" });
    const blocked = await listenerChild("blocked", { directory });
    const stopped = await listenerChild("stopped", { directory });
    const dead = await listenerChild("dead", { directory });
    blocked.tell("block");
    await blocked.says();
    stopped.process.kill("SIGSTOP");
    await dead.kill();
    const args = ["ls", "-d", directory, "-t", "500"];
    const listing = await until(args, ({ endpoints }) => endpoints[3]?.process !== "running");
    expect(listing.endpoints.map(({ name, state, pid, process }) => [name, state, pid, process])).toEqual([
      ["blocked", "blocked", blocked.pid, linux ? "sleeping" : null],
      ["dead", "dead", dead.pid, null],
      ["healthy", "healthy", healthy.pid, null],
      ["stopped", "blocked", stopped.pid, linux ? "stopped" : null],
    ]);
    expect(listing.endpoints[2]).toMatchObject({ namespace: "default", role: "host", channels: [] });
    expect(Date.parse(listing.endpoints[2]!.since!)).toBeLessThanOrEqual(Date.parse(listing.time));
    const { code, stdout } = await ringbell(args);
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`^blocked +not answering +${blocked.pid} `, "m"));
    expect(stdout).toMatch(new RegExp(`^dead +dead +${dead.pid} +- +- +-$`, "m"));
    expect(stdout).toMatch(new RegExp(`^healthy +healthy +${healthy.pid} +host +.* +0$`, "m"));
    expect(stdout).toContain("4 endpoints (1 healthy, 2 not answering, 1 dead)");
    expect(stdout).toContain("ringbell gc");
  });

  it.skipIf(!linux)("shows a live endpoint whose files were taken away, and what helps", async () => {
    const directory = scratchDirectory();
    const [all, lock] = await Promise.all(["all", "lock"].map((name) => listenerChild(name, { directory })));
    const of = (...files: string[]) => files.map((file) => join(directory, "default", file));
    for (const path of of("all.sock", "all.lock", "lock.lock")) unlinkSync(path);
    for (const args of [
      ["ls", "-d", directory],
      ["ls", "-d", directory, "--all"],
    ]) {
      const listing = await ringbellJson<Listing>(args);
      expect(listing.endpoints).toMatchObject([
        { name: "all", state: "lost", pid: all!.pid, missing: of("all.sock", "all.lock") },
        { name: "lock", state: "healthy", pid: lock!.pid, missing: of("lock.lock") },
      ]);
      const { stdout } = await ringbell(args);
      expect(stdout).toMatch(new RegExp(`all +lost +${all!.pid} `));
      const text = stdout.replace(/\s+/g, " ");
      expect(text).toContain("was taken away: nobody can connect. server.rebind() in that process");
      expect(text).toContain(`${of("lock.lock")[0]} was taken away: peers can still connect`);
      expect(text).toContain("2 endpoints (1 healthy, 1 lost)");
    }
  });

  it.each(["shm", "stream"])(
    "shows a stalled pair over %s in one look: who is blocked, since when, and by whom (S0.24)",
    async (transport) => {
      const directory = scratchDirectory();
      const options = { directory, transport, role: "host", lanes: { control: { capacity: 4096 } } };
      const host = await program("host.mjs", "prices", JSON.stringify(options), "flood");
      const agent = await program("agent.mjs", "prices", JSON.stringify({ directory, role: "slow" }), "3");
      await host.says();
      const args = ["ls", "-d", directory];
      const listing = await until(args, ({ endpoints }) =>
        endpoints[0]!.channels!.some(({ lanes }) => lanes[0]!.out.stalled),
      );
      const [channel] = listing.endpoints[0]!.channels!;
      expect(channel).toMatchObject({ peer: { pid: agent.pid, role: "slow" }, transport });
      const [main, control] = channel!.lanes;
      expect(main).toMatchObject({ name: "main", capacity: 262144, out: { stalled: true, waiting: 1 } });
      expect(main!.out.fill).toBeGreaterThan(0.99 * main!.capacity);
      expect(Date.parse(main!.out.blockedSince!)).toBeLessThan(Date.parse(listing.time) - 1000);
      expect(main!.in.fill).toBeGreaterThan(0);
      expect(control).toMatchObject({
        name: "control",
        capacity: 4096,
        out: { fill: 0, stalled: false, blockedSince: null },
        in: { fill: 0, stalled: false },
      });
      expect(Date.parse(control!.in.idleSince!)).toBeLessThan(Date.parse(listing.time));
      const { stdout } = await ringbell(args);
      expect(stdout).toMatch(
        new RegExp(
          `^ +${agent.pid} +slow +${transport} +main +out +#{7,8}\\.? +(99|100)% .* BLOCKED \\d+ s$`,
          "m",
        ),
      );
      expect(stdout).toMatch(/^ +control +out +\.{8} +0% +4 KiB +0 +empty$/m);
      expect(stdout).toMatch(/^ +in +\.{8} +0% +4 KiB +0 +idle \d/m);
      const said = stdout.replace(/\s+/g, " ");
      expect(said).toMatch(
        new RegExp(
          `! prices has been blocked for \\d+ s on lane main: peer ${agent.pid} \\(slow\\) does not read it`,
        ),
      );
    },
  );

  it("keeps namespaces apart, and shows all of them on demand", async () => {
    const directory = scratchDirectory();
    await listenerChild("one", { directory, namespace: "dev" });
    await listenerChild("two", { directory, namespace: "live" });
    const names = async (...args: string[]) =>
      (await ringbellJson<Listing>(["ls", "-d", directory, ...args])).endpoints.map(
        ({ namespace, name }) => `${namespace}/${name}`,
      );
    expect(await names()).toEqual([]);
    expect(await names("-n", "dev")).toEqual(["dev/one"]);
    expect(await names("--all")).toEqual(["dev/one", "live/two"]);
    const { stdout } = await ringbell(["ls", "--all"], { RINGBELL_DIRECTORY: directory });
    expect(stdout).toMatch(/^NAMESPACE +ENDPOINT/);
    expect(stdout).toMatch(/^live +two +healthy/m);
  });

  it("does not let a role steer the terminal", async () => {
    const directory = scratchDirectory();
    await listenerChild("n", { directory, role: "\u001b[31mred\u202e" });
    const { stdout } = await ringbell(["ls", "-d", directory]);
    expect(stdout).toContain("?[31mred?");
    expect(stdout).not.toContain("\u001b");
  });
});
