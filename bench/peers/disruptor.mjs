import { createHash } from "node:crypto";
import { unlink } from "node:fs/promises";
import { setImmediate as turn } from "node:timers/promises";
import { LEAST_BYTES } from "../lib/payload.mjs";

/**
 * `shared-memory-disruptor`: two of them, one each way, each with one producer and one consumer. It has nothing that wakes a sleeper: `spin: true` tries again
 * by the thread pool, `spin: false` leaves it to the caller. Here a receiver that found nothing looks again in the next turn of the event loop, as the package's own streams do,
 * which is the faster way by far; it takes all of a core, also when idle. A flood claims all slots that are free, fills them, and commits them together.
 *
 * A slot holds a length and that many bytes, of objects JSON: the longest message decides for all.
 */
export const peer = {
  name: "disruptor",
  title: "shared-memory-disruptor, polling",
  file: import.meta.url,
  packages: ["shared-memory-disruptor"],
  one: true,
  polls: true,
};

const HEAD = 4;
/** The JSON of the shortest object, at most, and what its numbers add to that of others. */
const SHORTEST = 256;
const NUMBERS = 64;
/** Bytes of each disruptor, about, if its messages are short. */
const BYTES = 1 << 20;
const LEAST_SLOTS = 2;

/** @param {import("../lib/peer.mjs").Place} place @param {(message: any) => any} answer */
export async function serve(place, answer) {
  const { there, back } = await open(place, true);
  const attempt = attempting(back, place);
  const reader = read(there, place, (message) => {
    const reply = answer(message);
    // Waits for room within the call, `spin` being set: the other end takes what comes, whatever it does besides.
    if (reply !== undefined) attempt(reply);
  });
  return {
    async close() {
      await reader.stop();
      back.release();
      await unlinkAll(place);
    },
  };
}

/**
 * @param {import("../lib/peer.mjs").Place} place
 * @param {(reply: any) => void} heard
 * @returns {Promise<import("../lib/peer.mjs").Link>}
 */
export async function drive(place, heard) {
  const { there, back } = await open(place, false);
  // Both have it mapped now, and nothing is left whatever happens to them.
  await unlinkAll(place);
  const attempt = attempting(there, place);
  const reader = read(back, place, heard);
  let waiting = Promise.resolve();
  return {
    send(message) {
      if (attempt(message)) return true;
      waiting = again(attempt, message);
      return false;
    },
    ready: () => waiting,
    flood: (count, make) => flood(there, place, count, make),
    async close() {
      await reader.stop();
      there.release();
    },
  };
}

/**
 * @param {import("../lib/peer.mjs").Place} place
 * @param {boolean} serving
 */
async function open(place, serving) {
  const { default: module } = await import("shared-memory-disruptor");
  const bytes = slotBytes(place);
  const slots = Math.max(LEAST_SLOTS, Math.floor(BYTES / bytes));
  const [there, back] = names(place).map(
    (name, direction) =>
      // Consumer 0, or none: whoever serves consumes what comes there. `spin` is for its replies.
      new module.Disruptor(
        `/${name}`,
        slots,
        bytes,
        1,
        (direction === 0) === serving ? 0 : -1,
        serving,
        direction === 1 && serving,
      ),
  );
  return { there, back };
}

/** @param {import("../lib/peer.mjs").Place} place */
function slotBytes({ payload, bytes }) {
  return HEAD + (payload === "bytes" ? Math.max(bytes, LEAST_BYTES) : Math.max(bytes, SHORTEST) + NUMBERS);
}

/** Names of shared memory, the same at both ends and nowhere else. @param {import("../lib/peer.mjs").Place} place */
function names({ directory, endpoint }) {
  const run = createHash("sha256").update(`${directory}/${endpoint}`).digest("hex").slice(0, 16);
  return [`bench-${run}-there`, `bench-${run}-back`];
}

/** The package leaves them where they are. @param {import("../lib/peer.mjs").Place} place */
async function unlinkAll(place) {
  for (const name of names(place)) await unlink(`/dev/shm/${name}`).catch(() => {});
}

/**
 * @param {any} disruptor
 * @param {import("../lib/peer.mjs").Place} place
 * @returns {(message: any) => boolean} false if there was no room
 */
function attempting(disruptor, { payload }) {
  const put = putter(payload);
  return (message) => {
    const slot = disruptor.produceClaimSync();
    if (slot.length === 0) return false;
    put(slot, 0, message);
    disruptor.produceCommitSync();
    return true;
  };
}

/** @param {(message: any) => boolean} attempt @param {any} message */
async function again(attempt, message) {
  do await turn();
  while (!attempt(message));
}

/**
 * @param {any} disruptor
 * @param {import("../lib/peer.mjs").Place} place
 * @param {number} count
 * @param {(i: number) => any} make
 */
async function flood(disruptor, place, count, make) {
  const put = putter(place.payload);
  const bytes = slotBytes(place);
  for (let sent = 0; sent < count; ) {
    const slots = disruptor.produceClaimAvailSync(count - sent);
    for (const part of slots) {
      for (let at = 0; at < part.length; at += bytes) put(part, at, make(sent++));
    }
    if (slots.length > 0) disruptor.produceCommitSync();
    if (sent < count) await turn();
  }
}

/**
 * @param {any} disruptor
 * @param {import("../lib/peer.mjs").Place} place
 * @param {(message: any) => void} each
 */
function read(disruptor, place, each) {
  const get = getter(place.payload);
  const bytes = slotBytes(place);
  let open = true;
  const look = () => {
    if (!open) return;
    for (const part of disruptor.consumeNewSync()) {
      for (let at = 0; at < part.length; at += bytes) each(get(part, at));
    }
    disruptor.consumeCommit();
    setImmediate(look);
  };
  look();
  return {
    /** In a turn of its own, so that none of its memory is being looked at. */
    async stop() {
      open = false;
      await turn();
      disruptor.release();
    },
  };
}

/** @param {"bytes" | "object"} payload @returns {(slot: Buffer, at: number, message: any) => void} */
function putter(payload) {
  if (payload === "object") {
    return (slot, at, message) => {
      slot.writeUInt32LE(slot.write(JSON.stringify(message), at + HEAD), at);
    };
  }
  return (slot, at, message) => {
    slot.writeUInt32LE(message.length, at);
    slot.set(message, at + HEAD);
  };
}

/** @param {"bytes" | "object"} payload @returns {(slot: Buffer, at: number) => any} */
function getter(payload) {
  if (payload === "object") {
    return (slot, at) => JSON.parse(slot.toString("utf8", at + HEAD, at + HEAD + slot.readUInt32LE(at)));
  }
  return (slot, at) => slot.subarray(at + HEAD, at + HEAD + slot.readUInt32LE(at));
}
