import { type IpcTool, ipcTool } from "../../mailbox/index.js";
import { serveMcp } from "../../mcp/index.js";
import { MissingPackageError } from "../../missing-package.js";
import { isOn, text } from "../arguments.js";
import type { Option, Output, Values } from "../command.js";
import { safe } from "../format.js";
import { NATS, natsOf } from "../nats.js";
import { packageVersion } from "../package.js";
import { askedToEnd } from "../signals.js";
import { whereOf } from "../where.js";

const SDK = "@modelcontextprotocol/sdk";

export const MAILBOX_OPTIONS: readonly Option[] = [
  { name: "each", text: "mailbox: a tool for each operation, in place of the one tool ipc" },
  {
    name: "listen",
    value: "NAME",
    text: "mailbox: serve under the name, for mcp connect, in place of the standard streams",
  },
  { ...NATS, text: `mailbox: ${NATS.text}` },
];

/** Serves the mailboxes of a place as an MCP server, by the standard streams or under a name. Resolves with the exit code. */
export async function serveMailboxes(values: Values, { print }: Output): Promise<number> {
  const sdk = await loadSdk();
  const where = whereOf(values);
  const nats = natsOf(values);
  const tool = ipcTool(nats === undefined ? where : { namespace: where.namespace, ...nats });
  const make = () => serverOf(sdk, tool, isOn(values, "each"));
  const name = text(values, "listen");
  try {
    if (name === undefined) {
      await make().connect(new sdk.StdioServerTransport());
      await Promise.race([askedToEnd(), endOfInput()]);
    } else {
      await using service = await serveMcp(name, make, where);
      print(safe(`listening at ${service.path}`));
      await askedToEnd();
    }
  } finally {
    await tool.close();
  }
  return 0;
}

type Sdk = Awaited<ReturnType<typeof loadSdk>>;

/** Loads the SDK. Rejects with a MissingPackageError where it is not installed. */
async function loadSdk() {
  try {
    const [{ Server }, { StdioServerTransport }, { CallToolRequestSchema, ListToolsRequestSchema }] =
      await Promise.all([
        import("@modelcontextprotocol/sdk/server/index.js"),
        import("@modelcontextprotocol/sdk/server/stdio.js"),
        import("@modelcontextprotocol/sdk/types.js"),
      ]);
    return { Server, StdioServerTransport, CallToolRequestSchema, ListToolsRequestSchema };
  } catch (cause) {
    throw new MissingPackageError(SDK, `ringbell mcp mailbox needs the package ${SDK}`, { cause });
  }
}

/** The tool as the server of one client. */
function serverOf(
  { Server, ListToolsRequestSchema, CallToolRequestSchema }: Sdk,
  tool: IpcTool,
  each: boolean,
) {
  const server = new Server(
    { name: "ringbell-mailbox", version: packageVersion() },
    { capabilities: { tools: {} } },
  );
  const tools = each ? tool.operationTools : tool.tools;
  server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: [...tools] as never }));
  server.setRequestHandler(CallToolRequestSchema, async ({ params }, { signal, sendNotification }) => {
    const progressToken = params._meta?.progressToken;
    // A client that has gone hears nothing, and its signal ends the call.
    const progress = (elapsed: number, total: number, message: string) =>
      sendNotification({
        method: "notifications/progress",
        params: { progressToken: progressToken!, progress: elapsed, total, message },
      }).catch(() => {});
    const context = { signal, progress: progressToken === undefined ? undefined : progress };
    return (await tool.callTool(params.name, params.arguments, context)) as never;
  });
  return server;
}

/** Resolves when nothing more comes by the standard input: the client has ended. */
function endOfInput(): Promise<void> {
  return new Promise((resolve) => process.stdin.once("end", resolve).once("close", resolve));
}
