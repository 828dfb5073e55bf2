/** The colours of the output, or none. */
export interface Style {
  good(text: string): string;
  warn(text: string): string;
  bad(text: string): string;
  dim(text: string): string;
  strong(text: string): string;
}

const plain = (text: string): string => text;

export const PLAIN: Style = { good: plain, warn: plain, bad: plain, dim: plain, strong: plain };

const COLOURED: Style = {
  good: paint(32),
  warn: paint(33),
  bad: paint(31),
  dim: paint(2),
  strong: paint(1),
};

/** Returns colours for a terminal, unless NO_COLOR is set (and not empty) or TERM is "dumb". */
export function styleFor(
  stream: { readonly isTTY?: boolean },
  env: Readonly<Record<string, string | undefined>>,
): Style {
  return stream.isTTY === true && !env.NO_COLOR && env.TERM !== "dumb" ? COLOURED : PLAIN;
}

function paint(code: number): (text: string) => string {
  return (text) => (text === "" ? "" : `\u001b[${code}m${text}\u001b[0m`);
}
