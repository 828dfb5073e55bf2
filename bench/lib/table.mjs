/**
 * @typedef {object} TableColumn
 * @property {string} title
 * @property {"left" | "right"} align
 */

const GAP = "  ";
/** How much of the first column is kept where other columns would not fit beside it otherwise. */
const LABEL = 34;
/** What is left of the first column at least where the line is too long. */
const LEAST = 20;

/**
 * Columns as wide as their widest cell, two spaces apart. A row that is shorter than the others ends in a remark: its last
 * cell may run on.
 * @param {readonly TableColumn[]} columns
 * @param {readonly (readonly string[])[]} rows
 * @param {number} [width]  Of the terminal: where the lines would be longer, the first column is cut.
 * @returns {string[]} the heading, a rule, the rows
 */
export function table(columns, rows, width = Number.POSITIVE_INFINITY) {
  const widths = columns.map(({ title }, i) =>
    Math.max(
      title.length,
      ...rows.filter((row) => row.length === columns.length || i === 0).map((row) => row[i]?.length ?? 0),
    ),
  );
  const [first = 0] = widths;
  const excess = total(widths) - width;
  if (excess > 0) widths[0] = Math.min(first, Math.max(LEAST, first - excess));
  const line = (/** @type {readonly string[]} */ cells) =>
    cells
      .map((cell, i) => {
        const wide = widths[i] ?? 0;
        if (i === 0) return cut(cell, wide).padEnd(wide);
        // Remarks are for reading: only one that would be wrapped is cut.
        if (cells.length < columns.length && i === cells.length - 1)
          return cut(cell, Math.max(LEAST, width - total(widths.slice(0, i)) - GAP.length));
        return columns[i]?.align === "right" ? cell.padStart(wide) : cell.padEnd(wide);
      })
      .join(GAP)
      .trimEnd();
  return [
    line(columns.map(({ title }) => title)),
    widths.map((wide) => "─".repeat(wide)).join(GAP),
    ...rows.map(line),
  ];
}

/**
 * Tables that are no wider than the terminal: columns that don't fit beside the others stand below them, behind the first column again.
 * @param {readonly string[]} titles of the columns but for the first
 * @param {readonly { label: string, cells: readonly string[], remark?: string | undefined }[]} rows  A remark stands in place of the cells, once.
 * @param {number} [width] of the terminal
 * @returns {string[][]} tables, each of a heading, a rule, and rows
 */
export function stacked(titles, rows, width = Number.POSITIVE_INFINITY) {
  const widths = titles.map((title, i) =>
    Math.max(title.length, ...rows.map(({ cells }) => cells[i]?.length ?? 0)),
  );
  const longest = Math.max(...rows.map(({ label }) => label.length));
  return blocks(Math.min(longest, LABEL), widths, width).map(([from, to]) =>
    table(
      [
        { title: "", align: "left" },
        ...titles.slice(from, to).map((title) => ({ title, align: /** @type {const} */ ("right") })),
      ],
      rows
        .filter(({ remark }) => remark === undefined || from === 0)
        .map(({ label, cells, remark }) => [
          label,
          ...(remark === undefined ? cells.slice(from, to) : [remark]),
        ]),
      width,
    ),
  );
}

/** @param {readonly number[]} widths */
function total(widths) {
  return widths.reduce((sum, wide) => sum + wide, 0) + GAP.length * (widths.length - 1);
}

/** @param {string} text @param {number} wide */
function cut(text, wide) {
  return text.length <= wide ? text : `${text.slice(0, wide - 1)}…`;
}

/**
 * The columns in groups that fit below each other, each behind the first column, which is repeated.
 * @param {number} first width of the first column
 * @param {readonly number[]} widths of the others
 * @param {number} width of the terminal
 * @returns {[number, number][]} from, to (not included)
 */
export function blocks(first, widths, width) {
  /** @type {[number, number][]} */
  const all = [];
  let from = 0;
  let taken = first;
  widths.forEach((wide, i) => {
    if (i > from && taken + GAP.length + wide > width) {
      all.push([from, i]);
      from = i;
      taken = first;
    }
    taken += GAP.length + wide;
  });
  if (from < widths.length) all.push([from, widths.length]);
  return all;
}
