import { type Listing, type Look, look } from "../../watch/index.js";
import { isOn } from "../arguments.js";
import { ALL, type Command, DIRECTORY, JSON_OPTION, NAMESPACE, type Output } from "../command.js";
import { INTERVAL, intervalOf, lookOf, repeat, TIMEOUT } from "../looking.js";
import { Screen } from "../screen.js";
import { showListing } from "./view.js";

/** `ringbell ls` lists the listening endpoints, their peers, and the lanes that are stuck. */
export const ls: Command = {
  name: "ls",
  summary: "list endpoints, their peers, and how full the lanes are",
  text: [
    "Lists the endpoints of a namespace and asks each how it is. An endpoint is healthy, not answering (its process lives, " +
      "but its event loop is busy or stopped), or dead (its process has gone and left the socket behind).",
    "For each lane of each peer it shows both directions: how full the ring is, and since when a sender has been blocked " +
      "or the receiving side idle. What has been stuck for more than a second is named at the end.",
  ],
  options: [
    NAMESPACE,
    ALL,
    DIRECTORY,
    TIMEOUT,
    {
      name: "watch",
      short: "w",
      text: "look again and again, until q or Ctrl+C; with --json, a line a look",
    },
    INTERVAL,
    JSON_OPTION,
  ],
  async run(values, output) {
    const wanted = lookOf(values);
    const json = isOn(values, "json");
    const interval = intervalOf(values);
    if (isOn(values, "watch") && output.width !== undefined && !json) {
      await watch(wanted, interval, output);
      return 0;
    }
    const show = async () => {
      const listing = await look(wanted);
      // Watched, each listing is a line, so that a program can tell where one ends.
      if (json) return JSON.stringify(listing, null, isOn(values, "watch") ? 0 : 2);
      return showListing(listing, output).join("\n");
    };
    if (isOn(values, "watch")) await repeat(interval, async () => output.print(await show()));
    else output.print(await show());
    return 0;
  },
};

/** Shows the listing on the whole terminal, again and again, until `q` or Ctrl+C. */
async function watch(wanted: Look, interval: number, output: Output): Promise<void> {
  let listing: Listing | undefined;
  const quit = new AbortController();
  const show = () => {
    if (listing === undefined) return;
    const { width, height } = screen;
    const lines = showListing(listing, { ...output, width });
    const more = lines.length - height + 1;
    const note = output.style.dim(`… ${more} lines more`);
    screen.draw(more > 1 ? [...lines.slice(0, height - 1), note] : lines);
  };
  const screen = new Screen(
    process.stdout,
    process.stdin,
    (key) => {
      if (key === "q") quit.abort();
    },
    show,
  );
  screen.enter();
  try {
    await repeat(
      interval,
      async () => {
        listing = await look(wanted);
        show();
      },
      quit.signal,
    );
  } finally {
    screen.leave();
  }
}
