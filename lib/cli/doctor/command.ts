import { keepFallbackQuiet } from "../../channel/fallback.js";
import { isOn } from "../arguments.js";
import { type Command, JSON_OPTION } from "../command.js";
import { packageVersion } from "../package.js";
import { directoryFacts, lostEndpoints } from "./directory.js";
import { addonFacts, containerFacts, limitFacts, platformFacts, sharedMemoryFacts } from "./machine.js";
import { findProblems } from "./problems.js";
import type { DoctorReport, TestResult } from "./report.js";
import { selfTest } from "./self-test.js";
import { showReport } from "./view.js";

/** `ringbell doctor` shows what this machine offers, and whether messages can flow. */
export const doctor: Command = {
  name: "doctor",
  summary: "look at this machine and try whether messages can flow",
  text: [
    "Shows what ringbell finds here: the addon, memory, limits, the directory of the names, and the variables that are " +
      "set. Then sends some thousand messages to and fro in this process, by default and by every transport and backing, " +
      "and says what is wrong and what helps.",
    "Exit code 0 if messages can flow with the defaults, 1 if not.",
  ],
  options: [JSON_OPTION],
  async run(values, output) {
    keepFallbackQuiet();
    const report = await examine();
    const lines = isOn(values, "json") ? [JSON.stringify(report, null, 2)] : showReport(report, output);
    for (const line of lines) output.print(line);
    return report.ok ? 0 : 1;
  },
};

async function examine(): Promise<DoctorReport> {
  const facts = {
    version: packageVersion(),
    addon: addonFacts(),
    node: { version: process.versions.node, napi: process.versions.napi ?? "?", path: process.execPath },
    platform: platformFacts(),
    sharedMemory: sharedMemoryFacts(),
    limits: limitFacts(),
    directory: { ...directoryFacts(), lost: await lostEndpoints() },
    container: containerFacts(),
    environment: ourVariables(),
    // The self-test comes last, so that it does not change what the others find.
    tests: await selfTest(),
  };
  const byDefault = facts.tests.find(({ name }) => name === "default")!;
  const problems = findProblems(facts);
  // The test uses a namespace of its own. A mistake in the environment's namespace shows only here.
  const obstacle = problems.find(({ severity }) => severity === "error");
  const ok = byDefault.state === "passed" && obstacle === undefined;
  return {
    ok,
    transport: ok ? byDefault.transport : null,
    reason: ok ? reasonOf(byDefault, facts) : "see the problems.",
    ...facts,
    problems,
  };
}

/** Returns why this transport is used. */
function reasonOf(
  test: TestResult,
  { addon, environment }: Pick<DoctorReport, "addon" | "environment">,
): string {
  const forced = environment.RINGBELL_TRANSPORT;
  if (forced && forced !== "auto") return `RINGBELL_TRANSPORT is ${forced}.`;
  if (test.transport === "shm") {
    return `the addon is loaded, and ${process.platform === "linux" ? "sealed" : "named"} memory can be shared.`;
  }
  if (!addon.loaded) return "the addon is not loaded, and the socket alone needs none.";
  return "shared memory is not available, see the problems; the socket alone works.";
}

function ourVariables(): Record<string, string> {
  const names = Object.keys(process.env).filter((name) => name.startsWith("RINGBELL_"));
  return Object.fromEntries(names.sort().map((name) => [name, process.env[name] ?? ""]));
}
