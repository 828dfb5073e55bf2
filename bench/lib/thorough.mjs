/**
 * The same contender, for those who want to know more than the verdicts: --quick leaves it out unless it is named.
 * @template {import("./contender.mjs").Contender} C
 * @param {C} contender
 * @returns {C & { thorough: true }}
 */
export function thorough(contender) {
  return { ...contender, thorough: true };
}
