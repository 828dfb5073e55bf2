// Connects (to what the environment says, if no name is given), says so, sends one message and prints the answer.
import { connect } from "../../../dist/index.js";

const name = process.argv[2] || undefined;
const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);
say({ state: "started" });
try {
  const channel = await connect(name, JSON.parse(process.argv[3] ?? "{}"));
  say({ state: "connected", peer: channel.peer, transport: channel.transport });
  await channel.send({ from: process.pid });
  say({ state: "answered", message: await channel.receive() });
  await channel.close();
} catch (error) {
  say({ state: "failed", code: error.code, message: error.message });
}
