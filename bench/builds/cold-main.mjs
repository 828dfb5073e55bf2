// A cold process, see cold.mjs: prints the nanoseconds from importing the library to the first reply.
import { firstReply } from "./first-reply.mjs";

const options = JSON.parse(process.argv[2] ?? "null");
if (options === null) throw new Error("started by bench/builds/cold.mjs only");
const begin = performance.now();
const channel = await firstReply(options);
const ns = (performance.now() - begin) * 1e6;
await channel.close();
process.stdout.write(`${ns}\n`);
