import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { nearest } from "../../lib/cli/nearest.js";
import { runProgram } from "../../lib/cli/program.js";
import { PLAIN, styleFor } from "../../lib/cli/style.js";
import { cut, table, widthOf, wrap } from "../../lib/cli/table.js";
import { scratchDirectory } from "../transport/scratch.js";
import { MAIN, ringbell } from "./run.js";

describe("the command line", () => {
  it("can be run by itself: its first line names node", () => {
    expect(readFileSync(MAIN, "utf8").split("\n")[0]).toBe("#!/usr/bin/env node");
  });

  it("has help for the whole and for each command, on standard output", async () => {
    const whole = await ringbell(["--help"]);
    expect([whole.code, whole.stderr]).toEqual([0, ""]);
    expect(Math.max(...whole.stdout.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
    for (const command of ["ls", "mail", "call", "doctor", "gc", "build-addon", "bench"]) {
      expect(whole.stdout).toMatch(new RegExp(`^  ${command} `, "m"));
      const asked = await Promise.all([
        ringbell([command, "--help"]),
        ringbell(["help", command]),
        ringbell([command, "--nonsense", "-h"]),
      ]);
      for (const { code, stdout } of asked) {
        expect(code).toBe(0);
        expect(stdout).toMatch(new RegExp(`^Usage: ringbell ${command} `));
        expect(stdout).toContain(command === "build-addon" ? "--output" : "--json");
        expect(Math.max(...stdout.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
      }
    }
  });

  it("tells its version", async () => {
    const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
      version: string;
    };
    expect(await ringbell(["--version"])).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
  });

  it.each([
    [["lss"], 'unknown command "lss"; did you mean ls?'],
    [["dctor"], 'unknown command "dctor"; did you mean doctor?'],
    [
      ["collect"],
      'unknown command "collect"; the commands are ls, top, tap, record, replay, doctor, gc, call, serve, relay, mail, mcp, audit, build-addon, bench',
    ],
    [["ls", "--jsno"], "unknown option --jsno; did you mean --json?"],
    [["gc", "--dryrun"], "unknown option --dryrun; did you mean --dry-run?"],
    [["doctor", "--all"], "unknown option --all; the options are --json, --verbose, --help"],
    [["--verison"], "unknown option --verison; did you mean --version?"],
    [["ls", "-x"], "unknown option -x; the options are"],
    [["ls", "extra"], 'ls takes no argument; "extra" is one too many'],
    [["ls", "--namespace"], "--namespace needs a value: --namespace NAME"],
    [["ls", "--namespace", "--json"], "--namespace needs a value: --namespace NAME"],
    [["ls", "--json=yes"], "--json takes no value"],
    [["ls", "-n", "a", "-n", "b"], "--namespace is given twice"],
    [["ls", "-n", "a/b"], "--namespace must be a letter or digit"],
    [["ls", "--directory="], "--directory must be an absolute path"],
    [["ls", "--timeout", "soon"], "--timeout must be a number of milliseconds"],
  ])("%j is refused by name, with the nearest known word, and exit code 2", async (args, message) => {
    const printed: string[] = [];
    const complaints: string[] = [];
    const output = { print: (text: string) => void printed.push(text), style: PLAIN, width: undefined };
    const code = await runProgram(args, output, (text) => void complaints.push(text));
    expect([code, printed, complaints.length]).toEqual([2, [], 1]);
    expect(complaints[0]).toContain(`ringbell: ${message}`);
    expect(complaints[0]).not.toContain("\n");
  });

  it("tells by exit code and standard error that it was not understood", async () => {
    const { code, stdout, stderr } = await ringbell(["gcc"]);
    expect([code, stdout, stderr]).toEqual([2, "", 'ringbell: unknown command "gcc"; did you mean gc?\n']);
  });

  it("without a command shows the help, and exits with 2", async () => {
    const { code, stdout, stderr } = await ringbell([]);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain("Usage: ringbell <command>");
  });

  it("reports an error in one line with its code, and the stack only if asked to", async () => {
    const directory = scratchDirectory();
    chmodSync(directory, 0o777);
    const short = await ringbell(["ls", "-d", directory]);
    expect([short.code, short.stdout]).toEqual([1, ""]);
    expect(short.stderr).toMatch(/^ringbell: [^\n]* \(ERR_RINGBELL_ACCESS\)\n$/);
    for (const long of [
      await ringbell(["ls", "-d", directory, "--verbose"]),
      await ringbell(["ls", "-d", directory], { NODE_DEBUG: "ringbell" }),
    ]) {
      expect(long.code).toBe(1);
      expect(long.stderr).toMatch(/^ +at /m);
    }
  });

  it("does not mind a reader that goes away", async () => {
    const child = spawn(process.execPath, [MAIN, "ls", "-d", scratchDirectory()], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    child.stdout.destroy();
    let stderr = "";
    child.stderr.on("data", (text) => {
      stderr += String(text);
    });
    const [code] = (await once(child, "close")) as [number];
    expect([code, stderr]).toEqual([0, ""]);
  });

  it("colours only for a terminal that wants it", () => {
    const red = (stream: { isTTY?: boolean }, env: Record<string, string>) => styleFor(stream, env).bad("x");
    expect(red({ isTTY: true }, { TERM: "xterm" })).toBe("\u001b[31mx\u001b[0m");
    expect(red({ isTTY: true }, { NO_COLOR: "" })).toContain("\u001b");
    expect(red({ isTTY: true }, { NO_COLOR: "1" })).toBe("x");
    expect(red({ isTTY: true }, { TERM: "dumb" })).toBe("x");
    expect(red({}, {})).toBe("x");
  });
});

describe("words and tables", () => {
  it("guesses only what is near", () => {
    expect(nearest("nmaespace", ["namespace", "all"])).toBe("namespace");
    expect(nearest("dir", ["directory", "dry-run"])).toBe("directory");
    expect(nearest("zzz", ["ls", "gc"])).toBeUndefined();
  });

  it("lays out columns, leaves empty ones out, and cuts what may be cut where the line is too long", () => {
    const columns = [
      { title: "A", least: 4 },
      { title: "B" },
      { title: "C", align: "right" as const },
      { title: "D" },
    ];
    const rows = [
      ["abcdefghij", "", "1", "x"],
      ["k", "", "22", ""],
    ];
    expect(table(columns, rows)).toEqual(["A            C  D", "abcdefghij   1  x", "k           22"]);
    expect(table(columns, rows, { width: 14, indent: 1 })).toEqual([
      " A        C  D",
      " abcde…   1  x",
      " k       22",
    ]);
    expect(table(columns, rows, { width: 3 })[1]).toBe("abc…   1  x");
  });

  it("counts columns of the terminal, not characters", () => {
    expect(widthOf("e\u0301")).toBe(1);
    expect(widthOf("日本")).toBe(4);
    expect(cut("日本語", 5)).toBe("日本…");
    expect(cut("short", 5)).toBe("short");
    expect(wrap("aa bb cc\ndd", 5)).toEqual(["aa bb", "cc", "dd"]);
  });
});
