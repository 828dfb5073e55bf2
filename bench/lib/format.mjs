/** Shown where there is no figure. */
export const NONE = "–";

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

const KIB = 1024;

/** @param {number} bytes */
export function size(bytes) {
  const units = ["B", "KiB", "MiB", "GiB"];
  const unit = Math.min(units.length - 1, Math.floor(Math.log(Math.max(1, bytes)) / Math.log(KIB)));
  const value = bytes / KIB ** unit;
  return `${Number.isInteger(value) ? value : digits(value)} ${units[unit]}`;
}

/** @param {number} bytesPerSecond */
export function throughput(bytesPerSecond) {
  return bytesPerSecond < 1e8
    ? `${digits(bytesPerSecond / 1e6)} MB/s`
    : `${digits(bytesPerSecond / 1e9)} GB/s`;
}

/** A number of something for each of something else, near 0 where all is well. @param {number} value */
export function each(value) {
  if (value >= 1) return digits(value);
  return value === 0 ? "0" : value < 0.001 ? "< 0.001" : value.toFixed(3);
}

/** @param {number} value */
export function count(value) {
  return value.toLocaleString("en-US", { maximumFractionDigits: 1 });
}

/** @param {number} ms */
export function milliseconds(ms) {
  return `${digits(ms)} ms`;
}

/** @param {number} value */
export function ratio(value) {
  return `${value >= 1 ? digits(value) : value.toFixed(3)} ×`;
}

/** A spread. @param {number} part */
export function percent(part) {
  // Of counts near zero: 1000 % say less than "ten times".
  if (part >= 10) return `±${digits(part)} ×`;
  return `±${part >= 0.1 ? Math.round(part * 100) : (part * 100).toFixed(1)} %`;
}
