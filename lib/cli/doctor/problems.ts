import { ourUid, singleUid } from "../../transport/places/user.js";
import { bytes } from "../format.js";
import { nearest } from "../nearest.js";
import type { DoctorReport, Failure, Problem } from "./report.js";

/** The variables that the library reads. */
const VARIABLES = [
  "RINGBELL_ADDON",
  "RINGBELL_CHECK_BLOCKS",
  "RINGBELL_CODEGEN",
  "RINGBELL_DIRECTORY",
  "RINGBELL_ENDPOINT",
  "RINGBELL_NAMESPACE",
  "RINGBELL_NO_ADDON",
  "RINGBELL_PREBUILD",
  "RINGBELL_RING",
  "RINGBELL_TAP",
  "RINGBELL_TRACE_BLOCKS",
  "RINGBELL_TRANSPORT",
  "RINGBELL_WATCHDOG",
];

const LEAST_NODE = [20, 19] as const;
/** Below these limits the library works, but soon runs out of files, memory or room for names. */
const FEW_FILES = 1024;
const LITTLE_MEMORY = 16 * 1024 * 1024;
const SHORT_NAME = 24;

type Facts = Omit<DoctorReport, "ok" | "transport" | "reason" | "problems">;

/** Returns the problems in the facts, and what helps; errors first. */
export function findProblems(facts: Facts): Problem[] {
  const problems: Problem[] = [];
  const add = (severity: Problem["severity"], message: string, help: string) =>
    problems.push({ severity, message, help });
  addonProblems(facts, add);
  testProblems(facts, add);
  memoryProblems(facts, add);
  directoryProblems(facts, add);
  otherProblems(facts, add);
  const rank = { error: 0, warning: 1, note: 2 };
  return problems.sort((a, b) => rank[a.severity] - rank[b.severity]);
}

type Add = (severity: Problem["severity"], message: string, help: string) => void;

const CORRECT = "Correct the variable, or unset it.";

function addonProblems({ addon, environment }: Facts, add: Add): void {
  if (addon.error === null) return;
  if (environment.RINGBELL_NO_ADDON) {
    add(
      "warning",
      "RINGBELL_NO_ADDON is set, so the addon is not loaded: there is no shared memory, only the socket, which is slower.",
      "Unset RINGBELL_NO_ADDON.",
    );
    return;
  }
  const supported = addon.error.code !== "ERR_RINGBELL_UNSUPPORTED_PLATFORM";
  // The addon's message has its own line of what helps, which is shown in another place here.
  const [message = "", mend = ""] = addon.error.message.split("\nMend: ");
  add(
    supported ? "warning" : "error",
    supported
      ? `${message}\nWithout it there is no shared memory, only the socket, which is slower. A program that may choose is warned of it ` +
          "once (RINGBELL_STREAM_FALLBACK)."
      : message,
    supported ? capitalised(mend.split("\n")[0]!) : "Use Linux or macOS, or on Windows WSL 2.",
  );
}

function capitalised(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

function testProblems({ tests, environment, addon, directory }: Facts, add: Add): void {
  const failed = tests.filter(({ state }) => state === "failed");
  const byDefault = failed.find(({ name }) => name === "default");
  // Without a place for names nothing works. `directoryProblems` reports that.
  if (noPlace(directory)) return;
  if (byDefault !== undefined) {
    const help =
      byDefault.error?.code === "ERR_RINGBELL_INVALID_ARGUMENT"
        ? CORRECT
        : environment.RINGBELL_TRANSPORT !== "shm"
          ? "Set RINGBELL_TRANSPORT to stream if that one passed, and report this with the output of --json."
          : addon.loaded
            ? "Unset RINGBELL_TRANSPORT or set it to auto: where shared memory is not available, the socket carries the messages."
            : "Unset RINGBELL_TRANSPORT, or set it to auto.";
    add("error", `Messages can't flow: ${textOf(byDefault.error)}`, help);
  }
  for (const { name, error } of failed) {
    // A failure that all tests share is reported once.
    if (name === "default" || error?.message === byDefault?.error?.message) continue;
    add(
      "warning",
      `${name} does not work: ${textOf(error)}`,
      "Where it is not asked for, another way is taken.",
    );
  }
}

function noPlace({ path, error, writable, longestName }: Facts["directory"]): boolean {
  return path === null || error !== null || !writable || longestName === 0;
}

function memoryProblems({ sharedMemory, platform, limits }: Facts, add: Add): void {
  const { sealed, named, path, size, free } = sharedMemory;
  if (sealed?.available === false) {
    add(
      "warning",
      `Making sealed memory (memfd) fails: ${textOf(sealed.error)}`,
      'It needs Linux 3.17 and a seccomp profile that allows memfd_create; `backing: "named"` does without.',
    );
  }
  if (named?.available === false) {
    add(
      "warning",
      `Making named memory fails: ${textOf(named.error)}`,
      platform.os === "linux"
        ? "Mount a tmpfs on /dev/shm that this user may write to; sealed memory, the default, does without."
        : "Look whether a sandbox forbids shm_open.",
    );
  }
  if (path !== null && size === null) {
    add(
      "note",
      `The size of ${path} is unknown: this user may not look at it.`,
      'It is needed for `backing: "named"` alone.',
    );
  } else if (path !== null && free !== null && free < LITTLE_MEMORY) {
    add(
      "warning",
      `${path} has ${bytes(free)} free of ${bytes(size ?? 0)}; named memory will soon run out.`,
      "Give it more (docker run --shm-size=1g; mount -o remount,size=1g /dev/shm), or use sealed memory, the default.",
    );
  }
  const { limit, used } = limits.memory;
  if (limit !== null && used !== null && limit - used < LITTLE_MEMORY) {
    add(
      "warning",
      `The control group has ${bytes(Math.max(0, limit - used))} of its ${bytes(limit)} left; shared memory counts towards it.`,
      "Raise the memory limit of the container or service.",
    );
  }
}

function directoryProblems({ directory, environment }: Facts, add: Add): void {
  const { path, error, longestName, writable, source } = directory;
  if (error !== null) {
    const own = source === "RINGBELL_DIRECTORY" || environment.RINGBELL_DIRECTORY;
    add(
      "error",
      textOf(error),
      path === null
        ? CORRECT
        : own
          ? "Correct the owner and the mode of the directory, or set RINGBELL_DIRECTORY to another one."
          : `Remove ${path} or make it private (chmod 0700), or set RINGBELL_DIRECTORY to a directory of your own.`,
    );
  } else if (!writable && path !== null) {
    add(
      "error",
      `uid ${ourUid()} may not write to ${path} (or make it).`,
      "Correct its mode, or set RINGBELL_DIRECTORY to a directory of your own.",
    );
  }
  if (longestName !== null && longestName < SHORT_NAME) {
    add(
      longestName === 0 ? "error" : "warning",
      longestName === 0
        ? `${path} is so long that the path of a socket in it is longer than the system allows.`
        : `${path} is so long that names have room for ${longestName} bytes only.`,
      "Set RINGBELL_DIRECTORY to a shorter path.",
    );
  }
  for (const { path, pid, missing } of directory.lost) {
    const who = pid === null ? "The process" : `Process ${pid}`;
    add(
      "warning",
      `${who} that listens on ${path} has lost ${missing.join(" and ")}.`,
      "Call server.rebind() there (the event filesLost tells when), or start it anew. Tell the program that cleans up " +
        "this directory to leave these files alone, or set RINGBELL_DIRECTORY to another one.",
    );
  }
  const runtime = process.env.XDG_RUNTIME_DIR;
  if (source === "tmpdir" && runtime) {
    add(
      "note",
      `XDG_RUNTIME_DIR is ${runtime}, which is not a directory of this user, so names lie in ${path}.`,
      "Processes that have it set otherwise look elsewhere: set RINGBELL_DIRECTORY for all of them.",
    );
  }
}

function otherProblems({ node, platform, limits, environment, container }: Facts, add: Add): void {
  const [major = 0, minor = 0] = node.version.split(".").map(Number);
  if (major < LEAST_NODE[0] || (major === LEAST_NODE[0] && minor < LEAST_NODE[1])) {
    add("warning", `Node ${node.version} is older than ${LEAST_NODE.join(".")}.`, "Use a newer Node.");
  }
  if (singleUid(ourUid()) === -1 && ourUid() !== -1) {
    add(
      "warning",
      `This process runs as uid ${ourUid()}, by which its user namespace shows everybody who has no number there. So no peer is known to be of the same user.`,
      "Give the namespace a mapping for the user (unshare --map-current-user, newuidmap), or decide by the option authorize.",
    );
  }
  const { soft } = limits.openFiles;
  if (soft !== null && soft < FEW_FILES) {
    add(
      "warning",
      `A process may have ${soft} open files; each channel takes one, and each connect two or three for a moment.`,
      "Raise it: ulimit -n 4096, LimitNOFILE= of the service, --ulimit nofile=4096 of the container.",
    );
  }
  if (platform.cores === 1 || (platform.cpuQuota !== null && platform.cpuQuota <= 1)) {
    add(
      "note",
      "This process has one core: polling for the next message does not pay, each message has to wake the other process.",
      "Give it two cores or more if latency matters.",
    );
  }
  if (container.signs.length > 0) {
    add(
      "note",
      `This looks like a container or guest (${container.signs.join(", ")}).`,
      "To reach processes outside, share the directory of the names with them, as the same user; sealed memory then " +
        "works without a common /dev/shm.",
    );
  }
  for (const name of Object.keys(environment)) {
    if (VARIABLES.includes(name)) continue;
    const near = nearest(name, VARIABLES);
    add(
      "warning",
      `${name} is set, but ringbell reads no such variable.`,
      near === undefined ? `It reads ${VARIABLES.join(", ")}.` : `Did you mean ${near}?`,
    );
  }
}

function textOf(error: Failure | null): string {
  if (error === null) return "no reason is known";
  return error.code === null || error.message.includes(error.code)
    ? error.message
    : `${error.message} (${error.code})`;
}
