import { parseArgs } from "node:util";
import { TARGETS } from "../addon/targets.mjs";

export const USAGE = `usage: npm run prebuild -- [--only TARGET,…] [--check]
  --only   these targets: ${TARGETS.map(({ name }) => name).join(", ")}
  --check  builds nothing, and fails if a binary is missing, or older than its sources`;

export class UsageError extends Error {}

/** Throws a UsageError. @param {string[]} args */
export function parseOptions(args) {
  let values;
  try {
    ({ values } = parseArgs({
      args,
      options: { only: { type: "string" }, check: { type: "boolean" }, help: { type: "boolean" } },
    }));
  } catch (error) {
    throw new UsageError(/** @type {Error} */ (error).message);
  }
  return { targets: targetsIn(values.only), check: values.check ?? false, help: values.help ?? false };
}

/** @param {string | undefined} only */
function targetsIn(only) {
  if (only === undefined) return TARGETS;
  const names = only.split(",").map((name) => name.trim());
  const known = TARGETS.map(({ name }) => name);
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0)
    throw new UsageError(
      `--only expects names of targets (${known.join(", ")}), got ${JSON.stringify(unknown.join(","))}`,
    );
  return TARGETS.filter(({ name }) => names.includes(name));
}
