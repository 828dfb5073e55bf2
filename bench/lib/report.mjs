import { NONE } from "./format.mjs";
import { matrixSpread, matrixTables } from "./matrix.mjs";
import { shownSpread } from "./spread.mjs";
import { styled, terminalWidth, wrapped } from "./style.mjs";
import { stacked, table } from "./table.mjs";

/**
 * The table of a suite.
 * @param {import("./contender.mjs").Suite} suite
 * @param {readonly import("./run.mjs").Result[]} results
 * @param {number} [width] of the terminal
 * @returns {string}
 */
export function suiteTable(suite, results, width = terminalWidth()) {
  const tables =
    suite.matrix === undefined
      ? columnTables(suite, results, width)
      : matrixTables(suite.matrix, results, width);
  const spread = suite.matrix && matrixSpread(suite.matrix, results);
  return [
    ...wrapped(suite.title, width).map((line) => styled("bold", line)),
    ...(suite.notes ?? []).flatMap((note) => wrapped(note, width)).map((line) => styled("dim", line)),
    ...tables.flatMap((lines) => [...headed(lines), ""]),
    ...(spread === undefined ? [] : [...wrapped(spread, width).map((line) => styled("dim", line)), ""]),
  ].join("\n");
}

/**
 * @param {import("./contender.mjs").Suite} suite
 * @param {readonly import("./run.mjs").Result[]} results
 * @param {number | undefined} width
 */
function columnTables(suite, results, width) {
  const titles = suite.columns.flatMap(({ title, spread }) => (spread ? [title, "spread"] : [title]));
  const rows = results.map((result) => {
    const { title: label, status, reason = "" } = result;
    if (status === "failed") return { label, cells: [], remark: "failed, see below" };
    if (status === "unavailable") return { label, cells: [], remark: reason };
    const cells = suite.columns.flatMap((column) => {
      const value = result.medians[column.figure];
      const cell = value === undefined ? NONE : column.format(value);
      if (!column.spread) return [cell];
      const rounds = result.rounds.flatMap((round) => round[column.figure] ?? []);
      return [cell, shownSpread(result.spreads[column.figure], rounds, column.format)];
    });
    return { label, cells };
  });
  return stacked(titles, rows, width);
}

/**
 * The verdicts, one a line.
 * @param {readonly import("./verdicts.mjs").Verdict[]} verdicts
 * @param {number} [width] of the terminal
 * @returns {string}
 */
export function verdictTable(verdicts, width = terminalWidth()) {
  const columns = /** @type {const} */ ([
    { title: "", align: "left" },
    { title: "measured", align: "right" },
    { title: "spread", align: "right" },
    { title: "limit", align: "right" },
    { title: "", align: "left" },
  ]);
  const rows = verdicts.map((verdict) => [
    verdict.name,
    verdict.shown,
    verdict.shownSpread ?? "",
    verdict.shownLimit,
    verdict.ok ? "ok" : verdict.value === null ? "NOT MEASURED" : "MISSED",
  ]);
  const [heading = "", rule = "", ...lines] = table(columns, rows, width);
  const coloured = lines.map((line, i) => {
    const style = verdicts[i]?.ok ? "green" : "red";
    return line.replace(/(ok|MISSED|NOT MEASURED)$/, (word) => styled(style, word));
  });
  const reasons = [...new Set(verdicts.flatMap(({ reason }) => (reason === undefined ? [] : [reason])))];
  const missed = verdicts.filter(({ ok }) => !ok).length;
  const sum = missed === 0 ? `all ${verdicts.length} ok` : `${missed} of ${verdicts.length} not ok`;
  return [
    styled("bold", "Verdicts"),
    ...headed([heading, rule, ...coloured]),
    ...reasons
      .flatMap((reason) => wrapped(`not measured: ${reason}`, width))
      .map((line) => styled("dim", line)),
    sum,
    "",
  ].join("\n");
}

/** @param {readonly string[]} lines heading, rule, rows */
export function headed([heading = "", rule = "", ...rows]) {
  return [styled("dim", heading), styled("dim", rule), ...rows];
}
