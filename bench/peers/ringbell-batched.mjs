import { link, opened, overChannel, usual } from "../lib/ringbell-peer.mjs";

/** `sendMany`: messages that are ready together are encoded side by side and published once. */
export const peer = {
  name: "ringbell-batched",
  title: "ringbell, sendMany",
  file: import.meta.url,
  // A batch of one is a message.
  workloads: ["flood"],
  maxBytes: 16_384,
};

/** Messages, and bytes, that are handed over at once. */
const BATCH = 1024;
const BATCH_BYTES = 1 << 16;

export const { serve } = overChannel();

/**
 * @param {import("../lib/peer.mjs").Place} place
 * @param {(reply: any) => void} heard
 * @returns {Promise<import("../lib/peer.mjs").Link>}
 */
export async function drive(place, heard) {
  const channel = await opened(place, usual(place));
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
 * @param {import("../lib/peer.mjs").Place} place
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
