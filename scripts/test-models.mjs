// Checks the models in test/models/ with Spin: each in all its variants, and with faults, each of which must be found.
//
//   node scripts/test-models.mjs [--filter WORD]
//
// It needs Spin (Debian package spin) and a C compiler, which compiles the checker that Spin writes. Exit code 0: every property holds,
// and every fault was found. 1: not so. 2: Spin or the compiler is missing.
import { spawnSync } from "node:child_process";
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

function run(command, args, cwd) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    encoding: "utf8",
    timeout: CHECK_LIMIT_MS,
  });
  return {
    status,
    text: `${stdout ?? ""}${stderr ?? ""}`,
    missing: error?.code === "ENOENT",
    late: error?.code === "ETIMEDOUT",
  };
}

/** Searches all states of a model. Returns how many there are, and the first error, if there is one. */
function search(file, defines, folder) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const flags = defines.map((define) => `-D${define}`);
  const model = join(root, "test", "models", file);
  const made = run("spin", [...flags, "-a", model], folder);
  if (made.status !== 0) throw new Error(`spin failed on ${file}:\n${made.text}`);
  const built = run(
    COMPILER,
    ["-O2", "-w", "-DSAFETY", `-DMEMLIM=${MEMORY_MB}`, "-DCOLLAPSE", "-o", "pan", "pan.c"],
    folder,
  );
  if (built.status !== 0) throw new Error(`${COMPILER} failed on pan.c of ${file}:\n${built.text}`);
  const { text, late } = run("./pan", [`-m${DEPTH}`], folder);
  const states = Number(/(\d+(?:\.\d+e\+\d+)?) states, stored/.exec(text)?.[1] ?? Number.NaN);
  const errors = Number(/errors: (\d+)/.exec(text)?.[1] ?? Number.NaN);
  const complete =
    !late && !/max search depth too small|out of memory|Search not completed|reached -DMEMLIM/.test(text);
  const first = /^pan:\d+: (.*?) \(at depth/m.exec(text)?.[1];
  return { states, errors, complete: complete || errors > 0, first, text };
}

function main() {
  const { values } = parseArgs({ options: { filter: { type: "string" } } });
  for (const [command, ...args] of [
    ["spin", "-V"],
    [COMPILER, "--version"],
  ]) {
    if (!run(command, args).missing) continue;
    console.error(`The models need ${command}: on Debian and Ubuntu, apt-get install spin gcc`);
    return 2;
  }
  let failed = 0;
  let ran = 0;
  for (const { file, title, always = [], holds, faults } of MODELS) {
    const checks = [
      ...holds.map((defines) => ({ defines, fault: false })),
      ...faults.map((defines) => ({ defines, fault: true })),
    ];
    for (const { defines, fault } of checks) {
      const name = `${title}${defines.length > 0 ? `: ${defines.join(" ")}` : ""}`;
      if (values.filter !== undefined && !name.includes(values.filter)) continue;
      ran += 1;
      const start = performance.now();
      const folder = join(output, `${file.replace(".pml", "")}-${ran}`);
      const { states, errors, complete, first, text } = search(file, [...always, ...defines], folder);
      const seconds = ((performance.now() - start) / 1000).toFixed(1);
      const good = complete && (fault ? errors > 0 : errors === 0);
      if (!good) failed += 1;
      const word = good ? (fault ? "found " : "holds ") : "FAILED";
      console.log(`${word} ${name.padEnd(74)} ${String(states).padStart(9)} states ${seconds.padStart(6)} s`);
      if (fault && good) console.log(`         ${first}`);
      if (good) continue;
      const why = !complete
        ? `the search was not completed\n${text}`
        : fault
          ? "no error was found: the model does not look"
          : `${first}\nits steps: cd ${folder} && ./pan -r`;
      console.log(why);
    }
  }
  console.log(`\n${ran - failed} passed, ${failed} failed`);
  return failed === 0 && ran > 0 ? 0 : 1;
}

process.exitCode = main();
