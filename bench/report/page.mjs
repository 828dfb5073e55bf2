// docs/benchmarks.md. A section whose suites a record does not have is left out.
import { size } from "../lib/format.mjs";
import { loadWarning } from "../lib/load.mjs";
import * as charts from "./charts.mjs";
import { columnsOf } from "./figures.mjs";
import { picture, table } from "./markdown.mjs";
import { measured } from "./record.mjs";
import { socketSection } from "./socket.mjs";
import { absent, distributionTable, pivot, suiteTable, verdictTable } from "./suite-tables.mjs";
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
    ...charts.latencyOverview(record),
    ...having(record, "latency", (suite) => [notes(suite)]),
    ...charts.latencyDistributions(record),
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
    ...charts.latencyPaced(record),
    ...having(record, "latency-paced", (suite) => [
      pivot(
        measured(suite),
        ({ facts }) => Number(facts.rate),
        (each) => `${each.toLocaleString("en-US")}/s`,
        ["p50", "p99.9", "max"].map((figure) => ({ title: figure, figure })),
      ),
      measured(suite).some(({ medians }) => (medians.kept ?? 1) < 1)
        ? "†: did not keep up with the rate in most rounds."
        : undefined,
    ]),
  ];
}

/** @param {BenchRecord} record @returns {Parts} */
function throughputs(record) {
  return [
    ...having(record, "throughput", (suite) => [`### ${suite.title}`, notes(suite), suiteTable(suite)]),
    ...having(record, "throughput-bytes", (suite) => [
      `### ${suite.title}`,
      notes(suite),
      ...charts.throughputBySize(record),
      pivot(measured(suite), ({ facts }) => Number(facts.bytes), size, [
        { title: "", figure: "bytesPerSecond" },
      ]),
      "The same in messages:",
      pivot(measured(suite), ({ facts }) => Number(facts.bytes), size, [{ title: "", figure: "perSecond" }]),
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
  const over = (
    /** @type {string} */ name,
    /** @type {string} */ fact,
    /** @type {(value: number) => string} */ heading,
    /** @type {Chart[]} */ drawn,
  ) =>
    having(record, name, (suite) => [
      `### ${suite.title}`,
      notes(suite),
      ...drawn,
      pivot(measured(suite), ({ facts }) => Number(facts[fact]), heading, columnsOf(suite).slice(0, 2)),
    ]);
  return [
    ...over("scale-channels", "channels", (each) => each.toLocaleString("en-US"), charts.channels(record)),
    ...over("scale-senders", "senders", String, charts.senders(record)),
    ...["scale", "flood"].flatMap((name) => having(record, name, plainly)),
  ];
}

/** @param {BenchRecord} record @returns {Parts} */
function startUps(record) {
  return [
    ...having(record, "startup", (suite) => [
      notes(suite),
      ...charts.startUp(record),
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
      "What the project set itself, as ratios of medians of the same run, or as times. Spread: the round that lies farthest from the median.",
      `${all.length} verdicts, ${missed} missed${unknown.length > 0 ? `, ${unknown.length} not measured` : ""}.`,
    ].join("\n"),
    verdictTable(all),
    reasons.length > 0 ? reasons.map((reason) => `- Not measured: ${reason}`).join("\n") : undefined,
  ];
}

/** @param {BenchRecord} record @returns {Parts} */
function tiers(record) {
  const lists = [latencyTiers(record), rateTiers(record)].filter((each) => each !== undefined);
  if (lists.length === 0) return [];
  return ["Each mechanism stands once in each list, in the best tier that its figure reaches.", ...lists];
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
    ...["throughput-objects", "scale", "scale-channels", "scale-senders", "flood", "startup", "connect"],
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
      ["pinned", pinnedTo === null ? "**no**" : `yes, to cores ${pinnedTo.join(" and ")}`],
      ["when", `${data.when.slice(0, 10)}, ${data.seconds.toLocaleString("en-US")} s`],
    ],
    ["left", "left"],
  );
}

/** @param {BenchRecord} record */
function warnings({ data }) {
  const disturbed = data.suites.filter(
    ({ foreignLoad }) => loadWarning(foreignLoad ?? undefined) !== undefined,
  );
  return [
    data.quick ? "**These are rough figures, of `--quick`.**" : undefined,
    disturbed.length > 0
      ? `**Disturbed by other programs: ${disturbed.map(({ title }) => title).join("; ")}.**`
      : undefined,
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
    if (typeof part === "string") return part;
    const chart = /** @type {Chart} */ (part);
    drawn.push(chart);
    return picture(chart.name, chart.alt);
  });
  const text = [
    "# Benchmarks",
    [
      "<!-- Written by npm run bench:report: do not edit. -->",
      "",
      "ringbell, what a user would pick instead, and the floor of the machine, measured in one run. The figures are those of",
      "[benchmarks.json](benchmarks.json). The absolute ones belong to this machine; between machines only ratios travel, and those between",
      "something that sleeps and something that polls hardly do.",
    ].join("\n"),
    ...warnings(record),
    circumstances(record),
    [
      `Medians of ${data.rounds} rounds of ${data.secondsPerRound} s after warm-up (some suites say otherwise), contenders interleaved within each round; the two ends are`,
      "processes of their own. Spread: how far the farthest round lies from the median. Percentiles are medians of those of the rounds.",
      "[bench/README.md](../bench/README.md) says how everything is measured, each file under `bench/peers` and `bench/contenders` how a mechanism is used.",
      "To measure it again, and to write this page:",
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
