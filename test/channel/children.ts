import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

/** A program of test/channel/programs that speaks in lines of JSON. */
export class Child {
  readonly process: ChildProcess;
  readonly exited: Promise<unknown>;
  readonly #lines: AsyncIterator<string>;

  /** `wrapper`: a command that starts the program, such as `unshare`. */
  constructor(
    program: string,
    args: readonly string[],
    env: Record<string, string> = {},
    wrapper: readonly string[] = [],
  ) {
    const path = fileURLToPath(new URL(`./programs/${program}`, import.meta.url));
    const [command, ...rest] = [...wrapper, process.execPath, path, ...args];
    this.process = spawn(command!, rest, {
      stdio: ["pipe", "pipe", "inherit"],
      env: { ...process.env, ...env },
    });
    this.exited = once(this.process, "exit");
    this.#lines = createInterface({ input: this.process.stdout! })[Symbol.asyncIterator]();
    onTestFinished(async () => {
      this.process.kill("SIGKILL");
      await this.exited;
    });
  }

  get pid(): number {
    return this.process.pid!;
  }

  /** What it says next; rejects if it ends before. */
  async says(): Promise<Record<string, unknown>> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error("the program has ended");
    return JSON.parse(value) as Record<string, unknown>;
  }

  tell(command: string): void {
    this.process.stdin!.write(`${command}\n`);
  }

  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    this.process.kill(signal);
    await this.exited;
  }
}

/** A process that listens under a name; resolves when it does. */
export async function listenerChild(
  name: string,
  options: object,
  env: Record<string, string> = {},
  wrapper: readonly string[] = [],
): Promise<Child> {
  const child = new Child("listener.mjs", [name, JSON.stringify(options)], env, wrapper);
  const said = await child.says();
  if (said.state !== "listening") throw new Error(`it does not listen: ${JSON.stringify(said)}`);
  return child;
}
