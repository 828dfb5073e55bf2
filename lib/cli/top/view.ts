import type { Figures } from "../../watch/index.js";
import { duration, plural, rate, rateOfBytes } from "../format.js";
import type { Style } from "../style.js";
import { table } from "../table.js";
import { detail } from "./detail.js";
import { type Field, fieldsOf } from "./fields.js";
import { type Choice, type Row, rowsOf, SORTS } from "./state.js";
import { troubleOf } from "./trouble.js";

/** From this width on there is room for more columns. */
const WIDE = 140;
/** The lines that are not rows of the table: head, blank, titles; blank, keys. */
const FRAME = 5;

export interface Picture {
  readonly figures: Figures;
  readonly choice: Choice;
  readonly interval: number;
  readonly style: Style;
  readonly width: number;
  readonly height: number;
}

/** Returns the lines of the whole screen. */
export function draw(picture: Picture): string[] {
  const { figures, choice, style, height } = picture;
  const rows = rowsOf(figures, choice);
  const index = Math.max(
    0,
    rows.findIndex((row) => row.key === choice.at),
  );
  const row = rows[index];
  const space = Math.max(1, height - FRAME);
  const body =
    choice.open && row !== undefined
      ? detail(row, figures, picture).slice(0, space + 1)
      : listing(rows, index, space, picture);
  const filled = [head(picture), "", ...body];
  while (filled.length < height - 1) filled.push("");
  return [...filled.slice(0, height - 1), style.dim(keys(picture))];
}

/** Returns the lines of a table without a screen around it: for a file or a pipe. */
export function snapshot(
  picture: Omit<Picture, "width" | "height"> & { readonly width: number | undefined },
): string[] {
  const rows = rowsOf(picture.figures, picture.choice);
  return [summary(picture.figures), "", ...tableOf(rows, undefined, picture)];
}

function listing(rows: readonly Row[], index: number, space: number, picture: Picture): string[] {
  // The row at the cursor stays in sight.
  const from = Math.max(0, Math.min(index - Math.floor(space / 2), rows.length - space));
  return tableOf(rows.slice(from, from + space), index - from, picture);
}

function head({ figures, choice, interval, style, width }: Picture): string {
  const left = `ringbell top  ${summary(figures)}`;
  const when = new Date(figures.time).toTimeString().slice(0, 8);
  const right = choice.paused ? `PAUSED ${when}` : `${when}, every ${duration(interval)}`;
  const gap = width - left.length - right.length;
  return gap < 2 ? style.strong(left) : `${style.strong(left)}${" ".repeat(gap)}${right}`;
}

function summary(figures: Figures): string {
  const { processes } = figures;
  const peers = processes.reduce((sum, process) => sum + process.peers, 0);
  const messages = processes.reduce((sum, process) => sum + (process.messagesPerSecond ?? 0), 0);
  const size = processes.reduce((sum, process) => sum + (process.bytesPerSecond ?? 0), 0);
  const trouble = troubleOf(figures).map(([what, number]) => `, ${number} ${what}`);
  return `${plural(processes.length, "endpoint")}, ${plural(peers, "peer")}, ${rate(messages)} msg/s, ${rateOfBytes(size)}${trouble.join("")}`;
}

function keys({ choice, width }: Picture): string {
  if (choice.open) return "esc back  ↑↓ next  p pause  q quit";
  const sorts = Object.entries(SORTS)
    .map(([key, name]) => `${key} ${name}`)
    .join("  ");
  const other = choice.table === "lanes" ? "processes" : "lanes";
  const short = `sort ${Object.keys(SORTS).join("")}  ↑↓ ⏎ open  t ${other}  u unused  p pause  q quit`;
  const long = `sort by: ${sorts}   ↑↓ ⏎ open   t ${other}   u ${choice.unused ? "hide" : "show"} unused   p pause   q quit`;
  return long.length <= width ? long : short;
}

function tableOf(
  rows: readonly Row[],
  at: number | undefined,
  {
    figures,
    choice,
    style,
    width,
  }: Pick<Picture, "figures" | "choice" | "style"> & { readonly width: number | undefined },
): string[] {
  if (rows.length === 0) return [emptyText(figures, choice)];
  const now = Date.parse(figures.time);
  const fields = fieldsOf(choice.table, width === undefined || width >= WIDE);
  const cells = rows.map((row) =>
    fields.map((field) => ("way" in row ? field.flow(row, now) : field.process(row, now))),
  );
  const columns = fields.map((field) => ({
    ...field,
    title: field.sort === choice.sort ? `${field.title}${choice.reversed ? "↑" : "↓"}` : field.title,
  }));
  const paint = (text: string, row: number, column: number): string =>
    paintCell(text, rows[row]!, fields[column]!, style);
  const lines = table(columns, cells, {
    indent: at === undefined ? 0 : 2,
    width,
    title: style.dim,
    paint,
  });
  if (at === undefined) return lines;
  return lines.map((line, i) => (i - 1 === at ? `${style.strong(">")} ${line.slice(2)}` : line));
}

function emptyText(figures: Figures, choice: Choice): string {
  if (figures.processes.length === 0) return "No endpoints here. --all looks into all namespaces.";
  if (choice.table === "lanes" && figures.flows.length > 0)
    return "No lane has carried anything yet; u shows those that are unused.";
  return "No peers are connected.";
}

function paintCell(text: string, row: Row, { title }: Field, style: Style): string {
  if (title === "ENDPOINT") return style.strong(text);
  if ((title === "FILL" || title === "STATE") && row.stalled) return style.bad(text);
  if (title === "STATE" && "state" in row)
    return row.state === "healthy" ? style.good(text) : style.bad(text);
  return title === "STATE" && text.startsWith("idle") ? style.dim(text) : text;
}
