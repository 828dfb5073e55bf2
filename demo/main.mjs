// npm run demo:files: an orchestrator and five agents over shared memory, and the same over a plain socket. --help says more.

import { writeFileSync } from "node:fs";
import { availableParallelism, loadavg } from "node:os";
import { relative, resolve } from "node:path";
import { styleText } from "node:util";
import { changedFiles, findFiles } from "./files.mjs";
import { parseOptions, USAGE, UsageError } from "./options.mjs";
import { runJob } from "./orchestrator.mjs";
import { makePlace } from "./place.mjs";
import { Progress } from "./progress.mjs";
import { figures, findings, losses, meaning, megabytes, number, TITLES, table, wrap } from "./report.mjs";
import { whyNotShared } from "./sharing.mjs";
import { contentOf, verify } from "./verify.mjs";

/** The report is no wider than that, also on a wide terminal. */
const WIDEST = 100;
const SIGNALS = /** @type {const} */ ([
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129],
]);

/** @param {string} text */
function print(text) {
  process.stdout.write(`${text}\n`);
}

/**
 * Prints prose, broken into lines that fit.
 *
 * @param {string} text
 * @param {string} [mark] stands before it
 * @param {Parameters<typeof styleText>[0]} [style] of the mark
 */
function say(text, mark = "", style = "reset") {
  const width = Math.min(WIDEST, (process.stdout.columns || 80) - 1);
  const lines = wrap(mark + text, width, " ".repeat(mark.length));
  const colours = process.stdout.isTTY && !process.env.NO_COLOR;
  print(colours && mark !== "" ? styleText(style, mark) + lines.slice(mark.length) : lines);
}

/**
 * @param {import("./options.mjs").Options} options
 * @param {AbortSignal} signal
 * @returns {Promise<number>} exit status
 */
async function demo(options, signal) {
  const root = resolve(options.root);
  const files = await findFiles(root, options.files);
  if (files.length === 0) throw new UsageError(`there are no files to work on in ${root}`);
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  const directory = makePlace();
  const unshared = await whyNotShared(directory);
  if (!options.json) announce(root, files.length, bytes, unshared);

  const progress = new Progress(process.stdout);
  const outcomes = [];
  const transports = /** @type {const} */ (["shm", "stream"]);
  for (const transport of unshared === undefined ? transports : transports.slice(1)) {
    const onStart = (desks, begin) => {
      if (!options.json) progress.start(TITLES[transport].padEnd(TITLES.shm.length), desks, begin);
    };
    try {
      outcomes.push(await runJob({ transport, files, directory, victim: options.victim, signal, onStart }));
    } finally {
      progress.stop();
    }
  }

  const stream = figures(outcomes.at(-1));
  const shm = unshared === undefined ? figures(outcomes[0]) : null;
  const checks = verify(files, await changedFiles(files), outcomes);
  if (options.results !== undefined) writeResults(options.results, root, files, outcomes[0]);
  if (options.json) {
    print(JSON.stringify({ root, files: files.length, bytes, shm, stream, checks }, null, 2));
  } else {
    print(table(shm, stream, files.length));
    if (shm !== null) {
      print("");
      say(meaning(shm, stream));
    }
    print(`\nThe agents found\n${findings(outcomes[0]).join("\n")}\n`);
    for (const line of outcomes.flatMap(losses)) say(line, "• ");
    for (const { ok, text } of checks) say(text, ok ? "✓ " : "✗ ", ok ? "green" : "red");
  }
  return checks.every(({ ok }) => ok) ? 0 : 1;
}

/** @param {string} root @param {number} files @param {number} bytes @param {string | undefined} unshared */
function announce(root, files, bytes, unshared) {
  say(`Five agents, each a process, work on ${number(files)} files (${megabytes(bytes)}) of ${root},`);
  if (unshared === undefined) say("first over shared memory, then over a stream: a Unix socket.");
  else say(`over a stream: a Unix socket. There is no shared memory here: ${unshared}`);
  const [load] = loadavg();
  const cores = availableParallelism();
  if (load > cores / 2) {
    say(`Other programs keep this machine busy (load ${load.toFixed(1)}, ${cores} cores): times will vary.`);
  }
  print("");
}

/** Writes the results of the first run, one line each. */
function writeResults(file, root, files, { desks }) {
  const lines = desks.flatMap(({ kind, results }) =>
    results.map((result, id) => {
      const about = { agent: kind.name, file: relative(root, files[id].path) };
      return `${JSON.stringify({ ...about, ...JSON.parse(contentOf(result)) })}\n`;
    }),
  );
  writeFileSync(file, lines.join(""));
}

/** @returns {Promise<number>} exit status */
async function main() {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const interruption = new AbortController();
  let status;
  for (const [signal, code] of SIGNALS) {
    process.once(signal, () => {
      status ??= code;
      interruption.abort(new Error(`interrupted by ${signal}`));
    });
  }
  try {
    return await demo(options, interruption.signal);
  } catch (error) {
    // By now all agents have gone.
    if (status !== undefined) return status;
    throw error;
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\n--help lists the options\n`);
  process.exitCode = 2;
}
