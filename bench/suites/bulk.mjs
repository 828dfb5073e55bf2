import { fillAlone } from "../contenders/fill-alone.mjs";
import { fillFloor } from "../contenders/floor.mjs";
import { netBulk } from "../contenders/net-bulk.mjs";
import { netBulkStream } from "../contenders/net-bulk-stream.mjs";
import { allocate64K, allocate64M } from "../contenders/ringbell-allocate.mjs";
import { circulateLoop, circulateSync } from "../contenders/ringbell-circulate.mjs";
import { copyDefault, copyLittle, copyView } from "../contenders/ringbell-copy.mjs";
import { fillPolling, fillSleeping, fillTwo } from "../contenders/ringbell-fill.mjs";
import { fragment } from "../contenders/ringbell-fragment.mjs";
import { handover1G, handover1K, handover1M, handover64M } from "../contenders/ringbell-handover.mjs";
import { AGENTS, BYTES, shared } from "../contenders/ringbell-shared.mjs";
import { thresholds } from "../contenders/ringbell-threshold.mjs";
import { count, duration, each, ratio, size, throughput } from "../lib/format.mjs";
import { thorough } from "../lib/thorough.mjs";

/** @type {import("../lib/contender.mjs").Suite} */
const handover = {
  name: "bulk-handover",
  group: "bulk",
  title: "Handing over a block that was filled before, one way: from send until its first byte can be read",
  notes: [
    "Half of a round trip. A block is there as a whole; by node:net it takes until all of it is there.",
  ],
  contenders: [handover1K, thorough(handover1M), handover64M, handover1G, netBulk],
  columns: [
    { title: "one way", figure: "ns", format: duration, spread: true },
    { title: "p50", figure: "p50", format: duration },
    { title: "p99", figure: "p99", format: duration },
  ],
  targets: [
    {
      name: "handing over 1 GiB, as a multiple of 1 KiB",
      needs: ["handover-1g", "handover-1k"],
      value: (figure) => figure("handover-1g", "ns") / figure("handover-1k", "ns"),
      limit: 1.2,
      better: "lower",
      format: ratio,
    },
    {
      name: "handing over 1 GiB, one way",
      needs: ["handover-1g"],
      value: (figure) => figure("handover-1g", "ns"),
      limit: 4e3,
      better: "lower",
      format: duration,
    },
    {
      name: "64 MiB by node:net, as a multiple of handing it over",
      needs: ["net-64m", "handover-64m"],
      value: (figure) => figure("net-64m", "ns") / figure("handover-64m", "ns"),
      limit: 1000,
      better: "higher",
      format: ratio,
    },
  ],
};

/** @type {import("../lib/contender.mjs").Suite} */
const fill = {
  name: "bulk-fill",
  group: "bulk",
  title: "64 MiB filled and read through, again and again",
  notes: [
    "One core works at a time, except in the row with two blocks. Bytes count once, though each is written and read.",
  ],
  contenders: [fillAlone, thorough(fillFloor), fillPolling, thorough(fillSleeping), thorough(fillTwo)],
  columns: [
    { title: "throughput", figure: "bytesPerSecond", format: throughput, spread: true },
    { title: "once", figure: "ns", format: duration },
  ],
  targets: [
    {
      name: "rate of filling, handing over, reading 64 MiB, as a multiple of one process's",
      needs: ["fill-handed", "fill-alone"],
      value: (figure) => figure("fill-handed", "bytesPerSecond") / figure("fill-alone", "bytesPerSecond"),
      limit: 0.95,
      better: "higher",
      format: ratio,
    },
  ],
};

/** @type {import("../lib/contender.mjs").Suite} */
const copy = {
  name: "bulk-copy",
  group: "bulk",
  title: "Streaming one way, a Buffer of 1 MiB a message",
  notes: [
    "Nobody reads the messages through. ringbell's receiver looks at the first and the last four bytes of each, that of node:net only counts bytes.",
    'All bytes are read in "Streaming one way, by the length of the messages".',
  ],
  contenders: [copyView, copyDefault, thorough(copyLittle), netBulkStream],
  columns: [
    { title: "throughput", figure: "bytesPerSecond", format: throughput, spread: true },
    { title: "a message", figure: "ns", format: duration },
  ],
  targets: [
    {
      name: "streaming Buffers of 1 MiB that are not read through, as a multiple of node:net's",
      needs: ["copy-view", "net-1m"],
      value: (figure) => figure("copy-view", "bytesPerSecond") / figure("net-1m", "bytesPerSecond"),
      limit: 3,
      better: "higher",
      format: ratio,
    },
  ],
};

/** @type {import("../lib/contender.mjs").Suite} */
const share = {
  name: "bulk-shared",
  group: "bulk",
  title: `One block of ${size(BYTES)} shared to ${AGENTS} processes`,
  notes: [
    "Share and send: the orchestrator's time for share() and all trySend, divided by the receivers. First: the first time, when they map the",
    "memory. Last read: until the last of them has read its first byte. Memory: that of all processes, while all hold the block.",
  ],
  contenders: [shared],
  columns: [
    { title: "share and send", figure: "ns", format: duration, spread: true },
    { title: "share alone", figure: "shareNs", format: duration },
    { title: "last read", figure: "lastNs", format: duration },
    { title: "first", figure: "firstNs", format: duration },
    { title: "first, last read", figure: "firstLastNs", format: duration },
    { title: "sum of Pss", figure: "pssBytes", format: size },
    { title: "sum of Rss", figure: "rssBytes", format: size },
  ],
  targets: [
    {
      name: `resident memory of ${AGENTS + 1} processes that share ${size(BYTES)}, as a multiple of it`,
      needs: ["shared"],
      value: (figure) => figure("shared", "pssBytes") / BYTES,
      limit: 1.05,
      better: "lower",
      format: ratio,
    },
    {
      name: `sharing ${size(BYTES)}, time for each receiver`,
      needs: ["shared"],
      value: (figure) => figure("shared", "ns"),
      limit: 20e3,
      better: "lower",
      format: duration,
    },
  ],
};

/**
 * @param {string} what
 * @param {string} contender
 * @param {string} figure
 * @returns {import("../lib/contender.mjs").Target}
 */
function none(what, contender, figure) {
  return {
    name: `${what}, for each block`,
    needs: [contender],
    value: (get) => get(contender, figure),
    limit: 0.01,
    better: "lower",
    format: each,
  };
}

/** @type {import("../lib/contender.mjs").Suite} */
const circulate = {
  name: "bulk-steady",
  group: "bulk",
  title: "Blocks of 1 MiB in circulation: what each asks of the kernel, both processes together",
  notes: [
    "Counted under strace, which slows system calls down, so nothing is timed. To sleep is a system call: the ends poll, or have the longest spin",
    "that there is. The event loop makes one system call in each of its turns, epoll_wait, with blocks or without: it has a column of its own.",
    "Node runs with --single-threaded-gc. Otherwise V8's collector makes system calls to talk to its helpers.",
  ],
  contenders: [circulateSync, circulateLoop],
  columns: [
    { title: "system calls", figure: "otherCalls", format: each },
    { title: "epoll_wait", figure: "loopCalls", format: each },
    { title: "page faults", figure: "faults", format: each },
  ],
  targets: [
    none("system calls, both polling", "circulate-sync", "calls"),
    none("page faults, both polling", "circulate-sync", "faults"),
    none("system calls besides epoll_wait, event loop", "circulate-loop", "otherCalls"),
    none("page faults, event loop", "circulate-loop", "faults"),
  ],
};

/** @param {string} what @param {string} contender @returns {import("../lib/contender.mjs").Target[]} */
function allocated(what, contender) {
  return [
    {
      name: `allocating and releasing ${what}`,
      needs: [contender],
      value: (figure) => figure(contender, "ns"),
      limit: 1e3,
      better: "lower",
      format: duration,
    },
    {
      name: `garbage collections while allocating ${what} 100,000 times`,
      needs: [contender],
      value: (figure) => figure(contender, "scavenges") + figure(contender, "markCompacts"),
      limit: 0,
      better: "lower",
      format: count,
    },
  ];
}

/** @type {import("../lib/contender.mjs").Suite} */
const allocate = {
  name: "bulk-allocate",
  group: "bulk",
  title: "Allocate a block, write its first byte, release it",
  notes: [
    "Garbage: bytes each time. Scavenges, mark-compacts: garbage collections in 100,000 times, by --trace-gc. They begin without young garbage.",
  ],
  contenders: [allocate64K, allocate64M],
  columns: [
    { title: "tryAllocate", figure: "ns", format: duration, spread: true },
    { title: "await allocate", figure: "awaitNs", format: duration },
    { title: "garbage", figure: "garbageBytes", format: size },
    { title: "scavenges", figure: "scavenges", format: count },
    { title: "mark-compacts", figure: "markCompacts", format: count },
  ],
  targets: [...allocated("64 KiB", "allocate-64k"), ...allocated("64 MiB", "allocate-64m")],
};

/** @type {import("../lib/contender.mjs").Suite} */
const fragmentation = {
  name: "bulk-fragment",
  group: "bulk",
  title: "Random lengths, allocated and released at random: memory taken / bytes in use",
  notes: [
    "maxBulkBytes is 512 MiB, about half of it in use. A step is an allocation or a release. Refused: steps that found no room.",
  ],
  contenders: [thorough(fragment)],
  columns: [
    { title: "mean", figure: "mean", format: ratio },
    { title: "most", figure: "max", format: ratio },
    { title: "refused", figure: "refused", format: each },
    { title: "a step", figure: "ns", format: duration },
  ],
  targets: [],
};

/** @type {import("../lib/contender.mjs").Suite} */
const threshold = {
  name: "bulk-threshold",
  group: "bulk",
  title: "A Buffer by the ring or by a block: for bulkThreshold",
  notes: ["Both ends poll. The ring has 4 MiB; blocks may take 16 MiB."],
  contenders: thresholds.map(thorough),
  columns: [
    { title: "ring: round trip", figure: "ringNs", format: duration },
    { title: "block: round trip", figure: "blockNs", format: duration },
    { title: "ring: one way", figure: "ringPerSecond", format: throughput },
    { title: "block: one way", figure: "blockPerSecond", format: throughput },
  ],
  targets: [],
};

/** Blocks, and what goes by them. */
export const bulk = [handover, fill, copy, share, circulate, allocate, fragmentation, threshold];
