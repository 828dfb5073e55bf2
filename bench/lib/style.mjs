import { styleText } from "node:util";

const COLOURED = process.stdout.isTTY && process.env.NO_COLOR === undefined;

/**
 * @param {Parameters<typeof styleText>[0]} style
 * @param {string} text
 */
export function styled(style, text) {
  return COLOURED ? styleText(style, text) : text;
}

/** Columns that what is printed may take; undefined where it goes to a file or a pipe: then nothing is cut. */
export function terminalWidth() {
  return process.stdout.isTTY ? process.stdout.columns || 80 : undefined;
}

/**
 * Lines of at most that many columns, broken between words.
 * @param {string} text one line
 * @param {number} [width]
 * @returns {string[]}
 */
export function wrapped(text, width = Number.POSITIVE_INFINITY) {
  /** @type {string[]} */
  const lines = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
