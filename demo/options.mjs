import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { kinds } from "./agents/index.mjs";

const NAMES = kinds.map(({ name }) => name);
const DEFAULT_FILES = 2000;
const DEFAULT_VICTIM = "symbols";

export const USAGE = `Usage: npm run demo:files -- [options] [directory]

An orchestrator and five agents, each a process of its own, work through a tree of files: ${NAMES.slice(0, 4).join(", ")}
and ${NAMES.at(-1)}. One agent is killed in the middle, and replaced. The same job is done twice, over shared
memory and over a plain socket; where no memory can be shared, over the socket alone. The default directory is this
repository, with its node_modules.

  --files N        at most so many files, an even sample of all (default ${DEFAULT_FILES})
  --kill AGENT     the agent that is killed (default ${DEFAULT_VICTIM})
  --no-kill        kill no agent
  --results FILE   write every result into this file, one line of JSON each
  --json           print JSON instead of a table
  --help           print this

Exit status: 0 if every result is there, once, and right; 1 if not; 2 for wrong usage; 130 after Ctrl-C.
`;

export class UsageError extends Error {}

/**
 * @typedef {object} Options
 * @property {string} root
 * @property {number} files
 * @property {string | undefined} victim
 * @property {string | undefined} results
 * @property {boolean} json
 * @property {boolean} help
 */

/**
 * @param {readonly string[]} args
 * @returns {Options}
 */
export function parseOptions(args) {
  const { values, positionals } = parse(args);
  if (positionals.length > 1) throw new UsageError("one directory at most");
  const files = values.files === undefined ? DEFAULT_FILES : Number(values.files);
  if (!Number.isInteger(files) || files < 1)
    throw new UsageError(`--files must be a positive integer; it is ${values.files}`);
  const victim = values.kill ?? DEFAULT_VICTIM;
  if (!NAMES.includes(victim))
    throw new UsageError(`--kill must be one of ${NAMES.join(", ")}; it is ${victim}`);
  return {
    root: positionals[0] ?? fileURLToPath(new URL("..", import.meta.url)),
    files,
    victim: values["no-kill"] ? undefined : victim,
    results: values.results,
    json: values.json ?? false,
    help: values.help ?? false,
  };
}

function parse(args) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        files: { type: "string" },
        kill: { type: "string" },
        "no-kill": { type: "boolean" },
        results: { type: "string" },
        json: { type: "boolean" },
        help: { type: "boolean" },
      },
    });
  } catch (error) {
    throw new UsageError(error.message);
  }
}
