import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, expect, it, onTestFinished } from "vitest";
import { privateDirectory, root, tsc, workshop } from "./workshop.js";

describe("examples/ask", () => {
  it("answers each question, and says why where it can't", async () => {
    const run = await pair();
    run("server");
    const client = run("client", join(root, "LICENSE"), "/no/such/file");
    expect(await outputOf(client)).toMatch(/LICENSE: \d+ bytes\n\/no\/such\/file: Error: Error: ENOENT.*\n$/);
  });

  it("serves others while one peer waits for a slow answer, and after that peer was killed", async () => {
    const run = await pair();
    const server = run("server");
    const warned = text(server.stderr!);
    const slow = fifo();
    const killed = run("client", slow);
    const writer = await opened(slow);
    killed.kill("SIGKILL");

    // The server is still at the question of the first.
    expect(await outputOf(run("client", join(root, "LICENSE")))).toMatch(/: \d+ bytes\n$/);
    await writer.close(); // Now it has the answer, and nobody to send it to.
    expect(await outputOf(run("client", join(root, "LICENSE")))).toMatch(/: \d+ bytes\n$/);

    expect(server.exitCode).toBeNull();
    server.kill("SIGKILL");
    expect(await warned).toMatch(`process ${killed.pid}: PeerDiedError`);
  });

  it("gives up a question after its time-out, and goes on with the next", async () => {
    const run = await pair();
    run("server");
    const slow = fifo();
    const client = run("client", slow, join(root, "LICENSE"));
    const writer = await opened(slow);
    const [line] = (await once(client.stdout!, "data")) as [Buffer];
    expect(line.toString()).toMatch(/: TimeoutError: /);
    await writer.close(); // The answer that nobody waits for any more goes before the next.
    expect(await text(client.stdout!)).toMatch(/LICENSE: \d+ bytes\n$/);
  });

  it("hears at once that the server was killed while a question waits", async () => {
    const run = await pair();
    const server = run("server");
    const slow = fifo();
    const client = run("client", slow);
    await opened(slow);
    server.kill("SIGKILL");
    expect(await outputOf(client)).toMatch(/: PeerDiedError: /);
  });
});

/** Compiles both halves. The function that it gives starts one of them, where the other will look for it. */
async function pair() {
  const directory = workshop();
  await tsc(directory, ["-p", join(root, "examples"), "--outDir", directory]);
  const env = { ...process.env, RINGBELL_DIRECTORY: privateDirectory() };
  return (half: "server" | "client", ...args: string[]): ChildProcess => {
    const child = spawn(process.execPath, [join(directory, "ask", `${half}.js`), ...args], {
      stdio: ["ignore", "pipe", half === "server" ? "pipe" : "inherit"],
      env,
    });
    onTestFinished(() => void child.kill("SIGKILL"));
    return child;
  };
}

async function outputOf(child: ChildProcess): Promise<string> {
  const [output] = await Promise.all([text(child.stdout!), once(child, "exit")]);
  expect(child.exitCode).toBe(0);
  return output;
}

/** A file that nobody has read to its end before its writer closes it: a question that stays open for as long. */
function fifo(): string {
  const path = join(privateDirectory(), "slow");
  execFileSync("mkfifo", [path]);
  return path;
}

/** Its writing end; resolves when the server has opened it, and so is at that question. */
async function opened(path: string): Promise<FileHandle> {
  const writer = await open(path, "w");
  onTestFinished(() => writer.close().catch(() => {}));
  return writer;
}
