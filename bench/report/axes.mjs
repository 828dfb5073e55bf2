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

/**
 * A logarithmic scale around the values, and an axis of powers of ten.
 * @param {readonly number[]} values above 0
 * @param {string} format
 * @param {{ free?: number, every?: number }} [room]  `free`: a part of it, at its end; `every`: of so many powers one is named.
 */
export function logarithmic(values, format, { free = 0, every = 1 } = {}) {
  const least = Math.min(...values) / 1.5;
  const greatest = Math.max(...values) * 1.5;
  const most = greatest * (greatest / least) ** (free / (1 - free));
  const first = Math.ceil(Math.log10(least));
  const powers = [];
  for (let power = first; 10 ** power <= most; power += every) powers.push(Number(`1e${power}`));
  return {
    scale: { type: "log", domain: [least, most], nice: false },
    axis: { values: powers, grid: true, title: null, ...labelled(format) },
  };
}
