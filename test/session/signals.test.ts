import { spawnSync } from "node:child_process";
import { attach } from "ringbell/session";
import { describe, expect, it } from "vitest";
import { ending, numbers, privateDirectory, program, take, until } from "./setup.js";

const daemon = (signals: string) => `
const session = await serveSession("agent", { directory, signals: ${signals}, retained: { pid: process.pid },
  handlers: { slow: async () => { report("called"); await sleep(200); return "finished"; }, add: ({ n }) => { for (let i = 0; i < n; i++) session.append(i); } } });
report("serving");`;

describe("a session with the option signals", () => {
  it.each(["SIGTERM", "SIGINT"] as const)(
    "ends in order at %s: handlers finish, interfaces get all, the name is free (S0.37, S1.30, S2.12)",
    async (signal) => {
      const directory = privateDirectory();
      const one = program(daemon("true"), directory);
      await one.reported(1);
      const ui = ending(await attach("agent", { directory, from: "live", reconnect: false }));
      await ui.input("add", { n: 100 });
      const slow = ui.input("slow");
      await one.reported(2);
      one.child.kill(signal);
      expect(await slow).toBe("finished");
      expect(await one.ended).toMatchObject({ signal });
      expect(numbers(await take(ui, 100)).at(-1)).toBe(100);
      await until(() => ui.connection === "failed");
      await expect(attach("agent", { directory, retry: false } as never)).rejects.toMatchObject({
        code: "ERR_RINGBELL_NOT_FOUND",
      });
    },
  );

  it("waits no longer than the grace period", async () => {
    const directory = privateDirectory();
    const one = program(
      `await serveSession("agent", { directory, signals: { grace: 100 }, handlers: { hang: () => new Promise(() => {}) } }); report("serving");`,
      directory,
    );
    await one.reported(1);
    const ui = ending(await attach("agent", { directory, from: "live", reconnect: false }));
    ui.input("hang").catch(() => {});
    one.child.kill("SIGTERM");
    expect(await one.ended).toMatchObject({ signal: "SIGTERM" });
  });

  it("touches no signal without it", async () => {
    const directory = privateDirectory();
    const one = program(
      `${daemon("false")}\nreport(process.listenerCount("SIGTERM") + process.listenerCount("SIGINT"));`,
      directory,
    );
    expect(await one.reported(2)).toEqual(["serving", 0]);
  });
});

const hasPython = spawnSync("python3", ["-c", "import pty"]).status === 0;

describe.skipIf(!hasPython)("an interface in a terminal", () => {
  /** Runs a program as the leader of a session with a terminal of its own, closes the terminal when it has reported, and tells how it ended. */
  const HANGUP = `
import os, pty, sys
pid, master = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
seen = b""
while b"attached" not in seen:
    seen += os.read(master, 1024)
os.close(master)
_, status = os.waitpid(pid, 0)
print("signal" if os.WIFSIGNALED(status) else "exit", os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status))
`;

  it("is hung up with its terminal, and the daemon works on; the next one goes on (S4.2, S4.1)", async () => {
    const directory = privateDirectory();
    const one = program(daemon("false"), directory);
    await one.reported(1);
    const module = new URL("../../dist/session/index.js", import.meta.url).href;
    const ui = `import { attach } from ${JSON.stringify(module)};
      const ui = await attach("agent", { directory: ${JSON.stringify(directory)}, client: "ui", from: "live" });
      await ui.input("add", { n: 3 });
      console.log("attached");
      for await (const item of ui);`;
    const hungUp = program(
      `const { spawn } = await import("node:child_process");
      const { once } = await import("node:events");
      const python = spawn("python3", ["-c", ${JSON.stringify(HANGUP)}, process.execPath, "--input-type=module", "-e", ${JSON.stringify(ui)}], { stdio: ["ignore", "pipe", "inherit"] });
      let output = "";
      python.stdout.on("data", (text) => (output += text));
      await once(python, "close");
      report(output.trim());`,
    );
    expect(await hungUp.reported(1)).toEqual(["signal 1"]);
    expect(one.child.exitCode).toBe(null);
    const next = ending(await attach("agent", { directory, client: "ui", from: { last: 3 } }));
    expect(next.retained.get("pid")).toBe(one.child.pid);
    expect(numbers(await take(next, 3))).toEqual([1, 2, 3]);
  });
});
