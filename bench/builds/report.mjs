import { formatOf } from "../lib/figure-format.mjs";
import { NONE } from "../lib/format.mjs";
import { styled } from "../lib/style.mjs";
import { STARTS } from "./run.mjs";
import { CONFIDENCE, FEWEST_STARTS, LIMIT } from "./statistics.mjs";

const STYLES = /** @type {const} */ ({ ok: "green", open: "yellow", slower: "red" });

/** What other programs may use of the cores before a row says so. */
const TOLERABLE = 0.05;

/** How wide names, figures and intervals may be in the lines that come as rows are finished. */
const NAME = 12;
const FIGURE = 9;
const INTERVAL = 14;

/** What the figures mean, in sentences. @param {{ rounds: number, seconds: number }} setting */
export function method({ rounds, seconds }) {
  return [
    `Medians of ${rounds} rounds of ${seconds} s by each build in turns, in ${Math.min(rounds, STARTS)} starts of the processes; the order swapped each round; warm-up excluded.`,
    "new / old: speed of the new build as a part of the old one's, by these medians (memory: how many times less).",
    `pairs: the median of the ratios of adjacent rounds, and its ${CONFIDENCE * 100} % interval by bootstrap over starts and their rounds.`,
    `ok: ratio and interval are ${LIMIT} and more; slower: both are less; open: else${rounds < FEWEST_STARTS ? `; less than ${FEWEST_STARTS} rounds decide nothing` : ", more rounds may tell"}.`,
  ];
}

/** @param {string} side @param {import("./build.mjs").Build} build */
export function buildLine(side, { folder, version, commit, changed }) {
  const revision = commit === null ? "" : `, ${commit.slice(0, 10)}${changed ? " and changes" : ""}`;
  return `${side}: ${folder} (${version}${revision})`;
}

/** A row as soon as it is finished. @param {import("./run.mjs").Outcome} outcome */
export function line(outcome) {
  const name = outcome.name.padEnd(NAME);
  const { comparison } = outcome;
  if (comparison === null) return `${name}  ${missing(outcome)}`;
  const { old, fresh, ratio, pairs, interval } = shown(outcome.figure, comparison);
  const verdict = styled(STYLES[comparison.verdict], comparison.verdict);
  return [
    name,
    old.padStart(FIGURE),
    fresh.padStart(FIGURE),
    ratio,
    `pairs ${pairs}`,
    interval.padEnd(INTERVAL),
    `${verdict}${disturbance(outcome)}`,
  ].join("  ");
}

/** All rows as Markdown. @param {readonly import("./run.mjs").Outcome[]} outcomes */
export function markdown(outcomes) {
  const rows = outcomes.map((outcome) => {
    const { name, title, figure, comparison } = outcome;
    if (comparison === null) return [name, title, NONE, NONE, NONE, NONE, missing(outcome)];
    const { old, fresh, ratio, pairs, interval } = shown(figure, comparison);
    const verdict = `${comparison.verdict}${disturbance(outcome)}`;
    return [name, title, old, fresh, ratio, `${pairs} (${interval})`, verdict];
  });
  const cells = (/** @type {string[]} */ row) =>
    `| ${row.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [
    cells(["row", "what", "old", "new", "new / old", "pairs", "verdict"]),
    "| --- | --- | ---: | ---: | ---: | ---: | --- |",
    ...rows.map(cells),
  ].join("\n");
}

/** @param {readonly import("./run.mjs").Outcome[]} outcomes */
export function summary(outcomes) {
  const count = (/** @type {string} */ verdict) =>
    outcomes.filter(({ comparison }) => comparison?.verdict === verdict).length;
  const missed = outcomes.filter(({ comparison }) => comparison === null).length;
  const disturbed = outcomes.filter(isDisturbed).length;
  return [
    `${count("ok")} ok, ${count("open")} open, ${count("slower")} slower`,
    ...(missed === 0 ? [] : [`${missed} not measured`]),
    ...(disturbed === 0 ? [] : [`${disturbed} disturbed by other programs`]),
  ].join(", ");
}

/** Exit status: 1 if anything is slower, or failed. @param {readonly import("./run.mjs").Outcome[]} outcomes */
export function statusOf(outcomes) {
  return outcomes.some(({ status, comparison }) => status === "failed" || comparison?.verdict === "slower")
    ? 1
    : 0;
}

/** @param {string} figure @param {import("./statistics.mjs").Comparison} comparison */
function shown(figure, comparison) {
  const format = formatOf({ figure });
  const part = (/** @type {number} */ value) => value.toFixed(3);
  return {
    old: format(comparison.old),
    fresh: format(comparison.new),
    ratio: part(comparison.ratio),
    pairs: part(comparison.pairs),
    interval: comparison.interval === null ? "few rounds" : comparison.interval.map(part).join(" to "),
  };
}

/** @param {import("./run.mjs").Outcome} outcome */
function isDisturbed({ foreign }) {
  return foreign !== null && foreign >= TOLERABLE;
}

/** What follows a verdict that others may have had a part in. @param {import("./run.mjs").Outcome} outcome */
function disturbance(outcome) {
  return isDisturbed(outcome)
    ? `, others used ${Math.round((outcome.foreign ?? 0) * 100)} % of the cores`
    : "";
}

/** @param {import("./run.mjs").Outcome} outcome */
function missing({ status, reason = "" }) {
  return `${status === "failed" ? "FAILED" : "not measured"}: ${reason.split("\n")[0]}`;
}
