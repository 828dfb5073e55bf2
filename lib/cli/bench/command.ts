import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "../command.js";
import { runScript } from "../forward.js";
import { packageDirectory } from "../package.js";

/** `ringbell bench` runs the benchmark of a checkout (bench/) in its quick form, without the parts that need other software. */
export const bench: Command = {
  name: "bench",
  operands: "[name …]",
  summary: "compare ringbell with other mechanisms on this machine",
  text: [
    "Measures ringbell and what Node itself has to offer between processes, in rough figures that take less than a minute: without " +
      "peers that have to be installed or compiled. For those, exact figures and the report, run `npm run bench`.",
    "The benchmark is in a checkout of the repository, and not in the installed package: there, this command says so, with exit code 1.",
    "A name is that of a group (latency, throughput, bulk, scale, cost, startup) or of a suite; without one, everything " +
      "is measured. Leave the machine alone meanwhile. Exit code 1 if something failed.",
  ],
  options: [
    { name: "peers", value: "A,B", text: "only these peers or contenders" },
    {
      name: "sizes",
      value: "A,B",
      text: "messages of these sizes, such as 32,1KiB, where there is a choice",
    },
    { name: "rounds", value: "N", text: "rounds of each contender, 5 to 99 (default: 5)" },
    { name: "cores", value: "A,B", text: "the two cores to run on (default: the first two allowed)" },
    { name: "json", value: "FILE", text: "write every figure, the machine and the verdicts to FILE" },
    { name: "check", value: "FILE", text: "print the verdicts in FILE; exit code 1 unless all are ok" },
    { name: "compare", text: "followed by two files: what is slower in the second; exit code 1 if anything" },
    { name: "all", text: "with --compare: every figure" },
    { name: "list", text: "print the names of suites, contenders and peers" },
  ],
  forward: async (args) => {
    const program = join(packageDirectory(), "bench", "main.mjs");
    if (!existsSync(program)) {
      throw new Error(
        "the benchmark is not in the installed package; in a checkout of the repository, run: " +
          ["npm ci && npm run bench -- --quick", ...args].join(" "),
      );
    }
    return runScript(program, ["--quick", "--bare", ...args]);
  },
};
