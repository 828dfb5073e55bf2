import { trusted } from "./samples.mjs";

/**
 * @typedef {object} Result  What came of a contender.
 * @property {string} name
 * @property {string} [peer]
 * @property {string} title
 * @property {Record<string, string | number>} facts
 * @property {"measured" | "unavailable" | "failed"} status
 * @property {string} [reason]
 * @property {Record<string, number>} [constants]
 * @property {Record<string, number>[]} [rounds]
 * @property {Record<string, number>} medians
 * @property {Record<string, number>} spreads
 *
 * @typedef {object} Suite
 * @property {string} name
 * @property {string} [group]
 * @property {string} title
 * @property {string[]} [notes]
 * @property {number} [foreignLoad]
 * @property {{ title: string, figure: string, format?: string }[]} [columns]
 * @property {Result[]} results
 *
 * @typedef {import("../lib/verdicts.mjs").Verdict & { spread?: number, group?: string, suite?: string }} Verdict
 *
 * @typedef {object} Data  What `--json` wrote, format 2.
 * @property {number} format
 * @property {string} when
 * @property {string} [version]
 * @property {string} [commit]
 * @property {boolean} [changed]
 * @property {Record<string, any>} machine
 * @property {number[] | null} pinnedTo
 * @property {boolean} quick
 * @property {number} rounds
 * @property {number} secondsPerRound
 * @property {number} seconds
 * @property {Record<string, string>} [packages]
 * @property {Suite[]} suites
 * @property {Verdict[]} verdicts
 */

/** The only format that can be read. */
const FORMAT = 2;

/** A record with all its rounds may be as long as this, in characters; a longer one goes without. */
const MOST = 1e6;

/** Figures that a record is asked for; percentiles of too few samples it does not have. */
export class BenchRecord {
  #results = new Map();

  /** @param {Data} data */
  constructor(data) {
    this.data = {
      ...data,
      suites: data.suites.map((suite) => ({ ...suite, results: suite.results.map(trusted) })),
    };
    for (const suite of this.data.suites) {
      for (const result of suite.results) this.#results.set(result.name, result);
    }
  }

  /** @param {string} name @returns {Suite | undefined} of which something was measured */
  suite(name) {
    return this.data.suites.find((suite) => suite.name === name && measured(suite).length > 0);
  }

  /** @param {string} name of a contender @returns {Result | undefined} */
  result(name) {
    return this.#results.get(name);
  }

  /** @param {string} name of a contender @param {string} figure @returns {number | undefined} */
  figure(name, figure) {
    const result = this.result(name);
    return result?.status === "measured" ? result.medians[figure] : undefined;
  }
}

/** @param {Suite | undefined} suite @returns {Result[]} */
export function measured(suite) {
  return (suite?.results ?? []).filter(({ status }) => status === "measured");
}

/**
 * What `--json` wrote, less what no report needs, so that it is small enough to be committed. To reduce it again changes nothing.
 * @param {any} data
 * @returns {Data}
 */
export function reduce(data) {
  if (data?.format !== FORMAT || !Array.isArray(data.suites))
    throw new TypeError(`not a record of format ${FORMAT}, as npm run bench -- --json writes it`);
  const all = rounded(data);
  if (JSON.stringify(all).length <= MOST) return all;
  const suites = all.suites.map((/** @type {Suite} */ suite) => ({
    ...suite,
    results: suite.results.map(({ rounds, ...rest }) => rest),
  }));
  return { ...all, suites };
}

/** Fractions to six digits. Whole numbers stay: some of them are bytes. @param {any} value @returns {any} */
function rounded(value) {
  if (typeof value === "number") return Number.isInteger(value) ? value : Number(value.toPrecision(6));
  if (Array.isArray(value)) return value.map(rounded);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, rounded(each)]));
}

/** A line for each result, for who compares two of them in git. @param {Data} data */
export function serialize(data) {
  const { suites, verdicts, ...head } = data;
  const lines = Object.entries(head).map(
    ([name, value]) => `${JSON.stringify(name)}: ${JSON.stringify(value)},`,
  );
  const parts = suites.map(({ results, ...suite }) => {
    const each = results.map((result) => JSON.stringify(result)).join(",\n");
    return `${JSON.stringify(suite).slice(0, -1)},"results":[\n${each}\n]}`;
  });
  const judged = verdicts.map((verdict) => JSON.stringify(verdict)).join(",\n");
  return `{\n${lines.join("\n")}\n"suites": [\n${parts.join(",\n")}\n],\n"verdicts": [\n${judged}\n]\n}\n`;
}
