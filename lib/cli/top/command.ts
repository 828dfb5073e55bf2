import { type Figures, type Look, look, Meter } from "../../watch/index.js";
import { isOn } from "../arguments.js";
import { ALL, type Command, DIRECTORY, JSON_OPTION, NAMESPACE, type Output } from "../command.js";
import { INTERVAL, intervalOf, lookOf, numberOf, repeat, TIMEOUT } from "../looking.js";
import { type Key, Screen } from "../screen.js";
import { UsageError } from "../usage-error.js";
import { servePage } from "./serve-page.js";
import { type Choice, FIRST_CHOICE, press, rowsOf } from "./state.js";
import { draw, snapshot } from "./view.js";

/** `ringbell top` shows what goes on, live. */
export const top: Command = {
  name: "top",
  summary: "show live what goes over the lanes, how fast and how late",
  text: [
    "Shows messages and bytes a second, fill, and latency of every lane of every endpoint, once a second. Keys sort the table and " +
      "open a row; q ends it.",
    "Where the output is no terminal it prints one picture, and ends. With --json it prints a line a look, until Ctrl+C or --count.",
  ],
  options: [
    NAMESPACE,
    ALL,
    DIRECTORY,
    INTERVAL,
    TIMEOUT,
    {
      name: "count",
      short: "c",
      value: "N",
      text: "end after so many looks (default: 1 without a terminal, else no end)",
    },
    {
      name: "page",
      value: "PORT",
      text: "serve it as a page on this port of the loopback (0: a free one), and print its link; needs the package ws",
    },
    JSON_OPTION,
  ],
  async run(values, output) {
    const wanted = lookOf(values);
    const interval = intervalOf(values);
    if (values.page !== undefined) {
      const port = numberOf(values, "page", 0, 0, 65_535, "a port");
      const other = ["count", "json"].find((name) => values[name] !== undefined);
      if (!Number.isInteger(port))
        throw new UsageError(`--page must be a whole number; it is "${values.page}"`);
      if (other !== undefined) throw new UsageError(`--page does not go with --${other}`);
      await servePage(wanted, interval, port, output);
      return 0;
    }
    const json = isOn(values, "json");
    const live = output.width !== undefined && !json;
    const most = json || live ? Number.POSITIVE_INFINITY : 1;
    const looks = numberOf(values, "count", most, 1, Number.MAX_SAFE_INTEGER, "a number of looks");
    if (live) await showLive(wanted, interval, looks, output);
    else await print(wanted, interval, looks, json, output);
    return 0;
  },
};

async function print(
  wanted: Look,
  interval: number,
  looks: number,
  json: boolean,
  output: Output,
): Promise<void> {
  const meter = new Meter();
  // Rates need a look to compare with.
  meter.take(await look(wanted));
  await new Promise((resolve) => setTimeout(resolve, interval));
  let left = looks;
  await repeat(interval, async () => {
    const figures = meter.take(await look(wanted));
    if (json) output.print(JSON.stringify(figures));
    else output.print(snapshot({ figures, choice: FIRST_CHOICE, interval, ...output }).join("\n"));
    left -= 1;
    return left > 0;
  });
}

/** Resolves when the user ends it. */
async function showLive(wanted: Look, interval: number, looks: number, { style }: Output): Promise<void> {
  const meter = new Meter();
  let choice: Choice | undefined = FIRST_CHOICE;
  let figures: Figures | undefined;
  const show = () => {
    if (figures === undefined || choice === undefined) return;
    const { width, height } = screen;
    screen.draw(draw({ figures, choice, interval, style, width, height }));
  };
  const quit = new AbortController();
  const screen = new Screen(
    process.stdout,
    process.stdin,
    (key: Key) => {
      if (choice === undefined) return;
      choice = press(choice, key, figures === undefined ? [] : rowsOf(figures, choice));
      if (choice === undefined) quit.abort();
      else show();
    },
    show,
  );
  screen.enter();
  try {
    let left = looks;
    await repeat(
      interval,
      async () => {
        const taken = meter.take(await look(wanted));
        if (choice?.paused !== true) figures = taken;
        show();
        left -= 1;
        return left > 0;
      },
      quit.signal,
    );
  } finally {
    screen.leave();
  }
}
