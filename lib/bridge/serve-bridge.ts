import {
  createServer,
  type Server as HttpServer,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { checkInteger } from "../check.js";
import { clearTimeout, setTimeout, type Timer } from "../clock.js";
import { InvalidArgumentError, SystemError } from "../errors.js";
import { shown } from "../rpc/form.js";
import type { Session } from "../session/session.js";
import { ChannelClient } from "./channel-client.js";
import { CLOSE, InsecureBridgeError } from "./errors.js";
import { EventStreamReader } from "./event-stream.js";
import { FrameCache } from "./frame-cache.js";
import { type Identity, LONGEST_TOKEN, Tickets } from "./identity.js";
import { type BridgeOptions, type BridgeSettings, checkPort, settingsOf } from "./options.js";
import { ServiceClient } from "./service-client.js";
import { SessionClient } from "./session-client.js";
import type { BridgeClientInfo, ClientHost, SocketClient } from "./socket-client.js";
import { Terminal } from "./terminal.js";
import { type Acceptor, loadAcceptor, tokenIn, type WebSocket } from "./web-socket.js";

/* Longer than most files: a bridge and what it answers by HTTP share its sets of clients and readers, which are private. */

/** How often clients are looked at, in ms: for heartbeats, time-outs and breakers. One timer does it for all. */
const LOOK = 250;
/** How long a ticket lives after its last use, in ms. */
const TICKET_TTL = 600_000;
const MOST_TICKETS = 1024;
/** A terminal has a number of one byte. */
const MOST_TERMINALS = 256;

/** A session, a service or a channel in reach of browsers, made by `serveBridge`. */
export class Bridge implements AsyncDisposable {
  /** Where it answers, such as `ws://127.0.0.1:8080/ringbell`. */
  readonly url: string;
  readonly #settings: BridgeSettings;
  readonly #acceptor: Acceptor;
  readonly #server: HttpServer;
  /** Whether the server is the bridge's own. */
  readonly #owns: boolean;
  readonly #clients = new Set<SocketClient>();
  readonly #readers = new Set<EventStreamReader>();
  readonly #tickets = new Tickets(TICKET_TTL, MOST_TICKETS);
  readonly #host: ClientHost;
  readonly #frames = new FrameCache();
  readonly #terminals = new Map<string, Terminal>();
  #timer: Timer;
  #looks = 0;
  #lastReader = 0;
  #closed = false;
  readonly #onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) =>
    this.#upgrade(request, socket, head);
  readonly #onRequest = (request: IncomingMessage, response: ServerResponse) =>
    void this.#request(request, response);

  constructor(settings: BridgeSettings, acceptor: Acceptor, server: HttpServer, owns: boolean, url: string) {
    this.#settings = settings;
    this.#acceptor = acceptor;
    this.#server = server;
    this.#owns = owns;
    this.url = url;
    this.#host = {
      settings,
      frames: this.#frames,
      terminals: this.#terminals,
      gone: (client) => this.#clients.delete(client),
      refused: (client, why, method) => this.#refused(client.via, client.name, why, method),
    };
    server.on("upgrade", this.#onUpgrade);
    server.on("request", this.#onRequest);
    const { target } = settings;
    if (target.kind === "session") target.session.once("close", () => void this.close());
    this.#timer = setTimeout(() => this.#look(), LOOK).unref();
  }

  /** The clients that are connected, those that have not said who they are included. */
  get clients(): ReadonlySet<BridgeClientInfo> {
    return this.#clients;
  }

  /** Messages that were made for clients. An event that goes to many counts once. */
  get framesMade(): number {
    return this.#frames.made;
  }

  /**
   * A stream of bytes for the terminals of pages, by its name. They pass unchanged, as binary messages. `scrollback`: the bytes that are
   * kept for pages that come later, default 1 MiB. A model must not read them: give it what `ModelText` leaves of them.
   */
  terminal(name: string, { scrollback = 1_048_576 }: { readonly scrollback?: number } = {}): Terminal {
    if (this.#settings.target.kind !== "session")
      throw new InvalidArgumentError(
        "options.session",
        "given, for terminals stand beside a session",
        undefined,
      );
    const known = this.#terminals.get(name);
    if (known !== undefined) return known;
    if (!/^[\w.-]{1,64}$/.test(name) || this.#terminals.size >= MOST_TERMINALS) {
      throw new InvalidArgumentError(
        "name",
        `1 to 64 of A-Za-z0-9._-, for up to ${MOST_TERMINALS} terminals`,
        name,
      );
    }
    checkInteger(scrollback, "options.scrollback", 1024, 1024 ** 3);
    const made: Terminal = new Terminal(name, this.#terminals.size, scrollback, () => {
      for (const client of this.#clients) if (client instanceof SessionClient) client.tellTerminals();
    });
    this.#terminals.set(name, made);
    return made;
  }

  /** Ends all connections in order, and the server if it is the bridge's own. The session goes on. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#server.off("upgrade", this.#onUpgrade);
    this.#server.off("request", this.#onRequest);
    for (const client of this.#clients) client.end(1001, "the bridge ends");
    for (const reader of this.#readers) void reader.close();
    if (this.#settings.ownsAudit) this.#settings.audit?.close();
    if (!this.#owns) return;
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeIdleConnections();
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #look(): void {
    for (const client of this.#clients) client.look();
    // Readers get a comment every 15 s.
    if (++this.#looks % (15_000 / LOOK) === 0) for (const reader of this.#readers) reader.look();
    if (!this.#closed) this.#timer = setTimeout(() => this.#look(), LOOK).unref();
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const isOurs = pathOf(request) === this.#settings.path;
    // Another listener of the program's server may take it. Without one, nobody would ever answer.
    if (!isOurs && !this.#owns && this.#server.listenerCount("upgrade") > 1) return;
    // Node listens no more for errors of this socket. One that fails before it is a WebSocket must not end the process.
    socket.on("error", () => socket.destroy());
    if (!isOurs) {
      refuseUpgrade(socket, 404, "Not Found");
      return;
    }
    const why = this.#mayTalk(request);
    if (why !== undefined) {
      this.#refused(`websocket ${request.socket.remoteAddress}`, undefined, why, undefined);
      refuseUpgrade(socket, 403, "Forbidden");
      return;
    }
    this.#acceptor.handleUpgrade(request, socket, head, (accepted) =>
      this.#welcome(accepted, request.socket, tokenIn(request)),
    );
  }

  #welcome(accepted: WebSocket, socket: Socket, token: string | undefined): void {
    const { maxClients, maxStrangers } = this.#settings.limits;
    const address = socket.remoteAddress ?? "?";
    const client = this.#clientOf(accepted, address, token);
    if (this.#closed || this.#clients.size >= maxClients) {
      client.end(CLOSE.full, "as many clients are connected as may be");
      return;
    }
    const strangers = [...this.#clients].filter(({ state }) => state === "stranger");
    if (strangers.length >= maxStrangers) strangers[0]!.terminate();
    this.#clients.add(client);
  }

  #clientOf(...rest: [socket: WebSocket, address: string, token: string | undefined]): SocketClient {
    const [socket, address, token] = rest;
    const { target } = this.#settings;
    if (target.kind === "session")
      return new SessionClient(target.session, socket, this.#host, address, token);
    if (target.kind === "service")
      return new ServiceClient(target.service, socket, this.#host, address, token);
    return new ChannelClient(target.open, socket, this.#host, address, token);
  }

  /** Returns why a request is refused before anything of it is looked at; undefined if it is not. */
  #mayTalk({ headers, socket }: IncomingMessage): string | undefined {
    const { origin } = headers;
    if (origin !== undefined && !this.#settings.origins.has(origin))
      return `the origin ${shown(origin)} is not allowed`;
    const isSecure = (socket as { readonly encrypted?: boolean }).encrypted === true;
    if (!isSecure && !isLoopback(socket.localAddress)) return "a connection from another machine needs TLS";
    return undefined;
  }

  async #request(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = pathOf(request);
    const { path: base } = this.#settings;
    const action = path?.startsWith(`${base}/`) === true ? path.slice(base.length + 1) : undefined;
    const { target } = this.#settings;
    // Only a session can be read by server-sent events.
    const isReading = target.kind === "session" && (action === "ticket" || action === "events");
    if (action !== "health" && !isReading) {
      if (this.#owns) answer(response, 404, {});
      return;
    }
    const why = this.#mayTalk(request);
    if (why !== undefined) {
      this.#refused(`http ${request.socket.remoteAddress}`, undefined, why, action);
      answer(response, 403, { error: why });
      return;
    }
    const { origin } = request.headers;
    if (origin !== undefined) {
      response.setHeader("access-control-allow-origin", origin);
      response.setHeader("vary", "origin");
      response.setHeader("access-control-allow-headers", "authorization, last-event-id");
    }
    if (request.method === "OPTIONS") answer(response, 204, undefined);
    else if (action === "health")
      answer(response, 200, { state: target.kind === "session" ? target.session.state : "open" });
    else if (action === "ticket") await this.#ticket(request, response);
    else if (target.kind === "session") await this.#events(target.session, request, response);
  }

  /** Gives a ticket for reading to one who has a token. */
  async #ticket(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const identity = request.method === "POST" ? await this.#bearer(request) : undefined;
    if (identity === undefined)
      answer(response, 401, { error: "POST with the header Authorization: Bearer TOKEN" });
    else answer(response, 200, { ticket: this.#tickets.make(identity) });
  }

  async #events(session: Session, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parameters = new URLSearchParams(request.url?.split("?")[1] ?? "");
    const ticket = parameters.get("ticket");
    const identity = ticket === null ? await this.#bearer(request) : this.#tickets.use(ticket);
    if (identity === undefined) {
      answer(response, 401, { error: "a ticket, or the header Authorization: Bearer TOKEN" });
      return;
    }
    if (this.#closed || this.#readers.size >= this.#settings.limits.maxClients) {
      // Any other status would end an EventSource for good.
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.end("retry: 5000\n\n");
      return;
    }
    const reader = new EventStreamReader(session, identity, ++this.#lastReader, request, response);
    this.#readers.add(reader);
    response.on("close", () => this.#readers.delete(reader));
  }

  async #bearer({ headers }: IncomingMessage): Promise<Identity | undefined> {
    const token = /^Bearer ([\w.~-]+)$/.exec(headers.authorization ?? "")?.[1];
    if (token === undefined || token.length > LONGEST_TOKEN) return undefined;
    try {
      const identity = await this.#settings.authenticate(token);
      return identity !== undefined && this.#settings.roles.has(identity.role) ? identity : undefined;
    } catch (error) {
      process.emitWarning(error as Error);
      return undefined;
    }
  }

  #refused(via: string, name: string | undefined, why: string, method: unknown): void {
    try {
      this.#settings.audit?.refusal({
        via,
        name,
        why: why.slice(0, 500),
        ...(method === undefined ? {} : { method: shown(method) }),
      });
    } catch {
      // It is refused all the same.
    }
  }
}

/**
 * Opens a session, a service or a channel to browsers. Resolves when they can connect.
 *
 * Rejects with an InsecureBridgeError (ERR_RINGBELL_INSECURE_BRIDGE) for an address that other machines reach, without TLS; with a
 * MissingPackageError (ERR_RINGBELL_MISSING_PACKAGE) where ws is not installed; and with a SystemError if the address is in use.
 */
export async function serveBridge(options: BridgeOptions): Promise<Bridge> {
  const settings = settingsOf(options);
  const acceptor = await loadAcceptor(settings.limits.maxMessageBytes);
  const { server: given, port = 0, host = "127.0.0.1", tls } = options;
  if (given !== undefined) {
    const isSecure = "setSecureContext" in given;
    const address = given.address() as AddressInfo | string | null;
    const place = address === null || typeof address === "string" ? undefined : address;
    if (place !== undefined && !isSecure && !isLoopback(place.address)) throw insecure(place.address);
    const where = place === undefined ? "" : `//${shownHost(place.address)}:${place.port}`;
    return new Bridge(
      settings,
      acceptor,
      given,
      false,
      `${isSecure ? "wss" : "ws"}:${where}${settings.path}`,
    );
  }
  if (tls === undefined && !isLoopback(host)) throw insecure(host);
  const server = tls === undefined ? createServer() : createHttpsServer(tls);
  const address = await listenOn(server, checkPort(port), host);
  if (tls === undefined && !isLoopback(address.address)) {
    server.close();
    throw insecure(address.address);
  }
  const scheme = tls === undefined ? "ws" : "wss";
  return new Bridge(
    settings,
    acceptor,
    server,
    true,
    `${scheme}://${shownHost(address.address)}:${address.port}${settings.path}`,
  );
}

function listenOn(server: HttpServer, port: number, host: string): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const text = `the bridge can't listen on ${host}, port ${port}: ${error.message}`;
      reject(new SystemError(text, error.code ?? "UNKNOWN", "listen", undefined, { cause: error }));
    });
    server.listen(port, host, () => resolve(server.address() as AddressInfo));
  });
}

function insecure(host: string): InsecureBridgeError {
  return new InsecureBridgeError(
    `${host} can be reached from other machines; give the option tls, or listen on 127.0.0.1 and let a proxy or a tunnel come there`,
  );
}

const shownHost = (address: string): string => (address.includes(":") ? `[${address}]` : address);

/** Whether an address is this machine's own, which nobody else reaches. A name but localhost may mean any. */
function isLoopback(address: string | undefined): boolean {
  if (address === undefined) return false;
  return address === "localhost" || address === "::1" || /^(::ffff:)?127\.\d+\.\d+\.\d+$/.test(address);
}

const pathOf = (request: IncomingMessage): string | undefined => request.url?.split("?")[0];

function refuseUpgrade(socket: Duplex, status: number, text: string): void {
  // Node leaves such a socket half open when the peer ends it, so it is destroyed.
  const head = `HTTP/1.1 ${status} ${text}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`;
  socket.end(head, () => socket.destroy());
}

function answer(response: ServerResponse, status: number, body: object | undefined): void {
  response.statusCode = status;
  if (body === undefined) response.end();
  else response.setHeader("content-type", "application/json").end(JSON.stringify(body));
}
