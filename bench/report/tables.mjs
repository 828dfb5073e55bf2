// Tables of other pages, by the names that their markers have. Each throws a NoFigure where the record lacks what it needs.

import { formatOf } from "../lib/figure-format.mjs";
import { duration, rate, throughput } from "../lib/format.mjs";
import { MIB } from "../lib/memory.mjs";
import { NONE, table } from "./markdown.mjs";
import { measured } from "./record.mjs";
import { verdictTable } from "./suite-tables.mjs";

const FLOORS = ["rpc", "mcp", "session", "mailbox"];

/** @typedef {import("./record.mjs").BenchRecord} BenchRecord */

/** The record does not have it. */
export class NoFigure extends Error {
  name = "NoFigure";
}

/**
 * A figure as it is written.
 * @param {BenchRecord} record
 * @param {string} contender
 * @param {string} figure
 * @param {string} [format]  A function of lib/format.mjs.
 */
export function written(record, contender, figure, format) {
  const column = format === undefined ? columnOf(record, contender, figure) : { figure, format };
  return formatOf(column)(number(record, contender, figure));
}

/** @param {BenchRecord} record @param {string} contender @param {string} figure @returns {number} */
export function number(record, contender, figure) {
  const value = record.figure(contender, figure);
  if (value === undefined) throw new NoFigure(`there is no ${figure} of ${contender}`);
  return value;
}

/** The column of its suite, which may say how the figure is written. @param {BenchRecord} record @param {string} contender @param {string} figure */
function columnOf(record, contender, figure) {
  const suite = record.data.suites.find(({ results }) => results.some(({ name }) => name === contender));
  return suite?.columns?.find((column) => column.figure === figure) ?? { figure };
}

/** @param {BenchRecord} record @param {string} name */
function results(record, name) {
  const suite = record.suite(name);
  if (suite === undefined) throw new NoFigure(`the suite ${name} was not measured`);
  return measured(suite);
}

/** @param {BenchRecord} record @param {boolean} bulk */
function verdicts(record, bulk) {
  // The floors above the channel have pages of their own.
  const own = record.data.verdicts.filter(
    ({ group = "" }) => (group === "bulk") === bulk && !FLOORS.includes(group),
  );
  if (own.length === 0) throw new NoFigure(`there are no verdicts${bulk ? " about blocks" : ""}`);
  return verdictTable(record, own);
}

/** @param {number | undefined} value @param {(value: number) => string} format */
function shown(value, format) {
  return value === undefined ? NONE : format(value);
}

/**
 * Round trips, the lowest mean first.
 * @param {BenchRecord} record
 * @param {string} suite
 * @param {string} title
 * @param {(result: import("./record.mjs").Result) => boolean} [wanted]
 */
function roundTrips(record, suite, title, wanted = () => true) {
  return table(
    [title, "mean", "p50", "p99"],
    results(record, suite)
      .filter(wanted)
      .filter(({ medians }) => medians.ns !== undefined)
      .toSorted((a, b) => /** @type {number} */ (a.medians.ns) - /** @type {number} */ (b.medians.ns))
      .map((result) => [
        result.title,
        ...["ns", "p50", "p99"].map((figure) => shown(result.medians[figure], duration)),
      ]),
  );
}

/** A reason that its file under peers/ has, if they share it. @param {readonly string[]} peers */
function whyNot(peers) {
  return peers.every((peer) => peer === "grpc-stream")
    ? "; what `@grpc/grpc-js` streams goes by one stream in any case, see its other row"
    : "";
}

/** @type {Record<string, (record: BenchRecord) => string>} */
export const tables = {
  /** README.md: what it is, in five rows. */
  short(record) {
    const ns = (/** @type {string} */ name) => duration(number(record, name, "ns"));
    const perSecond = (/** @type {string} */ name) => rate(number(record, name, "perSecond"));
    return table(
      ["", "codec, mode", "ringbell", "`node:net`, Unix socket"],
      [
        [
          "object of 200 B, there and back",
          "`json()`, event loops",
          ns("ringbell:echo:object"),
          ns("net-unix:echo:object"),
        ],
        [
          "five numbers, 32 B, there and back",
          "`struct()`, event loops",
          ns("loop-struct"),
          `${ns("net")} †`,
        ],
        ["the same, both asleep each time", "`struct()`, `spin: 0`", ns("loop-spin-0"), `${ns("net")} †`],
        [
          "five numbers, one way, many at once",
          "`struct()`, `sendMany`",
          perSecond("many"),
          perSecond("net-unix-joined:flood:32B"),
        ],
        ["64 MiB in a block, one way", "`struct()`, `…Sync`", ns("handover-64m"), ns("net-64m")],
      ],
      ["left", "left", "right", "right"],
    ).concat("\n\n†: its ends only count bytes.");
  },

  /** docs/performance.md: every mechanism with its usual options, the quickest to answer an object first. */
  mechanisms(record) {
    // By the title: with other options, or codecs, a peer has others.
    /** @param {string} title @param {string} suite @param {string} figure @param {number} [bytes] */
    const of = (title, suite, figure, bytes) =>
      results(record, suite).find(
        (result) => result.title === title && (bytes === undefined || result.facts.bytes === bytes),
      )?.medians[figure];
    const mechanisms = results(record, "latency-objects")
      .filter(({ peer }) => peer === "ringbell" || !peer?.startsWith("ringbell"))
      .toSorted((a, b) => number(record, a.name, "ns") - number(record, b.name, "ns"));
    const rows = mechanisms.map(({ peer, title, name }) => [
      peer === "ringbell" ? `**${title}**, default options` : title,
      duration(number(record, name, "ns")),
      shown(of(title, "latency", "ns", 32), duration),
      shown(of(title, "throughput-objects", "perSecond"), rate),
      shown(of(title, "throughput-bytes", "bytesPerSecond", MIB), throughput),
    ]);
    const text = table(
      [
        "",
        "object of 200 B, `json()`",
        "32 B, `bytes()`",
        "one way: objects, `json()`",
        "one way: 1 MiB, `bytes()`",
      ],
      rows,
    );
    const lacking = mechanisms.filter((_, i) => rows[i]?.includes(NONE)).map(({ peer = "" }) => peer);
    return lacking.length === 0 ? text : `${text}\n\n${NONE}: not measured${whyNot(lacking)}.`;
  },

  /** docs/performance.md: the programs written for one codec and mode; the mechanisms have a table of their own. */
  "round-trips": (record) =>
    roundTrips(record, "latency", "round trip of 32 B", ({ name }) => !name.includes(":")),

  streaming: (record) =>
    table(
      ["streaming 32 B", "messages", "a message"],
      results(record, "throughput")
        .toSorted((a, b) => number(record, b.name, "perSecond") - number(record, a.name, "perSecond"))
        .map(({ title, name }) => [
          title,
          rate(number(record, name, "perSecond")),
          duration(number(record, name, "ns")),
        ]),
    ),

  handover: (record) =>
    roundTrips(record, "bulk-handover", "one way: from `send` until the first byte can be read"),

  verdicts: (record) => verdicts(record, false),

  "bulk-verdicts": (record) => verdicts(record, true),
};
