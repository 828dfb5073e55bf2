// Builds the addon for this machine into build/Release, if it is not up to date there. It takes the compiler that CXX names, one that is
// installed (g++, c++, clang++), or else Zig, which npm fetches.
//
//   node scripts/build-native.mjs [--force] [--optional] [--output FILE]
//     --force        builds it in any case
//     --optional     where no compiler can be had, says so in one line and exits with 0: ringbell then runs over sockets
//     --output FILE  writes it to FILE, and leaves build/Release alone
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { CompileError } from "./addon/compile.mjs";
import { NoCompilerError } from "./addon/compiler.mjs";
import { buildForHost } from "./addon/host.mjs";
import { FetchError } from "./addon/toolchain.mjs";

const USAGE = "usage: node scripts/build-native.mjs [--force] [--optional] [--output FILE]";
const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** @param {string} text */
function say(text) {
  process.stderr.write(`${text}\n`);
}

function options() {
  const { values } = parseArgs({
    options: { force: { type: "boolean" }, optional: { type: "boolean" }, output: { type: "string" } },
  });
  return values;
}

/** @returns {Promise<number>} exit status */
async function main() {
  let given;
  try {
    given = options();
  } catch (error) {
    say(`${/** @type {Error} */ (error).message}\n${USAGE}`);
    return 2;
  }
  const { force = false, optional = false, output } = given;
  try {
    await buildForHost(root, { force, output: output === undefined ? undefined : resolve(output), say });
    return 0;
  } catch (error) {
    if (error instanceof NoCompilerError || error instanceof FetchError) {
      say(`The addon was not built: ${error.message}. Without it ringbell runs over sockets.`);
      return optional ? 0 : 1;
    }
    if (!(error instanceof CompileError)) throw error;
    say(`${error.message}\nThe addon could not be built: the lines above are the compiler's.`);
    return 1;
  }
}

process.exitCode = await main();
