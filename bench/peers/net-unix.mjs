import { once } from "node:events";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { answerOver, linkOver } from "../lib/framing.mjs";

/** A Unix socket of node:net; bytes behind their length, objects as lines of JSON. */
export const peer = { name: "net-unix", title: "node:net, Unix socket", file: import.meta.url };

/** @param {import("../lib/peer.mjs").Place} place @param {(message: any) => any} answer */
export async function serve({ directory, endpoint, payload }, answer) {
  const server = createServer((socket) => {
    answerOver(socket, socket, payload, answer);
    socket.on("error", () => {});
  }).listen(join(directory, endpoint));
  await once(server, "listening");
  return server;
}

/**
 * @param {import("../lib/peer.mjs").Place} place
 * @param {(reply: any) => void} heard
 * @returns {Promise<import("../lib/peer.mjs").Link>}
 */
export async function drive({ directory, endpoint, payload }, heard) {
  const socket = connect(join(directory, endpoint));
  await once(socket, "connect");
  return linkOver(socket, socket, payload, heard);
}
