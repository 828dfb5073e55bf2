/** One line on the terminal that says what is being measured; silent where standard error is no terminal. */
export class Progress {
  #stream;
  #begin = performance.now();
  #done = 0;
  #total;

  /**
   * @param {number} total steps
   * @param {NodeJS.WriteStream} [stream]
   */
  constructor(total, stream = process.stderr) {
    this.#total = total;
    this.#stream = stream;
  }

  /** @param {string} what comes next */
  step(what) {
    this.#done++;
    if (!this.#stream.isTTY) return;
    const seconds = Math.round((performance.now() - this.#begin) / 1000);
    const line = `[${this.#done}/${this.#total}] ${seconds} s  ${what}`;
    this.#stream.write(`\r\x1b[2K${line.slice(0, (this.#stream.columns || 80) - 1)}`);
  }

  /** Takes steps out that will not come. @param {number} steps */
  skip(steps) {
    this.#total -= steps;
  }

  clear() {
    if (this.#stream.isTTY) this.#stream.write("\r\x1b[2K");
  }
}
