import { groupOf, peerOf } from "./select.mjs";

/**
 * The names that the command line takes.
 * @param {readonly import("./contender.mjs").Suite[]} suites
 * @returns {string}
 */
export function listing(suites) {
  const wide = Math.max(...suites.flatMap(({ contenders }) => contenders.map(({ name }) => name.length)));
  const groups = [...new Set(suites.map(groupOf))];
  const peers = [...new Set(suites.flatMap(({ contenders }) => contenders.map(peerOf)))].sort();
  return [
    ...groups.flatMap((group) => [
      `${group}:`,
      ...suites
        .filter((suite) => groupOf(suite) === group)
        .flatMap(({ name, title, contenders }) => [
          `  ${name}: ${title}`,
          ...contenders.map((each) => `    ${each.name.padEnd(wide)}  ${each.title}`),
        ]),
    ]),
    "",
    `peers: ${peers.join(", ")}`,
  ].join("\n");
}
