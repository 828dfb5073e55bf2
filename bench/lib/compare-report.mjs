import { VERDICTS } from "./compare.mjs";
import { formatOf } from "./figure-format.mjs";
import { percent } from "./format.mjs";
import { headed } from "./report.mjs";
import { styled, terminalWidth } from "./style.mjs";
import { table } from "./table.mjs";

const STYLES = /** @type {const} */ ({ slower: "red", faster: "green" });

/**
 * @param {readonly import("./compare.mjs").Change[]} all
 * @param {readonly string[]} differences
 * @param {boolean} everything  Also what did not change beyond the spread.
 * @param {number} [width] of the terminal
 */
export function compareTable(all, differences, everything, width = terminalWidth()) {
  const shown = everything ? all : all.filter(({ mark }) => mark === "slower" || mark === "faster");
  const tables = [...new Set(shown.map(({ suite }) => suite))].flatMap((suite) => {
    const rows = shown.filter((change) => change.suite === suite);
    return [styled("bold", suite === VERDICTS ? "Verdicts" : suite), ...suiteLines(rows, width), ""];
  });
  const marked = (/** @type {string} */ mark) => all.filter((change) => change.mark === mark).length;
  const unknown = marked("unknown");
  return [
    ...(differences.length === 0
      ? []
      : [
          styled("yellow", "The runs differ; only ratios within a run, such as most verdicts, compare:"),
          ...differences.map((difference) => `  ${difference}`),
          "",
        ]),
    ...tables,
    `${all.length} figures in both: ${marked("slower")} slower and ${marked("faster")} faster beyond the spread` +
      (unknown === 0 ? "" : `; of ${unknown} the spread is unknown`),
  ].join("\n");
}

/** @param {readonly import("./compare.mjs").Change[]} rows @param {number | undefined} width */
function suiteLines(rows, width) {
  const columns = /** @type {const} */ ([
    { title: "", align: "left" },
    { title: "figure", align: "left" },
    { title: "old", align: "right" },
    { title: "new", align: "right" },
    { title: "change", align: "right" },
    { title: "spreads", align: "right" },
    { title: "", align: "left" },
  ]);
  const cells = rows.map(({ name, figure, before, after, change, spread, mark }) => [
    name,
    figure,
    ...[before, after].map(formatOf({ figure })),
    Number.isFinite(change) ? `${change > 0 ? "+" : ""}${(change * 100).toFixed(1)} %` : "from 0",
    spread === null ? "?" : percent(spread),
    mark === "same" ? "" : mark,
  ]);
  const [heading = "", rule = "", ...lines] = table(columns, cells, width);
  const coloured = lines.map((line) =>
    line.replace(/(slower|faster)$/, (word) => styled(STYLES[/** @type {"slower"} */ (word)], word)),
  );
  return headed([heading, rule, ...coloured]);
}
