import { lstatSync, readdirSync, type Stats, statSync } from "node:fs";

/*
 * Looks at files that others may remove, or close to us, at any time. What can't be seen counts as not there: nothing is thrown.
 */

/** Returns the file at the path itself, also where it is a link. */
export function look(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined; // A part of the path is something else now, or we may not pass it.
  }
}

/** Returns the file to which the path leads, through links. */
export function lookThrough(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

/** Returns the names in a directory, in no order. */
export function list(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
