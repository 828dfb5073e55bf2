import { once } from "node:events";
import { createServer, connect as dial } from "node:net";
import { join } from "node:path";
import { IN_FLIGHT, inFlight, oneByOne, PARAMS, RPC } from "../lib/calling.mjs";
import { RoundTripTimer, streamFigures } from "../lib/clock.mjs";
import { libraryOf } from "../lib/library.mjs";
import { pair } from "../lib/pair.mjs";
import { NAMESPACE, SHARED } from "../lib/ringbell.mjs";

const JSONRPC = new URL("../../dist/vscode-jsonrpc/index.js", import.meta.url).href;

/** @typedef {"bare" | "call" | "flight" | "items" | "vscode" | "vscode-ours"} Kind */
/** @typedef {{ kind: Kind, endpoint: string, directory: string }} Options */

/** @param {Kind} kind @param {string} title @param {readonly string[]} [packages] */
function calls(kind, title, packages = []) {
  const facts = { kind: "echo", payload: "object", bytes: 100 };
  return {
    ...pair({
      name: `rpc-${kind}`,
      peer: "ringbell-rpc",
      title,
      file: import.meta.url,
      options: { kind },
      facts,
    }),
    packages,
  };
}

export const bare = calls("bare", "the same two messages over a channel, packed()");
export const call = calls("call", "ringbell/rpc, one call after the other");
export const flight = calls("flight", `ringbell/rpc, ${IN_FLIGHT} calls in flight`);
export const items = calls("items", "ringbell/rpc, items of a stream");
export const vscode = calls("vscode", "vscode-jsonrpc, Unix socket, one request after the other", [
  "vscode-jsonrpc",
]);

export const vscodeOurs = calls("vscode-ours", "vscode-jsonrpc over ringbell, one request after the other", [
  "vscode-jsonrpc",
]);

/** @param {Options} options */
export async function serve({ kind, endpoint, directory }) {
  if (kind === "vscode") return serveVscode(join(directory, endpoint));
  const place = { directory, namespace: NAMESPACE, ...SHARED };
  if (kind === "vscode-ours") return serveVscodeOurs(endpoint, place);
  if (kind === "bare") {
    const { packed, listen } = await libraryOf();
    const server = await listen(endpoint, { codec: packed(), ...place });
    server.on("connection", (/** @type {any} */ channel) => {
      channel.on("message", (/** @type {any} */ { id, params }) => {
        if (!channel.trySend({ jsonrpc: "2.0", id, result: params }))
          throw new Error("no room for one message");
      });
    });
    return { round() {}, close: () => server.close() };
  }
  const { contract, serve: serveContract } = await import(RPC);
  const handlers = {
    echo: (/** @type {unknown} */ params) => params,
    async *items(/** @type {{ count: number }} */ { count }) {
      for (let i = 0; i < count; i++) yield PARAMS;
    },
  };
  const service = await serveContract(contract("bench", { items: "stream" }), handlers, {
    name: endpoint,
    ...place,
  });
  return { round() {}, close: () => service.close() };
}

/** @param {Options} options */
export async function drive({ kind, endpoint, directory }) {
  if (kind === "vscode") return driveVscode(join(directory, endpoint));
  const place = { directory, namespace: NAMESPACE };
  if (kind === "vscode-ours") return driveVscodeOurs(endpoint, place);
  if (kind === "bare") {
    const { connect, packed } = await libraryOf();
    const channel = await connect(endpoint, { codec: packed(), ...place });
    const timer = new RoundTripTimer((id) => {
      if (!channel.trySend({ jsonrpc: "2.0", id, method: "echo", params: PARAMS }))
        throw new Error("no room for one message");
    });
    channel.on("message", () => timer.answered());
    return { round: (/** @type {number} */ count) => timer.run(count), close: () => channel.close() };
  }
  const { contract, open } = await import(RPC);
  const client = await open(contract("bench", { items: "stream" }), { name: endpoint, ...place });
  const rounds = {
    call: oneByOne(() => client.echo(PARAMS)),
    flight: inFlight(() => client.echo(PARAMS)),
    items: streaming(client),
  };
  return { round: rounds[/** @type {keyof typeof rounds} */ (kind)], close: () => client.close() };
}

/** @param {any} client */
function streaming(client) {
  return async (/** @type {number} */ count) => {
    const begin = performance.now();
    let got = 0;
    for await (const _ of client.items({ count })) got++;
    if (got !== count) throw new Error(`${got} items came instead of ${count}`);
    return streamFigures(count, performance.now() - begin);
  };
}

/** @param {string} path */
async function serveVscode(path) {
  const rpc = await import("vscode-jsonrpc/node");
  const server = createServer((socket) => {
    const connection = connectionOver(rpc, socket);
    connection.onRequest("echo", (/** @type {unknown} */ params) => params);
    connection.listen();
    socket.on("error", () => {});
  }).listen(path);
  await once(server, "listening");
  return { round() {}, close: () => server.close() };
}

/** @param {string} path */
async function driveVscode(path) {
  const rpc = await import("vscode-jsonrpc/node");
  const socket = dial(path);
  await once(socket, "connect");
  const connection = connectionOver(rpc, socket);
  connection.listen();
  return {
    round: oneByOne(() => connection.sendRequest("echo", PARAMS)),
    close() {
      connection.dispose();
      socket.destroy();
    },
  };
}

/**
 * @param {typeof import("vscode-jsonrpc/node")} rpc
 * @param {import("node:net").Socket} socket
 */
function connectionOver({ createMessageConnection, SocketMessageReader, SocketMessageWriter }, socket) {
  return createMessageConnection(new SocketMessageReader(socket), new SocketMessageWriter(socket));
}

/** @param {string} name @param {object} place */
async function serveVscodeOurs(name, place) {
  const { createMessageConnection } = await import("vscode-jsonrpc/node");
  const { serveJsonrpc } = await import(JSONRPC);
  const service = await serveJsonrpc(
    name,
    (/** @type {any} */ { reader, writer }) => {
      const connection = createMessageConnection(reader, writer);
      connection.onRequest("echo", (/** @type {unknown} */ params) => params);
      connection.listen();
    },
    place,
  );
  return { round() {}, close: () => service.close() };
}

/** @param {string} name @param {object} place */
async function driveVscodeOurs(name, place) {
  const { createMessageConnection } = await import("vscode-jsonrpc/node");
  const { connectJsonrpc } = await import(JSONRPC);
  const { reader, writer } = await connectJsonrpc(name, place);
  const connection = createMessageConnection(reader, writer);
  connection.listen();
  return { round: oneByOne(() => connection.sendRequest("echo", PARAMS)), close: () => connection.dispose() };
}
