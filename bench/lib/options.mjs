import { parseArgs } from "node:util";

export const USAGE = `usage: npm run bench -- [options]

  --quick          rough figures in about a minute; of blocks, those that have verdicts
  --only NAME      one suite or contender, or bulk for all bulk-… (may be repeated); see --list
  --rounds N       rounds of each contender, 5 to 99 (7; with --quick 5)
  --cores A,B      the two cores to run on (the first two allowed)
  --json FILE      write every figure, the machine and the verdicts to FILE
  --check FILE     measure nothing: print the verdicts in FILE; exit status 1 unless all are ok
  --list           print the names of the suites and contenders
  --help           print this
`;

/** The command line asks for something that can't be had. */
export class UsageError extends Error {
  name = "UsageError";
}

/** @param {string[]} args */
export function parseOptions(args) {
  const values = parse(args);
  const quick = values.quick ?? false;
  return {
    quick,
    only: values.only ?? [],
    rounds: rounds(values.rounds, quick ? 5 : 7),
    seconds: quick ? 0.2 : 1,
    cores: cores(values.cores),
    json: values.json,
    check: values.check,
    list: values.list ?? false,
    help: values.help ?? false,
  };
}

/** @param {string[]} args */
function parse(args) {
  try {
    return parseArgs({
      args,
      options: {
        quick: { type: "boolean" },
        only: { type: "string", multiple: true },
        rounds: { type: "string" },
        cores: { type: "string" },
        json: { type: "string" },
        check: { type: "string" },
        list: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    }).values;
  } catch (error) {
    throw new UsageError(/** @type {Error} */ (error).message);
  }
}

/**
 * @param {string | undefined} text
 * @param {number} usual
 */
function rounds(text, usual) {
  if (text === undefined) return usual;
  const number = Number(text);
  if (!Number.isInteger(number) || number < 5 || number > 99)
    throw new UsageError(`--rounds takes a whole number from 5 to 99, not ${JSON.stringify(text)}`);
  return number;
}

/**
 * @param {string | undefined} text
 * @returns {[number, number] | undefined}
 */
function cores(text) {
  if (text === undefined) return undefined;
  const [, first, second] = /^(\d+),(\d+)$/.exec(text) ?? [];
  if (first === undefined || second === undefined || first === second)
    throw new UsageError(`--cores takes two numbers such as 0,1, not ${JSON.stringify(text)}`);
  return [Number(first), Number(second)];
}
