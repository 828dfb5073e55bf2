import { join } from "node:path";
import { fileURLToPath } from "node:url";

const PROTO = fileURLToPath(new URL("../peers/grpc.proto", import.meta.url));

/** Of both ends: messages of any length, and room for long ones on their way (64 KiB, the default of HTTP/2, is made for slow lines). */
const OPTIONS = {
  "grpc.max_send_message_length": -1,
  "grpc.max_receive_message_length": -1,
  "grpc-node.flow_control_window": 1 << 20,
};

/** How long connecting may take, ms. */
const PATIENCE = 5000;

/**
 * `@grpc/grpc-js` over a Unix socket, without encryption; messages are defined in grpc.proto and loaded by `@grpc/proto-loader`. Bytes are a message with a field of
 * bytes, objects a message of their own. A flood is written to a stream, as the guide to performance advises for a long flow of data.
 * @param {boolean} unary whether an echo is a call, else a message of one stream for all
 */
export function overGrpc(unary) {
  return {
    /** @param {import("./peer.mjs").Place} place @param {(message: any) => any} answer */
    async serve({ directory, endpoint, payload }, answer) {
      const { grpc, Service, pack, unpack } = await load(payload);
      const server = new grpc.Server(OPTIONS);
      server.addService(Service.service, {
        Ask: (/** @type {any} */ call, /** @type {any} */ done) =>
          done(null, pack(answer(unpack(call.request)))),
        Talk(/** @type {any} */ stream) {
          stream.on("data", (/** @type {any} */ message) => {
            const reply = answer(unpack(message));
            if (reply !== undefined) stream.write(pack(reply));
          });
          stream.on("end", () => stream.end());
          stream.on("error", () => {});
        },
      });
      await new Promise((resolve, reject) => {
        server.bindAsync(
          `unix:${join(directory, endpoint)}`,
          grpc.ServerCredentials.createInsecure(),
          (error) => (error ? reject(error) : resolve(undefined)),
        );
      });
      return { close: () => server.forceShutdown() };
    },

    /**
     * @param {import("./peer.mjs").Place} place
     * @param {(reply: any) => void} heard
     * @returns {Promise<import("./peer.mjs").Link>}
     */
    async drive({ directory, endpoint, payload, workload }, heard) {
      const { grpc, Service, pack, unpack, own } = await load(payload);
      const client = new Service(`unix:${join(directory, endpoint)}`, grpc.credentials.createInsecure(), {
        ...OPTIONS,
        // Each link is a connection of its own; else all clients of a process share one.
        "grpc.use_local_subchannel_pool": 1,
      });
      // It would connect with the first call.
      await new Promise((resolve, reject) => {
        client.waitForReady(Date.now() + PATIENCE, (/** @type {Error | undefined} */ error) =>
          error ? reject(error) : resolve(undefined),
        );
      });
      if (unary && workload === "echo") {
        return {
          send(message) {
            client.Ask(pack(message), (/** @type {Error | null} */ error, /** @type {any} */ reply) => {
              // What was under way when the client was closed has none.
              if (error === null) heard(unpack(reply));
            });
          },
          close: () => client.close(),
        };
      }
      const stream = client.Talk();
      stream.on("data", (/** @type {any} */ reply) => heard(unpack(reply)));
      stream.on("error", () => {});
      return {
        // The stream may keep a message until those before it are written, so it gets one of its own each time.
        send: (message) => stream.write(pack(own(message))),
        ready: () => new Promise((resolve) => stream.once("drain", resolve)),
        close() {
          stream.cancel();
          client.close();
        },
      };
    },
  };
}

/** @param {"bytes" | "object"} payload */
async function load(payload) {
  const grpc = await import("@grpc/grpc-js");
  const { loadSync } = await import("@grpc/proto-loader");
  const { bench } = /** @type {any} */ (grpc.loadPackageDefinition(loadSync(PROTO, { defaults: true })));
  if (payload === "object") {
    const same = (/** @type {any} */ message) => message;
    return {
      grpc,
      Service: bench.OfObjects,
      pack: same,
      unpack: same,
      own: (/** @type {any} */ message) => ({ ...message }),
    };
  }
  return {
    grpc,
    Service: bench.OfBytes,
    pack: (/** @type {Uint8Array} */ data) => ({ data }),
    unpack: (/** @type {{ data: Uint8Array }} */ { data }) => data,
    own: (/** @type {Uint8Array} */ bytes) => Buffer.from(bytes),
  };
}
