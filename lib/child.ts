import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { checkInteger } from "./check.js";
import { clearTimeout, setTimeout } from "./clock.js";
import { ChildEndedError } from "./errors.js";
import { offAbort, onAbort } from "./signal.js";

/** How a child is started and ended. */
export interface ChildOptions {
  /** The child's working directory. Default: that of this process. */
  readonly cwd?: string | URL | undefined;
  /** The child's environment, to which the address of the connection is added. Default: that of this process. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** The child's standard streams, as for `child_process.spawn`. Default `"inherit"`. */
  readonly stdio?: SpawnOptions["stdio"] | undefined;
  /** How long the child may take until it is connected, in ms, 1 to 600 000. Default 10 000. Its end is told at once. */
  readonly startTimeout?: number | undefined;
  /** How long the child may take to end after `close`, in ms, 0 to 600 000. Then it is killed. Default 5000. */
  readonly endTimeout?: number | undefined;
}

export const CHILD_OPTIONS = ["cwd", "env", "stdio", "startTimeout", "endTimeout"] as const;

/** How a process has ended: by a code, or by a signal. */
export interface ChildExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A process of ours: reaped when it has ended, and ended when it is not needed any more. */
export class Child {
  readonly process: ChildProcess;
  /** Resolves when the process has ended and was reaped. Rejects with an error of Node's if it could not be started. */
  readonly exited: Promise<ChildExit>;
  readonly startTimeout: number;
  readonly #command: string;
  readonly #endTimeout: number;

  /** `variable`: what is added to the child's environment. */
  constructor(
    command: string,
    args: readonly string[],
    options: ChildOptions,
    variable: Readonly<Record<string, string>>,
  ) {
    const { cwd, env = process.env, stdio = "inherit", startTimeout = 10_000, endTimeout = 5000 } = options;
    this.startTimeout = checkInteger(startTimeout, "options.startTimeout", 1, 600_000);
    this.#endTimeout = checkInteger(endTimeout, "options.endTimeout", 0, 600_000);
    this.#command = command;
    this.process = spawn(command, args, { cwd, env: { ...env, ...variable }, stdio });
    this.exited = new Promise((resolve, reject) => {
      this.process.once("error", (error) => {
        // A child that runs emits errors, too: of a signal that could not be sent.
        if (this.process.pid === undefined) reject(error);
      });
      this.process.once("exit", (code, signal) => resolve({ code, signal }));
    });
    this.exited.catch(() => {});
  }

  /**
   * Waits until `connecting` has connected, for as long as the child lives. Rejects with a ChildEndedError as soon as it has ended, and
   * with what it rejected with otherwise; the child is ended then.
   */
  async connected<T>(connecting: (signal: AbortSignal) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const early = new AbortController();
    const stop = () => early.abort(signal?.reason);
    this.exited.then(
      ({ code, signal: by }) => early.abort(new ChildEndedError(this.#command, code, by)),
      (cause) => early.abort(new ChildEndedError(this.#command, null, null, { cause })),
    );
    if (signal?.aborted) stop();
    else if (signal !== undefined) onAbort(signal, stop);
    try {
      return await connecting(early.signal);
    } catch (error) {
      await this.end(0);
      throw error;
    } finally {
      if (signal !== undefined) offAbort(signal, stop);
    }
  }

  /** Waits until the process has ended by itself, and kills it after `timeout` ms. Resolves when it was reaped. */
  async end(timeout: number = this.#endTimeout): Promise<void> {
    const kill = () => void this.process.kill("SIGKILL");
    const timer = setTimeout(kill, timeout);
    await this.exited.catch(() => {});
    clearTimeout(timer);
  }
}
