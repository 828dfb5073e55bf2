import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { draw } from "./draw.mjs";
import { fill } from "./markers.mjs";
import { page } from "./page.mjs";
import { BenchRecord, reduce, serialize } from "./record.mjs";

const PAGE = "docs/benchmarks.md";
const CHARTS = "docs/benchmarks";

/** Where the record itself is kept. */
export const RECORD = "docs/benchmarks.json";

/**
 * All that a record gives.
 * @param {unknown} data  What `--json` wrote, or what this kept of it.
 * @param {string} root  Where the pages with markers are: README.md, docs/*.md.
 * @returns {Promise<{ files: Map<string, string>, stale: string[], problems: string[] }>} `files`: paths from the root, and their text;
 *   `stale`: charts that are there and should not be; `problems`: markers whose figures the record lacks.
 */
export async function filesOf(data, root) {
  const kept = reduce(data);
  const record = new BenchRecord(kept);
  /** @type {Map<string, string>} */
  const files = new Map();
  /** @type {string[]} */
  const problems = [];
  const { text, charts } = page(record);
  files.set(PAGE, text);
  files.set(RECORD, serialize(kept));
  for (const { name, alt, spec } of charts) {
    files.set(`${CHARTS}/${name}-light.svg`, await draw(spec, alt, false));
    files.set(`${CHARTS}/${name}-dark.svg`, await draw(spec, alt, true));
  }
  for (const path of await markedPages(root)) {
    const old = await readFile(join(root, path), "utf8");
    const filled = fill(old, record, (problem) => problems.push(`${path}: ${problem}`));
    files.set(path, filled);
  }
  const present = (await list(join(root, CHARTS))).map((name) => `${CHARTS}/${name}`);
  const stale = present.filter((path) => path.endsWith(".svg") && !files.has(path));
  return { files, stale, problems };
}

/** @param {string} root @returns {Promise<string[]>} */
async function markedPages(root) {
  const docs = (await list(join(root, "docs")))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`);
  const candidates = [...(await list(root)).filter((name) => name === "README.md"), ...docs];
  return candidates.filter((path) => path !== PAGE).sort();
}

/** @param {string} directory @returns {Promise<string[]>} */
async function list(directory) {
  try {
    return await readdir(directory);
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === "ENOENT") return [];
    throw error;
  }
}
