import { isDeepStrictEqual } from "node:util";

/** @typedef {import("./record.mjs").Data} Data */

/** What must be equal, so that the suites can stand on one page. Day, commit, kernel and Node need not: a suite says what was different for it. */
const SAME = ["format", "quick", "version", "pinnedTo"];
const SAME_MACHINE = ["processor", "cores", "architecture"];

/**
 * Puts the suites of later runs in place of those of a whole run, or beside them: a suite that a peer was missing for, or that needs a newer
 * Node. Contenders of one suite always come from one run. Throws a TypeError if the runs are of other machines or versions.
 * @param {Data} whole
 * @param {readonly Data[]} later
 * @returns {Data}
 */
export function merged(whole, later) {
  let both = whole;
  for (const run of later) both = mergedTwo(both, run);
  return both;
}

/** @param {Data} whole @param {Data} run @returns {Data} */
function mergedTwo(whole, run) {
  mustFit(whole, run);
  const suites = run.suites.map((suite) => withNote(suite, whole, run));
  return {
    ...whole,
    packages: { ...run.packages, ...whole.packages },
    suites: replaced(whole.suites, suites),
    verdicts: replaced(whole.verdicts, run.verdicts),
    seconds: whole.seconds + run.seconds,
  };
}

/**
 * @template {{ readonly name: string }} T
 * @param {readonly T[]} all
 * @param {readonly T[]} later
 */
function replaced(all, later) {
  const known = new Set(all.map(({ name }) => name));
  return [
    ...all.map((old) => later.find(({ name }) => name === old.name) ?? old),
    ...later.filter(({ name }) => !known.has(name)),
  ];
}

/** @param {Data} whole @param {Data} run */
function mustFit(whole, run) {
  const pick = (/** @type {Record<string, unknown>} */ from, /** @type {readonly string[]} */ names) =>
    names.map((name) => from[name]);
  const same =
    isDeepStrictEqual(pick({ ...whole }, SAME), pick({ ...run }, SAME)) &&
    isDeepStrictEqual(pick(whole.machine, SAME_MACHINE), pick(run.machine, SAME_MACHINE));
  if (!same)
    throw new TypeError("the runs are of other machines, versions or cores, so one page can't have both");
}

/** @param {Data["suites"][number]} suite @param {Data} whole @param {Data} run */
function withNote(suite, whole, run) {
  const day = run.when.slice(0, 10);
  const { node, system, kernel } = run.machine;
  const other = [
    ...(day === whole.when.slice(0, 10) ? [] : [`on ${day}`]),
    ...(run.commit === whole.commit ? [] : [`of commit ${run.commit?.slice(0, 10)}`]),
    ...(node === whole.machine.node ? [] : [`with Node ${node}`]),
    ...(kernel === whole.machine.kernel ? [] : [`with ${system} ${kernel}`]),
  ];
  if (other.length === 0) return suite;
  return { ...suite, notes: [...(suite.notes ?? []), `Measured ${other.join(", ")}.`] };
}
