// How the agent's work looks in a terminal. The sixteen colours only: pages give them values that fit their theme.

const ESC = "\x1b[";
const paint = (code) => (text) => `${ESC}${code}m${text}${ESC}0m`;

export const bold = paint("1");
export const dim = paint("90");
export const green = paint("32");
export const yellow = paint("33");
export const red = paint("31");
export const blue = paint("34");

const WIDTH = 20;

/** The line of a tool at work, which writes over itself. */
export function progress(name, what, share, count) {
  const filled = Math.round(share * WIDTH);
  const bar = "━".repeat(filled) + dim("─".repeat(WIDTH - filled));
  return `\r${ESC}2K  ${blue(name.padEnd(5))} ${bar} ${dim(`${count} ${what}`)}`;
}

/** The same when it has done. */
export function done(name, text) {
  return `\r${ESC}2K  ${blue(name.padEnd(5))} ${text}\r\n`;
}
