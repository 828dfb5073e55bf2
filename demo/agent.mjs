// An agent: a process that connects to the orchestrator, does the tasks it is given, and ends when the channel ends.
//
//     node demo/agent.mjs KIND
//
// Where to connect is in the environment (RINGBELL_DIRECTORY, RINGBELL_NAMESPACE, RINGBELL_ENDPOINT,
// RINGBELL_TRANSPORT): `connect` looks there by itself.

import { ClosedError, connect, HandshakeError, NotFoundError, PeerDiedError } from "../dist/index.js";
import { kinds } from "./agents/index.mjs";
import { lanes, Task } from "./messages.mjs";

/** Between two reports of progress, in ms. */
const REPORT_INTERVAL = 100;

const kind = kinds.find(({ name }) => name === process.argv[2]);
if (kind === undefined) throw new Error(`there is no kind of work called ${process.argv[2]}`);
const work = kind.start();
const done = { tasks: 0, bytes: 0 };

/**
 * @param {{ id: number, path: string, content: import("../dist/index.js").Block }} task
 * @returns {import("./agents/index.mjs").Result}
 */
function perform({ id, path, content }) {
  const begin = performance.now();
  const micros = () => Math.round((performance.now() - begin) * 1000);
  try {
    const { buffer, byteOffset, byteLength } = content.bytes;
    const value = work({ id, path }, Buffer.from(buffer, byteOffset, byteLength));
    return { id, bytes: byteLength, micros: micros(), value };
  } catch (error) {
    // Not for this kind of work: one file is no reason to die.
    return { id, bytes: 0, micros: micros(), skipped: error.message.toWellFormed() };
  } finally {
    // Its memory is the orchestrator's again, for another file.
    content.release();
  }
}

/**
 * When the orchestrator has gone, nobody is left to work for: that is the end of an agent, and not worth a word.
 *
 * @param {unknown} error
 */
function ignoreEnd(error) {
  const ends = [ClosedError, PeerDiedError, NotFoundError, HandshakeError];
  if (!ends.some((end) => error instanceof end)) throw error;
}

// The orchestrator listens before it starts agents. If nobody does, it has gone, and waiting would not bring it back.
const channel = await connect(undefined, {
  codec: { send: kind.result, receive: Task },
  lanes,
  role: kind.name,
  retry: false,
}).catch(ignoreEnd);
if (channel === undefined) process.exit(1);

const ping = channel.lane("ping");
ping.on("message", (message) => ping.send(message).catch(ignoreEnd));

/** @type {import("../dist/index.js").Lane<import("./messages.mjs").Control, import("./messages.mjs").Control>} */
const control = channel.lane("control");
const reports = setInterval(() => {
  control.send({ type: "progress", ...done }).catch(ignoreEnd);
}, REPORT_INTERVAL);

control.on("message", ({ type }) => {
  if (type !== "finish") return;
  const { user, system } = process.cpuUsage();
  const cpuMs = Math.round((user + system) / 1000);
  control.send({ type: "finished", ...done, cpuMs, rssBytes: process.memoryUsage.rss() }).catch(ignoreEnd);
  channel.close();
});

try {
  for await (const task of channel) {
    const result = perform(task);
    done.tasks++;
    done.bytes += result.bytes;
    await channel.send(result);
  }
} catch (error) {
  ignoreEnd(error);
} finally {
  clearInterval(reports);
}
