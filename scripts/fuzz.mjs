// Fuzzes with libFuzzer: native code under AddressSanitizer and UndefinedBehaviorSanitizer, and TypeScript with counters of its own.
//
//   npm run fuzz -- [--only NAME[,NAME]] [--seconds N] [--seed N] [--resume] [--save] [--input FILE]
//
// Each target of test/fuzz/targets.mjs runs for N seconds (60), two at a time; the native ones count as one. It begins with the committed corpus; with --resume it goes on
// with what earlier runs have found in build/fuzz/NAME/corpus as well. --save puts what covers new ground into the committed corpus. --input
// runs one target on one file, such as one from build/fuzz/NAME/found. --seed makes runs alike, as CI wants them: a change is not refused by chance. Exit code 1: something was found. 2: clang is missing.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { readCorpus, saveCorpus, unpack } from "../test/fuzz/corpora.mjs";
import { TARGETS } from "../test/fuzz/targets.mjs";
import { hostIncludes } from "./addon/compile.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const fuzz = join(root, "test", "fuzz");
const output = join(root, "build", "fuzz");
const ADDON = join(output, "libfuzzer.node");
const CLANG = process.env.FUZZ_CXX || "clang++";
const PACKAGES = "clang and libclang-rt-dev (Debian, Ubuntu: apt-get install clang libclang-rt-dev)";
const AT_ONCE = 2;

/** A run may take so many seconds more than it was given: libFuzzer reads the corpus first. */
const GRACE_S = 60;
/** An input that takes longer counts as a hang. */
const HANG_S = 10;
const MOST_MEMORY_MB = 1024;

const COMMON = ["-std=c++20", "-Wall", "-Wextra", "-Werror", "-g", "-O1"];
const SANITIZERS = [
  ...["-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"],
  // The tests' helpers have a main of their own.
  ...["-pthread", "-Dmain=run_cases", "-include", join(fuzz, "native", "source_location.h")],
];

class Failure extends Error {
  constructor(message, code = 1) {
    super(message);
    this.code = code;
  }
}

/** Runs a command to its end. Returns what it printed, and how it ended. */
function run(command, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"], ...options });
    let text = "";
    const hear = (chunk) => {
      text += chunk;
    };
    child.stdout.setEncoding("utf8").on("data", hear);
    child.stderr.setEncoding("utf8").on("data", hear);
    child.on("error", (error) => resolve({ code: -1, text: String(error) }));
    child.on("close", (code, signal) => resolve({ code: code ?? signal, text }));
  });
}

async function compile(args) {
  const { code, text } = await run(CLANG, args);
  if (code !== 0)
    throw new Failure(`${CLANG} failed; fuzzing needs ${PACKAGES}\n${text}`, code === -1 ? 2 : 1);
}

const includes = () => hostIncludes(root, console.error).flatMap((folder) => ["-isystem", folder]);

/** Builds what runs a target. Returns its command. */
async function build(target, folder) {
  const { name, native, libuv } = target;
  if (native === undefined) {
    const main = join(fuzz, "driver", "main.mjs");
    return [process.execPath, `--max-old-space-size=${MOST_MEMORY_MB}`, main, name, folder, ADDON];
  }
  const program = join(folder, "program");
  const sources = [join(fuzz, "native", `${name}.cc`), ...native.map((file) => join(root, "native", file))];
  await compile([...COMMON, ...SANITIZERS, ...(libuv ? includes() : []), ...sources, "-o", program]);
  return [program];
}

async function buildAddon() {
  const { stdout } = spawnSync(CLANG, ["-print-resource-dir"], { encoding: "utf8" });
  const arch = process.arch === "arm64" ? "aarch64" : "x86_64";
  const places = [
    `lib/linux/libclang_rt.fuzzer_no_main-${arch}.a`,
    `lib/${arch}-pc-linux-gnu/libclang_rt.fuzzer_no_main.a`,
  ];
  const runtime = places.map((place) => join((stdout ?? "").trim(), place)).find(existsSync);
  if (stdout === null || runtime === undefined) throw new Failure(`fuzzing needs ${PACKAGES}`, 2);
  const source = join(fuzz, "driver", "libfuzzer.cc");
  await compile([...COMMON, "-fPIC", "-shared", ...includes(), source, runtime, "-o", ADDON]);
}

/** The numbers in what libFuzzer printed. */
function figuresOf(text) {
  const last = (pattern) => Number([...text.matchAll(pattern)].at(-1)?.[1] ?? 0);
  return {
    executions: last(/^stat::number_of_executed_units: (\d+)/gm),
    covered: last(/ cov: (\d+) /g),
    branches: last(/Loaded 1 modules +\((\d+) inline/g),
    features: last(/ ft: (\d+) /g),
    inputs: last(/ corp: (\d+)\//g),
  };
}

async function fuzzOne(target, { seconds, seed, resume, save }) {
  const folder = join(output, target.name);
  const [corpus, found] = [join(folder, "corpus"), join(folder, "found")];
  if (!resume) rmSync(corpus, { recursive: true, force: true });
  mkdirSync(found, { recursive: true });
  unpack(readCorpus(target.name), corpus);
  const [program, ...first] = await build(target, folder);
  const options = [
    ...[corpus, `-max_total_time=${seconds}`, `-max_len=${target.longest}`, `-timeout=${HANG_S}`],
    ...[`-rss_limit_mb=${MOST_MEMORY_MB}`, `-artifact_prefix=${found}/`, "-print_final_stats=1"],
    ...(seed === undefined ? [] : [`-seed=${seed}`]),
  ];
  const start = performance.now();
  const timeout = (seconds + GRACE_S) * 1000;
  const { code, text } = await run(program, [...first, ...options], { timeout, killSignal: "SIGKILL" });
  const took = (performance.now() - start) / 1000;
  writeFileSync(join(folder, "log"), text);
  const { executions, covered, branches, features, inputs } = figuresOf(text);
  const name = `${target.name.padEnd(8)} ${took.toFixed(0).padStart(5)} s`;
  console.log(
    `${code === 0 ? "ok    " : "FOUND "} ${name} ${String(executions).padStart(9)} executions` +
      `  ${covered} of ${branches} branches, ${features} features, ${inputs} inputs`,
  );
  if (code !== 0) {
    console.log(
      `${text.split("\n").slice(-60).join("\n")}\nended with ${code}; the input is in ${found}; repeat it by`,
    );
    console.log(`  npm run fuzz -- --only ${target.name} --input ${found}/…`);
    return false;
  }
  if (save) await keep(target, folder, [program, ...first]);
  return true;
}

/** Commits what covers all that the corpus covers, in few inputs. */
async function keep({ name, longest }, folder, [program, ...first]) {
  const merged = join(folder, "merged");
  rmSync(merged, { recursive: true, force: true });
  mkdirSync(merged);
  // Edges, and not how often each was taken: otherwise thousands of inputs cover something of their own.
  const options = ["-merge=1", "-use_counters=0", `-max_len=${longest}`, merged, join(folder, "corpus")];
  const { code, text } = await run(program, [...first, ...options]);
  if (code !== 0) throw new Failure(`merging the corpus of ${name} failed\n${text}`);
  console.log(`saved  ${name}: ${saveCorpus(name, merged)} of ${readdirSync(merged).length} inputs`);
}

async function repeat(target, input) {
  const [program, ...first] = await build(target, join(output, target.name));
  const { code, text } = await run(program, [...first, input]);
  console.log(text);
  return code === 0;
}

function options() {
  const string = { type: /** @type {const} */ ("string") };
  const flag = { type: /** @type {const} */ ("boolean"), default: false };
  const { values } = parseArgs({
    options: {
      only: string,
      seconds: { ...string, default: "60" },
      seed: string,
      resume: flag,
      save: flag,
      input: string,
    },
  });
  const names = values.only?.split(",") ?? TARGETS.map(({ name }) => name);
  const targets = names.map((name) => TARGETS.find((target) => target.name === name));
  if (targets.includes(undefined) || (values.input !== undefined && targets.length !== 1)) {
    throw new Failure(
      `--only takes ${TARGETS.map(({ name }) => name).join(", ")}; --input wants one of them`,
      2,
    );
  }
  const seconds = Number(values.seconds);
  if (!(seconds >= 1)) throw new Failure("--seconds takes a number from 1 on", 2);
  if (values.seed !== undefined && !/^[1-9]\d{0,8}$/.test(values.seed))
    throw new Failure("--seed takes a whole number from 1 on", 2);
  return { ...values, seconds, targets };
}

async function main() {
  const given = options();
  if (process.platform !== "linux") throw new Failure("fuzzing runs on Linux", 2);
  mkdirSync(output, { recursive: true });
  await buildAddon();
  if (given.input !== undefined) return (await repeat(given.targets[0], given.input)) ? 0 : 1;
  // The native ones are quick: together they take the place of one.
  const native = given.targets.filter((target) => target.native !== undefined);
  const waiting = [
    native,
    ...given.targets.filter((target) => !native.includes(target)).map((target) => [target]),
  ];
  let failed = 0;
  const one = async (target) => {
    if (!(await fuzzOne(target, given))) failed += 1;
  };
  const worker = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift())
      await Promise.all(next.map(one));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return failed === 0 ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof Failure)) throw error;
  console.error(error.message);
  process.exitCode = error.code;
}
