import { TextChild } from "../../relay/child.js";
import type { McpMessage } from "../message.js";
import { Switchboard, type SwitchboardOptions } from "./switchboard.js";

/** One run of the shared server, with the clients that it has. */
export class Upstream {
  readonly board: Switchboard;
  readonly pid: number | undefined;
  /** Resolves with how the server has ended, in words, once its clients were told. */
  readonly ended: Promise<string>;
  readonly #child: TextChild;

  constructor(command: readonly string[], options: SwitchboardOptions) {
    this.#child = new TextChild(command, { framing: "lines", text: (line) => this.#read(line) });
    this.pid = this.#child.pid;
    this.board = new Switchboard(
      (message: McpMessage) => this.#child.pipe.write(JSON.stringify(message)),
      options,
    );
    this.ended = this.#child.ended.then((how) => {
      this.board.end(`the server has ended: ${how}`);
      return how;
    });
  }

  /** Resolves when the server takes more. Clients wait for it before they are read on. */
  async room(): Promise<void> {
    await this.#child.pipe.room();
  }

  /** Whether the server has to wait until its clients take what it says. */
  pause(on: boolean): void {
    if (on) this.#child.pipe.pause();
    else this.#child.pipe.resume();
  }

  stop(): Promise<string> {
    return this.#child.stop();
  }

  #read(line: string): void {
    let message: unknown;
    try {
      message = JSON.parse(line);
    } catch {
      // Servers that log to their standard output break the protocol, and clients skip it. So does a shared one.
      return;
    }
    this.board.fromServer(message);
  }
}
