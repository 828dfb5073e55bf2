// Listens under a name. Sends to its peer whatever it is told, after "many N" N numbers, and says what it gets from it.
import { clone, listen, struct, text, u32, union } from "../../../dist/index.js";

const [name, options, codec = "json"] = process.argv.slice(2);
const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);
const codecs = {
  json: undefined,
  text: text(),
  clone: clone(),
  struct: struct({ id: u32, name: text() }),
  union: union("type", { tick: struct({ id: u32 }), bye: struct({}) }),
};

const server = await listen(name, { ...JSON.parse(options), codec: codecs[codec] });
let peer;
server.on("connection", (channel) => {
  peer = channel;
  channel.on("message", (message) => say({ got: message }));
  channel.on("error", () => {});
  say({ state: "connected" });
});
process.stdin.setEncoding("utf8").on("data", async (data) => {
  for (const line of data.trim().split("\n")) {
    const command = JSON.parse(line);
    if (command.many === undefined) await peer.send(command.send);
    else
      await peer.sendMany(
        Array.from({ length: command.many }, (_, i) => ({ i, text: "x".repeat(command.length ?? 0) })),
      );
    await peer.flush();
    say({ sent: true });
  }
});
process.stdin.on("close", () => process.exit(0));
say({ state: "listening" });
