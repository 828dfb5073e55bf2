/**
 * The circumstances, in one sentence.
 * @param {import("./record.mjs").BenchRecord} record
 * @returns {string}
 */
export function measuredOn({ data }) {
  const { machine, rounds, pinnedTo } = data;
  const kernel = /^\d+\.\d+/.exec(machine.kernel)?.[0] ?? machine.kernel;
  return [
    `medians of ${rounds} interleaved rounds`,
    pinnedTo === null ? "not pinned to cores" : "both ends pinned to a core each",
    `${machine.processor}, ${machine.cores} ${machine.virtual === true ? "virtual cores" : "cores"}`,
    `${machine.system} ${kernel}`,
    `Node ${machine.node}`,
  ].join(", ");
}
