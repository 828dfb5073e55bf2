import type { ResolvedPlace } from "../../transport/places/names.js";
import { everyPlace, sweep } from "../../transport/places/sweep.js";
import { isOn } from "../arguments.js";
import { ALL, type Command, DIRECTORY, JSON_OPTION, NAMESPACE, type Output } from "../command.js";
import { plural, safe } from "../format.js";
import { placeOf } from "../place.js";
import { table, wrap } from "../table.js";
import { findLeftovers, type Item, type Kept, type Kind, kindOf } from "./leftovers.js";

/** The data that `ringbell gc --json` prints. */
interface Collection {
  readonly directory: string;
  /** Null: all namespaces. */
  readonly namespace: string | null;
  readonly dryRun: boolean;
  /** The items that were removed, or with `dryRun` would be. */
  readonly removed: readonly Item[];
  readonly kept: readonly Kept[];
  /** The items that could not be examined or removed. */
  readonly failed: readonly {
    readonly path: string;
    readonly code: string | null;
    readonly message: string;
  }[];
}

/** `ringbell gc` removes what dead processes left. */
export const gc: Command = {
  name: "gc",
  summary: "remove what dead processes left behind",
  text: [
    "Removes sockets that nobody listens on, with their locks and discovery records, and names of shared memory whose " +
      "process has gone (those of all namespaces: they belong to none). Says what it removed, and what it left and why.",
    "What a live process owns is never touched. It may run at any time, and in several processes at once. " +
      "Exit code 1 if something could not be looked at or removed.",
  ],
  options: [
    NAMESPACE,
    ALL,
    DIRECTORY,
    { name: "dry-run", text: "only say what would be removed" },
    JSON_OPTION,
  ],
  async run(values, output) {
    const place = placeOf(values);
    const collection = await collect(place, isOn(values, "all"), isOn(values, "dry-run"));
    const lines = isOn(values, "json") ? [JSON.stringify(collection, null, 2)] : show(collection, output);
    for (const line of lines) output.print(line);
    return collection.failed.length === 0 ? 0 : 1;
  },
};

async function collect(place: ResolvedPlace, everyNamespace: boolean, dryRun: boolean): Promise<Collection> {
  const places = everyNamespace ? everyPlace(place) : [place];
  // The leftovers are listed first: after the sweep their owners' pids are unknown.
  const { stale, kept } = await findLeftovers(places);
  const base = { directory: place.base, namespace: everyNamespace ? null : place.namespace, dryRun };
  if (dryRun) return { ...base, removed: stale, kept, failed: [] };
  const report = await sweep({
    namespace: place.namespace,
    ...(place.given ? { directory: place.base } : {}),
    everyNamespace,
  });
  const pids = new Map(stale.map(({ path, pid }) => [path, pid]));
  const item = (kind: Kind, path: string): Item => ({ kind, path, pid: pids.get(path) ?? null });
  return {
    ...base,
    removed: [
      ...report.removed.map((path) => item(kindOf(path), path)),
      ...report.regions.map((path) => item("memory", path)),
    ],
    kept,
    failed: report.failed.map(({ path, error }) => ({
      path,
      code: (error as NodeJS.ErrnoException).code ?? null,
      message: error.message,
    })),
  };
}

const KINDS: Readonly<Record<Kind, string>> = {
  socket: "socket",
  lock: "lock and record",
  memory: "shared memory",
  directory: "directory",
  other: "other",
};

function show(collection: Collection, { style, width }: Output): string[] {
  const { removed, kept, failed, dryRun } = collection;
  const where = `${collection.directory}${collection.namespace === null ? "" : ` (namespace ${collection.namespace})`}`;
  const lines: string[] = [];
  const columns = [{ title: "", least: 24 }, { title: "", least: 24 }, { title: "" }];
  const rows = (items: readonly Item[], last: (item: Item) => string) =>
    table(
      columns,
      items.map((item) => [safe(short(item.path, collection.directory)), KINDS[item.kind], last(item)]),
      { indent: 2, width },
    );
  if (removed.length > 0) {
    lines.push(style.strong(dryRun ? "Would be removed" : "Removed"));
    lines.push(...rows(removed, ({ pid }) => (pid === null ? "" : `process ${pid} has gone`)), "");
  }
  const failures = new Set(failed.map(({ message }) => message));
  const shown = kept.filter(({ reason }) => !failures.has(reason));
  if (shown.length > 0) {
    lines.push(style.strong("Left alone"));
    lines.push(...rows(shown, (item) => safe((item as Kept).reason)), "");
  }
  for (const { path, message } of failed) {
    const text = `${safe(short(path, collection.directory))}: ${safe(message)}`;
    const [first, ...rest] = wrap(text, width === undefined ? undefined : width - 2);
    lines.push(`${style.bad("!")} ${first}`, ...rest.map((line) => `  ${line}`), "");
  }
  const sum =
    removed.length === 0
      ? "Nothing to remove"
      : `${plural(removed.length, "item")} ${dryRun ? "to remove" : "removed"}`;
  lines.push(...wrap(`${sum} in ${where} and in shared memory.`, width));
  return lines;
}

/** Returns the path below the directory; the last line of the output names the directory. */
function short(path: string, directory: string): string {
  return path.startsWith(`${directory}/`) ? path.slice(directory.length + 1) : path;
}
