import { emitKeypressEvents } from "node:readline";
import { stripVTControlCharacters } from "node:util";
import { cut, widthOf } from "./table.js";

/** The other screen of the terminal, without a cursor; and back. */
const ENTER = "\u001b[?1049h\u001b[?25l";
const LEAVE = "\u001b[?25h\u001b[?1049l";
const HOME = "\u001b[H";
const REST_OF_LINE = "\u001b[K";
const REST_OF_SCREEN = "\u001b[J";

/** A key: a letter as it is, or a name such as `up`, `return`, `escape`. */
export type Key = string;

/**
 * The whole terminal, as long as a program draws on it. It is left as it was, also when the program is killed by
 * a signal that can be caught, or stopped by Ctrl+Z.
 */
export class Screen {
  readonly #out: NodeJS.WriteStream;
  readonly #in: NodeJS.ReadStream;
  readonly #onKey: (key: Key) => void;
  readonly #onChange: () => void;
  #entered = false;

  /** `onChange` is called when the screen must be drawn again: the terminal has another size, or the program goes on after a stop. */
  constructor(
    out: NodeJS.WriteStream,
    input: NodeJS.ReadStream,
    onKey: (key: Key) => void,
    onChange: () => void,
  ) {
    this.#out = out;
    this.#in = input;
    this.#onKey = onKey;
    this.#onChange = onChange;
  }

  get width(): number {
    return Math.max(20, this.#out.columns || 80);
  }

  get height(): number {
    return Math.max(4, this.#out.rows || 24);
  }

  enter(): void {
    process.on("exit", this.#leave);
    process.on("SIGCONT", this.#goOn);
    this.#out.on("resize", this.#onChange);
    if (this.#in.isTTY) {
      emitKeypressEvents(this.#in);
      this.#in.on("keypress", this.#keypress);
    }
    this.#show();
  }

  leave(): void {
    process.off("exit", this.#leave);
    process.off("SIGCONT", this.#goOn);
    this.#out.off("resize", this.#onChange);
    this.#in.off("keypress", this.#keypress);
    this.#leave();
    this.#in.pause();
  }

  /** Draws lines from the top. Lines that are too long are cut, and so are lines that do not fit below. Nothing flickers: no line is cleared before it is written. */
  draw(lines: readonly string[]): void {
    if (!this.#entered) return;
    const shown = lines.slice(0, this.height).map((line) => this.#fitted(line) + REST_OF_LINE);
    this.#out.write(HOME + shown.join("\r\n") + (shown.length < this.height ? REST_OF_SCREEN : ""));
  }

  #fitted(line: string): string {
    const bare = stripVTControlCharacters(line);
    return widthOf(bare) <= this.width ? line : cut(bare, this.width);
  }

  #show(): void {
    if (this.#entered) return;
    this.#entered = true;
    if (this.#in.isTTY) this.#in.setRawMode(true).resume();
    this.#out.write(ENTER);
  }

  readonly #leave = (): void => {
    if (!this.#entered) return;
    this.#entered = false;
    if (this.#in.isTTY) this.#in.setRawMode(false);
    this.#out.write(LEAVE);
  };

  readonly #goOn = (): void => {
    this.#show();
    this.#onChange();
  };

  readonly #keypress = (
    text: string | undefined,
    key: { name?: string; ctrl?: boolean } | undefined,
  ): void => {
    // In raw mode the terminal makes no signals of keys.
    if (key?.ctrl === true && key.name === "c") process.kill(process.pid, "SIGINT");
    else if (key?.ctrl === true && key.name === "z") {
      this.#leave();
      process.kill(process.pid, "SIGSTOP");
    } else this.#onKey(text !== undefined && /^[!-~]$/.test(text) ? text : (key?.name ?? ""));
  };
}
