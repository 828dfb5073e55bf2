const INTERVAL = 100;
const BAR = 20;

/** One line on the terminal that says how far the work is; nothing at all where standard output is no terminal. */
export class Progress {
  #stream;
  #timer;

  /** @param {NodeJS.WriteStream} stream */
  constructor(stream) {
    this.#stream = stream;
  }

  /**
   * @param {string} title
   * @param {readonly import("./desk.mjs").Desk[]} desks
   * @param {number} begin as performance.now() has it
   */
  start(title, desks, begin) {
    if (!this.#stream.isTTY || process.env.TERM === "dumb") return;
    const draw = () => {
      const line = progressLine(title, desks, performance.now() - begin, this.#stream.columns || 80);
      this.#stream.write(`\r${line}\x1b[K`);
    };
    draw();
    this.#timer = setInterval(draw, INTERVAL);
  }

  stop() {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#stream.write("\r\x1b[K");
  }
}

/** As much as fits: first the whole, then the rate, then the agents one by one. */
function progressLine(title, desks, elapsed, columns) {
  const done = desks.reduce((sum, { count }) => sum + count, 0);
  const all = desks.reduce((sum, { results }) => sum + results.length, 0);
  const part = all === 0 ? 1 : done / all;
  const full = Math.round(part * BAR);
  let line = `${title} ${"█".repeat(full)}${"░".repeat(BAR - full)} ${percent(part)}`;
  const bytes = desks.reduce((sum, { progress }) => sum + (progress?.bytes ?? 0), 0);
  const more = [
    `  ${(bytes / 1e6 / (elapsed / 1000)).toFixed(0).padStart(3)} MB/s`,
    ...desks.flatMap(({ kind, agents }) => {
      if (!agents.some(({ killed }) => killed)) return [];
      return [`  ${kind.name} ${agents.at(-1).killed ? "killed" : "replaced"}`];
    }),
    ...desks.map(
      ({ kind, count, results }) => `  ${kind.name} ${percent(count / Math.max(1, results.length))}`,
    ),
  ];
  for (const text of more) {
    if (line.length + text.length >= columns) break;
    line += text;
  }
  return line.slice(0, columns - 1);
}

function percent(part) {
  return `${Math.floor(part * 100)} %`.padStart(5);
}
