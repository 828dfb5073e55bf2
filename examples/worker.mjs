// Threads: a worker thread connects as another process would. Here it blocks in `receiveSync`. A worker may do that, because the main
// thread's event loop goes on.
//
//   node examples/worker.mjs
//
// Prints:
//   the worker says 55
//   the worker has ended

import { once } from "node:events";
import { isMainThread, Worker } from "node:worker_threads";
import { connect, listen } from "ringbell";

if (!isMainThread) {
  const channel = await connect("sums");
  const numbers = channel.receiveSync();
  channel.sendSync(numbers.reduce((sum, number) => sum + number, 0));
  await channel.close();
} else {
  const server = await listen("sums");
  const ended = once(new Worker(new URL(import.meta.url)), "exit");
  for await (const channel of server) {
    await channel.send([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    console.log("the worker says", await channel.receive());
    break; // Leaves the loop, not the server.
  }
  await ended;
  console.log("the worker has ended");
  await server.close();
}
