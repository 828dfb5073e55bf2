import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  cpuTime,
  memoryOf,
  ownMemory,
  sharedMemory,
  switches,
  ticks,
  ticksWithChildren,
  usage,
  used,
} from "../../bench/lib/proc.mjs";
import { systemCalls, whileTraced } from "../../bench/lib/strace.mjs";
import { ticked } from "../../bench/lib/ticked.mjs";

const MIB = 1 << 20;
const isLinux = existsSync("/proc/self/task");
const canTrace = isLinux && spawnSync("strace", ["-D", "-f", "-qq", "-o", "/dev/null", "true"]).status === 0;

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "ringbell-cost-"));
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

/** A process that says a line when it is ready, and does what it is told when it is written one. */
async function program(source: string) {
  const child = spawn(process.execPath, ["-e", source], { stdio: ["pipe", "pipe", "inherit"] });
  await once(child.stdout, "data");
  return {
    pid: child.pid as number,
    async go() {
      child.stdin.write("go\n");
      await once(child.stdout, "data");
    },
    async end() {
      child.kill("SIGKILL");
      await once(child, "close");
    },
  };
}

describe("files of /proc", () => {
  test("the first number of schedstat is the time on a processor", () => {
    expect(cpuTime("1126523 324650 9\n")).toBe(1_126_523);
  });

  test("context switches are told apart", () => {
    const status =
      "Name:\tnode\nThreads:\t11\nvoluntary_ctxt_switches:\t1204\nnonvoluntary_ctxt_switches:\t17\n";
    expect(switches(status)).toEqual({ voluntary: 1204, involuntary: 17 });
  });

  test("the name of a program may hold parentheses and spaces", () => {
    const rest = "S 1 2 3 0 -1 4194304 500 0 0 0 120 30 0 0 20 0 11 0 900 1000 200";
    expect(ticks(`42 (a (b) c) ${rest}`)).toBe(150);
  });

  test("the time of children that have ended is told apart", () => {
    const stat = "42 (node) S 1 2 3 0 -1 4194304 500 0 0 0 120 30 7 3 20 0 11 0 900 1000 200";
    expect(ticks(stat)).toBe(150);
    expect(ticksWithChildren(stat)).toBe(160);
  });

  test("shared memory is left out of what a process has of its own", () => {
    const rollup = [
      "555e45e86000-7fffa1ab1000 ---p 00000000 00:00 0                          [rollup]",
      "Rss:                2016 kB",
      "Pss:                 388 kB",
      "Pss_Dirty:           152 kB",
      "Pss_Shmem:           100 kB",
      "",
    ].join("\n");
    expect(ownMemory(rollup)).toBe(288 * 1024);
    expect(sharedMemory("MemFree:  5 kB\nShmem:              8300 kB\nShmemHugePages:  0 kB\n")).toBe(
      8300 * 1024,
    );
  });

  test("a kernel that doesn't tell is said to", () => {
    expect(() => ownMemory("Pss:                 388 kB\n")).toThrow("does not tell Pss_Shmem");
  });
});

describe("what a process used", () => {
  const thread = (ns: number, voluntary = 0, involuntary = 0) => ({ ns, voluntary, involuntary });

  test("all threads count, also those that came in between", () => {
    const before = { ticksNs: 0, threads: new Map([["1", thread(5e6, 3, 1)]]) };
    const after = {
      ticksNs: 0,
      threads: new Map([
        ["1", thread(7e6, 5, 1)],
        ["2", thread(1e6, 4, 2)],
      ]),
    };
    expect(used(before, after)).toEqual({ ns: 3e6, voluntary: 6, involuntary: 2 });
  });

  test("the time of a thread that has ended is not lost", () => {
    const before = {
      ticksNs: 1e9,
      threads: new Map([
        ["1", thread(5e6)],
        ["2", thread(900e6)],
      ]),
    };
    const after = { ticksNs: 2e9, threads: new Map([["1", thread(6e6)]]) };
    expect(used(before, after).ns).toBe(980e6);
  });

  test.runIf(isLinux)("100 ms of work are measured as about that", async () => {
    const burner = await program(`
      console.log("ready");
      process.stdin.once("data", () => {
        const { user, system } = process.cpuUsage();
        for (let now; (now = process.cpuUsage()).user + now.system - user - system < 100_000; );
        console.log("done");
      });
    `);
    const before = usage(burner.pid);
    await burner.go();
    const { ns, voluntary } = used(before, usage(burner.pid));
    await burner.end();
    expect(ns).toBeGreaterThan(90e6);
    expect(ns).toBeLessThan(250e6);
    expect(voluntary).toBeGreaterThan(0);
  });

  test.runIf(isLinux)("a process that sleeps uses next to nothing", async () => {
    const sleeper = await program('console.log("ready"); process.stdin.resume();');
    const settled = usage(sleeper.pid);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(used(settled, usage(sleeper.pid)).ns).toBeLessThan(100e6);
    await sleeper.end();
  });

  test.runIf(isLinux)("memory of a process and of its children is counted", async () => {
    const parent = await program(`
      console.log("ready");
      process.stdin.once("data", () => {
        const child = require("node:child_process").spawn(
          process.execPath,
          ["-e", "const held = Buffer.alloc(64 << 20, 1); console.log('full'); setInterval(() => held, 1e6)"],
          { stdio: ["ignore", "pipe", "inherit"] },
        );
        process.on("exit", () => child.kill());
        child.stdout.once("data", () => console.log("done"));
        process.stdin.once("data", () => { child.kill(); child.once("close", () => console.log("gone")); });
      });
    `);
    const before = memoryOf([parent.pid]);
    await parent.go();
    const grown = memoryOf([parent.pid]) - before;
    await parent.go();
    await parent.end();
    expect(grown).toBeGreaterThan(60 * MIB);
    expect(grown).toBeLessThan(256 * MIB);
  });
});

describe("system calls", () => {
  test("those between two marks are counted, each once", () => {
    const file = join(directory, "trace");
    const lines = [
      '10 read(3, "x", 1) = 1',
      '10 access("/ringbell-bench-mark-begin-cost", F_OK) = -1 ENOENT (No such file or directory)',
      '10 write(4, "x", 1 <unfinished ...>',
      "11 epoll_pwait(5, [], 1024, 0, NULL, 8) = 0",
      "10 <... write resumed>)              = 1",
      "11 --- SIGSTOP {si_signo=SIGSTOP, si_code=SI_USER} ---",
      '10 write(4, "x", 1) = 1',
      '10 access("/ringbell-bench-mark-end-cost", F_OK) = -1 ENOENT (No such file or directory)',
      '10 read(3, "x", 1) = 1',
    ];
    writeFileSync(file, lines.join("\n"));
    expect(systemCalls(file, "begin-cost", "end-cost")).toEqual({ write: 2, epoll_pwait: 1 });
  });

  test.runIf(canTrace)("a running process is traced, and goes on after it", async () => {
    const writer = await program(`
      const fs = require("node:fs");
      console.log("ready");
      process.stdin.on("data", () => {
        fs.existsSync("/ringbell-bench-mark-begin-cost");
        for (let i = 0; i < 10; i++) fs.accessSync("/");
        fs.existsSync("/ringbell-bench-mark-end-cost");
        console.log("done");
      });
    `);
    const file = join(directory, "trace");
    await whileTraced([writer.pid], file, () => writer.go());
    const calls = systemCalls(file, "begin-cost", "end-cost");
    expect((calls.access ?? 0) + (calls.faccessat ?? 0) + (calls.faccessat2 ?? 0)).toBe(10);
    await writer.go();
    await writer.end();
  });

  test.runIf(canTrace)("a process that isn't there can't be traced, and that is said", async () => {
    const gone = await program('console.log("ready")');
    await gone.end();
    await expect(whileTraced([gone.pid], join(directory, "trace"), async () => {})).rejects.toThrow(
      "strace can't attach itself here",
    );
  });
});

describe("messages at a rate", () => {
  // However long the timer is kept waiting by whatever else runs here.
  const patience = Number.POSITIVE_INFINITY;

  test("each is sent by itself, and the round ends with the last answer", async () => {
    const sent: number[] = [];
    let each = () => {};
    const { messages } = await ticked({
      send(i) {
        sent.push(i);
        setTimeout(each, 5);
      },
      hear(answered) {
        each = answered;
      },
      rate: 500,
      seconds: 0.02,
      patience,
    });
    expect(messages).toBe(10);
    expect(sent).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  test("the timer alone fires as often", async () => {
    expect((await ticked({ rate: 500, seconds: 0.02, patience })).messages).toBe(10);
  });
});
