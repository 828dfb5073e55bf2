import { bench } from "./lib/bench.mjs";
import { changes, differences } from "./lib/compare.mjs";
import { compareTable } from "./lib/compare-report.mjs";
import { listing } from "./lib/list.mjs";
import { parseOptions, USAGE, UsageError } from "./lib/options.mjs";
import { readRecord } from "./lib/record.mjs";
import { verdictTable } from "./lib/report.mjs";
import { select } from "./lib/select.mjs";
import { suites } from "./suites/index.mjs";

// Nobody reads any more, as after `| head`. The record, if one was asked for, is worth going on.
process.stdout.on("error", (error) => {
  if (/** @type {NodeJS.ErrnoException} */ (error).code !== "EPIPE") throw error;
  if (!process.argv.some((argument) => argument.startsWith("--json"))) process.exit(141);
});

/** @param {string} text */
function print(text) {
  process.stdout.write(`${text}\n`);
}

/**
 * @param {string} file that an earlier run wrote
 * @returns {Promise<number>} exit status
 */
async function check(file) {
  const { verdicts } = await readRecord(file);
  if (verdicts.length === 0) throw new UsageError(`${file} holds no verdicts`);
  print(verdictTable(verdicts));
  return verdicts.every(({ ok }) => ok) ? 0 : 1;
}

/**
 * @param {[string, string]} files  two records
 * @param {boolean} all
 * @returns {Promise<number>} exit status
 */
async function compare([old, fresh], all) {
  const [before, after] = [await readRecord(old), await readRecord(fresh)];
  const found = changes(before, after);
  if (found.length === 0) throw new UsageError(`${old} and ${fresh} have no figure in common`);
  print(compareTable(found, differences(before, after), all));
  return found.some(({ mark }) => mark === "slower") ? 1 : 0;
}

/** @returns {Promise<number>} exit status */
async function main() {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (options.check !== undefined) return check(options.check);
  if (options.compare !== undefined) return compare(options.compare, options.all);
  const chosen = select(suites(options), options);
  if (options.list) {
    print(listing(chosen));
    return 0;
  }
  return bench(chosen, options, print);
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\n--help lists the options\n`);
  process.exitCode = 2;
}
