import { Unavailable } from "./contender.mjs";
import { medians } from "./stats.mjs";

/**
 * What came of a contender.
 *
 * @typedef {object} Result
 * @property {string} name
 * @property {string} title
 * @property {"measured" | "unavailable" | "failed"} status
 * @property {string} [reason]  Why there are no figures.
 * @property {Record<string, number>} [constants]
 * @property {import("./contender.mjs").Figures[]} rounds
 * @property {import("./contender.mjs").Figures} medians
 */

/**
 * Measures the contenders of a suite, interleaved: in every round each of them has its turn. One that fails is left out
 * from then on; the others go on.
 * @param {readonly import("./contender.mjs").Contender[]} contenders
 * @param {import("./contender.mjs").Setting} setting
 * @param {import("./progress.mjs").Progress} progress
 * @returns {Promise<Result[]>}
 */
export async function measure(contenders, setting, progress) {
  const entries = contenders.map((contender) => new Entry(contender, setting, progress));
  try {
    for (const entry of entries) await entry.start();
    for (let round = 1; round <= setting.rounds; round++) {
      for (const entry of entries) await entry.round(round);
    }
  } finally {
    await Promise.all(entries.map((entry) => entry.stop()));
  }
  return entries.map((entry) => entry.result());
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
    await this.#attempt(async () => {
      this.#running = await this.#contender.start(this.#setting);
      await this.#running.warmUp();
    });
  }

  /** @param {number} number from 1 */
  async round(number) {
    if (this.#status !== "measured" || number > this.#rounds) return;
    this.#progress.step(`round ${number} of ${this.#rounds}  ${this.#contender.title}`);
    await this.#attempt(async () => {
      if (this.#running) this.#figures.push(await this.#running.round());
    });
  }

  async stop() {
    await this.#running?.stop();
  }

  /** @returns {Result} */
  result() {
    const constants = this.#running?.constants?.();
    return {
      name: this.#contender.name,
      title: this.#contender.title,
      status: this.#status,
      ...(this.#reason === undefined ? {} : { reason: this.#reason }),
      ...(constants === undefined ? {} : { constants }),
      rounds: this.#figures,
      medians: this.#status === "measured" ? medians(this.#figures) : {},
    };
  }

  /** @param {() => Promise<void>} work */
  async #attempt(work) {
    try {
      await work();
    } catch (error) {
      this.#status = error instanceof Unavailable ? "unavailable" : "failed";
      this.#reason = error instanceof Error ? error.message : String(error);
      this.#progress.skip(this.#rounds - this.#figures.length);
    }
  }
}
