import { existsSync } from "node:fs";
import { addressIn, type ResolvedPlace } from "../../transport/places/names.js";
import { type EndpointInfo, endpoints } from "../../transport/places/status.js";
import { everyPlace, namesIn } from "../../transport/places/sweep.js";
import { isOn, text } from "../arguments.js";
import { ALL, type Command, DIRECTORY, JSON_OPTION, NAMESPACE, type Values } from "../command.js";
import { placeOf } from "../place.js";
import { UsageError } from "../usage-error.js";
import { type EndpointEntry, type Listing, listEndpoint } from "./data.js";
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
    {
      name: "timeout",
      short: "t",
      value: "MS",
      text: "how long an endpoint may take to answer (default: 1000)",
    },
    JSON_OPTION,
  ],
  async run(values, output) {
    const listing = await list(values);
    for (const line of isOn(values, "json")
      ? [JSON.stringify(listing, null, 2)]
      : showListing(listing, output)) {
      output.print(line);
    }
    return 0;
  },
};

async function list(values: Values): Promise<Listing> {
  const place = placeOf(values);
  const everyNamespace = isOn(values, "all");
  const infos = await endpoints({
    namespace: place.namespace,
    // The directory is passed only if it was given: it is held to other rules than the user's own.
    ...(place.given ? { directory: place.base } : {}),
    everyNamespace,
    timeout: timeoutOf(values),
  });
  const now = Date.now();
  return {
    directory: place.base,
    namespace: everyNamespace ? null : place.namespace,
    time: new Date(now).toISOString(),
    endpoints: infos.map((info) => listEndpoint(info, now)).sort(byPlace),
    unreadable: unreadable(everyNamespace ? everyPlace(place) : [place], infos),
  };
}

function byPlace(a: EndpointEntry, b: EndpointEntry): number {
  return a.namespace < b.namespace ? -1 : a.namespace > b.namespace ? 1 : a.name < b.name ? -1 : 1;
}

/** Returns the sockets that exist and are not in the answer: those of other users, which we may not ask. */
function unreadable(places: readonly ResolvedPlace[], infos: readonly EndpointInfo[]): string[] {
  const known = new Set(infos.map(({ path }) => path));
  return places
    .flatMap((place) => namesIn(place).map((name) => addressIn(place, name).socketPath))
    .filter((path) => !known.has(path) && existsSync(path));
}

function timeoutOf(values: Values): number {
  const given = text(values, "timeout");
  if (given === undefined) return 1000;
  const timeout = Number(given);
  if (!(timeout >= 1 && timeout <= 600_000)) {
    throw new UsageError(`--timeout must be a number of milliseconds from 1 to 600000; it is "${given}"`);
  }
  return timeout;
}
