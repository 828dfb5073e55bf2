import { connect } from "../channel/connect.js";
import { listen } from "../channel/listen.js";
import { PASSED_TO_CONNECT, PASSED_TO_LISTEN } from "../channel/option-names.js";
import type { ConnectOptions, ListenOptions } from "../channel/options.js";
import { checkFunction, checkOptions } from "../check.js";
import { json } from "../codec/json.js";
import type { CloseOptions, Peer, Port } from "../port.js";
import { type CancellationStrategy, cancellationStrategy } from "./cancellation.js";
import { PendingRequests } from "./messages.js";
import { PortReader } from "./reader.js";
import { PortWriter } from "./writer.js";

/** What a connection of vscode-jsonrpc, or of what is built on it, is made of. */
export interface JsonrpcTransport {
  readonly reader: PortReader;
  readonly writer: PortWriter;
  /** For the options of the connection: `createMessageConnection(reader, writer, undefined, { cancellationStrategy })`. */
  readonly cancellationStrategy: CancellationStrategy;
  /** The process at the other end. */
  readonly peer: Peer;
}

/**
 * Makes reader, writer and cancellation strategy of a channel, a lane, or another port with the codec `json()`. Nobody else may read from
 * the port. It is closed when the connection ends or is disposed of. When it ends first, requests that wait for an answer are rejected.
 */
export function jsonrpcTransport(port: object): JsonrpcTransport {
  const of = port as Port<unknown, unknown>;
  const pending = new PendingRequests();
  return {
    reader: new PortReader(of, pending),
    writer: new PortWriter(of, pending),
    cancellationStrategy: cancellationStrategy(of),
    peer: of.peer,
  };
}

export type ConnectJsonrpcOptions = Omit<ConnectOptions<unknown, unknown>, "codec" | "lanes">;

/** Connects to what listens under `name`, such as a language server. Rejects with what `connect` rejects with. */
export async function connectJsonrpc(
  name: string,
  options: ConnectJsonrpcOptions = {},
): Promise<JsonrpcTransport> {
  checkOptions(options, PASSED_TO_CONNECT, "options");
  return jsonrpcTransport(await connect(name, { ...options, codec: json() }));
}

export interface ServeJsonrpcOptions extends Omit<ListenOptions<unknown, unknown>, "codec" | "lanes"> {
  /** Told of clients that could not connect. */
  readonly onPeerError?: ((error: Error) => void) | undefined;
}

/** What listens under a name. */
export interface JsonrpcService extends AsyncDisposable {
  /** The path of the socket. */
  readonly path: string;
  /** Gives up the name, and ends all connections in order. */
  close(options?: CloseOptions): Promise<void>;
}

/** Listens under a name. `serve` gets the transport of each client, and makes a connection of it. Rejects with what `listen` rejects with. */
export async function serveJsonrpc(
  name: string,
  serve: (transport: JsonrpcTransport) => void,
  options: ServeJsonrpcOptions = {},
): Promise<JsonrpcService> {
  checkOptions(options, ["onPeerError", ...PASSED_TO_LISTEN], "options");
  const { onPeerError, ...listening } = options;
  checkFunction(serve, "serve");
  const server = await listen<unknown, unknown>(name, { ...listening, codec: json() });
  server.on("connection", (channel) => serve(jsonrpcTransport(channel)));
  if (onPeerError !== undefined) server.on("peerError", onPeerError);
  return {
    path: server.path,
    close: () => server.close(),
    [Symbol.asyncDispose]: () => server.close(),
  };
}
