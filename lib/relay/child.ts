import { type ChildProcess, spawn } from "node:child_process";
import { clearTimeout, setTimeout } from "../clock.js";
import { DecodeError } from "../errors.js";
import type { Framing } from "../rpc/framing.js";
import { TextPipe } from "./text-pipe.js";

/** How long (ms) a child has to end by itself after its standard input has ended, and again after a SIGTERM. */
const PATIENCE = 2000;

export interface ChildOptions {
  readonly framing: Framing;
  /** Called with each text that the child writes to its standard output. */
  readonly text: (text: string) => void;
}

/** A program that speaks by its standard streams. Its standard error is ours. */
export class TextChild {
  readonly pid: number | undefined;
  readonly pipe: TextPipe;
  /** Resolves with how the child has ended, in words such as `exit code 1`, and after all that it had written was given to `text`. */
  readonly ended: Promise<string>;
  readonly #process: ChildProcess;
  #stopping: Promise<string> | undefined;

  constructor(command: readonly string[], { framing, text }: ChildOptions) {
    const [program, ...args] = command;
    const child = spawn(program!, args, { stdio: ["pipe", "pipe", "inherit"] });
    this.#process = child;
    this.pid = child.pid;
    this.pipe = new TextPipe(child.stdout, child.stdin, framing, text);
    let fault = "";
    void this.pipe.ended.then((error) => {
      if (!(error instanceof DecodeError)) return;
      fault = `, after it wrote what is no message: ${error.message}`;
      void this.stop();
    });
    this.ended = new Promise((resolve) => {
      child.on("error", (error) => resolve(`it can't be started: ${error.message}`));
      child.on("close", (code, signal) =>
        resolve(`${signal === null ? `exit code ${code}` : `signal ${signal}`}${fault}`),
      );
    });
  }

  /** Ends the child: by the end of its standard input; if that is not enough by SIGTERM, and then by SIGKILL. Resolves when it is gone. */
  stop(): Promise<string> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<string> {
    this.pipe.finish();
    // What it still writes is read, so that it does not wait for us.
    this.pipe.resume();
    const kill = (signal: NodeJS.Signals) => () => this.#process.kill(signal);
    const timers = [
      setTimeout(kill("SIGTERM"), PATIENCE),
      setTimeout(kill("SIGKILL"), 2 * PATIENCE),
      // A process that it has left behind may hold its standard output open.
      setTimeout(() => this.#process.stdout?.destroy(), 3 * PATIENCE),
    ];
    const how = await this.ended;
    for (const timer of timers) clearTimeout(timer);
    return how;
  }
}
