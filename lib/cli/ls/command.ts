import { look } from "../../watch/index.js";
import { isOn } from "../arguments.js";
import { ALL, type Command, DIRECTORY, JSON_OPTION, NAMESPACE } from "../command.js";
import { CLEAR, INTERVAL, intervalOf, lookOf, repeat, TIMEOUT } from "../looking.js";
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
    { name: "watch", short: "w", text: "look again and again, until Ctrl+C; with --json, a line a look" },
    INTERVAL,
    JSON_OPTION,
  ],
  async run(values, output) {
    const wanted = lookOf(values);
    const json = isOn(values, "json");
    const watch = isOn(values, "watch");
    const show = async () => {
      const listing = await look(wanted);
      if (json) return JSON.stringify(listing, null, watch ? 0 : 2);
      return showListing(listing, output).join("\n");
    };
    const interval = intervalOf(values);
    if (!watch) {
      output.print(await show());
      return 0;
    }
    // A terminal shows one picture that changes; a pipe gets them one after the other.
    const before = output.width === undefined || json ? "" : CLEAR;
    await repeat(interval, async () => output.print(before + (await show())));
    return 0;
  },
};
