import { parseArgs } from "node:util";
import { cores, list, UsageError } from "../lib/options.mjs";
import { ROWS } from "./rows.mjs";
import { FEWEST_STARTS } from "./statistics.mjs";

const ROUNDS = 24;
const QUICK_ROUNDS = 3;
const MOST_ROUNDS = 999;
/** How long a round is, s: shorter than what a machine stays the same for. */
const SECONDS = 0.2;
const QUICK_SECONDS = 0.1;

export const USAGE = `usage: node bench/builds.mjs --base FOLDER [--new FOLDER] [options]

  Compares the speed of two builds of ringbell, whose folders hold dist/ and the addon. Exit status 1 if the new one is slower.

  --base FOLDER    the old build
  --new FOLDER     the new build (this checkout); the same folder as --base shows the noise
  --only A,B       only these rows; see --list
  --rounds N       rounds of each row and build, 1 to ${MOST_ROUNDS} (${ROUNDS}; with --quick ${QUICK_ROUNDS}); ${FEWEST_STARTS} and more give a verdict
  --quick          rough figures in two minutes instead of some ten, without verdicts
  --cores A,B      the two cores to run on (the first two allowed)
  --json FILE      write every round to FILE
  --list           print the names of the rows
  --help           print this
`;

/** @param {string[]} args */
export function parseOptions(args) {
  const values = parse(args);
  const quick = values.quick ?? false;
  const help = values.help ?? false;
  const lists = values.list ?? false;
  if (values.base === undefined && !help && !lists)
    throw new UsageError("--base is missing: the folder of the build to compare with");
  return {
    base: values.base ?? "",
    fresh: values.new,
    rows: rows(values.only),
    rounds: rounds(values.rounds, quick ? QUICK_ROUNDS : ROUNDS),
    seconds: quick ? QUICK_SECONDS : SECONDS,
    quick,
    cores: cores(values.cores),
    json: values.json,
    list: lists,
    help,
  };
}

/** @param {string[]} args */
function parse(args) {
  try {
    return parseArgs({
      args,
      options: {
        base: { type: "string" },
        new: { type: "string" },
        only: { type: "string", multiple: true },
        rounds: { type: "string" },
        quick: { type: "boolean" },
        cores: { type: "string" },
        json: { type: "string" },
        list: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    }).values;
  } catch (error) {
    throw new UsageError(/** @type {Error} */ (error).message);
  }
}

/** Those of these names, in the table's order. @param {string[] | undefined} texts */
function rows(texts) {
  if (texts === undefined) return ROWS;
  const names = list(texts);
  const known = ROWS.map(({ name }) => name);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined || names.length === 0)
    throw new UsageError(
      `--only takes names of rows, not ${JSON.stringify(unknown ?? "")}: ${known.join(", ")}`,
    );
  return ROWS.filter(({ name }) => names.includes(name));
}

/** @param {string | undefined} text @param {number} usual */
function rounds(text, usual) {
  if (text === undefined) return usual;
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1 || number > MOST_ROUNDS)
    throw new UsageError(
      `--rounds takes a whole number from 1 to ${MOST_ROUNDS}, not ${JSON.stringify(text)}`,
    );
  return number;
}
