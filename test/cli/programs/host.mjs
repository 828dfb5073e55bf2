// Listens under a name, and says when a peer has connected. Sends to every peer until its lane is full, and then waits for room; never reads.
import { listen } from "../../../dist/index.js";

const [name, options] = [process.argv[2], JSON.parse(process.argv[3] ?? "{}")];
const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);

const server = await listen(name, options);
server.on("connection", (channel) => {
  if (process.argv[4] === "flood") {
    while (channel.trySend("x".repeat(200)));
    channel.send("x".repeat(200)).catch(() => {});
  }
  say({ state: "connected", peer: channel.peer.pid });
});
say({ state: "listening", path: server.path });
process.stdin.on("close", () => process.exit(0)).resume();
