import { connect } from "../channel/connect.js";
import { listen } from "../channel/listen.js";
import { PASSED_TO_CONNECT, PASSED_TO_LISTEN } from "../channel/option-names.js";
import type { ConnectOptions, ListenOptions } from "../channel/options.js";
import { checkFunction, checkOptions } from "../check.js";
import { json } from "../codec/json.js";
import type { CloseInfo, CloseOptions, Peer, Port } from "../port.js";

/** A message of ACP. The types of the SDK are not imported: it is optional. */
export type AcpMessage = object;

/**
 * The stream of an ACP connection, agent's or client's. The streams are the global ones of the web, for which `Message` may be the
 * SDK's `AnyMessage`.
 */
export interface AcpStream<Message extends AcpMessage = AcpMessage> {
  readonly readable: ReadableStream<Message>;
  readonly writable: WritableStream<Message>;
  /** The process at the other end. */
  readonly peer: Peer;
  /** Resolves when the channel has ended, with the reason. Never rejects. */
  readonly closed: Promise<CloseInfo>;
}

/**
 * Makes the stream of an ACP connection of a channel, or of a lane or another port with the codec `json()`. Nobody else may read from it.
 *
 * The SDK's connection leaves its streams open when it is closed, but for cancelling what it reads. So the channel is closed then.
 * A message that can't be decoded is skipped.
 */
export function acpStream<Message extends AcpMessage = AcpMessage>(port: object): AcpStream<Message> {
  const of = port as Port<unknown, Message>;
  let source: AsyncIterator<Message> | undefined;
  const readable = new ReadableStream<Message>(
    {
      async pull(controller) {
        source ??= of[Symbol.asyncIterator]();
        const { done, value } = await source.next();
        if (done === true) controller.close();
        else controller.enqueue(value);
      },
      cancel: () => of.close(),
    },
    // Nothing is taken that nobody asks for.
    { highWaterMark: 0 },
  );
  const writable = new WritableStream<Message>({
    write: (message) => of.send(message),
    close: () => of.close(),
    abort: (reason) => of.destroy(reason instanceof Error ? reason : undefined),
  });
  return { readable, writable, peer: of.peer, closed: of.closed };
}

export type ConnectAcpOptions = Omit<ConnectOptions<unknown, unknown>, "codec" | "lanes">;

/** Connects to the agent that listens under `name`. Rejects with what `connect` rejects with. */
export async function connectAcp<Message extends AcpMessage = AcpMessage>(
  name: string,
  options: ConnectAcpOptions = {},
): Promise<AcpStream<Message>> {
  checkOptions(options, PASSED_TO_CONNECT, "options");
  return acpStream<Message>(await connect(name, { ...options, codec: json() }));
}

export interface ServeAcpOptions extends Omit<ListenOptions<unknown, unknown>, "codec" | "lanes"> {
  /** Told of clients that could not connect. */
  readonly onPeerError?: ((error: Error) => void) | undefined;
}

/** An agent that listens under a name. */
export interface AcpService extends AsyncDisposable {
  /** The path of the socket. */
  readonly path: string;
  /** Gives up the name, and ends all connections in order. */
  close(options?: CloseOptions): Promise<void>;
}

/** Listens under a name. `serve` gets the stream of each client, and connects an agent to it. Rejects with what `listen` rejects with. */
export async function serveAcp<Message extends AcpMessage = AcpMessage>(
  name: string,
  serve: (stream: AcpStream<Message>) => void,
  options: ServeAcpOptions = {},
): Promise<AcpService> {
  checkOptions(options, ["onPeerError", ...PASSED_TO_LISTEN], "options");
  const { onPeerError, ...listening } = options;
  checkFunction(serve, "serve");
  const server = await listen<unknown, unknown>(name, { ...listening, codec: json() });
  server.on("connection", (channel) => serve(acpStream<Message>(channel)));
  if (onPeerError !== undefined) server.on("peerError", onPeerError);
  return {
    path: server.path,
    close: () => server.close(),
    [Symbol.asyncDispose]: () => server.close(),
  };
}
