import { readFile } from "node:fs/promises";
import { UsageError } from "./options.mjs";

/** Of the file. */
export const FORMAT = 2;

/**
 * What a run leaves.
 *
 * @typedef {object} SuiteRecord
 * @property {string} name
 * @property {string} group
 * @property {string} title
 * @property {string[]} notes
 * @property {{ title: string, figure: string, format: string }[]} columns  Of its table, for the report; `format`: a function of format.mjs.
 * @property {string[]} compared  The figures that `--compare` looks at.
 * @property {number | null} foreignLoad  What else used the busier of the cores just before, as a part.
 * @property {number} [seconds]  How long it took.
 * @property {import("./run.mjs").Result[]} results
 *
 * @typedef {object} Record
 * @property {number} format
 * @property {string} when
 * @property {string} version  Of ringbell.
 * @property {string | null} commit  Null outside of a repository.
 * @property {boolean | null} changed  Whether the working tree differed from the commit.
 * @property {ReturnType<typeof import("./machine.mjs").machine>} machine
 * @property {[number, number] | null} pinnedTo
 * @property {boolean} quick
 * @property {number} rounds
 * @property {number} secondsPerRound
 * @property {number} seconds  How long it took.
 * @property {{ [name: string]: string }} packages  Versions.
 * @property {SuiteRecord[]} suites
 * @property {import("./verdicts.mjs").Verdict[]} verdicts
 */

/** The tail of latency is looked at, too, where the mean is the main figure. */
const TAIL = "p99";

/**
 * @param {import("./contender.mjs").Suite} suite
 * @param {string} group
 * @param {number | undefined} foreignLoad
 * @param {import("./run.mjs").Result[]} results
 * @returns {SuiteRecord}
 */
export function suiteRecord({ name, title, notes = [], columns, matrix }, group, foreignLoad, results) {
  const main = columns.filter(({ spread }) => spread).map(({ figure }) => figure);
  const compared = [...new Set([...main, ...(matrix ? [matrix.figure] : []), TAIL])];
  const shown = columns.map(({ title: heading, figure, format }) => ({
    title: heading,
    figure,
    format: format.name,
  }));
  return { name, group, title, notes, columns: shown, compared, foreignLoad: foreignLoad ?? null, results };
}

/**
 * A record of this format.
 * @param {string} file
 * @returns {Promise<Record>}
 */
export async function readRecord(file) {
  let record;
  try {
    record = JSON.parse(await readFile(file, "utf8"));
  } catch (error) {
    throw new UsageError(`${file}: ${/** @type {Error} */ (error).message}`);
  }
  if (record?.format !== FORMAT || !Array.isArray(record.suites) || !Array.isArray(record.verdicts))
    throw new UsageError(`${file} is not a record of format ${FORMAT}: write it with --json`);
  return record;
}
