// Looks at the package as npm would publish it: all binaries, none older than the sources, nothing else than it should hold, and not too
// large. It wants dist/ and prebuilds/ to be built.
//
//   npm run pack:check
import { spawnSync } from "node:child_process";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { tarballFaults } from "./prebuild/tarball.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

function main() {
  const args = ["pack", "--dry-run", "--json", "--ignore-scripts", "--loglevel=error"];
  const { status, stdout, stderr } = spawnSync("npm", args, { cwd: root, encoding: "utf8" });
  if (status !== 0) {
    process.stderr.write(stderr);
    return 1;
  }
  // An array with one package; npm 12 has an object by names.
  const [packed] = /** @type {import("./prebuild/tarball.mjs").Packed[]} */ (
    Object.values(JSON.parse(stdout))
  );
  if (packed === undefined) throw new Error(`expected a package, npm pack says ${stdout}`);
  const faults = tarballFaults(root, packed);
  for (const fault of faults) process.stderr.write(`${fault}\n`);
  const size = packed.size.toLocaleString("en");
  process.stdout.write(`${packed.files.length} files, ${size} bytes packed: ${faults.length} faults\n`);
  return faults.length === 0 ? 0 : 1;
}

process.exitCode = main();
