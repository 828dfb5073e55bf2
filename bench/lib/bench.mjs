import { buildFloors, toolchain } from "../floors/build.mjs";
import { chooseCores } from "./cores.mjs";
import { foreignLoad, loadWarning } from "./load.mjs";
import { machine, revision } from "./machine.mjs";
import { packageVersions } from "./packages.mjs";
import { privateDirectory } from "./private.mjs";
import { Progress } from "./progress.mjs";
import { FORMAT, suiteRecord } from "./record.mjs";
import { RecordFile } from "./record-file.mjs";
import { suiteTable, verdictTable } from "./report.mjs";
import { measure, steps } from "./run.mjs";
import { groupOf } from "./select.mjs";
import { terminalWidth, wrapped } from "./style.mjs";
import { judge } from "./verdicts.mjs";

/** Lines of the reason for a failure that are printed. */
const REASON_LINES = 6;

/**
 * Measures suites, prints what came of them, and writes the record.
 * @param {readonly import("./contender.mjs").Suite[]} suites
 * @param {ReturnType<typeof import("./options.mjs").parseOptions>} options
 * @param {(text: string) => void} print
 * @returns {Promise<number>} exit status
 */
export async function bench(suites, options, print) {
  const host = machine();
  const version = revision();
  const cores = chooseCores(options.cores);
  const file = RecordFile.open(options);
  const contenders = suites.flatMap((suite) => suite.contenders);
  const compiles = contenders.some((contender) => contender.compiles);
  if (compiles) await buildFloors();
  const begin = performance.now();
  const say = (/** @type {string} */ line) => print(wrapped(line, terminalWidth()).join("\n"));
  for (const line of heading(options, host, cores, version)) say(line);

  const { seconds, rounds, quick } = options;
  const setting = { cores, seconds, rounds, quick, directory: privateDirectory() };
  const progress = new Progress(suites.reduce((sum, { contenders }) => sum + steps(contenders, setting), 0));
  /** @type {import("./record.mjs").SuiteRecord[]} */
  const records = [];
  /** @type {import("./verdicts.mjs").Verdict[]} */
  const verdicts = [];
  const disturbed = [];
  for (const suite of suites) {
    const start = performance.now();
    const load = await foreignLoad(cores ?? host.allowedCores);
    const warning = loadWarning(load);
    if (warning !== undefined) {
      say(warning);
      disturbed.push(suite.name);
    }
    const results = await measure(suite, setting, progress);
    progress.clear();
    print(suiteTable(suite, results));
    const seconds = Math.round((performance.now() - start) / 100) / 10;
    records.push({ ...suiteRecord(suite, groupOf(suite), load, results), seconds });
    const judged = judge(suite.targets, new Map(results.map((result) => [result.name, result])));
    verdicts.push(
      ...judged.map((verdict) => ({ ...fair(verdict, host), group: groupOf(suite), suite: suite.name })),
    );
  }

  if (verdicts.length > 0) print(verdictTable(verdicts));
  if (disturbed.length > 0) say(`Disturbed by other programs: ${disturbed.join(", ")}.\n`);
  const absent = records.flatMap(({ results }) => results.filter(({ status }) => status === "unavailable"));
  if (absent.length > 0) print(leftOut(absent));
  const failed = records.flatMap(({ name: suite, results }) =>
    results.filter(({ status }) => status === "failed").map(({ name, reason }) => ({ suite, name, reason })),
  );
  for (const { suite, name, reason } of failed)
    print(`${suite}, ${name} failed: ${reason?.split("\n").slice(0, REASON_LINES).join("\n")}\n`);
  const took = Math.round((performance.now() - begin) / 1000);
  print(`${took} s`);
  file?.write({
    format: FORMAT,
    when: new Date().toISOString(),
    ...version,
    machine: host,
    pinnedTo: cores ?? null,
    quick,
    rounds,
    secondsPerRound: seconds,
    seconds: took,
    packages: { ...packageVersions(contenders), ...(compiles ? await toolchain() : {}) },
    suites: records,
    verdicts,
  });
  if (file !== undefined) print(`Written to ${file.path}`);
  return failed.length === 0 ? 0 : 1;
}

/**
 * @param {ReturnType<typeof import("./options.mjs").parseOptions>} options
 * @param {ReturnType<typeof machine>} host
 * @param {[number, number] | undefined} cores
 * @param {ReturnType<typeof revision>} version
 */
function heading(options, host, cores, { version, commit, changed }) {
  const built = commit === null ? "" : ` (${commit.slice(0, 10)}${changed ? " and changes" : ""})`;
  return [
    `${host.processor}, ${host.cores} cores; ${host.system} ${host.kernel}; Node ${host.node}; ringbell ${version}${built}`,
    cores === undefined
      ? "Processes are not pinned to cores (no taskset, or one core only): figures vary more."
      : `Everything runs on cores ${cores.join(" and ")}, the two ends of a pair pinned to one each.`,
    `Medians of ${options.rounds} interleaved rounds of ${options.seconds} s after warm-up; spread: the farthest round.`,
    ...(options.quick ? ["--quick: rough figures."] : []),
    "",
  ];
}

/**
 * What compares two ends that each have a core says nothing where they have to share one.
 * @param {import("./verdicts.mjs").Verdict} verdict
 * @param {ReturnType<typeof machine>} host
 * @returns {import("./verdicts.mjs").Verdict}
 */
function fair(verdict, { allowedCores }) {
  if (allowedCores.length !== 1) return verdict;
  return { ...verdict, value: null, spread: null, ok: false, shown: "–", reason: "needs two cores" };
}

/** @param {readonly import("./run.mjs").Result[]} results  Those that could not be had here. */
function leftOut(results) {
  const byReason = new Map(results.map(({ reason }) => [reason, /** @type {string[]} */ ([])]));
  for (const { reason, name } of results) byReason.get(reason)?.push(name);
  const lines = [...byReason].map(([reason, names]) => {
    const [first, ...others] = [...new Set(names)];
    return `  ${first}${others.length === 0 ? "" : ` and ${others.length} more`}: ${reason}\n`;
  });
  return `Left out:\n${lines.join("")}`;
}
