import { readFileSync } from "node:fs";

/**
 * Users, as this process sees them. In a user namespace the kernel may have no number for a user. It shows
 * all such users as the same number, the overflow uid. This process can be one of them.
 */

/** The overflow uid and gid of a kernel that does not tell its own. */
const USUAL_OVERFLOW = 65534;
/** How many ids a complete map names. The last of the 2³² means "none". */
const ALL_IDS = 2 ** 32 - 1;

type Kind = "uid" | "gid";

/** Returns the user as which this process makes files, and as which the kernel presents it to a peer. */
export function ourUid(): number {
  return process.geteuid?.() ?? -1;
}

export function ourGid(): number {
  return process.getegid?.() ?? -1;
}

/** Returns the uid, or -1 if it may stand for several users. */
export function singleUid(uid: number): number {
  return isAmbiguous("uid", uid) ? -1 : uid;
}

/** Returns the gid, or -1 if it may stand for several groups. */
export function singleGid(gid: number): number {
  return isAmbiguous("gid", gid) ? -1 : gid;
}

/** Returns whether the uid stands for our own user, and for no other. */
export function isOurUid(uid: number): boolean {
  return uid === ourUid() && !isAmbiguous("uid", uid);
}

/** Returns whether this is the number of all users (or groups) that have none in our user namespace. */
function isAmbiguous(kind: Kind, id: number): boolean {
  // The map is read each time: another process may write it late, and only this one number asks for it.
  return process.platform === "linux" && id === overflow(kind) && !mapsAll(kind);
}

const known = new Map<Kind, number>();

function overflow(kind: Kind): number {
  let id = known.get(kind);
  if (id === undefined) {
    id = Number(read(`/proc/sys/kernel/overflow${kind}`) ?? USUAL_OVERFLOW);
    known.set(kind, id);
  }
  return id;
}

/** Returns whether our user namespace has a number for everybody, as the machine's own has. */
function mapsAll(kind: Kind): boolean {
  const ids = (read(`/proc/self/${kind}_map`) ?? "")
    .split("\n")
    .reduce((sum, line) => sum + Number(line.trim().split(/\s+/)[2] ?? 0), 0);
  return ids >= ALL_IDS;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return undefined;
  }
}
