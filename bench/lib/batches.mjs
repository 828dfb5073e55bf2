/**
 * The contenders of a suite in the groups in which they run at the same time: all of them, or those of each column of a matrix.
 * @param {import("./contender.mjs").Suite} suite
 * @returns {import("./contender.mjs").Contender[][]}
 */
export function batches({ contenders, matrix }) {
  if (matrix === undefined) return [contenders];
  const columns = new Set(contenders.map(({ facts }) => facts?.[matrix.columns]));
  return [...columns].map((column) => contenders.filter(({ facts }) => facts?.[matrix.columns] === column));
}
