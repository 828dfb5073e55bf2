import type { Figures, Flow, ProcessLoad } from "../../watch/index.js";

/** What a table is sorted by: the key to press, and the title of the column. */
export const SORTS = {
  m: "messages",
  b: "bytes",
  f: "fill",
  l: "latency",
  n: "name",
} as const;
export type Sort = keyof typeof SORTS;

/** What the user of `ringbell top` has chosen. */
export interface Choice {
  readonly sort: Sort;
  readonly reversed: boolean;
  /** Whether processes are shown, or the lanes of all of them. */
  readonly table: "lanes" | "processes";
  /** Whether lanes are shown on which nothing has ever gone. */
  readonly unused: boolean;
  readonly paused: boolean;
  /** The key of the row at the cursor; undefined: the first. */
  readonly at: string | undefined;
  /** Whether that row is open. */
  readonly open: boolean;
}

export const FIRST_CHOICE: Choice = {
  sort: "m",
  reversed: false,
  table: "lanes",
  unused: false,
  paused: false,
  at: undefined,
  open: false,
};

export type Row = Flow | ProcessLoad;

/** Returns the rows of the table, in its order. */
export function rowsOf(figures: Figures, choice: Choice): readonly Row[] {
  const rows: readonly Row[] =
    choice.table === "processes"
      ? figures.processes
      : figures.flows.filter(({ total }) => choice.unused || total.messages > 0 || total.fill > 0);
  const order = choice.reversed ? -1 : 1;
  // Sorting is stable, and so rows with equal values stay where they are from look to look.
  return [...rows].sort((a, b) => order * compare(a, b, choice.sort) || byName(a, b));
}

/** Most first; names from A on. */
function compare(a: Row, b: Row, sort: Sort): number {
  switch (sort) {
    case "m":
      return (b.messagesPerSecond ?? 0) - (a.messagesPerSecond ?? 0);
    case "b":
      return (b.bytesPerSecond ?? 0) - (a.bytesPerSecond ?? 0);
    case "f":
      return b.fill - a.fill;
    case "l":
      return (b.latency?.p99 ?? 0) - (a.latency?.p99 ?? 0);
    case "n":
      return byName(a, b);
  }
}

function byName(a: Row, b: Row): number {
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
}

/** Returns what is chosen after a key, or undefined if the key ends the program. */
export function press(choice: Choice, key: string, rows: readonly Row[]): Choice | undefined {
  const index = Math.max(
    0,
    rows.findIndex((row) => row.key === choice.at),
  );
  const move = (by: number): Choice => {
    const at = rows[Math.min(rows.length - 1, Math.max(0, index + by))];
    return { ...choice, at: at?.key };
  };
  if (isSort(key)) {
    return key === choice.sort
      ? { ...choice, reversed: !choice.reversed }
      : { ...choice, sort: key, reversed: false };
  }
  switch (key) {
    case "q":
      return undefined;
    case "up":
    case "k":
      return move(-1);
    case "down":
    case "j":
      return move(1);
    case "pageup":
      return move(-10);
    case "pagedown":
      return move(10);
    case "home":
      return move(Number.NEGATIVE_INFINITY);
    case "end":
      return move(Number.POSITIVE_INFINITY);
    case "return":
    case "enter":
      return rows.length === 0 ? choice : { ...choice, open: !choice.open, at: rows[index]!.key };
    case "escape":
    case "backspace":
      return { ...choice, open: false };
    case "tab":
    case "t":
      return {
        ...choice,
        table: choice.table === "lanes" ? "processes" : "lanes",
        at: undefined,
        open: false,
      };
    case "u":
      return { ...choice, unused: !choice.unused };
    case "p":
    case "space":
      return { ...choice, paused: !choice.paused };
    default:
      return choice;
  }
}

function isSort(key: string): key is Sort {
  return Object.hasOwn(SORTS, key);
}
