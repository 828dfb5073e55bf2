/** A small table of text for the terminal. */

export interface Column {
  readonly title: string;
  readonly align?: "left" | "right";
  /** The least width (characters) to which the column may be cut if the table is too wide. Without it the column is never cut. */
  readonly least?: number;
}

export interface TableOptions {
  /** The number of blanks before each line. Default 0. */
  readonly indent?: number;
  /** The most characters in a line. Undefined: no limit. */
  readonly width?: number | undefined;
  readonly title?: (text: string) => string;
  /** Gives a cell its colour, after padding. */
  readonly paint?: (text: string, row: number, column: number) => string;
}

const GAP = 2;

/** Returns the lines of a table. The head is left out if no column has a title. Columns that are empty in all rows are left out. */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  options: TableOptions = {},
): string[] {
  const { indent = 0, paint = (text: string) => text, title = (text: string) => text } = options;
  const shown = columns.map((_, i) => i).filter((i) => rows.some((row) => row[i] !== ""));
  const widths = new Map(
    shown.map((i) => [i, Math.max(widthOf(columns[i]!.title), ...rows.map((row) => widthOf(row[i]!)))]),
  );
  if (options.width !== undefined) shrink(columns, widths, options.width - indent);
  const line = (cells: readonly string[], finish: (text: string, column: number) => string): string => {
    const parts = shown.map((i, at) => {
      const width = widths.get(i)!;
      const cell = cut(cells[i]!, width);
      const padding = " ".repeat(Math.max(0, width - widthOf(cell)));
      if (columns[i]!.align === "right") return padding + finish(cell, i);
      return finish(cell, i) + (at === shown.length - 1 ? "" : padding);
    });
    return (" ".repeat(indent) + parts.join(" ".repeat(GAP))).trimEnd();
  };
  const head = columns.some((column) => column.title !== "");
  return [
    ...(head
      ? [
          line(
            columns.map((column) => column.title),
            title,
          ),
        ]
      : []),
    ...rows.map((row, at) => line(row, (text, column) => paint(text, at, column))),
  ];
}

/** Takes characters one by one from the widest column that may be cut, until the table fits or no column may be cut further. */
function shrink(columns: readonly Column[], widths: Map<number, number>, limit: number): void {
  const total = (): number =>
    [...widths.values()].reduce((sum, width) => sum + width, 0) + GAP * Math.max(0, widths.size - 1);
  for (let excess = total() - limit; excess > 0; excess -= 1) {
    let widest: number | undefined;
    for (const [i, width] of widths) {
      const { least } = columns[i]!;
      if (least !== undefined && width > least && (widest === undefined || width > widths.get(widest)!)) {
        widest = i;
      }
    }
    if (widest === undefined) return;
    widths.set(widest, widths.get(widest)! - 1);
  }
}

/** Cuts a text to `width` columns, with "…" at the cut. */
export function cut(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  let result = "";
  for (const character of text) {
    if (widthOf(result + character) > width - 1) break;
    result += character;
  }
  return `${result}…`;
}

const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u;

/** Returns the number of columns that a text takes in a terminal, near enough. */
export function widthOf(text: string): number {
  let width = 0;
  for (const character of text) {
    if (/\p{Mn}/u.test(character)) continue;
    width += WIDE.test(character) ? 2 : 1;
  }
  return width;
}

/** Breaks a text at blanks into lines of at most `width` columns; a longer word stays whole. */
export function wrap(text: string, width: number | undefined): string[] {
  const lines: string[] = [];
  for (const paragraph of text.split("\n")) {
    let line = "";
    for (const word of paragraph.split(" ")) {
      if (line !== "" && width !== undefined && widthOf(line) + 1 + widthOf(word) > width) {
        lines.push(line);
        line = word;
      } else {
        line = line === "" ? word : `${line} ${word}`;
      }
    }
    lines.push(line);
  }
  return lines;
}
