// An agent: a process that connects to the orchestrator, does the tasks it is given, and ends when the channel ends.
//
//     node demo/agent.mjs KIND
//
// Where to connect is in the environment (RINGBELL_DIRECTORY, RINGBELL_NAMESPACE, RINGBELL_ENDPOINT, RINGBELL_TRANSPORT):
// `connect` looks there by itself.

import { readFileSync } from "node:fs";
import { ClosedError, connect, PeerDiedError } from "../dist/index.js";
import { kinds } from "./agents/index.mjs";
import { lanes, Task } from "./messages.mjs";

/** Between two reports of progress, in ms. */
const REPORT_INTERVAL = 100;

const kind = kinds.find(({ name }) => name === process.argv[2]);
if (kind === undefined) throw new Error(`there is no kind of work called ${process.argv[2]}`);

const work = kind.start();
const done = { tasks: 0, bytes: 0 };

/** @param {{ id: number, path: string }} task */
function perform(task) {
  const begin = performance.now();
  const micros = () => Math.round((performance.now() - begin) * 1000);
  try {
    const content = readFileSync(task.path);
    const value = work(task, content);
    return { id: task.id, bytes: content.length, micros: micros(), value };
  } catch (error) {
    // Not readable, gone, or nothing this work can cope with: one file is no reason to die.
    return { id: task.id, bytes: 0, micros: micros(), skipped: error.message.toWellFormed() };
  }
}

// The orchestrator listens before it starts agents: if nobody does, it has gone, and waiting would not bring it back.
const channel = await connect(undefined, {
  codec: { send: kind.result, receive: Task },
  lanes,
  role: kind.name,
  retry: false,
});

const ping = channel.lane("ping");
ping.on("message", (message) => ping.trySend(message));

const control = channel.lane("control");
control.on("message", async ({ type }) => {
  if (type !== "finish") return;
  const { user, system } = process.cpuUsage();
  const cpuMs = Math.round((user + system) / 1000);
  await control.send({ type: "finished", tasks: done.tasks, cpuMs, rssBytes: process.memoryUsage.rss() });
  await channel.close();
});

// `trySend`, as a report that finds no room may be dropped: the next one says more.
const reports = setInterval(() => control.trySend({ type: "progress", ...done }), REPORT_INTERVAL);

try {
  for await (const task of channel) {
    const result = perform(task);
    done.tasks++;
    done.bytes += result.bytes;
    await channel.send(result);
  }
} catch (error) {
  // The orchestrator has died, or was interrupted: nobody is left to work for.
  if (!(error instanceof PeerDiedError || error instanceof ClosedError)) throw error;
} finally {
  clearInterval(reports);
}
