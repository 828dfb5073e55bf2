// docs/benchmarks.md. A section whose suites a record does not have is left out.
import { size } from "../lib/format.mjs";
import * as charts from "./charts.mjs";
import * as latencies from "./charts-latency.mjs";
import { NONE, picture, table, unbroken } from "./markdown.mjs";
import { measured } from "./record.mjs";
import { BEYOND } from "./samples.mjs";
import { socketSection } from "./socket.mjs";
import {
  absent,
  countedTable,
  distributionTable,
  disturbed,
  pivot,
  suiteTable,
  verdictTable,
} from "./suite-tables.mjs";
import { latencyTiers, rateTiers } from "./tiers.mjs";

/**
 * @typedef {import("./record.mjs").BenchRecord} BenchRecord
 * @typedef {import("./charts.mjs").Chart} Chart
 * @typedef {(Chart | string | undefined)[]} Parts
 */

/** @param {BenchRecord} record @param {string} name @param {(suite: import("./record.mjs").Suite) => Parts} make @returns {Parts} */
function having(record, name, make) {
  const suite = record.suite(name);
  return suite === undefined ? [] : make(suite);
}

/** Notes of a suite, as it prints them. @param {import("./record.mjs").Suite} suite */
function notes(suite) {
  return suite.notes?.length ? suite.notes.join("\n") : undefined;
}

/** A suite that has no section of its own. @param {import("./record.mjs").Suite} suite @returns {Parts} */
function plainly(suite) {
  return [`### ${suite.title}`, notes(suite), suiteTable(suite)];
}

/** @param {BenchRecord} record @returns {Parts} */
function latency(record) {
  return [
    ...latencies.latencyOverview(record),
    ...having(record, "latency", (suite) => [notes(suite)]),
    ...latencies.latencyDistributions(record),
    ...having(record, "latency", (suite) => [distributionTable(measured(suite))]),
    ...having(record, "wake-ups", (suite) => [
      `### ${suite.title}`,
      notes(suite),
      distributionTable(measured(suite)),
    ]),
  ];
}

/** @param {BenchRecord} record @returns {Parts} */
function paced(record) {
  return [
    ...having(record, "latency-paced", (suite) => [notes(suite)]),
    ...latencies.latencyPaced(record),
    ...having(record, "latency-paced", (suite) => [
      // Side by side they would be too wide.
      ...[
        ["p50", "p99"],
        ["p99.9", "max"],
      ].map((figures) =>
        pivot(
          measured(suite),
          ({ facts }) => Number(facts.rate),
          (each) => `${each.toLocaleString("en-US")}/s`,
          figures.map((figure) => ({ title: figure, figure })),
          { order: "p50" },
        ),
      ),
      measured(suite).some(({ medians }) => (medians.kept ?? 1) < 1)
        ? "†: did not keep up with the rate in most rounds."
        : undefined,
    ]),
  ];
}

/** Without a unit. @param {number} value */
function threeDigits(value) {
  if (value >= 1000) return Math.round(value).toLocaleString("en-US");
  return value < 0.001 ? "< 0.001" : value.toPrecision(3);
}

/** @param {import("./record.mjs").Suite} suite @param {string} figure @param {string} name @param {number} unit */
function bySize(suite, figure, name, unit) {
  const columns = [{ title: "", figure }];
  const write = (/** @type {number} */ value) => threeDigits(value / unit);
  return pivot(measured(suite), ({ facts }) => Number(facts.bytes), size, columns, { unit: { name, write } });
}

/** @param {BenchRecord} record @returns {Parts} */
function throughputs(record) {
  return [
    ...having(record, "throughput", (suite) => [`### ${suite.title}`, notes(suite), suiteTable(suite)]),
    ...having(record, "throughput-bytes", (suite) => [
      `### ${suite.title}`,
      notes(suite),
      ...charts.throughputBySize(record),
      bySize(suite, "bytesPerSecond", "GB/s", 1e9),
      "The same in messages:",
      bySize(suite, "perSecond", "thousands a second", 1e3),
    ]),
  ];
}

/** @param {BenchRecord} record @returns {Parts} */
function objects(record) {
  const tables = (/** @type {string} */ name, /** @type {{ title: string, figure: string }[]} */ columns) =>
    having(record, name, (suite) => [
      `### ${suite.title}`,
      notes(suite),
      pivot(measured(suite), ({ facts }) => Number(facts.bytes), size, columns),
    ]);
  return [
    ...charts.objects(record),
    ...tables("latency-objects", [
      { title: "mean", figure: "ns" },
      { title: "p50", figure: "p50" },
      { title: "p99", figure: "p99" },
    ]),
    ...tables("throughput-objects", [{ title: "", figure: "perSecond" }]),
  ];
}

/** Suites of a group, each with its chart. @param {BenchRecord} record @param {string} group @param {Chart[]} drawn @returns {Parts} */
function grouped(record, group, drawn) {
  return record.data.suites
    .filter((suite) => suite.group === group && measured(suite).length > 0)
    .flatMap((suite) => [
      `### ${suite.title}`,
      notes(suite),
      ...drawn.filter(({ name }) => name === suite.name),
      suiteTable(suite),
    ]);
}

/** @param {BenchRecord} record @returns {Parts} */
function scales(record) {
  const over = (/** @type {string} */ name, /** @type {string} */ fact, /** @type {Chart[]} */ drawn) =>
    having(record, name, (suite) => [
      `### ${suite.title}`,
      notes(suite),
      ...drawn,
      countedTable(suite, fact),
    ]);
  return [
    ...over("scale-channels", "channels", charts.channels(record)),
    ...over("scale-senders", "senders", charts.senders(record)),
    ...["scale", "flood", "kills"].flatMap((name) => having(record, name, plainly)),
  ];
}

/** @param {BenchRecord} record @returns {Parts} */
function startUps(record) {
  return [
    ...having(record, "startup", (suite) => [
      notes(suite),
      ...latencies.startUp(record),
      distributionTable(measured(suite)),
    ]),
    ...having(record, "connect", plainly),
  ];
}

/** @param {BenchRecord} record @returns {Parts} */
function verdicts(record) {
  const { verdicts: all } = record.data;
  if (all.length === 0) return [];
  const missed = all.filter(({ ok, value }) => !ok && value !== null).length;
  const unknown = all.filter(({ value }) => value === null);
  const reasons = [...new Set(unknown.map(({ reason }) => reason))].filter((reason) => reason !== undefined);
  return [
    [
      "A verdict is a goal of the project: a ratio of medians of the same run, or a time. Spread: the round that lies farthest from the median; if",
      "the median is near 0, the least and the greatest round.",
      `${all.length} verdicts, ${missed} missed${unknown.length > 0 ? `, ${unknown.length} not measured` : ""}.`,
    ].join("\n"),
    verdictTable(record, all),
    reasons.length > 0 ? reasons.map((reason) => `- Not measured: ${reason}`).join("\n") : undefined,
  ];
}

/** @param {BenchRecord} record @returns {Parts} */
function tiers(record) {
  const lists = [latencyTiers(record), rateTiers(record)].filter((each) => each !== undefined);
  if (lists.length === 0) return [];
  return ["Each mechanism is once in each table, in the best tier that its figure reaches.", ...lists];
}

/** @param {BenchRecord} record @returns {Parts} */
function missing(record) {
  const none = record.data.suites.every(({ results }) =>
    results.every(({ status }) => status === "measured"),
  );
  return none ? [] : [absent(record)];
}

/** Suites that no other section shows. @param {BenchRecord} record @returns {Parts} */
function others(record) {
  const shown = new Set([
    ...["latency", "wake-ups", "latency-paced", "latency-objects", "throughput", "throughput-bytes"],
    ...[
      "throughput-objects",
      "scale",
      "scale-channels",
      "scale-senders",
      "flood",
      "kills",
      "startup",
      "connect",
    ],
  ]);
  return record.data.suites
    .filter(({ name, group = "" }) => !shown.has(name) && !["bulk", "cost", "inside"].includes(group))
    .filter((suite) => measured(suite).length > 0)
    .flatMap(plainly);
}

/** In this order. @type {[string, (record: BenchRecord) => Parts][]} */
const SECTIONS = [
  ["Verdicts", verdicts],
  ["Where a plain socket is as good or better", (record) => [socketSection(record) || undefined]],
  ["Orders of magnitude", tiers],
  ["Latency: ping-pong", latency],
  ["Latency at fixed rates", paced],
  ["JSON objects", objects],
  ["Throughput", throughputs],
  ["Blocks and memory", (record) => grouped(record, "bulk", [])],
  ["Cost", (record) => grouped(record, "cost", charts.costs(record))],
  ["Scale", scales],
  ["Start-up", startUps],
  ["Inside one process", (record) => grouped(record, "inside", charts.inside(record))],
  ["More", others],
  ["Not measured", missing],
];

/** @param {BenchRecord} record */
function circumstances({ data }) {
  const { machine, pinnedTo, packages = {}, commit, changed, version } = data;
  const versions = Object.entries(packages).map(([name, each]) => `${name} ${each}`);
  const virtual = machine.virtual === true ? ", virtual" : "";
  return table(
    ["", ""],
    [
      ["processor", `${machine.processor}, ${machine.cores} cores${virtual}; ${machine.architecture}`],
      ...(machine.memoryBytes ? [["memory", size(Math.round(machine.memoryBytes / 2 ** 20) * 2 ** 20)]] : []),
      ["system", `${machine.system} ${machine.kernel}`],
      ["governor", machine.governor ?? "can't be read"],
      ["Node", `${machine.node}, V8 ${machine.v8}`],
      ["packages", versions.join(", ") || "none"],
      [
        "ringbell",
        [version, commit && `commit ${commit}`, changed && "**with changes that are not committed**"]
          .filter(Boolean)
          .join(", "),
      ],
      ["pinned", pinnedTo === null ? "**no**" : `yes, to cores ${pinnedTo.join(" and ")}${siblings(data)}`],
      ["when", `${data.when.slice(0, 10)}, ${data.seconds.toLocaleString("en-US")} s`],
    ],
    ["left", "left"],
  );
}

/** Whether the two cores are one, for which two threads compete. @param {BenchRecord["data"]} data */
function siblings({ machine, pinnedTo }) {
  const list = /** @type {string | null | undefined} */ (machine.threadSiblings);
  if (!list || pinnedTo === null) return "; whether they are threads of one core can't be read";
  const threads = list.split(",").flatMap((part) => {
    const [first = 0, last = first] = part.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
  if (pinnedTo.every((core) => threads.includes(core))) return ", **which are threads of one core**";
  const doubt = machine.virtual === true ? ", but a hypervisor may hide it" : "";
  return `; as far as the system tells, they are not threads of one core${doubt}`;
}

/** Whether what was measured had become stable before. @param {BenchRecord} record */
function warmUps({ data }) {
  const told = data.suites
    .flatMap((suite) => measured(suite))
    .flatMap(({ constants }) => constants?.stable ?? []);
  if (told.length === 0) return [];
  const stable = told.filter((each) => each === 1).length;
  return [
    `Warm-up ends when three attempts are within 5 % of each other, as in ${stable} of ${told.length} rows. On a machine that is too noisy for that, it ends when it`,
    "has taken three times as long as it must.",
  ];
}

/** @param {BenchRecord} record */
function warnings(record) {
  const { data } = record;
  return [
    data.quick ? "**These are rough figures, of `--quick`.**" : undefined,
    ...disturbed(record).map(
      ({ title, foreignLoad = 0 }) =>
        `**Just before “${title}” was measured, other programs used ${Math.round(foreignLoad * 100)} % of a core: don't rely on its figures.**`,
    ),
  ].filter((line) => line !== undefined);
}

/**
 * @param {BenchRecord} record
 * @returns {{ text: string, charts: Chart[] }}
 */
export function page(record) {
  const { data } = record;
  /** @type {Chart[]} */
  const drawn = [];
  const sections = SECTIONS.flatMap(([heading, make]) => {
    const parts = make(record).filter((part) => part !== undefined && part !== "");
    return parts.length === 0 ? [] : [`## ${heading}`, ...parts];
  });
  const texts = sections.map((part) => {
    if (typeof part === "string") return unbroken(part);
    const chart = /** @type {Chart} */ (part);
    drawn.push(chart);
    return picture(chart.name, chart.alt);
  });
  const text = [
    "# Benchmarks",
    [
      "<!-- Written by npm run bench:report: do not edit. -->",
      "",
      "One run measured ringbell, the mechanisms that a user would pick instead, and the floor of the machine. The figures are those of",
      "[benchmarks.json](benchmarks.json). Absolute figures belong to this machine: only ratios travel between machines. A ratio between something that",
      "sleeps and something that polls hardly does.",
    ].join("\n"),
    ...warnings(record),
    unbroken(circumstances(record)),
    [
      `Figures are medians of ${data.rounds} rounds of ${data.secondsPerRound} s after warm-up (some suites say otherwise). Contenders are interleaved within each round, and the two`,
      "ends are processes of their own.",
      "",
      "- Spread: how far the farthest round lies from the median.",
      "- Mean: the time of a round divided by its round trips; of that, the median over the rounds.",
      `- Percentiles: medians of those of the rounds; ${NONE} if fewer than ${BEYOND} samples of all rounds lie beyond one.`,
      "- max: the longest of all that were timed one by one. It grows with their number, and quick mechanisms have more of them.",
      "",
      ...warmUps(record),
      "[bench/README.md](../bench/README.md) says how everything is measured. Each file under `bench/peers` and `bench/contenders` says how a mechanism",
      "is used. To measure it again and write this page takes g++, libboost-dev, strace and taskset (Debian: `apt-get install g++ libboost-dev strace",
      "util-linux`):",
    ].join("\n"),
    [
      "```sh",
      "npm ci",
      "npm run bench -- --json result.json",
      "npm run bench:report result.json",
      "```",
    ].join("\n"),
    ...texts,
  ].join("\n\n");
  return { text: `${text}\n`, charts: drawn };
}
