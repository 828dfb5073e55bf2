// The asking half of ask and answer. Each question has an id, so that the answer finds its question, and a time-out.
// The answering half is server.ts. Start either one first:
//
//   npx tsc -p examples && node build/examples/ask/client.js FILE…

import { type Channel, connect } from "ringbell";
import type { Answer, Question } from "./server.js";

/** Makes a function that asks one question and resolves with its answer. */
function asker(channel: Channel<Question, Answer>) {
  const waiting = new Map<number, { resolve(bytes: number): void; reject(reason: unknown): void }>();
  let last = 0;
  channel.on("message", (answer) => {
    const question = waiting.get(answer.id); // Undefined for an answer that came after its time-out.
    if ("error" in answer) question?.reject(new Error(answer.error));
    else question?.resolve(answer.bytes);
  });
  channel.on("close", (reason, error) => {
    for (const { reject } of waiting.values()) reject(error ?? new Error(reason)); // Such as a PeerDiedError.
  });
  return (path: string, timeout = 3000): Promise<number> => {
    const id = ++last;
    const signal = AbortSignal.timeout(timeout);
    return new Promise<number>((resolve, reject) => {
      waiting.set(id, { resolve, reject });
      signal.addEventListener("abort", () => reject(signal.reason));
      channel.send({ id, path }, { signal }).catch(reject); // Waits for room in the ring, until the time-out.
    }).finally(() => waiting.delete(id));
  };
}

const channel = await connect<Question, Answer>("files");
const ask = asker(channel);
for (const path of process.argv.slice(2)) {
  try {
    console.log(`${path}: ${await ask(path)} bytes`);
  } catch (error) {
    console.log(`${path}: ${error}`);
  }
}
await channel.close();
