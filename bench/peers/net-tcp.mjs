import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { answerOver, linkOver } from "../lib/framing.mjs";

/** TCP over the loopback interface, without Nagle's delay at both ends; bytes behind their length, objects as lines of JSON. */
export const peer = { name: "net-tcp", title: "node:net, TCP", file: import.meta.url };

const HOST = "127.0.0.1";

/** @param {import("../lib/peer.mjs").Place} place @param {(message: any) => any} answer */
export async function serve({ directory, endpoint, payload }, answer) {
  const server = createServer({ noDelay: true }, (socket) => {
    answerOver(socket, socket, payload, answer);
    socket.on("error", () => {});
  }).listen(0, HOST);
  await once(server, "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  writeFileSync(join(directory, endpoint), `${port}`);
  return server;
}

/**
 * @param {import("../lib/peer.mjs").Place} place
 * @param {(reply: any) => void} heard
 * @returns {Promise<import("../lib/peer.mjs").Link>}
 */
export async function drive({ directory, endpoint, payload }, heard) {
  const port = Number(readFileSync(join(directory, endpoint), "utf8"));
  const socket = connect({ port, host: HOST, noDelay: true });
  await once(socket, "connect");
  return linkOver(socket, socket, payload, heard);
}
