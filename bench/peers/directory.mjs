import { mkdirSync, readdirSync, readFileSync, renameSync, unlinkSync, watch, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * Files in a directory that the other end watches, as agents exchange them today: each message is written under another name and renamed
 * into the directory; whoever watches reads and removes it. The synchronous calls of node:fs are used, which take less time than the others.
 * All lie in the directory for temporary files, of whatever kind it is.
 */
export const peer = {
  name: "directory",
  title: "a watched directory of files",
  one: true,
  file: import.meta.url,
};

/** Files, and bytes in them, that may lie there. */
const WINDOW = 256;
const WINDOW_BYTES = 64 << 20;
/** How often to look whether they were removed, ms: it takes much longer to read half a window. */
const PAUSE = 1;

/** @param {import("../lib/peer.mjs").Place} place */
function paths({ directory, endpoint }) {
  const base = join(directory, endpoint);
  return {
    asked: join(base, "asked"),
    answered: join(base, "answered"),
    unfinished: join(base, "unfinished"),
  };
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
    while (!look());
  });
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
  const { asked, answered, unfinished } = paths(place);
  for (const path of [asked, answered, unfinished]) mkdirSync(path, { recursive: true });
  const { encode, decode } = coding(place.payload);
  const deposit = depositor(answered, unfinished, encode);
  const watcher = collector(asked, (content) => {
    const reply = answer(decode(content));
    if (reply !== undefined) deposit(reply);
  });
  return { close: () => watcher.close() };
}

/**
 * @param {import("../lib/peer.mjs").Place} place
 * @param {(reply: any) => void} heard
 * @returns {import("../lib/peer.mjs").Link}
 */
export function drive(place, heard) {
  const { asked, answered, unfinished } = paths(place);
  const { encode, decode } = coding(place.payload);
  const deposit = depositor(asked, unfinished, encode);
  const watcher = collector(answered, (content) => heard(decode(content)));
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
    close: () => watcher.close(),
  };
}
