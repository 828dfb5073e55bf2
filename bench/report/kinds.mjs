/**
 * Whose a mechanism is: ours, a floor (what the machine allows, in C++), or one that a user would pick instead.
 * @typedef {"ours" | "floor" | "other"} Kind
 */

/** Ours with default settings, and the plain socket that it is compared with. */
export const OURS = "ringbell";
export const SOCKET = "net-unix";
/** The same for messages that are ready together. */
export const BATCHED = "ringbell-batched";
export const JOINED = "net-unix-joined";

const FLOORS = new Set(["flag", "boost", "ring", "futex", "socket", "eventfd", "memcpy"]);

/** @param {import("./record.mjs").Result} result @returns {Kind} */
export function kindOf({ peer = "", name, title }) {
  if (peer === OURS || peer.startsWith(`${OURS}-`) || title.startsWith(OURS)) return "ours";
  if (FLOORS.has(peer) || FLOORS.has(name) || title.startsWith("C++")) return "floor";
  return "other";
}

/** A title less the number at its end, by which several of one mechanism differ. @param {string} title */
export function withoutCount(title) {
  return title.replace(/, [\d,]+$/, "");
}

/** As it stands beside a chart: what backquotes mark as code in a table is plain there. @param {string} title */
export function plain(title) {
  return title.replaceAll("`", "");
}

/**
 * The first of a suite that a peer has, most like what is asked for.
 * @param {readonly import("./record.mjs").Result[]} results
 * @param {string} peer
 */
export function firstOf(results, peer) {
  const own = results.filter((result) => result.peer === peer);
  return own.find(({ facts }) => facts?.payload === "bytes") ?? own[0];
}
