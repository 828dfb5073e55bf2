import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished } from "vitest";

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** A directory as a user of the package would have one: with `ringbell`, and a few others, in its node_modules. */
export function workshop(): string {
  const directory = privateDirectory();
  for (const scope of ["@types", "@agentclientprotocol"]) {
    mkdirSync(join(directory, "node_modules", scope), { recursive: true });
  }
  writeFileSync(join(directory, "package.json"), '{ "type": "module" }\n');
  symlinkSync(root, join(directory, "node_modules", "ringbell"));
  for (const name of [
    "zod",
    "ws",
    "@types/ws",
    "@types/node",
    "@modelcontextprotocol",
    "@agentclientprotocol/sdk",
    "vscode-jsonrpc",
  ]) {
    symlinkSync(join(root, "node_modules", name), join(directory, "node_modules", name));
  }
  return directory;
}

export function privateDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "rb-docs-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Runs a program as `runCommand` does, in the directory where it lies. */
export function run(program: string): Promise<string> {
  return runCommand(`exec node ${program}`, dirname(program));
}

/** Runs a shell's command with a directory of endpoints of its own, and expects it to end well and to leave nothing there. */
export async function runCommand(command: string, cwd: string): Promise<string> {
  const endpoints = privateDirectory();
  const { code, output } = await start("sh", ["-c", command], {
    cwd,
    env: { ...process.env, RINGBELL_DIRECTORY: endpoints },
  });
  expect(code, output).toBe(0);
  expect(readdirSync(endpoints)).toEqual([]);
  return output;
}

export const TSC_OPTIONS = [
  ["--target", "es2022"],
  ["--lib", "es2022,esnext.disposable"],
  ["--module", "nodenext"],
  ["--types", "node"],
  ["--strict"],
  ["--exactOptionalPropertyTypes"],
  ["--skipLibCheck"],
].flat();

/** Compiles TypeScript, and expects no complaint. */
export async function tsc(directory: string, args: readonly string[]): Promise<void> {
  const compiler = join(root, "node_modules", ".bin", "tsc");
  const { code, output } = await start(compiler, [...TSC_OPTIONS, ...args], { cwd: directory });
  expect(output).toBe("");
  expect(code).toBe(0);
}

async function start(
  command: string,
  args: readonly string[],
  options: { cwd: string; env?: NodeJS.ProcessEnv },
): Promise<{ code: number | null; output: string }> {
  const child = spawn(command, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const exit = new Promise<number | null>((resolve, reject) => {
    child.once("exit", resolve);
    child.once("error", reject);
  });
  const [code, out, err] = await Promise.all([exit, text(child.stdout), text(child.stderr)]);
  return { code, output: out + err };
}

/** Expects the lines that were announced, in which "…" stands for anything. */
export function expectLines(output: string, announced: readonly string[]): void {
  const pattern = announced.map((line) => line.split("…").map(escaped).join(".+")).join("\n");
  expect(output.trimEnd()).toMatch(new RegExp(`^${pattern}$`));
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
