import { UsageError } from "./options.mjs";

/**
 * @typedef {import("./contender.mjs").Suite} Suite
 * @typedef {import("./contender.mjs").Contender} Contender
 * @typedef {Pick<ReturnType<typeof import("./options.mjs").parseOptions>, "names" | "peers" | "quick" | "bare">} Wish
 */

/** What `--peers` calls a contender, besides by its name. @param {Contender} contender */
export function peerOf({ peer, name }) {
  return peer ?? name;
}

/** @param {Suite} suite */
export function groupOf({ group, name }) {
  return group ?? name;
}

/**
 * The suites that were asked for, each with the contenders that were asked for.
 * @param {readonly Suite[]} suites
 * @param {Wish} wish
 * @returns {Suite[]}
 */
export function select(suites, wish) {
  const groups = new Set(suites.map(groupOf));
  const names = suites.map(({ name }) => name);
  refuseUnknown("group or suite", wish.names, [...groups, ...names]);
  const contenders = suites.flatMap((suite) => suite.contenders);
  refuseUnknown(
    "peer",
    wish.peers,
    contenders.map(peerOf),
    contenders.map(({ name }) => name),
  );

  const chosen = suites
    .filter((suite) => {
      if (wish.names.length === 0) return true;
      return wish.names.includes(groupOf(suite)) || wish.names.includes(suite.name);
    })
    .map((suite) => {
      // A name that is also a group's means the group.
      const named = wish.names.includes(suite.name) && !groups.has(suite.name);
      return { ...suite, contenders: suite.contenders.filter((each) => isWanted(each, named, wish)) };
    })
    .filter((suite) => suite.contenders.length > 0);
  if (chosen.length === 0)
    throw new UsageError(
      wish.peers.length === 0
        ? "nothing of this can be measured here"
        : "none of these peers takes part in that",
    );
  return chosen;
}

/**
 * --quick leaves out what is thorough, unless it, or its suite, was named.
 * @param {Contender} contender
 * @param {boolean} named  its suite
 * @param {Wish} wish
 */
function isWanted(contender, named, { peers, quick, bare }) {
  const { name, packages = [], compiles = false, thorough = false } = contender;
  if (bare && (packages.length > 0 || compiles)) return false;
  if (peers.length > 0) return peers.includes(name) || peers.includes(peerOf(contender));
  return named || !quick || !thorough;
}

/**
 * @param {string} what
 * @param {readonly string[]} asked
 * @param {readonly string[]} known  which the message lists
 * @param {readonly string[]} others  which it does not
 */
function refuseUnknown(what, asked, known, others = []) {
  const unknown = asked.find((name) => !known.includes(name) && !others.includes(name));
  if (unknown === undefined) return;
  const list = [...new Set(known)].sort().join(", ");
  throw new UsageError(`no ${what} is called ${JSON.stringify(unknown)}; there are ${list}`);
}
