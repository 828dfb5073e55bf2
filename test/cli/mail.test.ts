import { spawn } from "node:child_process";
import { describe, expect, it, onTestFinished } from "vitest";
import { opened } from "../mailbox/setup.js";
import { scratchDirectory } from "../transport/scratch.js";
import { MAIN, ringbell } from "./run.js";

/** Mailboxes in this process, and the command that looks at them. */
async function mailed() {
  const directory = scratchDirectory();
  const mail = await opened({ directory, from: "alice" });
  const run = (...args: string[]) => ringbell(["mail", ...args, "-d", directory]);
  return { directory, mail, run };
}

describe("ringbell mail", () => {
  it("posts, waits and fetches by name, without a program of one's own (S0.21)", async () => {
    const { mail, run } = await mailed();
    const posted = await run("post", "a", "hello", "--from", "bob");
    expect(posted).toMatchObject({
      code: 0,
      stdout: "stored at position 1 (nobody has ever read this box)\n",
    });
    await mail.post("a", { n: 2 });
    const first = await run("wait", "a");
    expect(first.stdout).toMatch(/^1 \d{4}-.*Z a from bob \(\d+\)\n {2}hello\n$/);
    expect((await run("fetch", "a")).stdout).toContain('{"n":2}');
    expect(await run("fetch", "a")).toMatchObject({ code: 0, stdout: "" });
    expect(await run("wait", "a", "--timeout", "0.01")).toMatchObject({ code: 1, stdout: "" });
    expect((await mail.box("a").status())?.claimed).toBe(0);
  });

  it("lists boxes, and names those that are full or that nobody reads", async () => {
    const { mail, run } = await mailed();
    await mail.box("full").configure({ maxMessages: 2 });
    for (const body of [1, 2]) await mail.post("full", body);
    await mail.post("full", 3).catch(() => {});
    const waiting = mail.wait("jobs");
    const { code, stdout } = await run("ls");
    expect(code).toBe(0);
    expect(stdout).toMatch(/^BOX +QUEUED .*FILL +STATE$/m);
    expect(stdout).toMatch(/^full +2 .*########.100% {2}FULL$/m);
    expect(stdout).toMatch(/^jobs .* 1 .*a reader waits$/m);
    expect(stdout).toContain("! full has refused 1 post.");
    expect(stdout).toContain("! full holds 2, and nobody has ever read it.");
    const json = JSON.parse((await run("ls", "jobs", "--json")).stdout);
    expect(json.boxes).toMatchObject([{ name: "jobs", waiting: 1, readers: "waiting" }]);
    await mail.post("jobs", "x");
    await waiting;
  });

  it("dumps all messages as lines of JSON that sort by their numbers, and takes none (S1.17, S1.26)", async () => {
    const { mail, run } = await mailed();
    for (let i = 0; i < 12; i++) await mail.post(i % 2 === 0 ? "a" : "b", i);
    await mail.box("a").claim();
    const lines = (await run("dump")).stdout.trim().split("\n");
    expect(lines.map((line) => JSON.parse(line).body)).toEqual(Array.from({ length: 12 }, (_, i) => i));
    expect([...lines].sort()).toEqual(lines);
    expect(JSON.parse(lines[0]!)).toMatchObject({
      box: "a",
      state: "claimed",
      from: { name: "alice", pid: process.pid },
    });
    expect((await run("dump", "b")).stdout.trim().split("\n")).toHaveLength(6);
    expect((await mail.fetch("b")).length).toBe(6);
  });

  it("shows dead letters with the reason, and puts them back", async () => {
    const { mail, run } = await mailed();
    await mail.post("a", "bad");
    await mail.post("a", "worse");
    for (const claim of await mail.fetch("a", { ack: false })) await claim.reject(`it is ${claim.body}`);
    expect((await run("dead")).stdout).toMatch(
      /, dead: it is bad\n {2}bad\n.*, dead: it is worse\n {2}worse\n/,
    );
    expect((await run("requeue", "a", "2")).stdout).toBe("1 message put back\n");
    expect((await mail.fetch("a")).map(({ body }) => body)).toEqual(["worse"]);
    expect(JSON.parse((await run("requeue", "a", "--json")).stdout)).toEqual({ requeued: 1 });
    expect(await run("requeue", "a", "99")).toMatchObject({
      code: 1,
      stdout: "no dead letter at position 99 of a\n",
    });
    expect(await run("requeue", "a")).toMatchObject({ code: 0, stdout: "0 messages put back\n" });
  });

  it("follows messages as they are posted, and ends with Ctrl+C", async () => {
    const { directory, mail } = await mailed();
    await mail.post("a", "before");
    for (const [args, sign] of [
      [["tail", "--json"], '"body":"new'],
      [["ls", "--watch"], "QUEUED"],
    ] as const) {
      const child = spawn(process.execPath, [MAIN, "mail", ...args, "-d", directory], { stdio: "pipe" });
      onTestFinished(() => void child.kill("SIGKILL"));
      let output = "";
      const ended = new Promise((resolve) => child.on("close", resolve));
      for await (const chunk of ticking(child.stdout, () => mail.post("a", `new ${Math.random()}`))) {
        output += chunk;
        if (output.includes(sign)) break;
      }
      child.kill("SIGINT");
      expect(await ended).toBe(0);
      expect(output).not.toContain("before");
    }
  });

  it("says what was wrong with the command line", async () => {
    const { run } = await mailed();
    for (const [args, words] of [
      [["pots"], "did you mean post?"],
      [["post"], "mail post needs BOX"],
      [["fetch", "a", "b"], '"b" is one too many'],
      [["wait", "a", "--timeout", "301"], "from 0 to 300"],
      [["requeue", "a", "first"], "POSITION must be a number"],
      [["ls", "--wtach"], "did you mean --watch?"],
    ] as const) {
      const { code, stderr } = await run(...args);
      expect(code, stderr).toBe(2);
      expect(stderr).toContain(words);
    }
    expect((await ringbell(["mail"])).stderr).toContain("mail needs one of ls, post");
    expect((await run("--help")).stdout).toContain("ringbell mail ls|post");
  });
});

/** What a program writes; meanwhile something is done now and then, so that it has something to write. */
async function* ticking(stream: AsyncIterable<Buffer>, call: () => Promise<unknown>): AsyncGenerator<string> {
  const timer = setInterval(() => void call(), 100);
  try {
    for await (const chunk of stream) yield String(chunk);
  } finally {
    clearInterval(timer);
  }
}
