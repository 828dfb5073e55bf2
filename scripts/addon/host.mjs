// The addon for this machine, in build/Release: where the library looks first.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { compile, hostIncludes } from "./compile.mjs";
import { findCompiler } from "./compiler.mjs";
import { flagsFor } from "./flags.mjs";
import { hashOf } from "./sources.mjs";
import { hostTarget } from "./targets.mjs";

const ADDON = join("build", "Release", "ringbell.node");

/**
 * Builds the addon, if it is missing or older than its sources, and returns whether it had to. Throws a NoCompilerError, a FetchError or
 * a CompileError.
 *
 * @param {string} root  Of the package.
 * @param {object} options
 * @param {boolean} options.force
 * @param {string | undefined} options.output  Another place for it; it is built there in any case.
 * @param {(line: string) => void} options.say
 */
export async function buildForHost(root, { force, output, say }) {
  const addon = output ?? join(root, ADDON);
  const stamp = join(root, "build", "Release", "ringbell.made");
  const strict = isCheckout(root);
  const { platform } = process;
  const libc = hostTarget()?.libc;
  const made = hashOf(root, [flagsFor({ platform, libc, triple: undefined, strict }), process.env.CXX]);
  const isThere = existsSync(addon) && existsSync(stamp) && readFileSync(stamp, "utf8") === made;
  if (isThere && !force && output === undefined) return false;
  const { command, env, triple } = findCompiler(say);
  await compile(root, {
    command,
    env,
    platform,
    libc,
    triple,
    strict,
    includes: hostIncludes(root, say),
    output: addon,
  });
  if (output === undefined) writeFileSync(stamp, made);
  return true;
}

/** Whether this is the repository, and not an installed package, which has no tests. @param {string} root */
export function isCheckout(root) {
  return existsSync(join(root, "native", "test"));
}
