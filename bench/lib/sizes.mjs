/** What `--sizes` understands. */
const UNITS = /** @type {Record<string, number>} */ ({
  "": 1,
  b: 1,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
});

/**
 * The bytes that a text such as `32`, `2KiB` or `64 MiB` stands for; undefined where it is none.
 * @param {string} text
 */
export function parseSize(text) {
  const [, number, unit = ""] = /^(\d+)\s*([a-z]*)$/i.exec(text.trim()) ?? [];
  const factor = UNITS[unit.toLowerCase()];
  return number === undefined || factor === undefined ? undefined : Number(number) * factor;
}
