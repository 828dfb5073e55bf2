// What must hold before a version is published, part by part. It refuses a tree with changes: what is checked is what is published.
//
//   npm run release:check
import { spawnSync } from "node:child_process";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

/** @type {readonly { name: string, command: string[] }[]} */
const PARTS = [
  { name: "binaries", command: ["npm", "run", "--silent", "prebuild"] },
  { name: "package", command: ["npm", "run", "--silent", "pack:check"] },
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
  return 0;
}

process.exitCode = main();
