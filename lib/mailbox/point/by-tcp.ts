import { createServer, connect as dial, type Socket } from "node:net";
import { StringDecoder } from "node:string_decoder";
import { delay, now } from "../../clock.js";
import { ClosedError, CorruptError, InvalidArgumentError, NotFoundError, SystemError } from "../../errors.js";
import { MOST_MESSAGE_BYTES } from "../limits.js";
import type { Answering, Asking, Conversation, Receiver } from "./conversation.js";
import { replyOf, sayOf } from "./frames.js";

/*
 * The operations without a broker over TCP, for programs that know ports only: a line of JSON each way.
 */

export interface TcpAddress {
  readonly host: string;
  readonly port: number;
}

/** The address that is bound unless `bind` says otherwise. */
export const LOOPBACK = "127.0.0.1";
/** The longest line: a text whose characters are all escaped. */
const LONGEST_LINE = 6 * MOST_MESSAGE_BYTES + 1024;
/** The most that connect at the same time. */
const MOST_PEERS = 64;
/** How long to wait before the next attempt while nobody listens, in ms. */
const PAUSE = 25;

/** Reads `HOST:PORT`, with brackets around an IPv6 address. Returns undefined for a name. */
export function tcpAddress(text: string, argument: string): TcpAddress | undefined {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]*)\]|([^:/]*)):(\d+)$/.exec(text) ?? [];
  if (digits === undefined) return undefined;
  return { host: bracketed ?? (plain || LOOPBACK), port: checkPort(Number(digits), argument) };
}

export function checkPort(port: unknown, argument: string): number {
  if (typeof port === "number" && Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new InvalidArgumentError(argument, "a port, 0 to 65535", port);
}

/** Whether an address is of this machine only. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}

/** Connects, and tries again while nobody listens. */
export async function dialTcp(
  { host, port }: TcpAddress,
  timeout: number,
  signal: AbortSignal,
): Promise<Asking> {
  const end = now() + timeout;
  for (;;) {
    signal.throwIfAborted();
    try {
      return new ByLines(await socketTo(host, port, signal), replyOf);
    } catch (error) {
      const { code = "UNKNOWN" } = error as NodeJS.ErrnoException;
      if (signal.aborted) throw signal.reason;
      if (code !== "ECONNREFUSED") {
        throw new SystemError(`could not connect to ${host}:${port} (${code})`, code, "connect", undefined, {
          cause: error,
        });
      }
      if (now() + PAUSE > end)
        throw new NotFoundError(`nobody receives at ${host}:${port}`, `${host}:${port}`);
    }
    await delay(PAUSE);
  }
}

function socketTo(host: string, port: number, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = dial({ host, port, noDelay: true });
    const stop = () => socket.destroy(signal.reason as Error);
    signal.addEventListener("abort", stop, { once: true });
    socket.once("error", reject);
    socket.once("connect", () => {
      signal.removeEventListener("abort", stop);
      socket.off("error", reject);
      resolve(socket);
    });
  });
}

export function receiveByTcp(
  { host, port }: TcpAddress,
  onPeer: (peer: Answering) => void,
): Promise<Receiver> {
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    onPeer(new ByLines(socket, sayOf));
  });
  server.maxConnections = MOST_PEERS;
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const code = error.code ?? "UNKNOWN";
      reject(
        new SystemError(`could not listen at ${host}:${port} (${code})`, code, "listen", undefined, {
          cause: error,
        }),
      );
    });
    server.listen({ host, port }, () => {
      const { port: bound } = server.address() as { port: number };
      resolve({
        address: `${host.includes(":") ? `[${host}]` : host}:${bound}`,
        close: () =>
          new Promise((done) => {
            server.close(() => done());
            for (const socket of sockets) socket.destroySoon();
          }),
      });
    });
  });
}

/** Frames as lines of JSON over a socket. */
class ByLines<Out, In> implements Conversation<Out, In> {
  readonly #socket: Socket;
  readonly #check: (value: unknown) => In;
  readonly #decoder = new StringDecoder("utf8");
  #rest = "";

  constructor(socket: Socket, check: (value: unknown) => In) {
    this.#socket = socket;
    this.#check = check;
    // Until somebody listens, an error must not end the process.
    socket.on("error", () => {});
  }

  send(frame: Out): void {
    if (this.#socket.writable) this.#socket.write(`${JSON.stringify(frame)}\n`);
  }

  hear(listener: { frame(frame: In): void; end(error: Error): void }): void {
    let failure: Error | undefined;
    this.#socket.on("error", (error) => {
      failure = error;
    });
    this.#socket.on("close", () => {
      listener.end(failure ?? new ClosedError("the other side has closed the connection"));
    });
    this.#socket.on("data", (bytes) => {
      try {
        for (const value of this.#lines(bytes)) listener.frame(this.#check(value));
      } catch (error) {
        if (!(error instanceof CorruptError)) throw error;
        this.#socket.destroy(error);
      }
    });
  }

  close(): void {
    this.#socket.end();
  }

  #lines(bytes: Buffer): unknown[] {
    const lines = (this.#rest + this.#decoder.write(bytes)).split("\n");
    this.#rest = lines.pop()!;
    if (this.#rest.length > LONGEST_LINE) {
      throw new CorruptError(`expected a line of at most ${LONGEST_LINE} characters`);
    }
    return lines.filter((line) => line.trim() !== "").map(parse);
  }
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    throw new CorruptError("expected a line of JSON", { cause: error });
  }
}
