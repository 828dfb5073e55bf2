/** Numbers and texts for people. */

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

/** Formats bytes, such as "1.5 GiB" or "256 KiB": binary units, and at most one decimal. */
export function bytes(count: number): string {
  let value = count;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value < 100 && !Number.isInteger(value) ? value.toFixed(1) : Math.round(value)} ${UNITS[unit]}`;
}

/** Formats a duration, such as "350 ms", "12 s", "3 min", "2 h" or "5 d": one unit, rounded down. */
export function duration(milliseconds: number): string {
  const ms = Math.max(0, milliseconds);
  if (ms < 1000) return `${Math.floor(ms)} ms`;
  const seconds = Math.floor(ms / 1000);
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 120 * 60) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

/** Formats a count, such as "950", "12.3k" or "4.5M", in at most five characters. */
export function count(value: number): string {
  let rest = value;
  for (const unit of ["", "k", "M", "G", "T"]) {
    if (rest < 1000)
      return unit === "" ? String(rest) : `${rest < 100 ? floor1(rest) : Math.floor(rest)}${unit}`;
    rest /= 1000;
  }
  return value.toExponential(0);
}

function floor1(value: number): string {
  return (Math.floor(value * 10) / 10).toFixed(1);
}

/** Formats messages a second: "0", "0.4", "12.3k". */
export function rate(perSecond: number): string {
  if (perSecond > 0 && perSecond < 9.95)
    return perSecond < 0.05 ? "<0.1" : String(Number(perSecond.toFixed(1)));
  return count(Math.round(perSecond));
}

/** Formats bytes a second. */
export function rateOfBytes(perSecond: number): string {
  return `${bytes(Math.round(perSecond))}/s`;
}

/** Formats a latency given in µs, such as "850 ns", "7.9 µs", "1.2 ms" or "3 s"; "-" if it is not known. */
export function latency(microseconds: number | undefined): string {
  if (microseconds === undefined) return "-";
  if (microseconds < 0.9995) return `${Math.round(microseconds * 1000)} ns`;
  if (microseconds < 999.5) return `${short(microseconds)} µs`;
  if (microseconds < 999_500) return `${short(microseconds / 1000)} ms`;
  return `${short(microseconds / 1_000_000)} s`;
}

function short(value: number): string {
  return value < 9.95 ? String(Number(value.toFixed(1))) : String(Math.round(value));
}

/** Formats a number with its word, such as "1 endpoint" or "2 endpoints". */
export function plural(number: number, word: string): string {
  return `${number} ${word}${number === 1 ? "" : "s"}`;
}

/**
 * Makes foreign text (a role, the name of a file) safe for the terminal. Control characters, and characters
 * that turn the direction of writing, become "?".
 */
export function safe(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, "?");
}

/** Joins words, such as "a and b" or "a, b and c". */
export function listed(words: readonly string[]): string {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}
