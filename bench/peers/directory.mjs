import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  watch,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * Files in a directory that the other end watches, as agents exchange them today: each message is written under another name and renamed
 * into the directory; whoever watches reads and removes it. The synchronous calls of node:fs are used, which take less time than the others.
 * All lie in the directory for temporary files, of whatever kind it is. Each link has directories of its own, named in a file in one that the answering end watches.
 */
export const peer = {
  name: "directory",
  title: "a watched directory of files",
  file: import.meta.url,
};

/** Files, and bytes in them, that may lie there. */
const WINDOW = 256;
const WINDOW_BYTES = 64 << 20;
/** How often to look whether they were removed, ms: it takes much longer to read half a window. */
const PAUSE = 1;

/** What all links share. @param {import("../lib/peer.mjs").Place} place */
function shared({ directory, endpoint }) {
  const base = join(directory, endpoint);
  return { links: join(base, "links"), unfinished: join(base, "unfinished") };
}

/** @param {import("../lib/peer.mjs").Place} place @param {string} name of the link */
function paths({ directory, endpoint }, name) {
  const base = join(directory, endpoint, name);
  return { base, asked: join(base, "asked"), answered: join(base, "answered") };
}

/** @param {"bytes" | "object"} payload */
function coding(payload) {
  const same = (/** @type {any} */ message) => message;
  if (payload === "bytes") return { encode: same, decode: same };
  return { encode: JSON.stringify, decode: (/** @type {Buffer} */ text) => JSON.parse(text.toString()) };
}

/**
 * A file's name: which sender, the later ones behind the earlier, and which of its messages.
 * @param {string} sender
 * @param {number} number
 */
function nameOf(sender, number) {
  return `${sender}-${`${number}`.padStart(10, "0")}`;
}

/**
 * @param {string} to
 * @param {string} unfinished
 * @param {(message: any) => string | Uint8Array} encode
 */
function depositor(to, unfinished, encode) {
  const microseconds = Math.floor((performance.timeOrigin + performance.now()) * 1e3);
  const sender = `${microseconds}`.padStart(17, "0");
  let number = 0;
  return (/** @type {any} */ message) => {
    const name = nameOf(sender, number++);
    const temporary = join(unfinished, name);
    writeFileSync(temporary, encode(message));
    renameSync(temporary, join(to, name));
    return number;
  };
}

/**
 * Takes what arrives in a directory, in order. What happens there is a reason to look; several events may have become one.
 * @param {string} from
 * @param {(content: Buffer) => void} each
 */
function collector(from, each) {
  let last = "";
  const look = () => {
    let complete = true;
    for (const name of readdirSync(from).sort()) {
      if (name <= last) continue;
      complete = follows(name, last);
      // A listing that was made while files came may have this one, but not the one before.
      if (!complete) break;
      last = name;
      const path = join(from, name);
      const content = readFileSync(path);
      unlinkSync(path);
      each(content);
    }
    return complete;
  };
  const watcher = watch(from, (_, name) => {
    // That a file was removed is an event, too.
    if (name !== null && name <= last) return;
    try {
      while (!look());
    } catch (error) {
      // Whoever asked has removed the directory, which was the last event.
      if (/** @type {NodeJS.ErrnoException} */ (error).syscall !== "scandir") throw error;
      watcher.close();
    }
  });
  // What came before it was watched.
  while (!look());
  return watcher;
}

/** @param {string} name @param {string} last */
function follows(name, last) {
  const [sender = "", number = ""] = name.split("-");
  const [before, done] = last.split("-");
  return Number(number) === (sender === before ? Number(done) + 1 : 0);
}

/** @param {import("../lib/peer.mjs").Place} place @param {(message: any) => any} answer */
export function serve(place, answer) {
  const { links, unfinished } = shared(place);
  for (const path of [links, unfinished]) mkdirSync(path, { recursive: true });
  const { encode, decode } = coding(place.payload);
  /** @type {Set<import("node:fs").FSWatcher>} */
  const watchers = new Set();
  const accept = (/** @type {string} */ name) => {
    const { asked, answered } = paths(place, name);
    const deposit = depositor(answered, unfinished, encode);
    const watcher = collector(asked, (content) => {
      const reply = answer(decode(content));
      if (reply !== undefined) deposit(reply);
    });
    watchers.add(watcher);
    watcher.on("close", () => watchers.delete(watcher));
  };
  watchers.add(collector(links, (name) => accept(name.toString())));
  return {
    close() {
      for (const watcher of watchers) watcher.close();
    },
  };
}

/** Links of this process. */
let count = 0;

/**
 * @param {import("../lib/peer.mjs").Place} place
 * @param {(reply: any) => void} heard
 * @returns {import("../lib/peer.mjs").Link}
 */
export function drive(place, heard) {
  const { links, unfinished } = shared(place);
  const name = `${process.pid}-${count++}`;
  const { base, asked, answered } = paths(place, name);
  for (const path of [asked, answered]) mkdirSync(path, { recursive: true });
  const { encode, decode } = coding(place.payload);
  const deposit = depositor(asked, unfinished, encode);
  const watcher = collector(answered, (content) => heard(decode(content)));
  depositor(links, unfinished, String)(name);
  const window = Math.max(2, Math.min(WINDOW, Math.floor(WINDOW_BYTES / place.bytes)));
  const half = window >> 1;
  return {
    send(message) {
      // No more than half a window comes between two looks at what lies there.
      return deposit(message) % half !== 0 || readdirSync(asked).length <= half;
    },
    async ready() {
      while (readdirSync(asked).length > half) await sleep(PAUSE);
    },
    close() {
      watcher.close();
      rmSync(base, { recursive: true, force: true });
    },
  };
}
