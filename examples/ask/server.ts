// The answering half of ask and answer: it tells any number of processes how many bytes a file has.
// The asking half is client.ts. Start either one first:
//
//   npx tsc -p examples && node build/examples/ask/server.js

import { readFile } from "node:fs/promises";
import { type Channel, listen } from "ringbell";

export type Question = { id: number; path: string };
export type Answer = { id: number; bytes: number } | { id: number; error: string };

const server = await listen<Answer, Question>("files");
server.on("connection", serve);

/** Runs once for each peer: a slow peer holds up no other one. */
async function serve(channel: Channel<Answer, Question>): Promise<void> {
  try {
    for await (const question of channel) await channel.send(await answer(question));
  } catch (error) {
    console.warn(`process ${channel.peer.pid}: ${error}`); // It was killed. The server goes on.
    channel.destroy();
  }
}

async function answer({ id, path }: Question): Promise<Answer> {
  try {
    return { id, bytes: (await readFile(path)).length };
  } catch (error) {
    return { id, error: String(error) };
  }
}
