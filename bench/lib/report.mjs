import { styleText } from "node:util";
import { percent } from "./format.mjs";
import { spread } from "./stats.mjs";
import { table } from "./table.mjs";

/** Shown where a contender does not have the figure. */
const NONE = "–";

const COLOURED = process.stdout.isTTY && process.env.NO_COLOR === undefined;

/**
 * @param {Parameters<typeof styleText>[0]} style
 * @param {string} text
 */
function styled(style, text) {
  return COLOURED ? styleText(style, text) : text;
}

/**
 * The table of a suite.
 * @param {import("./contender.mjs").Suite} suite
 * @param {readonly import("./run.mjs").Result[]} results
 * @returns {string}
 */
export function suiteTable(suite, results) {
  const columns = suite.columns.flatMap((column) =>
    column.spread ? [{ title: column.title }, { title: "spread" }] : [{ title: column.title }],
  );
  const rows = results.map((result) => {
    if (result.status === "failed") return [result.title, "failed, see below"];
    if (result.status === "unavailable") return [result.title, result.reason ?? ""];
    return [
      result.title,
      ...suite.columns.flatMap((column) => {
        const value = result.medians[column.figure];
        const cell = value === undefined ? NONE : column.format(value);
        if (!column.spread) return [cell];
        const all = result.rounds.map((round) => round[column.figure] ?? Number.NaN);
        return [cell, value === undefined || all.length < 2 ? "" : percent(spread(all))];
      }),
    ];
  });
  const [heading = "", rule = "", ...lines] = table(
    [
      { title: "", align: "left" },
      ...columns.map(({ title }) => ({ title, align: /** @type {const} */ ("right") })),
    ],
    rows,
  );
  const notes = (suite.notes ?? []).map((note) => styled("dim", note));
  return [
    styled("bold", suite.title),
    ...notes,
    styled("dim", heading),
    styled("dim", rule),
    ...lines,
    "",
  ].join("\n");
}

/**
 * The verdicts, one a line.
 * @param {readonly import("./verdicts.mjs").Verdict[]} verdicts
 * @returns {string}
 */
export function verdictTable(verdicts) {
  const columns = /** @type {const} */ ([
    { title: "", align: "left" },
    { title: "measured", align: "right" },
    { title: "limit", align: "right" },
    { title: "", align: "left" },
  ]);
  const rows = verdicts.map(({ name, shown, shownLimit, ok, value }) => [
    name,
    shown,
    shownLimit,
    ok ? "ok" : value === null ? "NOT MEASURED" : "MISSED",
  ]);
  const [heading = "", rule = "", ...lines] = table(columns, rows);
  const coloured = lines.map((line, i) => {
    const style = verdicts[i]?.ok ? "green" : "red";
    return line.replace(/(ok|MISSED|NOT MEASURED)$/, (word) => styled(style, word));
  });
  const reasons = [...new Set(verdicts.flatMap(({ reason }) => (reason === undefined ? [] : [reason])))];
  const missed = verdicts.filter(({ ok }) => !ok).length;
  const sum = missed === 0 ? `all ${verdicts.length} ok` : `${missed} of ${verdicts.length} not ok`;
  return [
    styled("bold", "Verdicts"),
    styled("dim", heading),
    styled("dim", rule),
    ...coloured,
    ...reasons.map((reason) => styled("dim", `not measured: ${reason}`)),
    sum,
    "",
  ].join("\n");
}
