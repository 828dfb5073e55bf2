// Calls: a contract that both sides import, a service, and a client of it. They are one program here, and work the same as two.
//
//   npx tsc -p examples && node build/examples/calls.js
//
// Prints:
//   1 caller
//   found: [ 'bell.ts', 'doorbell.ts' ]
//   indexed 1 of 3
//   indexed 2 of 3
//   indexed 3 of 3
//   index: done
//   line 1
//   line 2
//   refused: -32602 the schema refuses the message: text: …
//   gave up: ERR_RINGBELL_TIMEOUT

import { type CallError, contract, open, request, serve, stream } from "ringbell/rpc";
import { z } from "zod";

const tools = contract("tools", {
  search: request(z.object({ text: z.string().min(1) }), z.array(z.string())),
  index: request(z.object({ files: z.number() }), z.string(), { progress: z.number() }),
  tail: stream(z.object({ file: z.string() }), z.string()),
});

await using service = await serve(tools, {
  search: ({ text }) => ["bell.ts", "doorbell.ts", "index.ts"].filter((file) => file.includes(text)),
  async index({ files }, call) {
    for (let done = 1; done <= files && !call.cancelled; done++) await call.progress(done);
    return "done";
  },
  async *tail() {
    for (let line = 1; ; line++) yield `line ${line}`;
  },
});

await using client = await open(tools);
console.log(`${service.clients.size} caller`);

console.log("found:", await client.search({ text: "bell" }));
const files = 3;
console.log(
  "index:",
  await client.index({ files }, { onProgress: (done) => console.log(`indexed ${done} of ${files}`) }),
);
for await (const line of client.tail({ file: "log" })) {
  console.log(line);
  if (line === "line 2") break; // The handler's generator ends, too.
}
await client
  .search({ text: "" })
  .catch(({ rpcCode, message }: CallError) => console.log(`refused: ${rpcCode} ${message}`));
await client.index({ files: 1e9 }, { timeout: 20 }).catch(({ code }) => console.log(`gave up: ${code}`));
