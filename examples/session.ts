// A session: an agent streams events, asks for approval and waits; an interface attaches, answers, goes, and comes back where it was.
// They are one program here, and work the same as two.
//
//   npx tsc -p examples && node build/examples/session.js
//
// Prints:
//   snapshot up to event 0: 0 lines
//   event 1: reading the task
//   event 2: wants to delete build/
//   the agent is awaiting_hitl
//   approved: true
//   came back after event 2, and missed nothing
//   event 3: deleted build/
//   event 4: done
//   the session is over

import { contract, request } from "ringbell/rpc";
import { attach, serveSession } from "ringbell/session";
import { z } from "zod";

const inputs = contract("inputs", {
  approve: request(z.object({ call: z.number() }), z.boolean()),
});

// The daemon.
const lines: string[] = [];
let approved: (call: number) => void = () => {};
const session = await serveSession<string, string[], typeof inputs>("agent", {
  snapshot: () => lines,
  inputs,
  handlers: {
    approve({ call }) {
      approved(call);
      return true;
    },
  },
});
const say = (line: string) => {
  lines.push(line);
  session.append(line);
};
async function agent(): Promise<void> {
  say("reading the task");
  say("wants to delete build/");
  session.setState("awaiting_hitl");
  await new Promise<number>((resolve) => {
    approved = resolve;
  });
  session.setState("running");
  say("deleted build/");
  say("done");
}

// An interface.
const ui = await attach<string, string[], typeof inputs>("agent", { client: "terminal", inputs });
const running = agent();
for await (const item of ui) {
  if (item.type === "snapshot")
    console.log(`snapshot up to event ${item.sequence}: ${item.snapshot.length} lines`);
  if (item.type === "event") console.log(`event ${item.sequence}: ${item.event}`);
  if (item.sequence === 2) break;
}
while (ui.state !== "awaiting_hitl") await new Promise((resolve) => ui.once("state", resolve));
console.log(`the agent is ${ui.state}`);
console.log("approved:", await ui.input("approve", { call: 1 }));
const cursor = ui.cursor!; // A real interface keeps it in a file.
await ui.close();
await running;

// The interface's next process.
const next = await attach<string, string[], typeof inputs>("agent", { client: "terminal", from: { cursor } });
console.log("came back after event 2, and missed nothing");
const over = session.close({ over: true });
for await (const item of next) {
  if (item.type === "event") console.log(`event ${item.sequence}: ${item.event}`);
}
await over;
console.log(`the session is ${next.connection}`);
