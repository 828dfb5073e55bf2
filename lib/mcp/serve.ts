import { EventEmitter } from "node:events";
import { listen } from "../channel/listen.js";
import { PASSED_TO_LISTEN } from "../channel/option-names.js";
import type { ListenOptions } from "../channel/options.js";
import { checkFunction, checkOptions } from "../check.js";
import { json } from "../codec/json.js";
import type { CloseOptions, Peer, Port } from "../port.js";
import { type McpTransport, type McpTransportOptions, mcpTransport } from "./transport.js";

/** A server of an SDK, 1.x or 2.x: `McpServer` or `Server`. */
export interface McpServerLike {
  connect(transport: McpTransport): Promise<unknown>;
}

/** A client that has connected. */
export interface McpClient {
  /** The client's process. Authority follows from it, not from what the client says of itself. */
  readonly peer: Peer;
  /** Its transport, for a factory that connects the server itself. */
  readonly transport: McpTransport;
}

/**
 * Makes the server for one client. A server that is returned is connected to the client. A factory that returns something else has
 * connected it: `({ transport }) => serveStdio(createServer, { transport })` of the package @modelcontextprotocol/server.
 */
export type McpServerFactory = (
  client: McpClient,
) => McpServerLike | object | Promise<McpServerLike | object>;

export interface ServeMcpOptions
  extends Omit<ListenOptions<unknown, unknown>, "codec" | "lanes">,
    McpTransportOptions {}

export interface McpServiceEvents {
  /** A client has connected, and has its server. */
  client: [client: McpClient];
  /** A client has gone, in order or not. */
  leave: [client: McpClient];
  /** A client could not connect, or the factory failed for it. The service goes on. */
  peerError: [error: Error];
}

/** An MCP server for any number of clients, made by `serveMcp`. */
export class McpService extends EventEmitter<McpServiceEvents> implements AsyncDisposable {
  /** The path of the socket. */
  readonly path: string;
  /** The clients that are connected. */
  readonly clients: ReadonlySet<McpClient>;
  readonly #clients = new Set<McpClient>();
  readonly #factory: McpServerFactory;
  readonly #options: McpTransportOptions;
  readonly #server: Source;

  /** Made by `serveMcp`. */
  constructor(server: Source, factory: McpServerFactory, options: McpTransportOptions) {
    super();
    this.path = server.path;
    this.clients = this.#clients;
    this.#server = server;
    this.#factory = factory;
    this.#options = options;
  }

  /** Gives the client a server of its own. */
  async add(port: Port<unknown, unknown>): Promise<void> {
    const transport = mcpTransport(port, this.#options);
    const client: McpClient = { peer: port.peer, transport };
    try {
      const server = await this.#factory(client);
      if (isServer(server)) await server.connect(transport);
    } catch (error) {
      port.destroy(error as Error);
      this.emit("peerError", error as Error);
      return;
    }
    this.#clients.add(client);
    this.emit("client", client);
    await port.closed;
    this.#clients.delete(client);
    this.emit("leave", client);
  }

  /** Gives up the name, and ends all connections in order. */
  async close(options?: CloseOptions): Promise<void> {
    await this.#server.close(options);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Where a service gets its clients from. */
export interface Source {
  readonly path: string;
  close(options?: CloseOptions): Promise<void>;
}

function isServer(value: object): value is McpServerLike {
  return "connect" in value && typeof value.connect === "function";
}

/**
 * Serves MCP under a name: each client gets a server of its own, which `factory` makes. All run in this process, so that they can share
 * what is expensive. Resolves when clients can connect. Rejects with what `listen` rejects with.
 */
export async function serveMcp(
  name: string,
  factory: McpServerFactory,
  options: ServeMcpOptions = {},
): Promise<McpService> {
  checkOptions(options, ["blocks", ...PASSED_TO_LISTEN], "options");
  const { blocks, ...listening } = options;
  checkFunction(factory, "factory");
  const server = await listen<unknown, unknown>(name, { ...listening, codec: json() });
  const service = new McpService(server, factory, { blocks });
  server.on("connection", (channel) => void service.add(channel));
  server.on("peerError", (error) => service.emit("peerError", error));
  return service;
}
