// Compares two builds of the library: see USAGE in builds/options.mjs, and README.md. What is claimed of one build comes from `npm run bench`.
import { fileURLToPath } from "node:url";
import { buildIn } from "./builds/build.mjs";
import { parseOptions, USAGE } from "./builds/options.mjs";
import { buildLine, line, markdown, method, statusOf, summary } from "./builds/report.mjs";
import { measure } from "./builds/run.mjs";
import { chooseCores } from "./lib/cores.mjs";
import { foreignLoad, loadWarning } from "./lib/load.mjs";
import { machine } from "./lib/machine.mjs";
import { UsageError } from "./lib/options.mjs";
import { privateDirectory } from "./lib/private.mjs";
import { Progress } from "./lib/progress.mjs";
import { RecordFile } from "./lib/record-file.mjs";

/** Of the file that `--json` writes. */
const FORMAT = 1;
const OWN = fileURLToPath(new URL("..", import.meta.url));

/** @param {string} text */
function print(text) {
  process.stdout.write(`${text}\n`);
}

/**
 * @param {ReturnType<typeof parseOptions>} options
 * @returns {Promise<number>} exit status
 */
async function compare(options) {
  const common = ["RINGBELL_ADDON", "RINGBELL_PREBUILD"].find((name) => process.env[name]);
  if (common) throw new UsageError(`${common} is set: both builds would load the addon that it names`);
  const directory = privateDirectory();
  const builds = {
    old: await buildIn("--base", options.base, directory),
    new: await buildIn("--new", options.fresh ?? OWN, directory),
  };
  const cores = chooseCores(options.cores);
  const file = options.json === undefined ? undefined : new RecordFile(options.json);
  const host = machine();
  const load = await foreignLoad(cores ?? host.allowedCores);
  const { rows, rounds, seconds, quick } = options;
  const begin = performance.now();
  for (const text of heading({ options, builds, host, cores, load })) print(text);

  const progress = new Progress(rows.length);
  const setting = { cores, seconds, rounds, quick, directory };
  const outcomes = [];
  for (const row of rows) {
    const outcome = await measure(row, builds, setting, (what) => progress.step(what));
    progress.clear();
    print(line(outcome));
    outcomes.push(outcome);
  }
  print(`\n${markdown(outcomes)}\n`);
  const took = Math.round((performance.now() - begin) / 1e3);
  print(`${summary(outcomes)}; ${took} s`);
  file?.write({
    format: FORMAT,
    when: new Date().toISOString(),
    machine: host,
    pinnedTo: cores ?? null,
    foreignLoad: load ?? null,
    builds,
    secondsPerRound: seconds,
    seconds: took,
    rows: outcomes,
  });
  return statusOf(outcomes);
}

/**
 * @param {object} run
 * @param {ReturnType<typeof parseOptions>} run.options
 * @param {{ old: import("./builds/build.mjs").Build, new: import("./builds/build.mjs").Build }} run.builds
 * @param {ReturnType<typeof machine>} run.host
 * @param {[number, number] | undefined} run.cores
 * @param {number | undefined} run.load
 */
function heading({ options, builds, host, cores, load }) {
  const warning = loadWarning(load);
  return [
    `${host.processor}, ${host.cores} cores; ${host.system} ${host.kernel}; Node ${host.node}`,
    cores === undefined
      ? "Processes are not pinned to cores (no taskset, or one core only): figures vary more."
      : `Everything runs on cores ${cores.join(" and ")}, the two ends of a pair pinned to one each.`,
    buildLine("old", builds.old),
    buildLine("new", builds.new),
    ...method(options),
    ...(warning === undefined ? [] : [warning]),
    "",
  ];
}

/** @returns {Promise<number>} exit status */
async function main() {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (options.list) {
    for (const { name, title } of options.rows) print(`${name.padEnd(12)}  ${title}`);
    return 0;
  }
  return compare(options);
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\n--help lists the options\n`);
  process.exitCode = 2;
}
