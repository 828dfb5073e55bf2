// Connects to a name with one of the codecs of talker.mjs, and says what it gets.
import { clone, connect, struct, text, u32, union } from "../../../dist/index.js";

const [name, options, codec] = process.argv.slice(2);
const codecs = {
  text: text(),
  clone: clone(),
  struct: struct({ id: u32, name: text() }),
  union: union("type", { tick: struct({ id: u32 }), bye: struct({}) }),
};
const channel = await connect(name, { ...JSON.parse(options), codec: codecs[codec] });
channel.on("message", (got) => process.stdout.write(`${JSON.stringify({ got })}\n`));
process.stdin.on("close", () => process.exit(0)).resume();
