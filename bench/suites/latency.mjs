import { boost, flag, ring } from "../contenders/floor.mjs";
import { net } from "../contenders/net.mjs";
import { loopBytes, loopJson, loopNoSpin, loopStream, loopStruct } from "../contenders/ringbell-loop.mjs";
import { polling } from "../contenders/ringbell-polling.mjs";
import { syncBytes, syncJson, syncStruct } from "../contenders/ringbell-sync.mjs";
import { count, duration, ratio, size } from "../lib/format.mjs";
import { MESSAGE_BYTES } from "../lib/messages.mjs";
import { thorough } from "../lib/thorough.mjs";
import { peer as disruptor } from "../peers/disruptor.mjs";
import { peersFor } from "./peers.mjs";
import { roundTripColumns } from "./round-trip-columns.mjs";

/** How long a round of a peer is, as a part of the usual: there are many of them. */
const PART = 0.5;
const QUICK_PART = 0.25;
/** Of an object, about, as JSON. */
const OBJECT_BYTES = 200;
/** In the table the same channel stands twice. */
const BY_HAND =
  'Rows of ringbell that name a mode (both polling, event loop) and a codec are programs of their own. All other rows share one program. There "ringbell" is bytes() with default options.';
/** Messages a second. */
const RATES = [1_000, 10_000, 100_000];

/** Written by hand for the verdicts, with the nearest that there is to nothing in between. @satisfies {readonly import("../lib/contender.mjs").Contender[]} */
const DIRECT = [
  flag,
  boost,
  ring,
  syncStruct,
  thorough(syncBytes),
  thorough(syncJson),
  loopStruct,
  thorough(loopBytes),
  thorough(loopJson),
  loopNoSpin,
  thorough(loopStream),
  net,
].map((contender) => ({
  ...contender,
  facts: contender.facts ?? { kind: "echo", payload: "bytes", bytes: MESSAGE_BYTES },
}));

/** @type {import("../lib/contender.mjs").Target[]} */
const TARGETS = [
  {
    name: "round trip, both polling, as a multiple of boost's spsc_queue",
    needs: ["sync-struct", "boost"],
    value: (figure) => figure("sync-struct", "ns") / figure("boost", "ns"),
    limit: 1.0,
    better: "lower",
    format: ratio,
  },
  {
    name: "round trip, both polling, as a multiple of that by a flag in one cache line",
    needs: ["sync-struct", "flag"],
    value: (figure) => figure("sync-struct", "ns") / figure("flag", "ns"),
    limit: 1.7,
    better: "lower",
    format: ratio,
  },
  {
    name: "round trip, event loops, as a multiple of node:net's",
    needs: ["loop-struct", "net"],
    value: (figure) => figure("loop-struct", "ns") / figure("net", "ns"),
    limit: 1 / 40,
    better: "lower",
    format: ratio,
  },
  {
    name: "round trip, event loops, spin: 0, as a multiple of node:net's",
    needs: ["loop-spin-0", "net"],
    value: (figure) => figure("loop-spin-0", "ns") / figure("net", "ns"),
    limit: 0.85,
    better: "lower",
    format: ratio,
  },
];

/** @param {number} part */
function share(part) {
  return `${count(part * 100)} %`;
}

/**
 * One message there and back, then the next.
 * @param {number} bytes
 * @param {import("../lib/contender.mjs").Choice} choice
 * @returns {import("../lib/contender.mjs").Suite}
 */
function echo(bytes, { quick }) {
  const direct = bytes === MESSAGE_BYTES;
  return {
    name: direct ? "latency" : `latency-${size(bytes).replace(" ", "")}`,
    group: "latency",
    title: `Round trips between two processes, ${size(bytes)}`,
    notes: [
      "One after the other; the percentiles are those of single round trips. Each message is read as a whole: on a stream of bytes its length stands",
      `before it.${direct ? ` "${net.title}" only counts bytes.` : ""}`,
      ...(direct ? [BY_HAND] : []),
      `The ends of "${disruptor.title}" look in every turn of their event loops and never sleep, because it has nothing that wakes a sleeper.`,
    ],
    contenders: [
      ...(direct ? DIRECT : []),
      ...(direct ? [] : [polling({ kind: "echo", bytes, part: quick ? QUICK_PART : PART })]),
      ...peersFor({ kind: "echo", bytes, part: quick ? QUICK_PART : PART }),
    ],
    columns: roundTripColumns,
    targets: direct ? TARGETS : [],
  };
}

/** @param {import("../lib/contender.mjs").Choice} choice @returns {import("../lib/contender.mjs").Suite} */
function objects({ quick }) {
  /** @type {import("../lib/linked.mjs").Work} */
  const work = { kind: "echo", payload: "object", bytes: OBJECT_BYTES, part: quick ? QUICK_PART : PART };
  return {
    name: "latency-objects",
    group: "latency",
    title: `Round trips of an object, ${OBJECT_BYTES} B as JSON`,
    notes: [
      'Sent as is usual for each: JSON, the structured clone, or a type that both ends know. The row "ringbell" is json() with default options.',
    ],
    contenders: [
      polling({ ...work, codec: "struct" }),
      polling({ ...work, codec: "packed" }),
      polling(work),
      ...peersFor(work),
    ].map(thorough),
    columns: roundTripColumns,
    targets: [
      {
        name: `round trip of an object of ${OBJECT_BYTES} B, event loops, packed(), as a multiple of json()'s`,
        needs: ["ringbell-packed:echo:object", "ringbell:echo:object"],
        value: (figure) => figure("ringbell-packed:echo:object", "ns") / figure("ringbell:echo:object", "ns"),
        limit: 0.5,
        better: "lower",
        format: ratio,
      },
    ],
  };
}

/** @param {import("../lib/contender.mjs").Choice} choice @returns {import("../lib/contender.mjs").Suite} */
function paced({ quick }) {
  return {
    name: "latency-paced",
    group: "latency",
    title: `Round trips of ${MESSAGE_BYTES} B at a fixed rate: p50 / p99 / max`,
    notes: [
      "Each is timed from the moment its message was due, sent or not: a stall counts for all that it delays. A mechanism that did not keep up has",
      "the part of its messages that was answered by the end of the round. The record has the whole distributions.",
    ],
    contenders: RATES.flatMap((rate) =>
      peersFor({ kind: "paced", rate, part: quick ? QUICK_PART : PART }),
    ).map(thorough),
    columns: [
      { title: "p50", figure: "p50", format: duration, spread: true },
      { title: "p99", figure: "p99", format: duration },
      { title: "p99.9", figure: "p99.9", format: duration },
      { title: "max", figure: "max", format: duration },
      { title: "kept up", figure: "kept", format: share },
    ],
    matrix: {
      rows: "title",
      columns: "rate",
      figure: "p99",
      format: (p99, { p50 = Number.NaN, max = Number.NaN, kept = 0 }) =>
        kept < 1 ? `${share(kept)} answered` : [p50, p99, max].map(duration).join(" / "),
      columnTitle: (rate) => `${count(rate)} /s`,
    },
    targets: [],
  };
}

/** @param {import("../lib/contender.mjs").Choice} choice @returns {import("../lib/contender.mjs").Suite[]} */
export function latency(choice) {
  const sizes = choice.sizes ?? [MESSAGE_BYTES];
  return [...sizes.map((bytes) => echo(bytes, choice)), objects(choice), paced(choice)];
}
