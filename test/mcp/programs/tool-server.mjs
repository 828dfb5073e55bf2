// An MCP server on standard streams, without an SDK. The tool `pid` returns its process id, `hang` does not answer, `die` ends the
// process, `late` answers although it was cancelled, `ask` asks for a sample first, `flood` sends notifications.
import { createInterface } from "node:readline";

const say = (message) => process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
const text = (value) => ({ content: [{ type: "text", text: String(value) }] });
const cancelled = [];
const asking = new Map();
let handshakes = 0;

if (process.argv[2] === "stubborn") {
  process.on("SIGTERM", () => {});
  setInterval(() => {}, 1000);
}
process.stdout.write("a line of a log, which is no JSON\n");

const tools = {
  echo: (_, { text: said }) => text(said),
  pid: () => text(process.pid),
  handshakes: () => text(handshakes),
  cancelled: () => text(JSON.stringify(cancelled)),
  die: () => process.exit(7),
  hang: () => undefined,
  big: (_, { bytes }) => text("x".repeat(bytes)),
  flood(_, { count }) {
    for (let i = 0; i < count; i++) {
      say({ method: "notifications/message", params: { level: "info", data: "x".repeat(1000) } });
    }
    return text("flooded");
  },
  ask(id) {
    asking.set(id, id);
    say({ id, method: "sampling/createMessage", params: { for: id } });
  },
};

createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, method, params, result } = JSON.parse(line);
  if (method === "initialize") {
    handshakes++;
    const { protocolVersion } = params;
    say({
      id,
      result: {
        protocolVersion,
        capabilities: { tools: {}, logging: {} },
        serverInfo: { name: "t", version: "1" },
      },
    });
  } else if (method === "notifications/cancelled") cancelled.push(params.requestId);
  else if (method === "tools/call") {
    const answer = tools[params.name](id, params.arguments);
    if (answer !== undefined) say({ id, result: answer });
  } else if (method === undefined) {
    if (asking.delete(id)) say({ id, result: text(result.said) });
  } else if (id !== undefined) say({ id, error: { code: -32601, message: `no ${method}` } });
});
