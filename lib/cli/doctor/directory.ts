import { accessSync, constants, lstatSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { checkPlace } from "../../transport/places/directory.js";
import { LONGEST_SOCKET_PATH, type ResolvedPlace, resolvePlace } from "../../transport/places/names.js";
import { endpoints } from "../../transport/places/status.js";
import { type DirectoryFacts, failureOf, type LostEndpoint } from "./report.js";

const LONGEST_NAME = 64;
/** How long (ms) an endpoint may take to answer. */
const ANSWER_TIME = 500;
const UNKNOWN: DirectoryFacts = {
  path: null,
  source: null,
  exists: false,
  uid: null,
  mode: null,
  writable: false,
  longestName: null,
  lost: [],
  error: null,
};

/** Finds out where names lie, and whether this process can put them there. Does not throw, and makes nothing. */
export function directoryFacts(
  env: Readonly<Record<string, string | undefined>> = process.env,
): DirectoryFacts {
  let place: ResolvedPlace;
  try {
    place = resolvePlace({}, env);
  } catch (error) {
    return { ...UNKNOWN, error: failureOf(error) };
  }
  const path = place.base;
  const room = LONGEST_SOCKET_PATH - Buffer.byteLength(join(place.directory, ".sock"));
  const facts: DirectoryFacts = {
    ...UNKNOWN,
    path,
    source: place.given
      ? "RINGBELL_DIRECTORY"
      : path === join(env.XDG_RUNTIME_DIR ?? "", "ringbell")
        ? "XDG_RUNTIME_DIR"
        : "tmpdir",
    longestName: Math.max(0, Math.min(LONGEST_NAME, room)),
  };
  try {
    const stat = (place.given ? statSync : lstatSync)(path, { throwIfNoEntry: false });
    if (stat === undefined) return { ...facts, writable: isWritable(nearestAbove(path)) };
    const seen = {
      ...facts,
      exists: true,
      uid: stat.uid,
      mode: (stat.mode & 0o7777).toString(8).padStart(4, "0"),
      writable: isWritable(path),
    };
    try {
      checkPlace(place);
      return seen;
    } catch (error) {
      return { ...seen, error: failureOf(error) };
    }
  } catch (error) {
    return { ...facts, error: failureOf(error) };
  }
}

/** Asks the endpoints of the present namespace whether their files are there. Does not throw. */
export async function lostEndpoints(): Promise<LostEndpoint[]> {
  const infos = await endpoints({ timeout: ANSWER_TIME }).catch(() => []);
  return infos
    .filter(({ missing }) => missing.length > 0)
    .map(({ path, pid, missing }) => ({ path, pid: pid ?? null, missing }));
}

function nearestAbove(path: string): string {
  let above = dirname(path);
  while (above !== dirname(above) && statSync(above, { throwIfNoEntry: false }) === undefined) {
    above = dirname(above);
  }
  return above;
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
