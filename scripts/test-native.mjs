// Builds the tests in native/test/ and runs them: the ring, lanes, memory and sockets, without Node.
//
//   node scripts/test-native.mjs [--only plain|tsan|asan] [--filter name] [--target linux-x64-musl|linux-arm64-musl]
//
// --target builds static programs with Zig for another C library or processor. Those for arm64 run under qemu-aarch64, or what
// QEMU_AARCH64 names.
// Those that kill processes at every instruction are built again, with the faults of native-faults.mjs, and must fail then.
// Each program is built three times: optimised, under ThreadSanitizer, and under AddressSanitizer with
// UndefinedBehaviorSanitizer. ThreadSanitizer gets those that have two threads only: it sees nothing of another process, and in
// one thread there is nothing to see. A program is built again only when something it is made of has changed.
// The compiler is the addon's: that which CXX names, one that is installed, or else Zig, which npm fetches; the sanitizers need an
// installed one. RINGBELL_TEST_MS sets how long each torture test tortures.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { hostIncludes } from "./addon/compile.mjs";
import { findCompiler, NoCompilerError, zig } from "./addon/compiler.mjs";
import { TARGETS } from "./addon/targets.mjs";
import { FAULTS, writeFaulty } from "./native-faults.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const native = join(root, "native");
const tests = join(native, "test");
const output = join(root, "build", "native-test");
const RUN_LIMIT_MS = 120_000;
/** What a reactor with connections is made of. */
const REACTOR = [
  "connection.cc",
  "lane.cc",
  "lane_receiving.cc",
  "lane_sending.cc",
  "lane_sleeping.cc",
  "memory_file.cc",
  "reactor.cc",
  "region.cc",
  "socket.cc",
];
/** The files that a test is linked with; most need headers only. */
const LINKED = {
  every_instruction_blocks: ["memory_file.cc", "segment.cc", "socket.cc"],
  long_memory: ["long_memory.cc"],
  segment: ["memory_file.cc", "segment.cc", "socket.cc"],
  segment_immutable: ["memory_file.cc", "segment.cc"],
  segment_peer: ["memory_file.cc", "segment.cc"],
  socket: ["socket.cc"],
  giving_back: REACTOR,
  watchdog: REACTOR,
};
/** Tests that step processes: a sanitizer multiplies the instructions, and sees nothing in a process that is killed. */
const STEPPING = ["every_instruction", "every_instruction_blocks"];
/** Tests that must fail with each fault of native-faults.mjs. */
const FAULTY = ["every_instruction"];
/** Tests that need libuv's header, which comes with Node's; they have a loop of their own. */
const ON_LIBUV = ["giving_back", "watchdog"];
const BUILDS_AT_ONCE = 2;
/** The targets whose programs are static, and so need no library of that system here. */
const STATIC = TARGETS.filter(({ libc }) => libc === "musl");

const COMMON = ["-std=c++20", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-g", "-pthread"];
const VARIANTS = {
  plain: { flags: ["-O2"], environment: {} },
  tsan: {
    flags: ["-O1", "-fsanitize=thread"],
    environment: { TSAN_OPTIONS: "halt_on_error=1:exitcode=66" },
    programs: ["latency", "torture_threads"],
    runtime: "libtsan2 (g++ 11: libtsan0; clang++: libclang-rt-dev)",
  },
  asan: {
    flags: ["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"],
    environment: { ASAN_OPTIONS: "abort_on_error=0:exitcode=66", UBSAN_OPTIONS: "print_stacktrace=1" },
    runtime: "libasan8 and libubsan1 (g++ 11: libasan6; clang++: libclang-rt-dev)",
  },
};

class Failure extends Error {}

function options() {
  try {
    const string = { type: /** @type {const} */ ("string") };
    const { values } = parseArgs({ options: { only: string, filter: string, target: string } });
    if (values.only !== undefined && !(values.only in VARIANTS)) {
      throw new Error(`--only takes ${Object.keys(VARIANTS).join(", ")}`);
    }
    const target = STATIC.find(({ name }) => name === values.target);
    if (values.target !== undefined && target === undefined) {
      throw new Error(`--target takes ${STATIC.map(({ name }) => name).join(", ")}`);
    }
    return { ...values, target };
  } catch (error) {
    throw new Failure(
      `${error.message}\nusage: node scripts/test-native.mjs [--only plain|tsan|asan] [--filter name] [--target NAME]`,
    );
  }
}

/** The compiler with its first arguments, what it needs in its environment, and its version. */
function chooseCompiler(target) {
  try {
    const { command, env, triple } =
      target === undefined ? findCompiler(console.error) : { ...zig(console.error), triple: target.triple };
    // Without a target Zig builds for this machine: a test may use what is newer than the oldest glibc.
    const [program, ...args] = command;
    if (target !== undefined) args.push("-target", triple);
    const environment = { ...process.env, ...env };
    const { stdout } = spawnSync(program, [...args, "--version"], { encoding: "utf8", env: environment });
    return { program, args, environment, isZig: triple !== undefined, version: stdout };
  } catch (error) {
    if (!(error instanceof NoCompilerError)) throw error;
    throw new Failure(`The native tests need a C++20 compiler: ${error.message}`);
  }
}

/** Everything that the programs of the tests may include. Few and small, so each depends on all headers. */
function headers() {
  return [native, tests]
    .flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)))
    .filter((path) => path.endsWith(".h"))
    .sort();
}

function plan({ only, filter, target }, { version, isZig }) {
  if (isZig && only !== "plain")
    throw new Failure("The sanitizers need an installed compiler (g++ or clang++); run --only plain");
  const shared = createHash("sha256").update(version);
  for (const path of headers()) shared.update(path).update(readFileSync(path));
  const programs = readdirSync(tests)
    .filter((name) => name.endsWith("_test.cc") || name === "latency.cc")
    .map((name) => name.replace(/(_test)?\.cc$/, ""))
    .filter((name) => filter === undefined || name.includes(filter))
    .sort();
  const jobs = [];
  for (const [variant, { flags, programs: fit = programs }] of Object.entries(VARIANTS)) {
    if (only !== undefined && only !== variant) continue;
    const asan = variant === "asan";
    for (const name of programs.filter(
      (program) => fit.includes(program) && !(asan && STEPPING.includes(program)),
    )) {
      const source = join(tests, name === "latency" ? "latency.cc" : `${name}_test.cc`);
      const sources = [source, ...(LINKED[name] ?? []).map((file) => join(native, file))];
      const program = join(output, target?.name ?? "", variant, name);
      const libuv = ON_LIBUV.includes(name)
        ? hostIncludes(root, console.error).flatMap((folder) => ["-isystem", folder])
        : [];
      // CMSG_NXTHDR of musl's headers compares numbers of different signs.
      const foreign = target === undefined ? [] : ["-Wno-sign-compare", "-static"];
      const command = [...COMMON, ...flags, ...foreign, ...libuv, ...sources, "-o", program];
      const made = shared.copy().update(command.join("\0"));
      for (const path of sources) made.update(readFileSync(path));
      jobs.push({ name, variant, program, command, made: made.digest("hex"), stamp: `${program}.stamp` });
      if (variant === "plain" && target === undefined && FAULTY.includes(name))
        jobs.push(...faulty(name, version));
    }
  }
  return jobs;
}

/** Builds of a test against copies of native/ with one fault each. */
function faulty(name, version) {
  return FAULTS.map((fault) => {
    const folder = join(output, "faults", fault.name);
    const program = join(folder, name);
    const source = join(folder, "native", "test", `${name}_test.cc`);
    const command = [...COMMON, ...VARIANTS.plain.flags, source, "-o", program];
    const made = createHash("sha256")
      .update(version)
      .update(command.join("\0"))
      .update(writeFaulty(fault, native, folder));
    return {
      name: `${name}, ${fault.name}`,
      variant: "fault",
      fails: true,
      cases: fault.cases,
      program,
      command,
      made: made.digest("hex"),
      stamp: `${program}.stamp`,
    };
  });
}

function run(command, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text) => {
      stderr += text;
    });
    child.on("error", (error) => resolve({ code: -1, stdout, stderr: String(error) }));
    child.on("close", (code, signal) => resolve({ code: code ?? signal, stdout, stderr }));
  });
}

async function build(job, { program, args, environment }) {
  if (existsSync(job.program) && existsSync(job.stamp) && readFileSync(job.stamp, "utf8") === job.made)
    return;
  mkdirSync(dirname(job.program), { recursive: true });
  const { code, stderr } = await run(program, [...args, ...job.command], { env: environment });
  if (code === 0) {
    writeFileSync(job.stamp, job.made);
    return;
  }
  const { runtime } = VARIANTS[job.variant] ?? VARIANTS.plain;
  const missing = /cannot find .*(-l[tau]+b?san|lib[tau]+b?san|libclang_rt)/.test(stderr);
  job.failure = missing
    ? `the sanitizer's runtime library is missing; Debian has it in ${runtime}\n${stderr}`
    : `${program} failed\n${stderr}`;
}

async function buildAll(jobs, compiler) {
  const waiting = [...jobs];
  const builder = async () => {
    for (let job = waiting.shift(); job !== undefined; job = waiting.shift()) await build(job, compiler);
  };
  await Promise.all(Array.from({ length: BUILDS_AT_ONCE }, builder));
}

/** Kernels with much address randomisation place memory where older runtimes of ThreadSanitizer do not expect it. */
let withoutRandomisation = false;

/** What runs programs of another processor. */
function emulator(target) {
  return target === undefined || target.arch === process.arch
    ? []
    : [process.env.QEMU_AARCH64 || "qemu-aarch64"];
}

async function execute(job, target) {
  const { environment } = VARIANTS[job.variant] ?? VARIANTS.plain;
  const emulated = emulator(target).length > 0 ? { RINGBELL_TEST_EMULATED: "1" } : {};
  const options = {
    env: { ...process.env, ...environment, ...emulated },
    timeout: RUN_LIMIT_MS,
    killSignal: "SIGKILL",
  };
  const start = () => {
    const [first, ...rest] = [
      ...(withoutRandomisation ? ["setarch", "-R"] : []),
      ...emulator(target),
      job.program,
      ...(job.cases === undefined ? [] : [job.cases]),
    ];
    return run(first, rest, options);
  };
  let result = await start();
  if (result.stderr.includes("unexpected memory mapping") && !withoutRandomisation) {
    withoutRandomisation = true;
    result = await start();
    if (result.code === -1) {
      result.stderr += "\nThreadSanitizer needs setarch here (Debian package util-linux)";
    }
  }
  if (job.fails) {
    // What it found stands in the last line.
    if (result.code === 1) job.output = result.stderr;
    else if (result.stdout.includes("not run: processes can't be stepped here")) job.output = "not run";
    else
      job.failure = `has a fault, and ended with ${result.code}: the test does not find it\n${result.stdout}${result.stderr}`;
    return;
  }
  if (result.code !== 0) job.failure = `ended with ${result.code}\n${result.stdout}${result.stderr}`;
  else job.output = result.stdout;
}

async function main() {
  const started = performance.now();
  const given = options();
  const compiler = chooseCompiler(given.target);
  const jobs = plan(given, compiler);
  if (jobs.length === 0) throw new Failure("no test has that name");
  await buildAll(jobs, compiler);
  let failed = 0;
  // One after the other: most of them have two threads or processes that want a core each.
  for (const job of jobs) {
    const start = performance.now();
    if (job.failure === undefined) await execute(job, given.target);
    const seconds = ((performance.now() - start) / 1000).toFixed(2);
    const title = `${job.variant.padEnd(5)} ${job.name}`;
    if (job.failure === undefined && job.fails) {
      console.log(`found  ${title} ${seconds.padStart(6)} s`);
      if (process.env.RINGBELL_TEST_VERBOSE) console.log(`           ${job.output.trimEnd()}`);
    } else if (job.failure === undefined) {
      const count = /(\d+) tests\n$/.exec(job.output)?.[1] ?? "?";
      console.log(`ok     ${title.padEnd(26)} ${count.padStart(2)} tests ${seconds.padStart(6)} s`);
      if (process.env.RINGBELL_TEST_VERBOSE) console.log(job.output.trimEnd());
    } else {
      failed += 1;
      console.log(`FAILED ${title}\n${job.failure.trimEnd()}`);
    }
  }
  console.log(
    `\n${jobs.length - failed} passed, ${failed} failed (${((performance.now() - started) / 1000).toFixed(0)} s)`,
  );
  return failed === 0 ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof Failure)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
