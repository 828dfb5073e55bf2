import { rmSync } from "node:fs";
import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chooseCores } from "./lib/cores.mjs";
import { foreignLoad, loadWarning } from "./lib/load.mjs";
import { machine, revision } from "./lib/machine.mjs";
import { parseOptions, USAGE, UsageError } from "./lib/options.mjs";
import { Progress } from "./lib/progress.mjs";
import { suiteTable, verdictTable } from "./lib/report.mjs";
import { measure, steps } from "./lib/run.mjs";
import { judge } from "./lib/verdicts.mjs";
import { suites } from "./suites/index.mjs";

/** Of the JSON. */
const FORMAT = 1;

/** @param {string} text */
function print(text) {
  process.stdout.write(`${text}\n`);
}

function list() {
  for (const suite of suites) {
    print(`${suite.name.padEnd(18)}${suite.title}`);
    for (const { name, title } of suite.contenders) print(`  ${name.padEnd(16)}${title}`);
  }
}

/**
 * Whether a contender was asked for. --quick leaves out those that are thorough, unless they, or their suite, were named.
 * @param {import("./lib/contender.mjs").Suite} suite
 * @param {import("./lib/contender.mjs").Contender} contender
 * @param {ReturnType<typeof parseOptions>} options
 */
function isWanted(suite, { name, thorough = false }, { only, quick }) {
  if (only.includes(name) || only.includes(suite.name)) return true;
  if (quick && thorough) return false;
  return only.length === 0 || (suite.group !== undefined && only.includes(suite.group));
}

/**
 * The suites that were asked for, each with the contenders that were asked for.
 * @param {ReturnType<typeof parseOptions>} options
 */
function select(options) {
  const known = new Set(
    suites.flatMap(({ name, group, contenders }) => [name, group, ...contenders.map((each) => each.name)]),
  );
  const unknown = options.only.find((name) => !known.has(name));
  if (unknown !== undefined)
    throw new UsageError(`no suite or contender is called ${JSON.stringify(unknown)}; see --list`);
  return suites
    .map((suite) => ({
      ...suite,
      contenders: suite.contenders.filter((contender) => isWanted(suite, contender, options)),
    }))
    .filter(({ contenders }) => contenders.length > 0);
}

/**
 * @param {ReturnType<typeof parseOptions>} options
 * @param {ReturnType<typeof machine>} host
 * @param {[number, number] | undefined} cores
 * @param {ReturnType<typeof revision>} version
 */
function heading(options, host, cores, version) {
  const commit = version.commit === undefined ? "" : `, commit ${version.commit.slice(0, 10)}`;
  const changed = version.commit !== undefined && version.changed ? " and changes" : "";
  return [
    `${host.processor}, ${host.cores} cores; ${host.system} ${host.kernel}; Node ${host.node}${commit}${changed}`,
    cores === undefined
      ? "Processes are not pinned to cores (no taskset, or one core only): figures vary more."
      : `Everything runs on cores ${cores.join(" and ")}, the two ends of a pair pinned to one each.`,
    `Medians of ${options.rounds} interleaved rounds of ${options.seconds} s after warm-up; spread: the farthest round.`,
    ...(options.quick ? ["--quick: rough figures."] : []),
    "",
  ].join("\n");
}

/**
 * @param {ReturnType<typeof parseOptions>} options
 * @returns {Promise<number>} exit status
 */
async function bench(options) {
  const chosen = select(options);
  const host = machine();
  const version = revision();
  const cores = chooseCores(options.cores);
  const begin = performance.now();
  print(heading(options, host, cores, version));

  const directory = await mkdtemp(join(tmpdir(), "ringbell-bench-"));
  process.on("exit", () => rmSync(directory, { recursive: true, force: true }));
  for (const [signal, status] of /** @type {const} */ ([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ])) {
    process.on(signal, () => process.exit(status));
  }
  const setting = {
    cores,
    seconds: options.seconds,
    rounds: options.rounds,
    quick: options.quick,
    directory,
  };
  const progress = new Progress(chosen.reduce((sum, { contenders }) => sum + steps(contenders, setting), 0));
  /** @type {{ name: string, foreignLoad: number | undefined, results: import("./lib/run.mjs").Result[] }[]} */
  const measured = [];
  for (const suite of chosen) {
    const load = await foreignLoad(cores ?? host.allowedCores);
    const warning = loadWarning(load);
    if (warning !== undefined) print(warning);
    const results = await measure(suite.contenders, setting, progress);
    measured.push({ name: suite.name, foreignLoad: load, results });
    progress.clear();
    print(suiteTable(suite, results));
  }

  const results = new Map(measured.flatMap((suite) => suite.results.map((result) => [result.name, result])));
  const verdicts = judge(
    chosen.flatMap(({ targets }) => targets),
    results,
  );
  if (verdicts.length > 0) print(verdictTable(verdicts));
  const disturbed = measured.filter((suite) => loadWarning(suite.foreignLoad) !== undefined);
  if (disturbed.length > 0)
    print(`Disturbed by other programs: ${disturbed.map(({ name }) => name).join(", ")}.\n`);
  const failed = [...results.values()].filter(({ status }) => status === "failed");
  for (const { name, reason } of failed)
    print(`${name} failed: ${reason?.split("\n").slice(0, 6).join("\n")}\n`);

  const seconds = Math.round((performance.now() - begin) / 1000);
  print(`${seconds} s`);
  if (options.json !== undefined) {
    const report = {
      format: FORMAT,
      when: new Date().toISOString(),
      machine: host,
      pinnedTo: cores ?? null,
      ...version,
      quick: options.quick,
      rounds: options.rounds,
      secondsPerRound: options.seconds,
      seconds,
      suites: measured,
      verdicts,
    };
    await writeFile(options.json, `${JSON.stringify(report, null, 2)}\n`);
    print(`Written to ${options.json}`);
  }
  return failed.length === 0 ? 0 : 1;
}

/**
 * @param {string} file that an earlier run wrote
 * @returns {Promise<number>} exit status
 */
async function check(file) {
  /** @type {import("./lib/verdicts.mjs").Verdict[] | undefined} */
  let verdicts;
  try {
    ({ verdicts } = JSON.parse(await readFile(file, "utf8")));
  } catch (error) {
    throw new UsageError(`${file}: ${/** @type {Error} */ (error).message}`);
  }
  if (!Array.isArray(verdicts) || verdicts.length === 0) throw new UsageError(`${file} holds no verdicts`);
  print(verdictTable(verdicts));
  return verdicts.every(({ ok }) => ok) ? 0 : 1;
}

/** @returns {Promise<number>} exit status */
async function main() {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (options.list) {
    list();
    return 0;
  }
  return options.check === undefined ? bench(options) : check(options.check);
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\n--help lists the options\n`);
  process.exitCode = 2;
}
