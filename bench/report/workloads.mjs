import { size } from "../lib/format.mjs";

/** @param {Record<string, string | number>} facts */
function parts({ kind, payload, bytes, rate, channels, senders, cores }) {
  return [
    kind === "echo" ? "ping-pong" : kind === "flood" ? "one way" : undefined,
    typeof rate === "number" ? `${rate.toLocaleString("en-US")} messages a second` : undefined,
    typeof bytes === "number"
      ? `${payload === "object" ? "objects of about " : ""}${size(bytes)}`
      : undefined,
    typeof channels === "number"
      ? `${channels.toLocaleString("en-US")} ${channels === 1 ? "channel" : "channels"}`
      : undefined,
    typeof senders === "number" ? `${senders} ${senders === 1 ? "sender" : "senders"}` : undefined,
    typeof cores === "number" ? `${cores === 1 ? "one core" : `${cores} cores`}` : undefined,
  ].filter((part) => part !== undefined);
}

/** What a contender was asked for, in words. @param {import("./record.mjs").Result} result */
export function workload({ facts }) {
  return parts(facts ?? {}).join(", ");
}

/**
 * The same but for what its suite's title says, and what all results of the suite share.
 * @param {import("./record.mjs").Suite} suite
 * @param {import("./record.mjs").Result} result
 */
export function ownWork({ title, results }, { facts }) {
  const shared = (/** @type {string} */ part) =>
    results.every((result) => parts(result.facts ?? {}).includes(part));
  return parts(facts ?? {})
    .filter((part) => !title.includes(part) && !shared(part))
    .join(", ");
}

/**
 * The same but for which of a suite's own facts all results share, so that a section's heading need not be said again.
 * @param {import("./record.mjs").Result} result
 */
export function sameWork({ facts = {} }) {
  const { kind, payload, bytes, rate, channels, senders, cores } = facts;
  return JSON.stringify([
    kind,
    payload === "object" ? "object" : "bytes",
    bytes,
    rate,
    channels,
    senders,
    cores,
  ]);
}

/** @template T, K @param {readonly T[]} list @param {(each: T) => K} key @returns {Map<K, T[]>} */
export function groupBy(list, key) {
  /** @type {Map<K, T[]>} */
  const groups = new Map();
  for (const each of list) {
    const group = groups.get(key(each));
    if (group === undefined) groups.set(key(each), [each]);
    else group.push(each);
  }
  return groups;
}

/** Peers, the lowest figure first. @param {readonly import("./record.mjs").Result[]} results @param {string} figure */
export function ranked(results, figure) {
  const sorted = results.toSorted(
    (a, b) => (a.medians[figure] ?? Infinity) - (b.medians[figure] ?? Infinity),
  );
  return [...new Set(sorted.map(({ peer }) => peer))];
}
