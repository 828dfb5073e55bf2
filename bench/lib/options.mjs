import { parseArgs } from "node:util";
import { LEAST_BYTES } from "./payload.mjs";
import { parseSize } from "./sizes.mjs";

export const USAGE = `usage: npm run bench -- [GROUP …] [options]

  GROUP: latency, throughput, bulk, scale, cost, startup, inside, rpc, mcp, session or mailbox.
  Without a name everything is measured. A single suite can be named, too; see --list.

  --peers A,B      only these peers or contenders
  --sizes 32,1KiB  messages of these sizes, in the suites that have a choice
  --quick          rough figures in less than a minute
  --rounds N       rounds of each contender, 5 to 99 (7; with --quick 5)
  --cores A,B      the two cores to run on (the first two allowed)
  --json FILE      write every figure, machine and verdicts to FILE (else to bench/results/)
  --list           print the names of the suites, contenders and peers
  --help           print this

  --check FILE       measure nothing: print the verdicts in FILE; exit status 1 unless all are ok
  --compare OLD NEW  measure nothing: print what is faster or slower in NEW than in OLD by more than the two
                     spread; exit status 1 if anything is slower; with --all, print every figure
`;

/** Of a message. */
const MOST_BYTES = 2 ** 30;

/** The command line asks for something that can't be had. */
export class UsageError extends Error {
  name = "UsageError";
}

/** @param {string[]} args */
export function parseOptions(args) {
  const { values, positionals } = parse(args);
  refuseBoth(values, positionals);
  const quick = values.quick ?? false;
  return {
    quick,
    names: values.compare ? [] : positionals,
    peers: peers(values.peers),
    sizes: sizes(values.sizes),
    rounds: rounds(values.rounds, quick ? 5 : 7),
    seconds: quick ? 0.1 : 1,
    cores: cores(values.cores),
    json: values.json,
    check: values.check,
    compare: values.compare ? compare(positionals) : undefined,
    all: values.all ?? false,
    bare: values.bare ?? false,
    list: values.list ?? false,
    help: values.help ?? false,
  };
}

/** @param {string[]} args */
function parse(args) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        peers: { type: "string", multiple: true },
        sizes: { type: "string", multiple: true },
        quick: { type: "boolean" },
        rounds: { type: "string" },
        cores: { type: "string" },
        json: { type: "string" },
        check: { type: "string" },
        compare: { type: "boolean" },
        all: { type: "boolean" },
        // For `ringbell bench`: only what needs neither npm packages nor a compiler.
        bare: { type: "boolean" },
        list: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    throw new UsageError(/** @type {Error} */ (error).message);
  }
}

/** Given once with commas, or several times. @param {string[] | undefined} texts */
export function list(texts = []) {
  return texts
    .flatMap((text) => text.split(","))
    .map((text) => text.trim())
    .filter((text) => text !== "");
}

/** @param {string[] | undefined} texts */
function peers(texts) {
  const names = list(texts);
  if (texts !== undefined && names.length === 0)
    throw new UsageError("--peers takes names such as ringbell,ws");
  return names;
}

/**
 * --check and --compare measure nothing: a request to measure beside them was meant for something else.
 * @param {{ check?: string, compare?: boolean }} values
 * @param {string[]} positionals
 */
function refuseBoth({ check, compare }, positionals) {
  if (check !== undefined && compare) throw new UsageError("--check and --compare are for one at a time");
  if (check !== undefined && positionals.length > 0)
    throw new UsageError(
      `--check takes one file, and measures nothing: not ${JSON.stringify(positionals[0])}`,
    );
}

/** @param {string[] | undefined} texts */
function sizes(texts) {
  if (texts === undefined) return undefined;
  const all = list(texts).map((text) => {
    const bytes = parseSize(text);
    if (bytes === undefined || bytes < LEAST_BYTES || bytes > MOST_BYTES)
      throw new UsageError(
        `--sizes takes sizes such as 32, 1KiB or 64MiB, from ${LEAST_BYTES} to 1GiB, not ${JSON.stringify(text)}`,
      );
    return bytes;
  });
  if (all.length === 0) throw new UsageError("--sizes takes sizes such as 32, 1KiB or 64MiB");
  return [...new Set(all)].sort((a, b) => a - b);
}

/** @param {string[]} files @returns {[string, string]} */
function compare(files) {
  const [before, after, ...more] = files;
  if (before === undefined || after === undefined || more.length > 0)
    throw new UsageError("--compare takes two files: --compare OLD NEW");
  return [before, after];
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
export function cores(text) {
  if (text === undefined) return undefined;
  const [, first, second] = /^(\d+),(\d+)$/.exec(text) ?? [];
  if (first === undefined || second === undefined || first === second)
    throw new UsageError(`--cores takes two numbers such as 0,1, not ${JSON.stringify(text)}`);
  return [Number(first), Number(second)];
}
