// What must hold before a version is published, part by part. It refuses a tree with changes: what is checked is what is published. At
// the end it prints a table of the targets, with what was executed on each.
//
//   npm run release:check
import { spawnSync } from "node:child_process";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

/** @type {readonly { name: string, command: string[] }[]} */
const PARTS = [
  { name: "binaries", command: ["npm", "run", "--silent", "prebuild"] },
  { name: "package", command: ["npm", "run", "--silent", "pack:check"] },
  { name: "Node 20 to 26", command: ["npm", "run", "--silent", "test:nodes"] },
  { name: "Bun and Deno", command: ["npm", "run", "--silent", "test:runtimes"] },
  { name: "arm64, emulated", command: ["npm", "run", "--silent", "test:arm64"] },
];
const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** @param {string[]} command @param {"inherit" | "pipe"} stdio */
function run([program, ...args], stdio) {
  return spawnSync(/** @type {string} */ (program), args, {
    cwd: root,
    encoding: "utf8",
    stdio: ["ignore", stdio, "inherit"],
  });
}

/** The targets, by what ran on them in the parts above. The musl and macOS binaries are linked and looked into only. */
const EXECUTED = [
  ["linux-x64-glibc", "the whole suite, on Node 20, 22, 24 and 26"],
  ["linux-x64, Bun and Deno", "examples, transports, ports and codecs, over the stream"],
  ["linux-arm64-glibc", "emulated: native tests, examples, transports and codecs, a region shared with x64"],
  ["linux-x64-musl, linux-arm64-musl", "no; the symbols that it needs are compared with musl's"],
  ["darwin-x64, darwin-arm64", "no; the symbols that it needs are compared with libSystem's"],
];

function main() {
  const changes = run(["git", "status", "--porcelain"], "pipe").stdout;
  if (changes !== "") {
    process.stderr.write(`expected a tree without changes:\n${changes}`);
    return 1;
  }
  for (const { name, command } of PARTS) {
    const begin = performance.now();
    process.stdout.write(`=== ${name}: ${command.join(" ")}\n`);
    const { status } = run(command, "inherit");
    const seconds = ((performance.now() - begin) / 1000).toFixed(0);
    process.stdout.write(`=== ${name}: ${seconds} s, exit code ${status}\n`);
    if (status !== 0) return 1;
  }
  const width = Math.max(...EXECUTED.map(([target = ""]) => target.length));
  for (const [target = "", what] of EXECUTED) process.stdout.write(`${target.padEnd(width)}  ${what}\n`);
  return 0;
}

process.exitCode = main();
