/** Where there is no figure. */
export const NONE = "–";

const UNIT = /(?<=\d) (?=(?:[nµm]?s|[KMG]iB|[kMGT]?B|[kMGT]?B\/s|[kMG]?\/s|×|%|†)(?![\w/]))/g;
const LIMIT = /(?<=[≤≥<]) (?=\d)/g;

/** A number stays on one line with its unit. @param {string} text */
export function unbroken(text) {
  return text.replace(UNIT, "\u00a0").replace(LIMIT, "\u00a0");
}

/**
 * A table, padded so that it can be read as text, too. The first column is left-aligned, the others are to the right unless said.
 * @param {readonly string[]} titles
 * @param {readonly (readonly string[])[]} rows
 * @param {readonly ("left" | "right")[]} [aligns]
 * @returns {string} ends without a newline
 */
export function table(titles, rows, aligns = titles.map((_, i) => (i === 0 ? "left" : "right"))) {
  const widths = titles.map((title, i) =>
    Math.max(3, title.length, ...rows.map((row) => row[i]?.length ?? 0)),
  );
  const cell = (/** @type {string} */ text, /** @type {number} */ i) =>
    aligns[i] === "right" ? text.padStart(widths[i] ?? 0) : text.padEnd(widths[i] ?? 0);
  const line = (/** @type {readonly string[]} */ cells) =>
    `| ${titles.map((_, i) => cell(cells[i] ?? "", i)).join(" | ")} |`;
  const rule = widths.map((width, i) =>
    aligns[i] === "right" ? `${"-".repeat(width - 1)}:` : "-".repeat(width),
  );
  return [line(titles), `| ${rule.join(" | ")} |`, ...rows.map(line)].join("\n");
}

/**
 * A chart in light and dark.
 * @param {string} name of the files
 * @param {string} alt
 */
export function picture(name, alt) {
  return [
    "<picture>",
    `  <source media="(prefers-color-scheme: dark)" srcset="benchmarks/${name}-dark.svg">`,
    `  <img src="benchmarks/${name}-light.svg" alt="${attribute(alt)}">`,
    "</picture>",
  ].join("\n");
}

/** @param {string} text */
function attribute(text) {
  return text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");
}
