// One block for several processes. `share(4)` makes four handles of the same memory, each to be sent over a channel of its own. By
// agreement it is only read. It is freed when the last handle was released. `seal()` (Linux) enforces the agreement: if one process
// writes into a sealed block, no other process sees it.
//
//   node examples/bulk-share.mjs
//
// Prints:
//   agent-1 counts 1000000 bytes of 7
//   agent-2 counts 1000000 bytes of 7
//   agent-3 counts 1000000 bytes of 7
//   agent-4 counts 1000000 bytes of 7
//   sealed: …

import { spawn } from "node:child_process";
import { connect, listen } from "ringbell";

const AGENTS = ["agent-1", "agent-2", "agent-3", "agent-4"];
const BYTES = 1_000_000;

if (process.argv[2] === "agent") {
  const channel = await connect("library", { role: process.argv[3] });
  for await (const { work, block } of channel) {
    const answer = perform(work, block.bytes);
    block.release();
    await channel.send(answer);
  }
} else {
  const server = await listen("library");
  for (const role of AGENTS)
    spawn(process.execPath, [import.meta.filename, "agent", role], { stdio: "inherit" });
  const channels = [];
  for await (const channel of server) {
    if (channels.push(channel) === AGENTS.length) break;
  }
  channels.sort((a, b) => (a.peer.role < b.peer.role ? -1 : 1));

  // Any of the channels may allocate it, and all can carry it once it is shared.
  const block = await channels[0].allocate(BYTES);
  block.bytes.fill(7);
  const handles = block.share(AGENTS.length);
  const counts = await Promise.all(channels.map((channel, i) => ask(channel, "count", handles[i])));
  for (const [i, count] of counts.entries()) console.log(`${AGENTS[i]} counts ${count} bytes of 7`);

  console.log("sealed:", process.platform === "linux" ? await seal(channels) : "only on Linux");
  await server.close();
}

/** One agent overwrites a sealed block. Then the others say what they read in it. */
async function seal(channels) {
  const block = await channels[0].allocate(5);
  block.bytes.set(Buffer.from("rules"));
  const [first, ...handles] = block.seal().share(channels.length);
  const written = await ask(channels[0], "overwrite", first);
  const read = await Promise.all(handles.map((handle, i) => ask(channels[i + 1], "read", handle)));
  return `agent-1 has ${written}, the others ${read.join(" ")}`;
}

async function ask(channel, work, block) {
  await channel.send({ work, block });
  return channel.receive();
}

function perform(work, bytes) {
  if (work === "count") return bytes.reduce((count, byte) => count + (byte === 7 ? 1 : 0), 0);
  if (work === "overwrite") bytes.fill(0x78);
  return Buffer.from(bytes).toString();
}
