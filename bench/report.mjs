// docs/benchmarks.md with its charts, and the figures in README.md and docs/*.md, from what `npm run bench -- --json FILE` wrote.
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { filesOf } from "./report/files.mjs";
import { merged } from "./report/merged.mjs";

const USAGE = `Usage: npm run bench:report -- FILE [MORE ...] [--out DIR] [--check]

FILE: what npm run bench -- --json FILE wrote, or docs/benchmarks.json, which is what a report keeps of it.
MORE: later runs of single suites on the same machine, which take the place of those in FILE.

  --out DIR  the directory that holds README.md and docs/ (default: this repository)
  --check    writes nothing; exit status 1 if a file differs from what FILE gives
  --help     this
`;

/**
 * @param {string} path
 * @returns {Promise<string | undefined>}
 */
async function textOf(path) {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === "ENOENT") return undefined;
    throw error;
  }
}

/** @param {string} text */
function complain(text) {
  process.stderr.write(`${text}\n`);
}

/** @returns {Promise<number>} exit status */
async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      out: { type: "string", default: fileURLToPath(new URL("..", import.meta.url)) },
      check: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const [file, ...later] = positionals;
  if (values.help) process.stdout.write(USAGE);
  if (values.help) return 0;
  if (file === undefined) throw new TypeError("it takes a FILE");

  const read = async (/** @type {string} */ path) => JSON.parse(await readFile(path, "utf8"));
  const record = merged(await read(file), await Promise.all(later.map(read)));
  const { files, stale, problems } = await filesOf(record, values.out);
  /** @type {string[]} */
  const different = [];
  for (const [path, text] of files) {
    if ((await textOf(join(values.out, path))) !== text) different.push(path);
  }
  for (const problem of problems) complain(problem);
  if (values.check) {
    for (const path of different) complain(`${path} differs from what ${file} gives`);
    for (const path of stale) complain(`${path} does not come from ${file}`);
    return problems.length + different.length + stale.length === 0 ? 0 : 1;
  }
  for (const path of different) {
    const target = join(values.out, path);
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, /** @type {string} */ (files.get(path)));
    process.stdout.write(`${path}\n`);
  }
  for (const path of stale) await rm(join(values.out, path));
  return problems.length === 0 ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  complain(`${/** @type {Error} */ (error).message}\n--help says what it takes`);
  process.exitCode = 2;
}
