// Listens under a name and says so, as a line of JSON; obeys commands, one a line, on its standard input.
import { createInterface } from "node:readline";
import { listen } from "../../../dist/index.js";

const [name, options] = [process.argv[2], JSON.parse(process.argv[3] ?? "{}")];
const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);

const commands = {
  exit: () => process.exit(0),
  block: () => {
    say({ state: "blocked" });
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  },
};

let server;
try {
  server = await listen(name, options);
  say({ state: "listening", pid: process.pid, path: server.path });
} catch (error) {
  say({ state: "failed", code: error.code, pid: error.pid, message: error.message });
  process.exit(0);
}
server.on("connection", (channel) => {
  // Echoes, so that a test can see that the connection works.
  channel.on("message", (message) => void channel.send(message));
});
commands.close = async () => {
  await server.close();
  say({ state: "closed" });
  process.exit(0);
};
createInterface({ input: process.stdin })
  .on("line", (line) => commands[line]?.())
  .on("close", () => process.exit(0));
