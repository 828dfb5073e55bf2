// Without a canvas Vega takes every character for 0.8 em, which leaves margins half empty. These are the widths of a wide sans-serif, so
// that nothing is cut off with another one; and they are the same on every machine.
const NARROW = /[ijlI.,:;'|!()[\]/ ]/;
const WIDE = /[mwMW%@]/;

/** Pixels that a text takes, at most. @param {string} text @param {number} size of the font */
export function textWidth(text, size) {
  let em = 0;
  for (const character of text) em += NARROW.test(character) ? 0.36 : WIDE.test(character) ? 0.92 : 0.62;
  return em * size;
}

/** How much wider bold letters are. */
export const BOLD = 1.08;

/** Lines of bold text that are no wider than that, broken behind spaces, hyphens and colons. @param {string} text @param {number} size @param {number} width */
export function wrap(text, size, width) {
  /** @type {string[]} */
  const lines = [];
  for (const part of text.split(/(?<= |-|::)/)) {
    const longer = `${lines.at(-1) ?? ""}${part}`;
    if (lines.length > 0 && textWidth(longer.trimEnd(), size) * BOLD > width) lines.push(part);
    else lines.splice(Math.max(0, lines.length - 1), 1, longer);
  }
  return lines.map((line) => line.trimEnd());
}
