import { connect } from "../channel/connect.js";
import type { ConnectOptions } from "../channel/options.js";
import { json } from "../codec/json.js";
import { type McpTransport, type McpTransportOptions, mcpTransport } from "./transport.js";

export interface ConnectMcpOptions
  extends Omit<ConnectOptions<unknown, unknown>, "codec" | "lanes">,
    McpTransportOptions {}

/**
 * Connects to the MCP server that listens under `name`. Resolves with a transport for the SDK's client:
 * `await client.connect(await connectMcp("tools"))`.
 *
 * Rejects with what `connect` rejects with. By default that is a NotFoundError when nobody has listened for 3 seconds.
 */
export async function connectMcp(name: string, options: ConnectMcpOptions = {}): Promise<McpTransport> {
  const { blocks, ...connecting } = options;
  return mcpTransport(await connect(name, { ...connecting, codec: json() }), { blocks });
}
