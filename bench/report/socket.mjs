// Where a plain socket is as good as ringbell with default settings, or better: whatever both were measured at is compared.

import { formatName, formatOf } from "../lib/figure-format.mjs";
import { percent } from "../lib/format.mjs";
import { columnsOf, higherIsBetter } from "./figures.mjs";
import { BATCHED, JOINED, OURS, SOCKET } from "./kinds.mjs";
import { measured } from "./record.mjs";
import { digits, summary } from "./socket-summary.mjs";
import { ownWork, sameWork } from "./workloads.mjs";

/** A difference up to this counts as none, as does one within the spread. */
const TOLERANCE = 0.1;

/** Figures that say how a measurement went, and the maximum, which is one message out of many. */
const ASIDE = /^(seconds|count|samples|kept|fairness|p1|p10|p25|p75|p95|max)$/;

/** Which of ours stands against which socket. */
const COUNTERPARTS = new Map([
  [SOCKET, OURS],
  [JOINED, BATCHED],
]);

/** Where the rate is given, it is no result: by the workload, or by a timer. */
const GIVEN = new Set(["perSecond"]);
const TIMED = new Set(["cost"]);

/**
 * @typedef {object} Comparison
 * @property {string} name  Of the suite.
 * @property {string} suite  Title.
 * @property {string} work  What it was asked for.
 * @property {string} figure
 * @property {boolean} together  Messages that are ready together are sent so, on both sides.
 * @property {string} what  Workload and figure, in words.
 * @property {string} format  Name of the figure's.
 * @property {string} ours
 * @property {string} socket
 * @property {number} ratio  How many times as good ringbell is; below 1: the socket is better.
 * @property {number} tolerance
 *
 * @param {import("./record.mjs").BenchRecord} record
 * @returns {Comparison[]}
 */
export function comparisons(record) {
  return record.data.suites.flatMap((suite) => {
    const results = measured(suite);
    const columns = columnsOf(suite).filter(({ figure }) => !ASIDE.test(figure));
    return results
      .filter(({ peer = "" }) => COUNTERPARTS.has(peer))
      .flatMap((socket) =>
        columns
          .filter(({ figure }) => !(isPaced(suite, socket) && GIVEN.has(figure)))
          .flatMap((column) => {
            const ours = slowest(
              results.filter(
                ({ peer, ...result }) =>
                  peer === COUNTERPARTS.get(socket.peer ?? "") && sameWork(result) === sameWork(socket),
              ),
              column.figure,
            );
            return compare(suite, column, ours, socket);
          }),
      );
  });
}

/** @param {import("./record.mjs").Suite} suite @param {import("./record.mjs").Result} result */
function isPaced({ name }, { facts }) {
  return facts?.rate !== undefined || TIMED.has(name);
}

/**
 * Of several of ours (with other codecs) the one that does worst.
 * @param {readonly import("./record.mjs").Result[]} results
 * @param {string} figure
 */
function slowest(results, figure) {
  const sorted = results
    .filter(({ medians }) => medians[figure] !== undefined)
    .toSorted(
      (a, b) => /** @type {number} */ (a.medians[figure]) - /** @type {number} */ (b.medians[figure]),
    );
  return higherIsBetter(figure) ? sorted[0] : sorted.at(-1);
}

/**
 * @param {import("./record.mjs").Suite} suite
 * @param {{ title: string, figure: string, format?: string }} column
 * @param {import("./record.mjs").Result | undefined} ours
 * @param {import("./record.mjs").Result} socket
 * @returns {Comparison[]}
 */
function compare(suite, column, ours, socket) {
  const { figure, title } = column;
  const mine = ours?.medians[figure];
  const theirs = socket.medians[figure];
  if (ours === undefined || mine === undefined || theirs === undefined) return [];
  const format = formatOf(column);
  const work = ownWork(suite, socket);
  return [
    {
      name: suite.name,
      suite: suite.title,
      work,
      figure,
      together: socket.peer === JOINED,
      what: [socket.peer === JOINED ? "many at once" : "", work, figure === "ns" ? "mean" : title]
        .filter(Boolean)
        .join(", "),
      format: formatName(column),
      ours: format(mine),
      socket: format(theirs),
      ratio: timesAsGood(mine, theirs, figure),
      tolerance: Math.max(TOLERANCE, ours.spreads?.[figure] ?? 0, socket.spreads?.[figure] ?? 0),
    },
  ];
}

/** @param {number} mine @param {number} theirs @param {string} figure */
function timesAsGood(mine, theirs, figure) {
  if (mine === theirs) return 1;
  return higherIsBetter(figure) ? mine / theirs : theirs / mine;
}

/** Within what counts as no difference. @param {Comparison} comparison */
function alike({ ratio, tolerance }) {
  return ratio <= 1 + tolerance && ratio >= 1 / (1 + tolerance);
}

/**
 * A sentence for each comparison that ringbell does not win.
 * @param {import("./record.mjs").BenchRecord} record
 * @returns {string} Markdown
 */
export function socketSection(record) {
  const all = comparisons(record);
  if (all.length === 0) return "";
  const better = all.filter((each) => each.ratio < 1 && !alike(each));
  const good = all.filter(alike);
  const lines = [
    `This section compares \`node:net\` over a Unix socket with ringbell at default settings, in everything that both were measured at. Of several`,
    `codecs it takes the one that does worst. "Many at once" compares a socket to which many messages are written in one call with \`sendMany\`.`,
    `There are ${all.length} figures. A difference counts from ${TOLERANCE * 100} % on, or from the spread on if that is more. The socket is better in ${better.length || "none"} of`,
    `them, and as good in ${good.length || "none"}.`,
  ];
  const parts = [summary(better), lines.join("\n")].filter((part) => part !== undefined);
  if (better.length > 0)
    parts.push(
      "**The socket is better:**",
      bySuite(
        better,
        (each) => `${each.what}: the socket ${each.socket}, ringbell ${each.ours}${times(each)}.`,
      ),
    );
  if (good.length > 0)
    parts.push(
      "**The socket is as good:**",
      bySuite(good, ({ what, socket, ours, tolerance }) => {
        const why = tolerance > TOLERANCE ? `; the spread is ${wide(tolerance)}` : "";
        return `${what}: the socket ${socket}, ringbell ${ours}${why}.`;
      }),
    );
  return parts.join("\n\n");
}

/** A spread that is many times the figure says no more than that. @param {number} tolerance */
function wide(tolerance) {
  return tolerance > 2 ? "more than twice the figure" : percent(tolerance);
}

/** How much worse ringbell is. @param {Comparison} comparison */
function times({ ratio, format, figure }) {
  const much = 1 / ratio;
  if (!Number.isFinite(much)) return "";
  const many = `${digits(much)} times`;
  if (higherIsBetter(figure)) return ` (the socket does ${many} as much)`;
  const isTime = format === "duration" || format === "milliseconds";
  const verb = /delay/i.test(figure) ? "ringbell's is" : "ringbell takes";
  return ` (${verb} ${many} as ${isTime ? "long" : "much"})`;
}

/** @param {Comparison[]} list @param {(comparison: Comparison) => string} sentence */
function bySuite(list, sentence) {
  const suites = [...new Set(list.map(({ suite }) => suite))];
  return suites
    .map((suite) => {
      const inside = list.filter((each) => each.suite === suite).map((each) => `  - ${sentence(each)}`);
      return [`- ${suite}`, ...inside].join("\n");
    })
    .join("\n");
}
