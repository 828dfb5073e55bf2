import type { Readable, Writable } from "node:stream";
import { ClosedError } from "../errors.js";
import { type Deframer, deframer, type Framing, framed } from "../rpc/framing.js";

/** The longest text that is taken from a stream, in bytes: the most that a message of a channel has by default. */
export const LONGEST_TEXT = 256 * 1024 * 1024;

/** Texts over two streams of bytes, such as the standard streams of a process. The texts are JSON, which is not looked into. */
export class TextPipe {
  readonly #readable: Readable;
  readonly #writable: Writable;
  readonly #framing: Framing;
  readonly #deframer: Deframer;
  #over = false;
  /** Resolves when the readable has ended, or one of the two can't be used any more; with an error if there is one. */
  readonly ended: Promise<Error | undefined>;
  #end!: (error?: Error) => void;

  /** `text` is called with each text that comes. */
  constructor(readable: Readable, writable: Writable, framing: Framing, text: (text: string) => void) {
    this.#readable = readable;
    this.#writable = writable;
    this.#framing = framing;
    this.#deframer = deframer(framing, LONGEST_TEXT, text);
    this.ended = new Promise((resolve) => {
      this.#end = (error) => {
        this.#over = true;
        resolve(error);
      };
    });
    readable.on("data", (chunk: Uint8Array) => this.#read(chunk));
    readable.on("end", () => this.#end());
    readable.on("close", () => this.#end());
    readable.on("error", (error) => this.#end(error));
    writable.on("error", (error) => this.#end(error));
    writable.on("close", () => this.#end());
  }

  /** Writes a text. Resolves when the writable takes more. Rejects when the pipe has ended. */
  async send(text: string): Promise<void> {
    this.write(text);
    await this.room();
    if (this.#over) throw new ClosedError("the stream has ended");
  }

  /** Resolves when the writable takes more without gathering it, or the pipe has ended. */
  async room(): Promise<void> {
    while (!this.#over && this.#writable.writableNeedDrain) await this.#news();
  }

  /** Writes a text, and waits for nothing. */
  write(text: string): void {
    if (!this.#over)
      this.#writable.write(framed(this.#framing, this.#framing === "lines" ? oneLine(text) : text));
  }

  pause(): void {
    this.#readable.pause();
  }

  resume(): void {
    if (!this.#over) this.#readable.resume();
  }

  /** Ends what is written, and reads on. */
  finish(): void {
    this.#writable.end();
  }

  /** Stops reading, and lets the process end that has the streams. */
  destroy(): void {
    this.#end();
    this.#readable.destroy();
  }

  #read(chunk: Uint8Array): void {
    if (this.#over) return;
    try {
      this.#deframer.push(chunk);
    } catch (error) {
      // Where the next text begins is not known any more.
      this.#end(error as Error);
    }
  }

  #news(): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.#writable.off("drain", done);
        this.#writable.off("close", done);
        resolve();
      };
      this.#writable.on("drain", done);
      this.#writable.on("close", done);
    });
  }
}

/** JSON has line ends only between its tokens, where a space means the same. */
function oneLine(text: string): string {
  return /[\r\n]/.test(text) ? text.replace(/[\r\n]+/g, " ") : text;
}
