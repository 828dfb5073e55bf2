// Watches a team that works: who does what, and each event as it comes. It may come and go at any time.
//
//     node demo/team/monitor.mjs DIRECTORY      (the orchestrator prints it)

import { open } from "../../dist/rpc/index.js";
import { team } from "./contract.mjs";

const [directory] = process.argv.slice(2);
const client = await open(team, { directory, namespace: "test" });
for (const { name, pid, done, state } of await client.status())
  console.log(`${name} (process ${pid}): ${state}, ${done} done`);
let count = 0;
try {
  for await (const { what, agent } of client.events()) {
    count++;
    console.log(`${agent || "orchestrator"}: ${what}`);
  }
} catch (error) {
  if (error.code !== "ERR_RINGBELL_CALL_LOST") throw error;
}
console.log(`the team has gone; ${count} events seen`);
