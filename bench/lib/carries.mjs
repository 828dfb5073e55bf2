/**
 * Whether a mechanism can be asked for such messages.
 * @param {import("./peer.mjs").Peer & { minBytes?: number, workloads?: readonly string[] }} peer
 * @param {{ kind: "echo" | "paced" | "flood", payload?: "bytes" | "object", bytes?: number }} work
 */
export function carries(peer, { kind, payload = "bytes", bytes = 32 }) {
  const { payloads = [payload], workloads = [kind], minBytes = 0, maxBytes = bytes } = peer;
  return payloads.includes(payload) && workloads.includes(kind) && bytes >= minBytes && bytes <= maxBytes;
}
