// Tables of other pages, by the names that their markers have. Each throws a NoFigure where the record lacks what it needs.

import { formatOf } from "../lib/figure-format.mjs";
import { duration, rate, size, throughput } from "../lib/format.mjs";
import { MIB } from "../lib/memory.mjs";
import { NONE, table } from "./markdown.mjs";
import { measured } from "./record.mjs";
import { verdictTable } from "./suite-tables.mjs";

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
  const own = record.data.verdicts.filter(({ group }) => (group === "bulk") === bulk);
  if (own.length === 0) throw new NoFigure(`there are no verdicts${bulk ? " about blocks" : ""}`);
  return verdictTable(record, own);
}

/** @param {number | undefined} value @param {(value: number) => string} format */
function shown(value, format) {
  return value === undefined ? NONE : format(value);
}

/** Round trips, the lowest mean first. @param {BenchRecord} record @param {string} suite @param {string} title */
function roundTrips(record, suite, title) {
  return table(
    [title, "mean", "p50", "p99"],
    results(record, suite)
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
  /** README.md */
  messages(record) {
    const ns = (/** @type {string} */ name) => duration(number(record, name, "ns"));
    const perSecond = (/** @type {string} */ name) => rate(number(record, name, "perSecond"));
    const socket = `\`node:net\`, bytes only counted: ${ns("net")}`;
    return table(
      ["32 bytes", "ringbell, `struct()`", "next to it"],
      [
        ["round trip, both ends in their event loops", ns("loop-struct"), socket],
        ["the same, asleep and woken every time", ns("loop-spin-0"), socket],
        [
          "round trip, both ends polling",
          ns("sync-struct"),
          `C++: \`boost::lockfree::spsc_queue\`, 8 B: ${ns("boost")}; the floor: ${ns("flag")}`,
        ],
        [
          "streaming, `trySend` to a listener",
          perSecond("push"),
          `\`node:net\`, a write a message, bytes only counted: ${perSecond("net-stream")}`,
        ],
        [
          "streaming, `sendMany` to `receiveMany`",
          perSecond("many"),
          `\`node:net\`, many a write, frames read: ${perSecond("net-unix-joined:flood:32B")}; C++: \`boost::lockfree::spsc_queue\`, 8 B: ${perSecond("boost-stream")}`,
        ],
        ["`connect`, until the channel is ready, p50", duration(number(record, "connect", "p50")), ""],
      ],
    );
  },

  /** README.md */
  blocks(record) {
    const ns = (/** @type {string} */ name) => duration(number(record, name, "ns"));
    return table(
      ["blocks", "ringbell", "next to it"],
      [
        [
          "handing over 1 GiB, one way",
          ns("handover-1g"),
          `1 KiB: ${ns("handover-1k")}; 64 MiB by \`node:net\`: ${ns("net-64m")}`,
        ],
        ["allocate and release 64 MiB", ns("allocate-64m"), ""],
        [
          "one 256 MiB block to eight processes",
          `${ns("shared")} a receiver`,
          `resident: ${size(number(record, "shared", "pssBytes"))}, once`,
        ],
      ],
    );
  },

  /** README.md: every mechanism with its usual options, the quickest to answer an object first. */
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
      peer === "ringbell" ? `**${title}**` : title,
      duration(number(record, name, "ns")),
      shown(of(title, "latency", "ns", 32), duration),
      shown(of(title, "throughput-objects", "perSecond"), rate),
      shown(of(title, "throughput-bytes", "bytesPerSecond", MIB), throughput),
    ]);
    const text = table(
      ["", "round trip (mean): object, 200 B as JSON", "32 B", "streaming such objects", "streaming 1 MiB"],
      rows,
    );
    const lacking = mechanisms.filter((_, i) => rows[i]?.includes(NONE)).map(({ peer = "" }) => peer);
    return lacking.length === 0 ? text : `${text}\n\n${NONE}: not measured${whyNot(lacking)}.`;
  },

  "round-trips": (record) => roundTrips(record, "latency", "round trip of 32 B"),

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
