import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { Child } from "../channel/children.js";

export const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command as a process of its own, without what the environment says of ringbell, and waits for its end. */
export function ringbell(args: readonly string[], env: Record<string, string> = {}): Promise<Outcome> {
  return runNode([MAIN, ...args], env);
}

/** Runs an ES module in a process of its own, without what the environment says of ringbell, and waits for its end. */
export function runCode(
  code: string,
  env: Record<string, string> = {},
  nodeOptions: readonly string[] = [],
): Promise<Outcome> {
  return runNode([...nodeOptions, "--input-type=module", "-e", code], env);
}

/** As `runCode`, with the arguments of Node. */
export function runNode(args: readonly string[], env: Record<string, string> = {}): Promise<Outcome> {
  return runProgram(process.execPath, args, env);
}

export function runProgram(
  path: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<Outcome> {
  const child = spawn(path, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...cleanEnvironment(), ...env },
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  return outcome(child);
}

function cleanEnvironment(): Record<string, string | undefined> {
  const clean = Object.entries(process.env).filter(
    ([name]) => !/^(RINGBELL_|NO_COLOR|FORCE_COLOR|NODE_DEBUG)/.test(name),
  );
  return Object.fromEntries(clean);
}

/** All that it says, and how it ends. */
export function outcome(child: ChildProcessByStdio<null, Readable, Readable>): Promise<Outcome> {
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout, stderr }));
  });
}

/** What it prints with `--json`. */
export async function ringbellJson<T>(args: readonly string[], env: Record<string, string> = {}): Promise<T> {
  const { stdout, stderr } = await ringbell([...args, "--json"], env);
  if (stderr !== "") throw new Error(stderr);
  return JSON.parse(stdout) as T;
}

/** A program of test/cli/programs; resolves when it has said that it is ready. */
export async function program(name: string, ...args: string[]): Promise<Child> {
  const child = new Child(`../../cli/programs/${name}`, args);
  await child.says();
  return child;
}
