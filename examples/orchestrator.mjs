// One orchestrator and several agents, each a process of its own. The agents connect and say their role; the
// orchestrator hands out work, hears of progress, and notices when an agent is killed.
//
//   node examples/orchestrator.mjs
//
// Prints:
//   3 agents are there: agent-1 agent-2 agent-3
//   agent-… : square of … = …
//   agent-… : square of … = …
//   agent-… : square of … = …
//   agent-… : square of … = …
//   agent-… : square of … = …
//   agent-… : square of … = …
//   agent-2 was killed: ERR_RINGBELL_PEER_DIED
//   agent-1: ended
//   agent-3: ended

import { spawn } from "node:child_process";
import { connect, listen, PeerDiedError } from "ringbell";

const AGENTS = 3;
const TASKS = [1, 2, 3, 4, 5, 6];

if (process.argv[2] === "agent") {
  const channel = await connect("orchestrator", { role: process.argv[3] });
  for await (const task of channel) {
    await channel.send({ type: "progress", task: task.number });
    await channel.send({ type: "done", task: task.number, result: task.number ** 2 });
  }
} else {
  const server = await listen("orchestrator");
  const children = new Map();
  for (let i = 1; i <= AGENTS; i++) {
    const role = `agent-${i}`;
    children.set(role, spawn(process.execPath, [import.meta.filename, "agent", role], { stdio: "inherit" }));
  }

  const agents = new Map();
  for await (const channel of server) {
    agents.set(channel.peer.role, channel);
    if (agents.size === AGENTS) break;
  }
  console.log(`${agents.size} agents are there: ${[...agents.keys()].sort().join(" ")}`);

  const queue = [...TASKS];
  await Promise.all([...agents].map(([role, channel]) => work(role, channel, queue)));

  children.get("agent-2").kill("SIGKILL");
  for (const role of ["agent-2", "agent-1", "agent-3"]) {
    const channel = agents.get(role);
    if (role !== "agent-2") await channel.close();
    const { reason, error } = await channel.closed;
    if (error instanceof PeerDiedError) console.log(`${role} was killed: ${error.code}`);
    else console.log(`${role}: ${reason}`);
  }
  await server.close();
}

/** Gives an agent one task after the other until the queue is empty. */
async function work(role, channel, queue) {
  for (let number = queue.shift(); number !== undefined; number = queue.shift()) {
    await channel.send({ number });
    for (let answer = await channel.receive(); answer.type !== "done"; answer = await channel.receive());
    console.log(`${role} : square of ${number} = ${number ** 2}`);
  }
}
