import { connect } from "../channel/connect.js";
import { PASSED_TO_CONNECT } from "../channel/option-names.js";
import type { ConnectOptions } from "../channel/options.js";
import { checkOptions } from "../check.js";
import { json } from "../codec/json.js";
import { ReconnectingTransport } from "./reconnect/reconnecting.js";
import { type McpTransport, type McpTransportOptions, mcpTransport } from "./transport.js";

/** How a lost server is looked for by default: within a minute, and four times a second at the least. */
const COMING_BACK = { attempts: 1_000_000, maxDelay: 250, maxTotal: 60_000 } as const;

export interface ConnectMcpOptions
  extends Omit<ConnectOptions<unknown, unknown>, "codec" | "lanes">,
    McpTransportOptions {
  /**
   * Connects again when the server has gone, and repeats the handshake, so that the client outlives a restart of its server. Calls that
   * wait for an answer get an error; those made meanwhile wait. `true`: for up to a minute. Default false.
   */
  readonly reconnect?:
    | boolean
    | Exclude<ConnectOptions<unknown, unknown>["retry"], false | undefined>
    | undefined;
}

/**
 * Connects to the MCP server that listens under `name`. Resolves with a transport for the SDK's client:
 * `await client.connect(await connectMcp("tools"))`.
 *
 * Rejects with what `connect` rejects with. By default that is a NotFoundError when nobody has listened for 3 seconds.
 */
export async function connectMcp(
  name: string,
  options: ConnectMcpOptions = {},
): Promise<McpTransport | ReconnectingTransport> {
  checkOptions(options, ["blocks", "reconnect", ...PASSED_TO_CONNECT], "options");
  const { blocks, reconnect = false, ...connecting } = options;
  const open = async (more: ConnectOptions<unknown, unknown>) =>
    mcpTransport(await connect(name, { ...connecting, ...more, codec: json() }), { blocks });
  const first = await open({});
  if (reconnect === false) return first;
  const retry = reconnect === true ? COMING_BACK : reconnect;
  return new ReconnectingTransport(first, (signal) => open({ retry, signal }));
}
