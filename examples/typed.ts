// In TypeScript: a schema on one side checks what arrives, and gives the types. `await using` closes what it opened, in the
// reverse order. (TypeScript compiles `await using` for every Node; plain JavaScript has it from Node 24 on.)
//
//   npx tsc -p examples && node build/examples/typed.js
//
// Prints:
//   task 7 in 2.5 s
//   ERR_RINGBELL_VALIDATION

import { connect, json, listen, ValidationError } from "ringbell";
import { z } from "zod";

const Task = z.object({ id: z.number().int(), seconds: z.number().default(2.5) });

await using server = await listen("tasks", { codec: json(Task) });
await using channel = await connect("tasks", { codec: json() });

await channel.send({ id: 7 });
await channel.send({ id: "eight" });

for await (const peer of server) {
  const { id, seconds } = await peer.receive();
  console.log(`task ${id} in ${seconds} s`);
  await peer.receive().catch((error: unknown) => {
    if (error instanceof ValidationError) console.log(error.code);
  });
  break;
}
