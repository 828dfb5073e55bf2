import { once } from "node:events";
import { createServer, connect as netConnect, type Socket } from "node:net";
import { connect } from "../channel/connect.js";
import { listen } from "../channel/listen.js";
import { PASSED_TO_CONNECT, PASSED_TO_LISTEN } from "../channel/option-names.js";
import type { ConnectOptions, ListenOptions } from "../channel/options.js";
import { checkOptions } from "../check.js";
import { clearTimeout, setTimeout } from "../clock.js";
import { text } from "../codec/text.js";
import { SystemError } from "../errors.js";
import type { Framing } from "../rpc/framing.js";
import { type Relay, receive, sender, type Texts } from "./relay.js";
import { TextPipe } from "./text-pipe.js";

/*
 * JSON between channels and sockets, as text that nobody parses: a channel for each connection, and the other way round. Each ends with the
 * other, after what it was sent.
 */

/** How long (ms) a client may take to read what came before the socket ended. */
const PATIENCE = 60_000;
/** How long (ms) a socket may take to close after the channel has. */
const CLOSING = 2000;

/** The path of a socket, or a TCP port. */
export type SocketAddress = { readonly path: string } | { readonly host: string; readonly port: number };

interface SocketOptions {
  /** How messages follow one another on the socket. Default `lines`. */
  readonly framing?: Framing | undefined;
  /** Told how a connection has ended, other than in order. */
  readonly onError?: ((error: Error) => void) | undefined;
}

export interface ToSocketOptions
  extends SocketOptions,
    Omit<ListenOptions<string, string>, "codec" | "lanes"> {}

export interface FromSocketOptions
  extends SocketOptions,
    Omit<ConnectOptions<string, string>, "codec" | "lanes"> {}

/** Listens under a name, and makes a connection to a socket for each client. Rejects with what `listen` rejects with. */
export async function relayToSocket(
  name: string,
  address: SocketAddress,
  options: ToSocketOptions = {},
): Promise<Relay> {
  checkOptions(options, ["framing", "onError", ...PASSED_TO_LISTEN], "options");
  const { framing = "lines", onError = () => {}, ...listening } = options;
  const sockets = new Set<Socket>();
  const server = await listen<string>(name, { ...listening, codec: text() });
  server.on("connection", async (port) => {
    const socket = netConnect(address as { path: string });
    sockets.add(socket);
    const error = await passBetween(port, socket, framing);
    sockets.delete(socket);
    if (error !== undefined) onError(error);
  });
  return {
    path: server.path,
    async close() {
      await server.close();
      await closed(sockets);
    },
  };
}

/**
 * Listens at the path of a socket, and connects each client of it to a name. The socket is open to this user alone. There is no TCP here: a
 * port is open to all users of a machine, and to pages of browsers. Rejects with a SystemError if it can't listen.
 */
export async function relayFromSocket(
  name: string,
  path: string,
  options: FromSocketOptions = {},
): Promise<Relay> {
  checkOptions(options, ["framing", "onError", ...PASSED_TO_CONNECT], "options");
  const { framing = "lines", onError = () => {}, ...connecting } = options;
  const sockets = new Set<Socket>();
  const server = createServer(async (socket) => {
    sockets.add(socket);
    // It is not read before the channel is there, and may fail meanwhile.
    socket.pause().on("error", () => {});
    try {
      const port = await connect<string>(name, { ...connecting, codec: text() });
      const error = await passBetween(port, socket, framing);
      if (error !== undefined) onError(error);
    } catch (error) {
      socket.destroy();
      onError(error as Error);
    }
    sockets.delete(socket);
  });
  const before = process.umask(0o177);
  try {
    // The socket is made in this call, and not later.
    server.listen(path);
  } finally {
    process.umask(before);
  }
  try {
    await once(server, "listening");
  } catch (cause) {
    const { message, code = "UNKNOWN" } = cause as NodeJS.ErrnoException;
    throw new SystemError(`the relay can't listen at ${path}: ${message}`, code, "listen", undefined, {
      cause,
    });
  }
  return {
    path,
    async close() {
      server.close();
      await closed(sockets);
    },
  };
}

/** Passes on texts until either side has ended. Resolves when both have, with an error if there was one. */
async function passBetween(port: Texts, socket: Socket, framing: Framing): Promise<Error | undefined> {
  const gone = new Promise<void>((resolve) => {
    if (socket.destroyed) resolve();
    else socket.once("close", () => resolve());
  });
  const pipe: TextPipe = new TextPipe(socket, socket, framing, (line) => passOn(line));
  const passOn = sender(port, pipe);
  const ended = pipe.ended.then(async (error) => {
    await port.close({ timeout: PATIENCE });
    return error;
  });
  pipe.resume();
  await receive(port, pipe);
  // What the channel had sent goes out, and what the socket still sends is read, so that it does not wait for us.
  pipe.finish();
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), CLOSING);
  await gone;
  clearTimeout(timer);
  const { error } = await port.closed;
  return (await ended) ?? error;
}

async function closed(sockets: ReadonlySet<Socket>): Promise<void> {
  await Promise.all(
    [...sockets].map(async (socket) => {
      if (socket.destroyed) return;
      const timer = setTimeout(() => socket.destroy(), CLOSING);
      socket.end();
      await new Promise((resolve) => socket.once("close", resolve));
      clearTimeout(timer);
    }),
  );
}
