import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { type MailboxesOptions, mailboxes } from "ringbell/mailbox";
import { onTestFinished } from "vitest";
import { sqliteNode } from "../sqlite-node.js";

export { sqliteNode };

/** Mailboxes in this process, closed after the test. */
export async function opened(options: MailboxesOptions) {
  const mail = await mailboxes({ store: "memory", ...options });
  onTestFinished(() => mail.close());
  return mail;
}

export interface Failure {
  readonly name: string;
  readonly code: string;
  readonly message: string;
  readonly pid?: number;
}

interface Line {
  readonly n?: number;
  readonly value?: unknown;
  readonly error?: Failure;
  readonly state?: string;
  readonly trouble?: Failure;
  readonly ready?: string;
  readonly failed?: Failure;
}

/** A process with mailboxes (programs/member.mjs), by commands. */
export class Member {
  readonly process: ChildProcess;
  readonly exited: Promise<unknown>;
  /** How it began: as `broker` or `client`. Rejects if it could not. */
  readonly ready: Promise<string>;
  readonly states: string[] = [];
  readonly troubles: Failure[] = [];
  readonly #pending = new Map<number, { resolve(value: unknown): void; reject(error: Failure): void }>();
  readonly #listeners = new Set<() => void>();
  #last = 0;

  /** `wrapper`: a command that starts the program, such as `unshare`. */
  constructor(options: MailboxesOptions, wrapper: readonly string[] = []) {
    const path = fileURLToPath(new URL("./programs/member.mjs", import.meta.url));
    const [command, ...args] = [...wrapper, sqliteNode(), path, JSON.stringify(options)];
    this.process = spawn(command!, args, {
      stdio: ["pipe", "pipe", "inherit"],
      env: { ...process.env, NODE_NO_WARNINGS: "1" },
    });
    this.exited = once(this.process, "exit");
    this.process.stdin!.on("error", () => {});
    let begun: { resolve(state: string): void; reject(error: Failure): void };
    this.ready = new Promise<string>((resolve, reject) => {
      begun = { resolve, reject };
    });
    this.ready.catch(() => {});
    createInterface({ input: this.process.stdout! }).on("line", (text) => {
      const line = JSON.parse(text) as Line;
      if (line.ready !== undefined) begun.resolve(line.ready);
      else if (line.failed !== undefined) begun.reject(line.failed);
      else if (line.state !== undefined) this.states.push(line.state);
      else if (line.trouble !== undefined) this.troubles.push(line.trouble);
      else if (line.error !== undefined) this.#take(line.n!)?.reject(line.error);
      else this.#take(line.n!)?.resolve(line.value);
      for (const listener of this.#listeners) listener();
    });
    onTestFinished(async () => {
      this.process.kill("SIGKILL");
      if (this.process.exitCode === null && this.process.signalCode === null) await this.exited;
    });
  }

  get pid(): number {
    return this.process.pid!;
  }

  get isBroker(): Promise<boolean> {
    return this.call<boolean>("isBroker");
  }

  call<T>(call: string, ...args: unknown[]): Promise<T> {
    return this.#ask({ call, args });
  }

  box<T>(box: string, call: string, ...args: unknown[]): Promise<T> {
    return this.#ask({ box, call, args });
  }

  settle(position: number, settle: string, ...args: unknown[]): Promise<unknown> {
    return this.#ask({ settle, position, args });
  }

  /** Resolves when what it has said fulfils the condition. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        const listener = () => {
          this.#listeners.delete(listener);
          resolve();
        };
        this.#listeners.add(listener);
      });
    }
  }

  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    this.process.kill(signal);
    await this.exited;
  }

  #ask<T>(command: object): Promise<T> {
    const n = ++this.#last;
    const answer = new Promise<unknown>((resolve, reject) => this.#pending.set(n, { resolve, reject }));
    answer.catch(() => {});
    this.process.stdin!.write(`${JSON.stringify({ n, ...command })}\n`);
    return answer as Promise<T>;
  }

  #take(n: number) {
    const pending = this.#pending.get(n);
    this.#pending.delete(n);
    return pending;
  }
}

/** A member that has begun. */
export async function member(options: MailboxesOptions): Promise<Member> {
  const one = new Member(options);
  await one.ready;
  return one;
}
