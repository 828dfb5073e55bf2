import { execFileSync } from "node:child_process";
import { readlinkSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { IN_FLIGHT, inFlight, oneByOne, PARAMS } from "../lib/calling.mjs";
import { pair } from "../lib/pair.mjs";

/*
 * The same calls by other libraries: birpc between the threads of one process, and gRPC between two processes.
 */

/** @typedef {"birpc" | "birpc-flight" | "grpc"} Kind */
/** @typedef {{ kind: Kind, endpoint: string, directory: string, core?: number }} Options */

const PROTO = fileURLToPath(new URL("../peers/grpc.proto", import.meta.url));

/** @param {Kind} kind @param {string} title @param {readonly string[]} packages */
function other(kind, title, packages) {
  /** @param {number} [core] of the second end, for the one that runs it as a thread */
  const made = (core) =>
    pair({
      name: `rpc-${kind}`,
      title,
      file: import.meta.url,
      options: { kind, core },
      facts: { kind: "echo", payload: "object", bytes: 100 },
    });
  return {
    ...made(),
    packages,
    /** @param {any} setting */
    start: (setting) => made(setting.cores?.[1]).start(setting),
  };
}

export const birpc = other("birpc", "birpc, MessagePort of a thread, one call after the other", ["birpc"]);
export const birpcFlight = other("birpc-flight", `birpc, MessagePort, ${IN_FLIGHT} calls in flight`, [
  "birpc",
]);
export const grpc = other("grpc", "@grpc/grpc-js, Unix socket, one call after the other", [
  "@grpc/grpc-js",
  "@grpc/proto-loader",
]);

/** @param {Options} options */
export async function serve({ kind, endpoint, directory }) {
  // The thread is started by the driver.
  if (kind !== "grpc") return { round() {}, close() {} };
  const { library, Service } = await loadGrpc();
  const server = new library.Server();
  server.addService(Service.service, {
    Ask: (/** @type {any} */ call, /** @type {any} */ done) => done(null, call.request),
    Talk() {},
  });
  const credentials = library.ServerCredentials.createInsecure();
  await new Promise((resolve, reject) => {
    server.bindAsync(`unix:${join(directory, endpoint)}`, credentials, (error) =>
      error ? reject(error) : resolve(undefined),
    );
  });
  return { round() {}, close: () => server.forceShutdown() };
}

/** @param {Options} options */
export async function drive({ kind, endpoint, directory, core }) {
  if (kind === "grpc") return driveGrpc(join(directory, endpoint));
  const worker = new Worker(new URL(import.meta.url), { workerData: { birpc: true, core } });
  const { createBirpc } = await import("birpc");
  const rpc = /** @type {any} */ (createBirpc({}, portOf(worker)));
  const ask = () => rpc.echo(PARAMS);
  return { round: kind === "birpc" ? oneByOne(ask) : inFlight(ask), close: () => worker.terminate() };
}

/** @param {string} path */
async function driveGrpc(path) {
  const { library, Service } = await loadGrpc();
  const client = new Service(`unix:${path}`, library.credentials.createInsecure());
  const data = Buffer.from(JSON.stringify(PARAMS));
  const ask = () =>
    new Promise((resolve, reject) => {
      client.Ask({ data }, (/** @type {Error | null} */ error, /** @type {unknown} */ reply) =>
        error ? reject(error) : resolve(reply),
      );
    });
  await ask();
  return { round: oneByOne(ask), close: () => client.close() };
}

async function loadGrpc() {
  const library = await import("@grpc/grpc-js");
  const { loadSync } = await import("@grpc/proto-loader");
  const { bench } = /** @type {any} */ (library.loadPackageDefinition(loadSync(PROTO, { defaults: true })));
  return { library, Service: bench.OfBytes };
}

/** @param {Worker | import("node:worker_threads").MessagePort} port */
function portOf(port) {
  return {
    post: (/** @type {unknown} */ data) => port.postMessage(data),
    on: (/** @type {(data: unknown) => void} */ listener) => void port.on("message", listener),
  };
}

if (!isMainThread && workerData?.birpc === true && parentPort !== null) {
  const { core } = workerData;
  if (core !== undefined) {
    const thread = basename(readlinkSync("/proc/thread-self"));
    execFileSync("taskset", ["--pid", "--cpu-list", `${core}`, thread], { stdio: "ignore" });
  }
  const { createBirpc } = await import("birpc");
  createBirpc({ echo: (/** @type {unknown} */ params) => params }, portOf(parentPort));
}
