import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { deflateSync } from "node:zlib";
import { beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { kinds } from "../../demo/agents/index.mjs";
import { withEnv } from "../transport/scratch.js";

const MAIN = fileURLToPath(new URL("../../demo/main.mjs", import.meta.url));

/** A place of the test's own for all temporary files of the demo. */
let temporary: string;
let tree: string;

beforeEach(() => {
  // A short path: the path of a socket has little room.
  const directory = mkdtempSync(join(tmpdir(), "rbd-"));
  temporary = join(directory, "t");
  tree = join(directory, "tree");
  mkdirSync(temporary);
  mkdirSync(join(tree, "sub"), { recursive: true });
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
});

const SOURCE = `// function notThis() {}
export function one(a) { return "class Neither {}"; }
export class Two {}
const three = (x) => x;
`;

/** Text without repetitions, the same every time. */
function lines(seed: number, count: number): string {
  return Array.from({ length: count }, (_, i) => {
    const print = createHash("sha256").update(`${seed}/${i}`).digest("hex");
    return `w${print.slice(0, 12)} w${print.slice(12, 24)}\n`;
  }).join("");
}

function plant(count: number, linesEach: number): void {
  writeFileSync(join(tree, "source.mjs"), SOURCE);
  for (let i = 0; i < count; i++) writeFileSync(join(tree, "sub", `${1000 + i}.txt`), lines(i, linesEach));
}

class Demo {
  readonly process: ChildProcess;
  readonly ended: Promise<number | NodeJS.Signals>;
  readonly output: Promise<string>;
  /** Of the agents that have come. */
  readonly pids: number[] = [];
  /** What it says when it is traced. */
  readonly said: string[] = [];
  #heard = () => {};

  constructor(...args: string[]) {
    this.process = spawn(process.execPath, [MAIN, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, TMPDIR: temporary, NODE_DEBUG: "ringbell-demo" },
    });
    this.ended = once(this.process, "close").then(([code, signal]) => code ?? signal);
    this.output = text(this.process.stdout!);
    createInterface({ input: this.process.stderr! }).on("line", (line) => {
      this.said.push(line);
      const pid = /process (\d+) has come/.exec(line)?.[1];
      if (pid !== undefined) this.pids.push(Number(pid));
      this.#heard();
    });
    onTestFinished(() => void this.process.kill("SIGKILL"));
  }

  /** Resolves when it has said something that matches; rejects if it ends before. */
  async says(pattern: RegExp): Promise<void> {
    const heard = new Promise<void>((resolve) => {
      this.#heard = () => {
        if (this.said.some((line) => pattern.test(line))) resolve();
      };
      this.#heard();
    });
    const silent = this.ended.then((status) => {
      throw new Error(`ended with ${status}:\n${this.said.join("\n")}`);
    });
    await Promise.race([heard, silent]);
  }
}

/** Running, and not merely waiting for somebody to ask how it ended. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return process.platform !== "linux";
  }
}

/** Names in shared memory that these processes made. */
function regionsOf(pids: readonly number[]): string[] {
  if (process.platform !== "linux") return [];
  return readdirSync("/dev/shm").filter((name) =>
    pids.some((pid) => name.startsWith(`ringbell-${pid.toString(36)}-`)),
  );
}

function expectNothingLeft(demo: Demo): void {
  expect(demo.pids.filter(isRunning)).toEqual([]);
  expect(regionsOf([demo.process.pid!, ...demo.pids])).toEqual([]);
  expect(readdirSync(temporary)).toEqual([]);
}

interface Line {
  agent: string;
  file: string;
  // biome-ignore lint/suspicious/noExplicitAny: each agent has its own.
  value?: any;
  skipped?: string;
}

/** Runs the demo on the tree; returns its report and its results, by agent. */
async function run(...args: string[]) {
  const file = join(tree, "..", "results");
  const demo = new Demo(tree, "--json", "--results", file, ...args);
  expect(await demo.ended, demo.said.join("\n")).toBe(0);
  expectNothingLeft(demo);
  const results = new Map<string, Line[]>(kinds.map(({ name }) => [name, []]));
  for (const line of readFileSync(file, "utf8").trim().split("\n")) {
    const result = JSON.parse(line) as Line;
    results.get(result.agent)!.push(result);
  }
  return { report: JSON.parse(await demo.output), results };
}

/** What the agent should have found, computed here. */
function computed(name: string, files: readonly string[]) {
  const work = kinds.find((kind) => kind.name === name)!.start();
  return files.map((file, id) => {
    const value = work({ id, path: file }, readFileSync(join(tree, file)));
    const plain = JSON.stringify(value, (_, part) =>
      part?.type === "Buffer" ? Buffer.from(part.data).toString("hex") : part,
    );
    return { agent: name, file, value: JSON.parse(plain) };
  });
}

test("all results are there and right, though an agent is killed in the middle", async () => {
  plant(60, 40);
  writeFileSync(join(tree, "sub", "1001.txt"), lines(0, 40));
  const { report, results } = await run();

  const files = ["source.mjs", ...Array.from({ length: 60 }, (_, i) => `sub/${1000 + i}.txt`)];
  for (const [name, found] of results) expect(found, name).toEqual(computed(name, files));

  // The same once more, without the agents' own code.
  const first = (name: string) => results.get(name)![0]!.value;
  expect(first("hash")).toEqual({ sha256: createHash("sha256").update(SOURCE).digest("hex") });
  expect(first("compress")).toEqual({ raw: SOURCE.length, deflated: deflateSync(SOURCE).length });
  expect(first("symbols")).toEqual({
    functions: { count: 2, names: ["one", "three"] },
    classes: { count: 1, names: ["Two"] },
    exports: { count: 2, names: ["one", "Two"] },
  });
  expect(results.get("words")![1]!.value).toMatchObject({ lines: 41, words: 80, distinct: 80 });
  const copy = results.get("duplicates")![2]!.value;
  expect(copy.repeated).toBe(copy.chunks);
  expect(results.get("duplicates")![3]!.value.repeated).toBe(0);

  for (const figures of [report.shm, report.stream]) {
    expect(figures).toMatchObject({ tasks: 5 * files.length, skipped: 0 });
    const killed = figures.agents.filter((agent: { killed: boolean }) => agent.killed);
    expect(killed).toMatchObject([{ name: "symbols", tasksDoneAgain: expect.any(Number) }]);
    expect(killed[0].tasksDoneAgain).toBeGreaterThan(0);
    expect(figures.agents).toHaveLength(6);
  }
});

test("without the addon, the job is done over the stream alone, and one line says why", async () => {
  withEnv({ RINGBELL_NO_ADDON: "1" });
  plant(10, 4);
  const demo = new Demo("--no-kill", tree);
  const output = await demo.output;
  expect(await demo.ended).toBe(0);
  expect(output.replaceAll(/\s+/g, " ")).toContain(
    "over a stream: a Unix socket. There is no shared memory here: RINGBELL_NO_ADDON is set",
  );
  expect(output).toMatch(/^tasks done +55$/m);
  expect(output).not.toContain("gain");
  expectNothingLeft(demo);
  const { report } = await run("--no-kill");
  expect(report.shm).toBe(null);
  expect(report.stream).toMatchObject({ tasks: 55, skipped: 0 });
});

test("the successor of an agent with a memory is given all tasks again, and none counts twice", async () => {
  plant(60, 40);
  writeFileSync(join(tree, "sub", "1059.txt"), lines(0, 40));
  const { report, results } = await run("--kill", "duplicates");
  const files = ["source.mjs", ...Array.from({ length: 60 }, (_, i) => `sub/${1000 + i}.txt`)];
  expect(results.get("duplicates")).toEqual(computed("duplicates", files));
  for (const figures of [report.shm, report.stream]) {
    const killed = figures.agents.find((agent: { killed: boolean }) => agent.killed);
    // What was finished (40 %), and what was not.
    expect(killed.tasksDoneAgain).toBeGreaterThan(0.4 * files.length);
    expect(figures.tasks).toBe(5 * files.length);
  }
});

test.runIf(process.platform === "linux")("files that can't be read are skipped and counted", async () => {
  plant(4, 4);
  // A name that is not UTF-8, and so can't be said in a string: unreadable for the superuser, too.
  writeFileSync(
    Buffer.concat([Buffer.from(`${tree}/sub/bad-`), Buffer.from([0xff]), Buffer.from(".txt")]),
    "?",
  );
  const { report, results } = await run("--no-kill");
  expect(report.shm).toMatchObject({ tasks: 30, skipped: 5 });
  expect(report.stream).toMatchObject({ tasks: 30, skipped: 5 });
  for (const found of results.values()) {
    expect(found.filter(({ skipped }) => skipped?.startsWith("ENOENT"))).toHaveLength(1);
  }
});

test("files of any length go to the agents in blocks: by reference, or on the stream copied", async () => {
  // The longest that is read is 4 MiB. Three of them are more than there is memory for at a time.
  const lengths = [0, 1, 300_001, 4 * 1024 * 1024, 4 * 1024 * 1024, 4 * 1024 * 1024];
  const contents = lengths.map((length, i) => Buffer.alloc(length, `${i} 987 654\n`));
  const files = contents.map((_, i) => `sub/${i}.txt`);
  for (const [i, file] of files.entries()) writeFileSync(join(tree, file), contents[i]!);
  const { report, results } = await run("--no-kill");

  for (const [name, found] of results) expect(found, name).toEqual(computed(name, files));
  const bytes = kinds.length * contents.reduce((sum, { length }) => sum + length, 0);
  expect(report.shm).toMatchObject({ bytesRead: bytes, bytesHandedOver: bytes, bytesByReference: bytes });
  expect(report.stream).toMatchObject({ bytesRead: bytes, bytesHandedOver: bytes, bytesByReference: 0 });
});

test("files that are gone by now, or too long, are skipped and counted", async () => {
  plant(10, 10);
  const demo = new Demo(tree, "--json", "--no-kill");
  await demo.says(/has come/);
  // The work begins when all agents have come.
  rmSync(join(tree, "sub", "1003.txt"));
  truncateSync(join(tree, "sub", "1005.txt"), 2 ** 30);
  expect(await demo.ended, demo.said.join("\n")).toBe(0);
  expectNothingLeft(demo);
  const report = JSON.parse(await demo.output);
  expect(report.shm).toMatchObject({ tasks: 55, skipped: 10 });
  expect(report.stream).toMatchObject({ tasks: 55, skipped: 10 });
});

test("a task done again by the same agent has the same result", () => {
  const content = Buffer.from(lines(1, 100));
  for (const kind of kinds) {
    const work = kind.start();
    const once = work({ id: 0, path: "a.ts" }, content);
    const other = work({ id: 1, path: "b.ts" }, content);
    expect(work({ id: 0, path: "a.ts" }, content), kind.name).toEqual(once);
    expect(work({ id: 1, path: "b.ts" }, content), kind.name).toEqual(other);
  }
});

test("SIGINT in the middle of the work leaves nothing behind", async () => {
  plant(300, 200);
  const demo = new Demo(tree);
  await demo.says(/was killed/);
  demo.process.kill("SIGINT");
  expect(await demo.ended).toBe(130);
  expect(demo.pids.length).toBeGreaterThanOrEqual(5);
  expectNothingLeft(demo);
});

test("SIGINT while agents are starting leaves nothing behind", async () => {
  plant(10, 10);
  const demo = new Demo(tree);
  await demo.says(/has come/);
  demo.process.kill("SIGINT");
  expect(await demo.ended).toBe(130);
  expectNothingLeft(demo);
});

test("agents end when the orchestrator is killed, and the next demo removes what it left", async () => {
  plant(300, 200);
  const demo = new Demo(tree);
  await demo.says(/was killed/);
  demo.process.kill("SIGKILL");
  expect(await demo.ended).toBe("SIGKILL");
  await vi.waitFor(() => expect(demo.pids.filter(isRunning)).toEqual([]), { timeout: 10_000, interval: 20 });
  expect(readdirSync(temporary)).toHaveLength(1);

  const next = new Demo(tree, "--files", "5", "--no-kill");
  expect(await next.ended).toBe(0);
  expectNothingLeft(next);
  expect(regionsOf([demo.process.pid!, ...demo.pids])).toEqual([]);
});

test("an agent that somebody else kills is replaced as well", async () => {
  plant(300, 200);
  const demo = new Demo(tree, "--json", "--no-kill");
  await demo.says(/words: process \d+ has come/);
  process.kill(demo.pids[0]!, "SIGKILL");
  expect(await demo.ended, demo.said.join("\n")).toBe(0);
  expectNothingLeft(demo);
  const report = JSON.parse(await demo.output);
  expect(report.shm).toMatchObject({ tasks: 1505, skipped: 0 });
  expect(report.checks.every(({ ok }: { ok: boolean }) => ok)).toBe(true);
});

test("where standard output is no terminal there is a table and no live line", async () => {
  plant(5, 5);
  const demo = new Demo(tree, "--no-kill");
  expect(await demo.ended).toBe(0);
  const output = await demo.output;
  expect(output).toContain("messages per second");
  expect(output).toContain("none lost, none counted twice");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: none of these is what is tested.
  expect(output).not.toMatch(/[\r\x1b█]/);
});

test.for([["--files", "none"], ["--kill", "nobody"], ["--fils"], ["a", "b"], ["/nowhere/at/all"]])(
  "wrong usage ends with status 2: %j",
  async (args) => {
    const demo = new Demo(...args);
    expect(await demo.ended).toBe(2);
    expect(demo.said.join("\n")).toContain("--help");
    expectNothingLeft(demo);
  },
);
