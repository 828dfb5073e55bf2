import { link, opened, overChannel, usual } from "./ringbell-peer.mjs";

/** Messages, and bytes, that are handed over at once. */
const BATCH = 1024;
const BATCH_BYTES = 1 << 16;

/**
 * The two ends of a peer that sends by `sendMany`.
 * @param {(place: import("./peer.mjs").Place) => "bytes" | "json" | "packed" | "view" | "struct"} [codec]  Absent: the usual one of the payload.
 */
export function overBatches(codec = usual) {
  return {
    serve: overChannel({ codec }).serve,
    drive: (/** @type {import("./peer.mjs").Place} */ place, /** @type {(reply: any) => void} */ heard) =>
      drive(place, heard, codec(place)),
  };
}

/**
 * @param {import("./peer.mjs").Place} place
 * @param {(reply: any) => void} heard
 * @param {"bytes" | "json" | "packed" | "view" | "struct"} codec
 * @returns {Promise<import("./peer.mjs").Link>}
 */
async function drive(place, heard, codec) {
  const channel = await opened(place, codec);
  channel.on("message", heard);
  const most = Math.min(BATCH, Math.floor(BATCH_BYTES / place.bytes));
  // Messages of their own, since all of a batch are there at the same time.
  const fill = filler(place, most);
  return {
    ...link(channel),
    async flood(count, make) {
      for (let sent = 0; sent < count; ) {
        const batch = fill(Math.min(most, count - sent), (i) => make(sent + i));
        await channel.sendMany(batch);
        sent += batch.length;
      }
    },
  };
}

/**
 * @param {import("./peer.mjs").Place} place
 * @param {number} most
 * @returns {(length: number, make: (i: number) => any) => any[]}
 */
function filler({ payload, bytes }, most) {
  if (payload === "object") return (length, make) => Array.from({ length }, (_, i) => ({ ...make(i) }));
  const batch = Array.from({ length: most }, () => new Uint8Array(bytes));
  return (length, make) => {
    for (let i = 0; i < length; i++) batch[i].set(make(i));
    return length === most ? batch : batch.slice(0, length);
  };
}
