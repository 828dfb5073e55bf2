/**
 * Three significant digits, and thousands kept apart.
 * @param {number} value
 */
function digits(value) {
  if (value >= 1000) return Math.round(value).toLocaleString("en-US");
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/** @param {number} ns */
export function duration(ns) {
  if (ns < 1e3) return `${digits(ns)} ns`;
  if (ns < 1e6) return `${digits(ns / 1e3)} µs`;
  if (ns < 1e9) return `${digits(ns / 1e6)} ms`;
  return `${digits(ns / 1e9)} s`;
}

/** @param {number} perSecond */
export function rate(perSecond) {
  if (perSecond < 1e3) return `${digits(perSecond)} /s`;
  if (perSecond < 1e6) return `${digits(perSecond / 1e3)} k/s`;
  return `${digits(perSecond / 1e6)} M/s`;
}

/** @param {number} ms */
export function milliseconds(ms) {
  return `${digits(ms)} ms`;
}

/** @param {number} value */
export function ratio(value) {
  return `${value >= 1 ? digits(value) : value.toFixed(3)} ×`;
}

/** @param {number} part */
export function percent(part) {
  return `±${part >= 0.1 ? Math.round(part * 100) : (part * 100).toFixed(1)} %`;
}
