import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Block, listen } from "ringbell";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { canCompileC, compileC } from "../c-compiler.js";
import { peer, privateDirectory, script, type TransportName } from "./setup.js";

/** Whether a sandbox can be made here. */
const canDeny = process.platform === "linux" && canCompileC();

const made = mkdtempSync(join(tmpdir(), "ringbell-test-"));
const library = join(made, "deny.so");

beforeAll(() => {
  if (!canDeny) return;
  const source = fileURLToPath(new URL("./programs/deny.c", import.meta.url));
  compileC(["-shared", "-fPIC", "-o", library, source, "-lpthread"]);
}, 120_000);
afterAll(() => rmSync(made, { recursive: true, force: true }));

/** The environment of a process to which the kernel refuses these system calls: at once, or from when the file `from` is there. */
function denying(calls: string, from?: string): Record<string, string> {
  const environment = { DENY: calls, LD_PRELOAD: library };
  return from === undefined ? environment : { ...environment, DENY_FROM: from };
}

/** Runs `call` in a process to which the system call is refused. Returns the error, and whether it came at once. */
async function refused(call: string, environment: Record<string, string>): Promise<unknown> {
  const { ended } = script(
    `const from = performance.now();
    const error = await ${call}.then(() => undefined, (error) => error);
    const { name, code, syscall, systemCode } = error ?? {};
    report(JSON.stringify({ name, code, syscall, systemCode, soon: performance.now() - from < 1500, message: error?.message }));
    process.exit(0);`,
    environment,
  );
  const { output } = await ended;
  return JSON.parse(output);
}

const systemError = (syscall: string) => ({
  name: "SystemError",
  code: "ERR_RINGBELL_SYSTEM",
  syscall,
  systemCode: "EPERM",
  soon: true,
  message: expect.not.stringContaining("mode"),
});

describe.runIf(canDeny)("a process in a sandbox", () => {
  it.each(["socket", "connect", "recvmsg"])(
    "that is refused %s can't connect, and says why at once",
    async (call) => {
      const directory = privateDirectory();
      const server = await listen("s", { directory });
      onTestFinished(() => server.close());
      server.on("peerError", () => {});
      const connecting = `ringbell.connect("s", ${JSON.stringify({ directory })})`;
      expect(await refused(connecting, denying(call))).toEqual(systemError(call));
    },
  );

  it.each(["socket", "bind", "listen", "flock"])(
    "that is refused %s can't listen, and says why at once",
    async (call) => {
      const listening = `ringbell.listen("s", ${JSON.stringify({ directory: privateDirectory() })})`;
      expect(await refused(listening, denying(call))).toEqual(systemError(call));
    },
  );

  it.each(["socket", "bind", "listen"])(
    "without the addon that is refused %s can't listen, and says why at once",
    async (call) => {
      const listening = `ringbell.listen("s", ${JSON.stringify({ directory: privateDirectory() })})`;
      // node:net calls all of them so.
      expect(await refused(listening, { ...denying(call), RINGBELL_NO_ADDON: "1" })).toEqual(
        systemError("listen"),
      );
    },
  );

  it.each(["memfd_create", "seals"])("that is refused %s has streams", async (call) => {
    const directory = privateDirectory();
    const { child, ended } = script(
      `const server = await ringbell.listen("s", ${JSON.stringify({ directory })});
      const channel = await server.accept();
      await channel.send(await channel.receive());
      await channel.closed;
      process.exit(0);`,
      denying(call),
    );
    onTestFinished(() => void child.kill("SIGKILL"));
    const { ended: other } = script(
      `const channel = await ringbell.connect("s", ${JSON.stringify({ directory })});
      await channel.send("x".repeat(200_000));
      report(channel.transport + " " + (await channel.receive()).length);
      await channel.close();`,
    );
    expect((await other).output).toBe("stream 200000\n");
    expect((await ended).code).toBe(0);
  });
});

describe.runIf(canDeny)("a process that comes into a sandbox when its channel is open", () => {
  /** Lets the sandbox begin, and waits until it is there. */
  const ENTER = `
    const { existsSync, writeFileSync } = await import("node:fs");
    const { setTimeout: delay } = await import("node:timers/promises");
    let end;
    channel.on("close", (reason, error) => { end = [reason, error?.name, error?.syscall, error?.systemCode]; });
    writeFileSync(process.env.DENY_FROM, "");
    while (existsSync(process.env.DENY_FROM)) await delay(1);`;

  function sandboxed(calls: string, code: string, transport: TransportName = "shm") {
    return peer(transport, `${ENTER}\n${code}`, {}, denying(calls, join(privateDirectory(), "deny")));
  }

  it("and can't ring by sendmsg, rings all the same", async () => {
    const { channel } = await sandboxed(
      "sendmsg,sendto",
      `const { bells } = channel.stats();
      // A peer that is awake needs no bell.
      for (; channel.stats().bells === bells; await channel.send("one")) await delay(20);
      await channel.send("rung");
      await channel.closed;`,
    );
    while ((await channel.receive()) !== "rung");
  });

  it("and can't pass memory, says so, and goes on with what needs none", async () => {
    const { channel } = await sandboxed(
      "sendmsg,sendto",
      `const error = await channel.send("x".repeat(200_000)).catch((error) => error);
      await channel.send([error.name, error.syscall, error.systemCode]);
      await channel.closed;`,
    );
    expect(await channel.receive()).toEqual(["SystemError", "sendmsg", "EPERM"]);
  });

  it.each([
    ["shm", "peer-closed"],
    // Without its socket a stream can't say goodbye.
    ["stream", "peer-died"],
  ] as const)("and can't read, ends the channel over %s and says why", async (transport, reason) => {
    const { channel, ended } = await sandboxed(
      "recvmsg",
      `await channel.closed;
      report(JSON.stringify(end));`,
      transport,
    );
    await channel.send("x".repeat(200_000)).catch(() => {});
    expect((await channel.closed).reason).toBe(reason);
    expect((await ended).output).toBe(`${JSON.stringify(["ended", "SystemError", "recvmsg", "EPERM"])}\n`);
  });

  it("and can't map memory of the peer, gets what needs none, and ends the channel; the peer is not blamed", async () => {
    const { channel, ended } = await sandboxed(
      "seals",
      `await channel.send("ready");
      report(await channel.receive());
      const error = await channel.receive().catch((error) => error);
      report([error.name, error.syscall, error.systemCode].join());
      await channel.closed;
      report(JSON.stringify(end));`,
    );
    expect(await channel.receive()).toBe("ready");
    await channel.send("short");
    await channel.send("x".repeat(200_000));
    expect((await channel.closed).reason).toBe("peer-closed");
    expect((await ended).output).toBe(
      `short\nSystemError,fcntl,EPERM\n${JSON.stringify(["ended", "SystemError", "fcntl", "EPERM"])}\n`,
    );
  });
});

const canLimit = process.platform === "linux" && spawnSync("prlimit", ["--version"]).status === 0;

describe.runIf(canLimit)("a process without a free descriptor", () => {
  it.each([
    ["receive", "await channel.receive()"],
    ["a loop", "await (async () => { for await (const message of channel) return message; })()"],
    ["receiveSync", "channel.receiveSync()"],
    [
      "receiveMany",
      "await (async () => { for (;;) { const [one] = channel.receiveMany(1); if (one) return one; channel.trySend(0); } })()",
    ],
  ])(
    "to which memory comes ends its channel with a SystemError, in %s; the peer is not blamed",
    async (_, receiving) => {
      const { channel, ended } = await peer(
        "shm",
        `const { openSync, closeSync } = await import("node:fs");
      const { execFileSync } = await import("node:child_process");
      execFileSync("prlimit", ["--nofile=64:64", "--pid", String(process.pid)]);
      const held = [];
      try { for (;;) held.push(openSync("/dev/null")); } catch {}
      channel.trySend("full");
      const said = [];
      try { for (;;) { const message = ${receiving}; said.push(message); } } catch (error) {
        said.push(error.code + " " + error.systemCode);
      }
      for (const descriptor of held) closeSync(descriptor);
      const { reason, error } = await channel.closed;
      report([...said, reason, error?.systemCode].join());`,
      );
      expect(await channel.receive()).toBe("full");
      await channel.send("short");
      await channel.send("x".repeat(200_000));
      expect((await channel.closed).reason).toBe("peer-closed");
      expect((await ended).output).toContain("short,ERR_RINGBELL_SYSTEM EMFILE,ended,EMFILE\n");
    },
  );

  it("keeps what had arrived when its channel ends for that", async () => {
    const { channel, ended } = await peer(
      "shm",
      `const { openSync, closeSync } = await import("node:fs");
      const { execFileSync } = await import("node:child_process");
      channel.trySend({ lent: channel.tryAllocate(100) });
      execFileSync("prlimit", ["--nofile=64:64", "--pid", String(process.pid)]);
      const held = [];
      try { for (;;) held.push(openSync("/dev/null")); } catch {}
      channel.trySend("full");
      // A message that goes by a block takes more than 16 bytes of the ring.
      while (channel.stats().lanes[0].receiveFill <= 16) await new Promise(setImmediate);
      // A program that lacks memory and has lent some looks what the peer has given back, and meets the news of the segment.
      try { channel.tryAllocate(300_000); } catch {}
      for (const descriptor of held) closeSync(descriptor);
      const { reason, error } = await channel.closed;
      report([reason, error.systemCode, channel.tryReceive()].join());`,
    );
    const { lent } = (await channel.receive()) as { lent: Block };
    onTestFinished(() => lent.release());
    expect(await channel.receive()).toBe("full");
    await channel.send("short");
    await channel.send("x".repeat(200_000));
    expect((await channel.closed).reason).toBe("peer-closed");
    expect((await ended).output).toContain("ended,EMFILE,short\n");
  });
});
