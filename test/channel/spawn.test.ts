import { readFileSync } from "node:fs";
import { ChildEndedError, InvalidArgumentError, spawn, struct, TimeoutError, u32 } from "ringbell";
import { describe, expect, it } from "vitest";
import { privateDirectory } from "./setup.js";

const module = JSON.stringify(new URL("../../dist/index.js", import.meta.url).href);

/** The arguments of a Node process that runs `code`, with `ringbell` in scope. */
const running = (code: string) => [
  "--input-type=module",
  "-e",
  `import * as ringbell from ${module};\n${code}`,
];

const ECHO = `const channel = await ringbell.connect();
for await (const message of channel) await channel.send(message);`;

/** Processes of this one that have ended and were not reaped. */
function zombies(): string[] {
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, "utf8").trim().split(" ");
  return children.filter((pid) => {
    try {
      return /\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
    } catch {
      return false;
    }
  });
}

describe("spawn", () => {
  it("starts a child that talks to its parent without any name, and reaps it (S0.4)", async () => {
    const directory = privateDirectory();
    const child = await spawn(process.execPath, running(ECHO), { directory });
    expect(child.channel.peer.pid).toBe(child.process.pid);
    await child.channel.send({ n: 1 });
    expect(await child.channel.receive()).toEqual({ n: 1 });
    await child.close();
    await child.close();
    expect(await child.exited).toEqual({ code: 0, signal: null });
  });

  it("takes the options of listen, and gives the channel their types", async () => {
    const codec = struct({ n: u32 });
    const code = `const codec = ringbell.struct({ n: ringbell.u32 });
const channel = await ringbell.connect(undefined, { codec, lanes: { side: {} } });
await channel.lane("side").send({ n: 7 });
await channel.receive().catch(() => {});`;
    await using child = await spawn(process.execPath, running(code), {
      directory: privateDirectory(),
      codec,
      lanes: { side: { codec } },
    });
    const { n } = await child.channel.lane("side").receive();
    expect(n).toBe(7);
  });

  it("tells at once that the child has ended before it was connected, and how", async () => {
    const directory = privateDirectory();
    const began = performance.now();
    const crash = await spawn(process.execPath, running("process.exit(3)"), { directory }).catch(
      (error) => error,
    );
    expect(crash).toBeInstanceOf(ChildEndedError);
    expect(crash).toMatchObject({ exitCode: 3, signal: null });
    const killed = await spawn("sh", ["-c", "kill -9 $$"], { directory }).catch((error) => error);
    expect(killed).toMatchObject({ code: "ERR_RINGBELL_CHILD_ENDED", exitCode: null, signal: "SIGKILL" });
    const missing = await spawn("/no/such/program", [], { directory }).catch((error) => error);
    expect(missing).toMatchObject({ code: "ERR_RINGBELL_CHILD_ENDED", cause: { code: "ENOENT" } });
    expect(performance.now() - began).toBeLessThan(8000);
  });

  it("kills a child that does not connect in time, and one whose start is aborted", async () => {
    const directory = privateDirectory();
    const late = spawn("sleep", ["60"], { directory, startTimeout: 50 });
    await expect(late).rejects.toBeInstanceOf(TimeoutError);
    const controller = new AbortController();
    const aborted = spawn("sleep", ["60"], { directory, signal: controller.signal });
    setTimeout(() => controller.abort(new Error("enough")), 20);
    await expect(aborted).rejects.toThrow("enough");
    await expect(spawn("sleep", ["60"], { directory, signal: controller.signal })).rejects.toThrow("enough");
    const children = readFileSync(`/proc/self/task/${process.pid}/children`, "utf8").trim().split(" ");
    const names = children.filter(Boolean).map((pid) => readFileSync(`/proc/${pid}/comm`, "utf8").trim());
    expect(names).not.toContain("sleep");
  });

  it("kills a child that does not end", async () => {
    const code = `await ringbell.connect(); setInterval(() => {}, 1000);`;
    const child = await spawn(process.execPath, running(code), {
      directory: privateDirectory(),
      endTimeout: 20,
    });
    await child.close();
    expect(await child.exited).toEqual({ code: null, signal: "SIGKILL" });
  });

  it("leaves no zombie after 100 children, of which most crash (S0.40)", async () => {
    const directory = privateDirectory();
    for (let round = 0; round < 2; round++) {
      const crashes = Array.from({ length: 49 }, () =>
        spawn("false", [], { directory }).catch((error) => error),
      );
      await using child = await spawn(process.execPath, running(ECHO), { directory });
      await child.channel.send(round);
      expect(await child.channel.receive()).toBe(round);
      for (const crash of await Promise.all(crashes)) expect(crash).toMatchObject({ exitCode: 1 });
    }
    expect(zombies()).toEqual([]);
  });

  it("lets in the child alone: its own children, which inherit the variable, are sent away", async () => {
    const directory = privateDirectory();
    const grandchild = `import * as ringbell from ${module};
const channel = await ringbell.connect();
process.stdout.write((await channel.closed).reason);`;
    const code = `import { execFileSync } from "node:child_process";
const channel = await ringbell.connect();
const run = () => execFileSync(process.execPath, ["--input-type=module", "-e", ${JSON.stringify(grandchild)}]);
await channel.send(run().toString());
delete process.env.RINGBELL_ENDPOINT;
try { run(); } catch (error) { await channel.send(/RINGBELL_ENDPOINT is not set/.test(error.stderr)); }
await channel.close();`;
    await using child = await spawn(process.execPath, running(code), {
      directory,
      stdio: ["ignore", "inherit", "ignore"],
    });
    expect(["peer-closed", "peer-died"]).toContain(await child.channel.receive());
    expect(await child.channel.receive()).toBe(true);
  });

  it("refuses options that are none", async () => {
    await expect(spawn("")).rejects.toBeInstanceOf(InvalidArgumentError);
    await expect(spawn("true", [], { startTimeout: 0 })).rejects.toBeInstanceOf(InvalidArgumentError);
    await expect(spawn("true", [], { endTimeout: -1 })).rejects.toBeInstanceOf(InvalidArgumentError);
    await expect(spawn("true", [], { lane: {} } as never)).rejects.toThrow("lane");
  });
});
