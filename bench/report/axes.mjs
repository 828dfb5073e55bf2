/** Names of multiples in steps of a thousand, written as an expression of Vega. @param {[number, string][]} units the smallest first */
function inUnits(units) {
  return units
    .map(([unit, name], i) => {
      const next = units[i + 1];
      const shown = `format(datum.value / ${unit}, ',~r') + ' ${name}'`;
      return next === undefined ? shown : `abs(datum.value) < ${next[0]} ? ${shown} : `;
    })
    .join("");
}

/** How the labels of an axis are made, by the format of the figure (lib/format.mjs). */
const LABELS = /** @type {Record<string, string>} */ ({
  duration: inUnits([
    [1, "ns"],
    [1e3, "µs"],
    [1e6, "ms"],
    [1e9, "s"],
  ]),
  rate: inUnits([
    [1, "/s"],
    [1e3, "k/s"],
    [1e6, "M/s"],
    [1e9, "G/s"],
  ]),
  throughput: inUnits([
    [1, "B/s"],
    [1e3, "kB/s"],
    [1e6, "MB/s"],
    [1e9, "GB/s"],
    [1e12, "TB/s"],
    [1e15, "PB/s"],
  ]),
  size: inUnits([
    [1, "B"],
    [1024, "KiB"],
    [1024 ** 2, "MiB"],
    [1024 ** 3, "GiB"],
  ]),
  milliseconds: "format(datum.value, ',~r') + ' ms'",
});

/** @param {string} format @returns {object} parts of an axis */
export function labelled(format) {
  return LABELS[format] === undefined ? {} : { labelExpr: LABELS[format] };
}

/** What the names on an axis need, in pixels: beside each other, or one above the other. */
const ROOM = { across: 52, up: 22 };
/** What a number without a unit needs. */
const ROOM_OF_NUMBER = 28;
/** No name stands nearer than this to the end of an axis, pixels: half of it would lie beyond. */
const END = 18;

/**
 * Steps of a logarithmic axis, the widest first that are wished for: their base, which powers of it, and what stands within each.
 * @typedef {{ base: number, every: number, within: number[] }} Steps
 */

/** @type {Steps[]} */
const OF_TEN = [
  { base: 10, every: 1, within: [1] },
  { base: 10, every: 2, within: [1] },
  { base: 10, every: 3, within: [1] },
];
/** For an axis on which fewer than two of those lie. @type {Steps[]} */
const WITHIN_TEN = [
  { base: 10, every: 1, within: [1, 2, 5] },
  { base: 10, every: 1, within: [1, 3] },
];
/** Of bytes: 1 KiB, 32 KiB, 1 MiB. @type {Steps[]} */
const OF_TWO = [5, 10].map((every) => ({ base: 2, every, within: [1] }));
/** @type {Steps[]} */
const WITHIN_TWO = [1, 2].map((every) => ({ base: 2, every, within: [1] }));

/** @param {Steps} steps @param {number} least @param {number} most */
function ticks({ base, every, within }, least, most) {
  const log = (/** @type {number} */ value) => Math.log(value) / Math.log(base);
  const first = Math.floor(log(least) / every);
  const last = Math.ceil(log(most) / every);
  return Array.from({ length: last - first + 1 }, (_, i) => base ** ((first + i) * every))
    .flatMap((power) => within.map((times) => Number((power * times).toPrecision(12))))
    .filter((value) => value >= least && value <= most);
}

/** Whether all names have room. @param {readonly number[]} values @param {number} perDecade Pixels. @param {number} room */
function fit(values, perDecade, room) {
  return values.every((value, i) => {
    const before = values[i - 1];
    return before === undefined || Math.log10(value / before) * perDecade >= room;
  });
}

/**
 * A logarithmic scale around the values, and an axis of powers of ten, or of two where bytes are counted; of parts of them where there would be
 * one only.
 * @param {readonly number[]} values above 0
 * @param {string} format
 * @param {number} length  Of the axis, in pixels.
 * @param {{ free?: number, direction?: keyof typeof ROOM }} [more]  `free`: a part of it, at its beginning.
 */
export function logarithmic(values, format, length, { free = 0, direction = "across" } = {}) {
  const greatest = Math.max(...values) * 1.5;
  const lowest = Math.min(...values) / 1.5;
  const least = lowest / (greatest / lowest) ** (free / (1 - free));
  const perDecade = length / Math.log10(greatest / least);
  const [wide, narrow] = format === "size" ? [OF_TWO, WITHIN_TWO] : [OF_TEN, WITHIN_TEN];
  const end = direction === "across" ? 10 ** (END / perDecade) : 1;
  const choices = [...wide, ...narrow].map((steps) => ticks(steps, least * end, greatest / end));
  const fitting = choices.filter((each) => fit(each, perDecade, ROOM[direction]));
  const chosen = fitting.find((each) => each.length > 1) ?? fitting[0];
  return {
    scale: { type: "log", domain: [least, greatest], nice: false },
    axis: { values: chosen ?? [], grid: true, title: null, labelOverlap: false, ...labelled(format) },
  };
}

/**
 * A linear scale from 0, and an axis whose lines all have names.
 * @param {number} most  Above 0.
 * @param {string} format
 * @param {number} length  Of the axis, in pixels.
 * @param {number} free  Pixels at its end.
 */
export function linear(most, format, length, free) {
  const end = most / (1 - free / length);
  const perLabel = (end / length) * (LABELS[format] === undefined ? ROOM_OF_NUMBER : ROOM.across);
  const power = 10 ** Math.floor(Math.log10(perLabel));
  const step = power * ([1, 2, 5, 10].find((times) => power * times >= perLabel) ?? 10);
  const shown = end * (1 - END / 2 / length);
  const values = Array.from({ length: Math.floor(shown / step) + 1 }, (_, i) =>
    Number((i * step).toPrecision(6)),
  );
  return {
    scale: { domain: [0, end], nice: false },
    axis: { values, grid: true, title: null, labelOverlap: false, ...labelled(format) },
  };
}
