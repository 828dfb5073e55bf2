import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { MissingPackageError } from "../missing-package.js";

/** The part of a WebSocket of the package ws that the bridge uses. The package is optional, so its types are not. */
export interface WebSocket {
  readonly bufferedAmount: number;
  send(data: string | Uint8Array, options: { readonly binary: boolean }): void;
  ping(): void;
  close(code: number, reason: string): void;
  terminate(): void;
  pause(): void;
  resume(): void;
  on(event: "message", listener: (data: Buffer, isBinary: boolean) => void): unknown;
  on(event: "pong", listener: () => void): unknown;
  on(event: "close", listener: (code: number, reason: Buffer) => void): unknown;
  on(event: "error", listener: (error: Error) => void): unknown;
}

/** What makes WebSockets of upgrade requests. */
export interface Acceptor {
  handleUpgrade(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    accepted: (socket: WebSocket) => void,
  ): void;
}

/** The subprotocol. A token may be offered after it, as `ringbell.token.TOKEN`. */
export const SUBPROTOCOL = "ringbell.v1";
const TOKEN_PREFIX = "ringbell.token.";

/** Loads ws. Rejects with a MissingPackageError where it is not installed. */
export async function loadAcceptor(maxPayload: number): Promise<Acceptor> {
  let ws: { readonly WebSocketServer: new (options: object) => Acceptor };
  try {
    ws = (await import("ws")) as unknown as typeof ws;
  } catch (cause) {
    throw new MissingPackageError("ws", "the bridge needs the package ws for WebSockets", { cause });
  }
  return new ws.WebSocketServer({
    noServer: true,
    clientTracking: false,
    // A message may be compressed a thousand times; unpacked, it would cost memory before its length is known.
    perMessageDeflate: false,
    maxPayload,
    // A client that offers no subprotocol gets none; one that offers a token must not get it echoed.
    handleProtocols: (offered: ReadonlySet<string>) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
  });
}

/** The token that an upgrade request offers as a subprotocol. */
export function tokenIn(request: IncomingMessage): string | undefined {
  const offered = request.headers["sec-websocket-protocol"]?.split(",") ?? [];
  const found = offered.map((one) => one.trim()).find((one) => one.startsWith(TOKEN_PREFIX));
  return found?.slice(TOKEN_PREFIX.length);
}
