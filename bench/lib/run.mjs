import { batches } from "./batches.mjs";
import { warmedUpStable } from "./calibrate.mjs";
import { Unavailable } from "./contender.mjs";
import { peerOf } from "./select.mjs";
import { medians, spreads } from "./stats.mjs";

/** How long a step may take before it counts as hung, unless the contender knows better, s. */
const PATIENCE = 30;
/** The same for stopping, s: what has not ended by then is killed when the run ends. */
const STOP_PATIENCE = 15;

/**
 * What came of a contender.
 *
 * @typedef {object} Result
 * @property {string} name
 * @property {string} peer
 * @property {string} title
 * @property {Record<string, string | number>} facts
 * @property {"measured" | "unavailable" | "failed"} status
 * @property {string} [reason]  Why there are no figures.
 * @property {Record<string, number>} [constants]
 * @property {import("./contender.mjs").Figures[]} rounds
 * @property {import("./contender.mjs").Figures} medians
 * @property {import("./contender.mjs").Figures} spreads  How far the farthest round lies from the median, as a part of it.
 */

/**
 * Measures the contenders of a suite, interleaved: in every round each of them has its turn. One that fails is left out
 * from then on; the others go on.
 * @param {import("./contender.mjs").Suite} suite
 * @param {import("./contender.mjs").Setting} setting
 * @param {import("./progress.mjs").Progress} progress
 * @returns {Promise<Result[]>} in the order of the suite's contenders
 */
export async function measure(suite, setting, progress) {
  const entries = new Map(
    suite.contenders.map((contender) => [contender, new Entry(contender, setting, progress)]),
  );
  for (const batch of batches(suite)) {
    await together(
      batch.map((contender) => /** @type {Entry} */ (entries.get(contender))),
      setting,
    );
  }
  return [...entries.values()].map((entry) => entry.result());
}

/** @param {readonly Entry[]} entries @param {import("./contender.mjs").Setting} setting */
async function together(entries, setting) {
  try {
    for (const entry of entries) await entry.start();
    for (let round = 1; round <= setting.rounds; round++) {
      for (const entry of entries) await entry.round(round);
    }
  } finally {
    await Promise.all(entries.map((entry) => entry.stop()));
  }
}

/** @param {import("./contender.mjs").Contender} contender @param {import("./contender.mjs").Setting} setting */
function roundsOf(contender, setting) {
  return contender.rounds ?? setting.rounds;
}

/**
 * Steps that `measure` announces at most.
 * @param {readonly import("./contender.mjs").Contender[]} contenders
 * @param {import("./contender.mjs").Setting} setting
 */
export function steps(contenders, setting) {
  return contenders.reduce((sum, contender) => sum + 1 + roundsOf(contender, setting), 0);
}

class Entry {
  #contender;
  #setting;
  #progress;
  #rounds;
  /** @type {import("./contender.mjs").Running | undefined} */
  #running;
  /** @type {"measured" | "unavailable" | "failed"} */
  #status = "measured";
  /** @type {string | undefined} */
  #reason;
  /** @type {Record<string, number> | undefined} */
  #constants;
  /** @type {import("./contender.mjs").Figures[]} */
  #figures = [];

  /**
   * @param {import("./contender.mjs").Contender} contender
   * @param {import("./contender.mjs").Setting} setting
   * @param {import("./progress.mjs").Progress} progress
   */
  constructor(contender, setting, progress) {
    this.#contender = contender;
    this.#setting = setting;
    this.#progress = progress;
    this.#rounds = roundsOf(contender, setting);
  }

  async start() {
    this.#progress.step(`warm-up     ${this.#contender.title}`);
    const starting = this.#contender.start(this.#setting);
    await this.#attempt("start", async () => {
      this.#running = await starting;
    });
    if (this.#running === undefined) {
      // What starts only after it was given up.
      starting.then((late) => late.stop()).catch(() => {});
      return;
    }
    const running = this.#running;
    warmedUpStable();
    await this.#attempt("warm-up", () => running.warmUp());
    const stable = warmedUpStable();
    this.#constants = {
      ...running.constants?.(),
      ...(stable === undefined ? {} : { stable: stable ? 1 : 0 }),
    };
  }

  /** @param {number} number from 1 */
  async round(number) {
    const running = this.#running;
    if (running === undefined || this.#status !== "measured" || number > this.#rounds) return;
    this.#progress.step(`round ${number} of ${this.#rounds}  ${this.#contender.title}`);
    await this.#attempt(`round ${number}`, async () => {
      this.#figures.push(await running.round());
    });
  }

  async stop() {
    const running = this.#running;
    this.#running = undefined;
    if (running === undefined) return;
    await within(STOP_PATIENCE, "stop", running.stop()).catch(() => {});
  }

  /** @returns {Result} */
  result() {
    const measured = this.#status === "measured";
    return {
      name: this.#contender.name,
      peer: peerOf(this.#contender),
      title: this.#contender.title,
      facts: this.#contender.facts ?? {},
      status: this.#status,
      ...(this.#reason === undefined ? {} : { reason: this.#reason }),
      ...(this.#constants === undefined ? {} : { constants: this.#constants }),
      rounds: this.#figures,
      medians: measured ? medians(this.#figures) : {},
      spreads: measured ? spreads(this.#figures) : {},
    };
  }

  /** @param {string} step @param {() => Promise<void>} work */
  async #attempt(step, work) {
    try {
      await within(this.#contender.patience ?? PATIENCE, step, work());
    } catch (error) {
      this.#status = error instanceof Unavailable ? "unavailable" : "failed";
      this.#reason = error instanceof Error ? error.message : String(error);
      this.#progress.skip(this.#rounds - this.#figures.length);
      // Whatever it still does would disturb the others.
      await this.stop();
    }
  }
}

/**
 * @template Value
 * @param {number} seconds
 * @param {string} step
 * @param {Promise<Value>} work
 * @returns {Promise<Value>}
 */
async function within(seconds, step, work) {
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${step} took more than ${seconds} s`)), seconds * 1000);
  });
  try {
    return await Promise.race([work, /** @type {Promise<never>} */ (late)]);
  } finally {
    clearTimeout(timer);
  }
}
