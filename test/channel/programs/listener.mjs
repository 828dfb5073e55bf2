// Listens under a name and says so, as a line of JSON; obeys commands, one a line, on its standard input.
import { createInterface } from "node:readline";
import { listen } from "../../../dist/index.js";

const [name, { authorize, ...options }] = [process.argv[2], JSON.parse(process.argv[3] ?? "{}")];
const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);
const failure = ({ code, pid, message }) => ({ state: "failed", code, pid, message });

const commands = {
  exit: () => process.exit(0),
  block: () => {
    say({ state: "blocked" });
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  },
};

let server;
try {
  server = await listen(name, authorize ? { ...options, authorize: () => true } : options);
  say({ state: "listening", pid: process.pid, path: server.path });
} catch (error) {
  say(failure(error));
  process.exit(0);
}
const peers = [];
server.on("connection", (channel) => {
  peers.push(channel.peer);
  // Echoes, so that a test can see that the connection works.
  channel.on("message", (message) => void channel.send(message));
});
server.on("filesLost", (paths) => say({ state: "lost", paths, missing: server.missing }));
commands.peers = () => say({ peers });
commands.rebind = () =>
  server.rebind().then(
    () => say({ state: "bound", missing: server.missing }),
    (error) => say(failure(error)),
  );
commands.close = async () => {
  await server.close();
  say({ state: "closed" });
  process.exit(0);
};
createInterface({ input: process.stdin })
  .on("line", (line) => commands[line]?.())
  .on("close", () => process.exit(0));
