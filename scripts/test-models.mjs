// Checks the models in test/models/ with Spin: each in all its variants, and with faults, each of which must be found.
//
//   node scripts/test-models.mjs [--filter WORD]
//
// It needs Spin (Debian package spin) and a C compiler, which compiles the checker that Spin writes. Exit code 0: every property holds,
// and every fault was found. 1: not so. 2: Spin or the compiler is missing.
import { execFile } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { MODELS } from "../test/models/models.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const output = join(root, "build", "models");
const CHECK_LIMIT_MS = 120_000;
const MEMORY_MB = 2048;
/** The deepest search, in steps. A search that comes there is incomplete, and counts as failed. */
const DEPTH = 2_000_000;

const COMPILER = process.env.CC || "cc";

/** The searches that run at once. */
const AT_ONCE = 2;

function run(command, args, cwd) {
  return new Promise((resolve) => {
    execFile(command, args, { cwd, timeout: CHECK_LIMIT_MS, maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      resolve({
        failed: error !== null,
        text: `${stdout}${stderr}`,
        missing: error?.code === "ENOENT",
        late: error?.killed === true,
      });
    });
  });
}

/** Searches all states of a model. Returns how many there are, and the first error, if there is one. */
async function search({ file, defines, fault, folder }) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const flags = defines.map((define) => `-D${define}`);
  const made = await run("spin", [...flags, "-a", join(root, "test", "models", file)], folder);
  if (made.failed) throw new Error(`spin failed on ${file}:\n${made.text}`);
  // A fault is found soon: there the compiler takes longer than the search.
  const options = [fault ? "-O0" : "-O2", "-w", "-DSAFETY", `-DMEMLIM=${MEMORY_MB}`, "-DCOLLAPSE"];
  const built = await run(COMPILER, [...options, "-o", "pan", "pan.c"], folder);
  if (built.failed) throw new Error(`${COMPILER} failed on pan.c of ${file}:\n${built.text}`);
  const { text, late } = await run("./pan", [`-m${DEPTH}`], folder);
  const states = Number(/(\d+(?:\.\d+e\+\d+)?) states, stored/.exec(text)?.[1] ?? Number.NaN);
  const errors = Number(/errors: (\d+)/.exec(text)?.[1] ?? Number.NaN);
  const complete =
    !late && !/max search depth too small|out of memory|not completed|reached -DMEMLIM/.test(text);
  const first = /^pan:\d+: (.*?) \(at depth/m.exec(text)?.[1];
  return { states, errors, complete: complete || errors > 0, first, text };
}

/** All searches whose name contains `filter`. */
function plan(filter = "") {
  const checks = MODELS.flatMap(({ file, title, always = [], holds, faults }) =>
    [...holds, ...faults].map((given, index) => ({
      file,
      name: [title, ...given].join(" "),
      defines: [...always, ...given],
      fault: index >= holds.length,
      folder: join(output, [file.replace(".pml", ""), ...given].join("-")),
    })),
  );
  return checks.filter(({ name }) => name.includes(filter));
}

/** Makes a search and prints what came of it. Returns whether all is well. */
async function check(one) {
  const start = performance.now();
  const { states, errors, complete, first, text } = await search(one);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  const good = complete && (one.fault ? errors > 0 : errors === 0);
  const word = good ? (one.fault ? "found " : "holds ") : "FAILED";
  console.log(`${word} ${one.name.padEnd(60)} ${String(states).padStart(9)} states ${seconds.padStart(6)} s`);
  if (good && one.fault) console.log(`         ${first}`);
  if (good) return true;
  if (!complete) console.log(`the search was not completed\n${text}`);
  else if (one.fault) console.log("no error was found: the model does not look");
  else console.log(`${first}\nits steps: cd ${one.folder} && ./pan -r`);
  return false;
}

async function main() {
  const { values } = parseArgs({ options: { filter: { type: "string" } } });
  for (const [command, ...args] of [
    ["spin", "-V"],
    [COMPILER, "--version"],
  ]) {
    if (!(await run(command, args)).missing) continue;
    console.error(`The models need ${command}: on Debian and Ubuntu, apt-get install spin gcc`);
    return 2;
  }
  const checks = plan(values.filter);
  const waiting = [...checks];
  let passed = 0;
  const worker = async () => {
    for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) {
      if (await check(one)) passed += 1;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  console.log(`\n${passed} passed, ${checks.length - passed} failed`);
  return passed === checks.length && passed > 0 ? 0 : 1;
}

process.exitCode = await main();
