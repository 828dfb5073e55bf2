import { EventEmitter } from "node:events";
import { listen } from "../../channel/listen.js";
import { PASSED_TO_LISTEN } from "../../channel/option-names.js";
import type { ListenOptions } from "../../channel/options.js";
import { checkBoolean, checkNumber, checkOptions } from "../../check.js";
import { clearTimeout, setTimeout, type Timer } from "../../clock.js";
import { json } from "../../codec/json.js";
import { CorruptError, InvalidArgumentError } from "../../errors.js";
import type { CloseOptions, Port } from "../../port.js";
import { isObject, type McpError, type McpResponse, member } from "../message.js";
import { PortClient } from "./port-client.js";
import { Upstream } from "./upstream.js";

/** How long (ms) a server runs on by default when its last client has gone. */
const LINGER = 60_000;
/** How long (ms) a server waits by default for a client that does not read. */
const PATIENCE = 5000;
/** The member of a request's `_meta` that clients of the revision 2026-07-28 put into each request. */
const PROTOCOL_VERSION = "io.modelcontextprotocol/protocolVersion";

export interface ShareMcpOptions extends Omit<ListenOptions<unknown, unknown>, "codec" | "lanes"> {
  /** How long the server runs on when the last client has gone, in ms; 0 to 86400000. Default 60000. */
  readonly linger?: number | undefined;
  /**
   * Lets clients that may be asked for something (sampling, elicitation) call in turns from the start. By default they do once the server
   * has asked while several had calls under way; that one request is refused. Default false.
   */
  readonly turns?: boolean | undefined;
  /** How long the server waits for a client that does not read, in ms; then the client is let go. 0 to 86400000. Default 5000. */
  readonly patience?: number | undefined;
}

interface Settings {
  readonly linger: number;
  readonly turns: boolean;
  readonly patience: number;
}

export interface McpShareEvents {
  /** The server was started. */
  start: [pid: number | undefined];
  /** The server has ended, `how` in words. */
  end: [pid: number | undefined, how: string];
  /** A client could not connect, or was let go because it does not read. */
  peerError: [error: Error];
}

/** One unmodified server for many clients, made by `shareMcp`. */
export class McpShare extends EventEmitter<McpShareEvents> implements AsyncDisposable {
  readonly path: string;
  readonly #command: readonly string[];
  readonly #linger: number;
  readonly #turns: boolean;
  readonly #patience: number;
  readonly #source: { close(options?: CloseOptions): Promise<void> };
  /** The runs of the server: one for clients that begin with `initialize`, one for those of the revision 2026-07-28. */
  #legacy: Upstream | undefined;
  #modern: Upstream | undefined;
  /** The error with which the server has refused the newer revision, which it does not speak. */
  #refusal: McpError | undefined;
  readonly #running = new Set<Upstream>();
  /** The run that a client talks to, once it has said more than a probe. */
  readonly #upstreams = new WeakMap<PortClient, Upstream>();
  #clients = 0;
  /** The clients for which the servers wait. */
  readonly #slow = new Set<PortClient>();
  #idle: Timer | undefined;

  /** Made by `shareMcp`. */
  constructor(
    source: { readonly path: string; close(options?: CloseOptions): Promise<void> },
    command: readonly string[],
    { linger, turns, patience }: Settings,
  ) {
    super();
    this.path = source.path;
    this.#source = source;
    this.#command = command;
    this.#linger = linger;
    this.#turns = turns;
    this.#patience = patience;
  }

  /** The number of clients that are connected. */
  get clients(): number {
    return this.#clients;
  }

  /** The process ids of the servers that run. */
  get pids(): (number | undefined)[] {
    return [...this.#running].map(({ pid }) => pid);
  }

  /** Serves a client until it has gone. */
  async add(port: Port<unknown, unknown>): Promise<void> {
    this.#clients++;
    clearTimeout(this.#idle);
    const client = new PortClient(port, this.#patience, (isSlow) => this.#pace(client, isSlow));
    // An expensive start begins now, and not with the first message.
    if (this.#legacy === undefined && this.#modern === undefined) this.#legacy = this.#start();
    try {
      for await (const message of port) await this.#take(client, message);
    } catch {
      // The client was killed, or let go.
    }
    const { error } = await port.closed;
    if (error instanceof CorruptError) this.emit("peerError", error);
    this.#pace(client, false);
    for (const upstream of this.#running) upstream.board.leave(client);
    if (--this.#clients === 0) this.#startIdling();
  }

  /** Gives up the name, lets all clients go, and ends the server. */
  async close(options?: CloseOptions): Promise<void> {
    await this.#source.close(options);
    clearTimeout(this.#idle);
    await Promise.all([...this.#running].map((upstream) => upstream.stop()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Has the servers wait while a client is slow. */
  #pace(client: PortClient, isSlow: boolean): void {
    if (isSlow) this.#slow.add(client);
    else this.#slow.delete(client);
    for (const upstream of this.#running) upstream.pause(this.#slow.size > 0);
  }

  #startIdling(): void {
    this.#idle = setTimeout(() => {
      for (const upstream of this.#running) void upstream.stop();
      this.#legacy = undefined;
      this.#modern = undefined;
    }, this.#linger);
    this.#idle.unref();
  }

  async #take(client: PortClient, message: unknown): Promise<void> {
    const isProbe = isObject(message) && message.method === "server/discover";
    if (isProbe && !this.#upstreams.has(client)) {
      await this.#probe(client, message);
      return;
    }
    const upstream = this.#upstreams.get(client) ?? this.#upstreamFor(message);
    this.#upstreams.set(client, upstream);
    upstream.board.fromClient(client, message);
    await upstream.room();
  }

  /** The first message of a client tells which revisions it speaks. */
  #upstreamFor(message: unknown): Upstream {
    const isModern = member(member(message, "params"), "_meta")?.[PROTOCOL_VERSION] !== undefined;
    if (isModern && this.#refusal === undefined) {
      this.#modern ??= this.#start();
      return this.#modern;
    }
    this.#legacy ??= this.#start();
    return this.#legacy;
  }

  /**
   * Asks whether the server speaks the newer revision. A server that has begun with one revision does not change to another, so a run that
   * has no other use is asked. If it refuses, it can still serve the older revision.
   */
  async #probe(client: PortClient, message: object): Promise<void> {
    if (this.#refusal !== undefined) {
      const { id } = message as McpResponse;
      client.send({ jsonrpc: "2.0", id, error: this.#refusal } as McpResponse);
      return;
    }
    if (this.#modern === undefined && this.#legacy?.board.isUnused === true) {
      this.#modern = this.#legacy;
      this.#legacy = undefined;
    }
    this.#modern ??= this.#start();
    const upstream = this.#modern;
    upstream.board.fromClient(client, message, (response) => {
      if (response.error !== undefined && this.#modern === upstream) this.#refuse(upstream, response.error);
      return response;
    });
    await upstream.room();
  }

  #refuse(upstream: Upstream, error: McpError): void {
    this.#refusal = error;
    this.#modern = undefined;
    if (this.#legacy === undefined) this.#legacy = upstream;
    else void upstream.stop();
  }

  #start(): Upstream {
    const upstream = new Upstream(this.#command, { turns: this.#turns });
    this.#running.add(upstream);
    this.emit("start", upstream.pid);
    void upstream.ended.then((how) => {
      this.#running.delete(upstream);
      if (this.#legacy === upstream) this.#legacy = undefined;
      if (this.#modern === upstream) this.#modern = undefined;
      // A server that was started again may be another version.
      if (this.#running.size === 0) this.#refusal = undefined;
      for (const client of upstream.board.clients) (client as PortClient).end();
      this.emit("end", upstream.pid, how);
    });
    return upstream;
  }
}

/**
 * Shares one unmodified MCP server, which speaks by its standard streams, among the clients that connect to `name`. The server starts with
 * the first client, and ends some time after the last. Rejects with what `listen` rejects with.
 */
export async function shareMcp(
  name: string,
  command: readonly string[],
  options: ShareMcpOptions = {},
): Promise<McpShare> {
  checkOptions(options, ["linger", "turns", "patience", ...PASSED_TO_LISTEN], "options");
  const { linger = LINGER, turns = false, patience = PATIENCE, ...listening } = options;
  if (!Array.isArray(command) || command.length === 0 || !command.every((part) => typeof part === "string")) {
    throw new InvalidArgumentError("command", "an array of a program and its arguments", command);
  }
  checkNumber(linger, "options.linger", 0, 86_400_000);
  checkBoolean(turns, "options.turns");
  checkNumber(patience, "options.patience", 0, 86_400_000);
  const server = await listen<unknown, unknown>(name, { ...listening, codec: json() });
  const share = new McpShare(server, command, { linger, turns, patience });
  server.on("connection", (channel) => void share.add(channel));
  server.on("peerError", (error) => share.emit("peerError", error));
  return share;
}
