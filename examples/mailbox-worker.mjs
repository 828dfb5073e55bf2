// A worker that stays: it takes a job, works on it, posts the result, and ends on the text "shutdown". One of the two workers is killed in
// the middle of a job, which the other one then gets.
//
//   node examples/mailbox-worker.mjs
//
// Prints:
//   job 1: …
//   job 2: …
//   job 3: …
//   job 4: …
//   job 4 was delivered again: true
//   the worker has ended: 0

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mailboxes } from "ringbell/mailbox";

const mail = await mailboxes({ store: "memory" });

if (process.argv[2] === "worker") {
  for await (const job of mail.box("jobs").work()) {
    // Job 4 kills the first worker that takes it.
    if (job.body.number === 4 && !job.redelivered) process.kill(process.pid, "SIGKILL");
    const { number } = job.body;
    await mail.post("results", { number, result: number ** 2, again: job.redelivered });
  }
  await mail.close();
} else {
  for (const number of [1, 2, 3, 4]) await mail.post("jobs", { number });
  const workers = [1, 2].map(() =>
    spawn(process.execPath, [process.argv[1], "worker"], { stdio: "inherit" }),
  );
  const killed = Promise.race(workers.map((worker) => once(worker, "exit").then(() => worker)));
  const results = [];
  while (results.length < 4) results.push((await mail.wait("results")).body);
  results.sort((a, b) => a.number - b.number);
  for (const { number, result } of results) console.log(`job ${number}: ${result}`);
  console.log(`job 4 was delivered again: ${results[3].again}`);
  const [first, second] = workers;
  const rest = (await killed) === first ? second : first;
  await mail.post("jobs", "shutdown");
  const [code] = await once(rest, "exit");
  console.log(`the worker has ended: ${code}`);
  await mail.close();
}
