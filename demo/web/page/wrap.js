/**
 * Breaks lines between words, where a terminal would break them between characters. It knows what the agent writes: text, colours, `\r`,
 * `\n`, and the erasing of a line. What it does not know it passes on.
 */
export class Wrap {
  #decoder = new TextDecoder();
  #column = 0;
  #columns;

  constructor(columns) {
    this.#columns = columns;
  }

  push(bytes) {
    const parts = this.#decoder.decode(bytes, { stream: true }).match(PARTS) ?? [];
    return parts.map((part) => this.#part(part)).join("");
  }

  #part(part) {
    if (part[0] === "\x1b") return part;
    if (part[0] === "\r" || part[0] === "\n") {
      this.#column = 0;
      return part;
    }
    const after = this.#column + part.length;
    if (part[0] === " " && this.#column > 0 && after >= this.#columns) {
      this.#column = 0;
      return "\r\n";
    }
    if (after > this.#columns && part.length <= this.#columns) {
      this.#column = part.length;
      return `\r\n${part}`;
    }
    // A word that is longer than a line is broken by the terminal.
    this.#column = ((after - 1) % this.#columns) + 1;
    return part;
  }
}

/** A control sequence, an end of a line, spaces, or a word. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: terminals have them.
const PARTS = /\x1b\[[\d;]*[A-Za-z]|\x1b|[\r\n]|[ ]+|[^\x1b\r\n ]+/g;
