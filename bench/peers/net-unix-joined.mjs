import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { joined, linkOver } from "../lib/framing.mjs";

/** A Unix socket of node:net for messages that are ready together: many frames, or lines, in one write. */
export const peer = {
  name: "net-unix-joined",
  title: "node:net, Unix socket, many messages a write",
  file: import.meta.url,
  // One alone is a write by itself.
  workloads: ["flood"],
  // Longer ones gain nothing.
  maxBytes: 16_384,
};

export { serve } from "./net-unix.mjs";

/**
 * @param {import("../lib/peer.mjs").Place} place
 * @param {(reply: any) => void} heard
 * @returns {Promise<import("../lib/peer.mjs").Link>}
 */
export async function drive({ directory, endpoint, payload }, heard) {
  const socket = connect(join(directory, endpoint));
  await once(socket, "connect");
  return { ...linkOver(socket, socket, payload, heard), flood: joined(socket, payload) };
}
