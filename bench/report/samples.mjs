// Percentiles that too few samples stand behind are left out: the 99.9th of 500 times is the longest of them, under another name. The
// median needs no more than any other figure.
import { PERCENTILES } from "../lib/percentiles.mjs";

/** So many of all rounds' samples lie beyond a percentile at least. */
export const BEYOND = 10;

const MEDIAN = 50;

/** Of round trips this part is timed one by one (lib/clock.mjs), which records before `samples` do not say. */
const TIMED_PART = 1 / 4;

/** Percentiles of anything else than what a suite mainly measures, and which figure counts theirs. */
const OTHERS = /** @type {Record<string, [percent: number, samples: string]>} */ ({
  turnsP99: [99, "turnsSamples"],
});

/**
 * How many times were taken one by one in a round; undefined where that is unknown.
 * @param {import("./record.mjs").Result} result
 * @param {string} name of the figure
 */
function samplesOf({ medians, facts = {}, constants = {} }, name) {
  if (medians[name] !== undefined) return medians[name];
  const { ns, seconds } = medians;
  if (facts.kind === "paced") return seconds === undefined ? undefined : Number(facts.rate) * seconds;
  const trips = constants.count ?? constants[name === "samples" ? "one" : "turns"];
  if (trips === undefined) return undefined;
  return ns === undefined ? trips : trips * TIMED_PART;
}

/**
 * The result without the percentiles that too few samples lie beyond.
 * @param {import("./record.mjs").Result} result
 * @returns {import("./record.mjs").Result}
 */
export function trusted(result) {
  const figures = Object.entries(result.medians ?? {}).filter(([figure]) => {
    const [percent, counted] = OTHERS[figure] ?? [Reflect.get(PERCENTILES, figure), "samples"];
    const samples = percent === undefined || percent === MEDIAN ? undefined : samplesOf(result, counted);
    if (samples === undefined) return true;
    const all = samples * (result.rounds?.length || 1);
    return Math.round(all * Math.min(percent, 100 - percent)) >= BEYOND * 100;
  });
  return { ...result, medians: Object.fromEntries(figures) };
}
