import type { Output } from "../command.js";
import { bytes, plural, safe } from "../format.js";
import { table, wrap } from "../table.js";
import type { Availability, DirectoryFacts, DoctorReport, TestResult } from "./report.js";

/** Makes the report for people: the facts, the tests, the problems, and the verdict. */
export function showReport(report: DoctorReport, { style, width }: Output): string[] {
  const lines: string[] = [];
  const section = (title: string, facts: readonly (readonly [string, string])[]) => {
    if (lines.length > 0) lines.push("");
    lines.push(style.strong(title));
    for (const [name, value] of facts) {
      const [first, ...rest] = wrap(safe(value), width === undefined ? undefined : width - INDENT);
      lines.push(`  ${style.dim(name.padEnd(INDENT - 3))} ${first}`);
      for (const line of rest) lines.push(" ".repeat(INDENT) + line);
    }
  };
  section("Software", software(report));
  section("Machine", machine(report));
  section("Names", names(report.directory));
  const variables = Object.entries(report.environment);
  section(
    "Environment",
    variables.length === 0
      ? [["variables", "none that begins with RINGBELL_ is set"]]
      : variables.map(([name, value]) => [name, value]),
  );
  lines.push(
    "",
    style.strong("Self-test") + style.dim(" (round trips of small messages, both ends in this process)"),
  );
  lines.push(...tests(report.tests, { style, width }));
  if (report.problems.length > 0) lines.push("", style.strong("Problems and notes"));
  const marks = { error: style.bad("error  "), warning: style.warn("warning"), note: style.dim("note   ") };
  for (const { severity, message, help } of report.problems) {
    const room = width === undefined ? undefined : width - 10;
    const text = [...message.split("\n"), help].flatMap((line) => wrap(safe(line), room));
    lines.push(...text.map((line, at) => `  ${at === 0 ? marks[severity] : "       "} ${line}`));
  }
  const [verdict, why] = report.ok
    ? ["Messages can flow", `, over ${report.transport}: ${report.reason}`]
    : ["Messages can't flow", `: ${report.reason}`];
  const [first, ...rest] = wrap(verdict + safe(why), width);
  const paint = report.ok ? style.good : style.bad;
  lines.push("", paint(verdict) + first!.slice(verdict.length), ...rest);
  return lines;
}

/** The columns before the values. */
const INDENT = 18;

type Fact = readonly [string, string];

function software({ version, addon, node }: DoctorReport): Fact[] {
  return [
    ["ringbell", version],
    [
      "addon",
      addon.loaded
        ? `loaded from ${addon.path ?? "a place that is not known"} (ABI ${addon.abiVersion})`
        : "not loaded, see below",
    ],
    ["Node.js", `${node.version} (Node-API ${node.napi}), ${node.path}`],
  ];
}

function machine({ addon, platform, sharedMemory, limits, container }: DoctorReport): Fact[] {
  const { openFiles, memory } = limits;
  const facts: Fact[] = [
    [
      "platform",
      `${platform.os} ${platform.arch}${platform.libc === null ? "" : `, ${platform.libc}`}, kernel ${platform.kernel}`,
    ],
    [
      "cores",
      `${platform.cores}${platform.cpuQuota === null ? "" : `, of which the control group grants ${Number(platform.cpuQuota.toFixed(2))}`}`,
    ],
    ["memory", memoryText(memory)],
  ];
  if (sharedMemory.path !== null) {
    const { size, free } = sharedMemory;
    facts.push([
      sharedMemory.path,
      size === null ? "not there" : `${bytes(free ?? 0)} free of ${bytes(size)}`,
    ]);
  }
  facts.push(
    ["sealed memory", available(sharedMemory.sealed, addon.loaded)],
    ["named memory", available(sharedMemory.named, addon.loaded)],
    ["open files", openFiles.soft === null ? "no limit" : `${openFiles.soft} at most`],
  );
  const space = container.pidNamespace === null ? "" : `, pid namespace ${container.pidNamespace}`;
  facts.push([
    "container",
    `${container.signs.length === 0 ? "no sign of one" : container.signs.join(", ")}${space}`,
  ]);
  return facts;
}

function memoryText({ total, free, limit, used }: DoctorReport["limits"]["memory"]): string {
  const group =
    limit === null
      ? "no limit by a control group"
      : `limited to ${bytes(limit)} by a control group${used === null ? "" : ` (${bytes(used)} used)`}`;
  return `${bytes(free)} free of ${bytes(total)}, ${group}`;
}

function available(fact: Availability | null, loaded: boolean): string {
  if (fact === null) return loaded ? "not on this platform" : "needs the addon";
  return fact.available
    ? "can be made"
    : `making it fails: ${fact.error?.code ?? fact.error?.message ?? "for an unknown reason"}`;
}

function names(directory: DirectoryFacts): Fact[] {
  if (directory.path === null) return [["directory", "none, see below"]];
  const { path, source, exists, uid, mode, writable, longestName } = directory;
  const why = source === "tmpdir" ? "the default" : `from ${source}`;
  const state = exists
    ? `owner uid ${uid}, mode ${mode}, ${writable ? "writable" : "not writable"}`
    : `not there yet; ${writable ? "the first listen makes it" : "this user may not make it"}`;
  return [
    ["directory", `${path} (${why})`],
    ["rights", state],
    ["names", `up to ${plural(longestName ?? 0, "byte")} in the namespace that is set`],
  ];
}

function tests(results: readonly TestResult[], { style, width }: Pick<Output, "style" | "width">): string[] {
  const rows = results.map(({ name, state, transport, rounds, p50, p99, error }) => [
    name,
    state,
    state === "passed" ? `${p50} µs` : "",
    state === "passed" ? `${p99} µs` : "",
    state === "passed"
      ? `${rounds} round trips over ${transport}`
      : state === "skipped"
        ? (error?.message ?? "")
        : `${error?.code ?? "see below"}`,
  ]);
  const paints = { passed: style.good, failed: style.bad, skipped: style.dim };
  return table(
    [
      { title: "OPTIONS" },
      { title: "RESULT" },
      { title: "P50", align: "right" },
      { title: "P99", align: "right" },
      { title: "", least: 10 },
    ],
    rows,
    {
      indent: 2,
      width,
      title: style.dim,
      paint: (text, row, column) => (column === 1 ? paints[results[row]!.state](text) : text),
    },
  );
}
