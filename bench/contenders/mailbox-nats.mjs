import { readFile, writeFile } from "node:fs/promises";
import { connectNats, mustHaveNats, startNats } from "../lib/nats.mjs";
import { pair } from "../lib/pair.mjs";
import { inFlight, oneByOne, TEXT } from "../lib/posting.mjs";

/*
 * Messages in NATS JetStream: a stream in a file, used as a work queue. A post resolves when the server says that it is stored. A take is a pull, and its
 * acknowledgement is not waited for, as that of a mailbox is not.
 */

/** @typedef {{ kind: "trip" | "flood", endpoint: string, directory: string }} Options */

/** @param {string} name @param {string} title @param {"trip" | "flood"} kind */
function contender(name, title, kind) {
  const one = pair({
    ...{ name, title, peer: "nats", file: import.meta.url, first: 100 },
    options: { kind },
    facts: { kind, bytes: TEXT.length },
  });
  return {
    ...one,
    packages: ["@nats-io/transport-node", "@nats-io/jetstream"],
    /** @param {import("../lib/contender.mjs").Setting} setting */
    async start(setting) {
      await mustHaveNats();
      return one.start(setting);
    },
  };
}

export const tripNats = contender("nats-trip", "NATS JetStream, file storage, work queue", "trip");
export const floodNats = contender("nats-flood", "NATS JetStream, file storage", "flood");

/** The file that says at which port the server of a contender is. @param {Options} options */
const portFile = ({ directory, endpoint }) => `${directory}/${endpoint}.port`;

/** @param {Options} options */
export async function serve(options) {
  const { directory, endpoint, kind } = options;
  const server = await startNats(`${directory}/${endpoint}`);
  const { nats, manager, post } = await open(server.port);
  for (const stream of ["a", "b", "flood"]) {
    await manager.streams.add({ name: stream, subjects: [stream], retention: "workqueue", storage: "file" });
    await manager.consumers.add(stream, { durable_name: "taker", ack_policy: "explicit" });
  }
  await writeFile(portFile(options), String(server.port));
  const take = await taking(nats, "b");
  let isOpen = true;
  const answering = (async () => {
    while (isOpen && kind === "trip") await post("a", await take());
  })();
  answering.catch(() => {});
  return {
    // What was flooded is deleted before the next round.
    arm: () => manager.streams.purge("flood"),
    round() {},
    async close() {
      isOpen = false;
      await nats.close();
      server.stop();
    },
  };
}

/** @param {Options} options */
export async function drive(options) {
  const { nats, post } = await open(Number(await readFile(portFile(options), "utf8")));
  const take = await taking(nats, "a");
  return {
    round:
      options.kind === "trip"
        ? oneByOne(async () => (await Promise.all([post("b", TEXT), take()]))[1])
        : inFlight(() => post("flood", TEXT)),
    close: () => nats.close(),
  };
}

/** @param {number} port */
async function open(port) {
  const { jetstream, jetstreamManager } = await import("@nats-io/jetstream");
  const nats = await connectNats(port);
  const client = jetstream(nats);
  return {
    nats,
    manager: await jetstreamManager(nats),
    post: (/** @type {string} */ subject, /** @type {string} */ text) => client.publish(subject, text),
  };
}

/**
 * Takes the next message of a stream, and acknowledges it.
 * @param {any} nats @param {string} stream
 */
async function taking(nats, stream) {
  const { jetstream } = await import("@nats-io/jetstream");
  const consumer = await jetstream(nats).consumers.get(stream, "taker");
  return async () => {
    for (;;) {
      const message = await consumer.next({ expires: 30_000 });
      if (message === null) continue;
      message.ack();
      return message.string();
    }
  };
}
