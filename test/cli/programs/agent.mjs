// Connects to a name and says so; reads nothing. Sends as many messages as it is told to.
import { connect } from "../../../dist/index.js";

const [name, options, messages] = [
  process.argv[2],
  JSON.parse(process.argv[3] ?? "{}"),
  Number(process.argv[4] ?? 0),
];
const channel = await connect(name, options);
for (let i = 0; i < messages; i += 1) channel.trySend({ i });
process.stdout.write(`${JSON.stringify({ state: "connected" })}\n`);
process.stdin.on("close", () => process.exit(0)).resume();
