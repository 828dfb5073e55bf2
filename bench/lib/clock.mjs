import { createHistogram } from "node:perf_hooks";
import { distribution } from "./percentiles.mjs";

/** How many of the round trips are timed one by one, after the others were timed as a whole. */
const TIMED_PART = 1 / 4;

/** @param {number} count */
export function timedPart(count) {
  return Math.max(1, Math.floor(count * TIMED_PART));
}

/**
 * All round trips that `timeRoundTrips(count, …)` makes: the peer has to answer as many.
 * @param {number} count
 */
export function totalRoundTrips(count) {
  return count + timedPart(count);
}

/**
 * Times `count` synchronous round trips as a whole, then some more one by one: reading the clock would be a good part of
 * a round trip that takes half a microsecond.
 * @param {number} count
 * @param {(i: number) => void} trip
 */
export function timeRoundTrips(count, trip) {
  const begin = performance.now();
  for (let i = 0; i < count; i++) trip(i);
  const elapsed = performance.now() - begin;

  const each = createHistogram();
  const total = totalRoundTrips(count);
  for (let i = count; i < total; i++) {
    const sent = performance.now();
    trip(i);
    each.record(nanoseconds(performance.now() - sent));
  }
  return figures(count, elapsed, each);
}

/**
 * Half of each time of a round trip: one way.
 * @param {import("./contender.mjs").Figures} trip
 */
export function oneWay({ seconds, samples, ...times }) {
  const halves = Object.fromEntries(Object.entries(times).map(([name, ns]) => [name, ns / 2]));
  return { ...halves, ...(samples === undefined ? {} : { samples }), seconds };
}

/**
 * As `timeRoundTrips`, for round trips through the event loop: `send(i)` sends, and whoever hears the answer calls `answered()`.
 */
export class RoundTripTimer {
  #send;
  #count = 0;
  #total = 0;
  #done = 0;
  #begin = 0;
  #elapsed = 0;
  #sent = 0;
  #each = createHistogram();
  /** @type {(figures: import("./contender.mjs").Figures) => void} */
  #resolve = () => {};

  /** @param {(i: number) => void} send */
  constructor(send) {
    this.#send = send;
  }

  /**
   * @param {number} count
   * @returns {Promise<import("./contender.mjs").Figures>}
   */
  run(count) {
    this.#count = count;
    this.#total = totalRoundTrips(count);
    this.#done = 0;
    this.#each = createHistogram();
    return new Promise((resolve) => {
      this.#resolve = resolve;
      this.#begin = performance.now();
      this.#send(0);
    });
  }

  answered() {
    const done = ++this.#done;
    if (done < this.#count) {
      this.#send(done);
      return;
    }
    const now = performance.now();
    if (done === this.#count) this.#elapsed = now - this.#begin;
    else this.#each.record(nanoseconds(now - this.#sent));
    if (done === this.#total) {
      this.#resolve(figures(this.#count, this.#elapsed, this.#each));
      return;
    }
    this.#sent = performance.now();
    this.#send(done);
  }
}

/**
 * Times messages as they arrive, from the first to the last.
 */
export class StreamTimer {
  #count = 0;
  #seen = 0;
  #begin = 0;
  /** @type {(figures: import("./contender.mjs").Figures) => void} */
  #resolve = () => {};
  /** @type {Promise<import("./contender.mjs").Figures> | undefined} */
  #done;

  /**
   * Before the first message is sent.
   * @param {number} count
   */
  arm(count) {
    this.#count = count;
    this.#seen = 0;
    this.#done = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  /** Resolves with the last message. */
  figures() {
    return this.#done;
  }

  /** @param {number} messages how many have arrived together */
  arrived(messages) {
    if (this.#seen === 0) this.#begin = performance.now();
    this.#seen += messages;
    if (this.#seen === this.#count)
      this.#resolve(streamFigures(this.#count, performance.now() - this.#begin));
  }
}

/**
 * @param {number} count messages
 * @param {number} elapsed ms
 */
export function streamFigures(count, elapsed) {
  return { ns: (elapsed * 1e6) / count, perSecond: (count * 1e3) / elapsed, seconds: elapsed / 1e3 };
}

/**
 * The same for messages whose length matters.
 * @param {number} count messages
 * @param {number} bytes of each
 * @param {number} elapsed ms
 */
export function bulkFigures(count, bytes, elapsed) {
  return { ...streamFigures(count, elapsed), bytesPerSecond: (count * bytes * 1e3) / elapsed };
}

/**
 * @param {number} count
 * @param {number} elapsed ms
 * @param {import("node:perf_hooks").RecordableHistogram} each
 */
function figures(count, elapsed, each) {
  return {
    ns: (elapsed * 1e6) / count,
    ...distribution(each),
    seconds: elapsed / 1e3,
  };
}

/** @param {number} ms */
function nanoseconds(ms) {
  return Math.max(1, Math.round(ms * 1e6));
}
