import * as formats from "./format.mjs";

/** Figures whose names do not say what they count. */
const SPECIAL = /** @type {const} */ ({
  ringPerSecond: "throughput",
  blockPerSecond: "throughput",
  bytesPerSecond: "throughput",
  perSecond: "rate",
  ns: "duration",
  max: "duration",
});

/**
 * The function of lib/format.mjs that writes a figure.
 * @param {{ figure: string, format?: string }} column  `format`: if the record says it.
 * @returns {string}
 */
export function formatName({ figure, format }) {
  if (format !== undefined && Object.hasOwn(formats, format)) return format;
  return /** @type {Record<string, string>} */ (SPECIAL)[figure] ?? byName(figure);
}

/** @param {{ figure: string, format?: string }} column @returns {(value: number) => string} */
export function formatOf(column) {
  const name = formatName(column);
  if (name === NUMBER) return digits;
  return /** @type {Record<string, (value: number) => string>} */ (formats)[name] ?? digits;
}

/** Of something that is counted. */
const NUMBER = "number";

/** Three significant digits, and thousands kept apart. @param {number} value */
function digits(value) {
  if (value === 0) return "0";
  if (Math.abs(value) < 0.001) return "< 0.001";
  return value >= 1000 ? Math.round(value).toLocaleString("en-US") : String(Number(value.toPrecision(3)));
}

/** @param {string} figure */
function byName(figure) {
  if (/^p\d|Ns$|P\d+$/.test(figure)) return "duration";
  if (/PerSecond$/.test(figure)) return "rate";
  if (/Bytes$/.test(figure)) return "size";
  if (/Ms$/.test(figure)) return "milliseconds";
  return NUMBER;
}
