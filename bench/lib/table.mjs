/**
 * @typedef {object} TableColumn
 * @property {string} title
 * @property {"left" | "right"} align
 */

/**
 * Columns as wide as their widest cell, two spaces apart. A row that is shorter than the others ends in a remark: its last
 * cell may run on.
 * @param {readonly TableColumn[]} columns
 * @param {readonly (readonly string[])[]} rows
 * @returns {string[]} the heading, a rule, the rows
 */
export function table(columns, rows) {
  const widths = columns.map(({ title }, i) =>
    Math.max(
      title.length,
      ...rows.filter((row) => row.length === columns.length || i === 0).map((row) => row[i]?.length ?? 0),
    ),
  );
  const line = (/** @type {readonly string[]} */ cells) =>
    cells
      .map((cell, i) => {
        if (cells.length < columns.length && i === cells.length - 1) return cell;
        return columns[i]?.align === "right" ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0);
      })
      .join("  ")
      .trimEnd();
  return [
    line(columns.map(({ title }) => title)),
    widths.map((width) => "─".repeat(width)).join("  "),
    ...rows.map(line),
  ];
}
