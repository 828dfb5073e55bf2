// Connects (to what the environment says, if no name is given), says so, sends one message and prints the answer.
import { connect } from "../../../dist/channel/connect.js";
import { tryBinding } from "../../../dist/native/load.js";

const name = process.argv[2] || undefined;
const { authorize, uid, ...options } = JSON.parse(process.argv[3] ?? "{}");
const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);
if (uid !== undefined) {
  // Becomes the other user after loading: that user need not be allowed to read this checkout.
  tryBinding();
  process.setgroups([]);
  process.setgid(uid);
  process.setuid(uid);
}
say({ state: "started" });
try {
  const channel = await connect(name, authorize ? { ...options, authorize: () => true } : options);
  say({ state: "connected", peer: channel.peer, transport: channel.transport });
  await channel.send({ from: process.pid });
  say({ state: "answered", message: await channel.receive() });
  await channel.close();
} catch (error) {
  say({ state: "failed", code: error.code, message: error.message });
}
