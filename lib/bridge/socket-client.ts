import { clearTimeout, now, setTimeout, wallClock } from "../clock.js";
import { CallError, INVALID_REQUEST } from "../rpc/errors.js";
import type { Fields } from "../rpc/form.js";
import { NOT_ALLOWED } from "../session/errors.js";
import { Allowance } from "./allowance.js";
import { CLOSE } from "./errors.js";
import type { FrameCache } from "./frame-cache.js";
import { type Checked, check } from "./guard.js";
import { checkIdentity, type Identity, LONGEST_TOKEN } from "./identity.js";
import type { BridgeSettings } from "./options.js";
import type { Terminal } from "./terminal.js";
import type { WebSocket } from "./web-socket.js";

/* Longer than most files: all rules about a connection read the same counters, which are private to one class. */

/** A client as its bridge sees it. */
export interface BridgeClientInfo {
  /** Undefined before it has said who it is. */
  readonly name: string | undefined;
  readonly role: string;
  readonly client: string;
  readonly address: string;
  readonly via: string;
  /**
   * `live`: it takes what comes. `slow`: it is there, and has not taken what was sent. `summary`: so slow, or so wrong, that it gets
   * summaries. `silent`: it gave no sign for longer than two heartbeats.
   */
  readonly state: "stranger" | "live" | "slow" | "summary" | "silent";
  /** When it gave the last sign, in ms since the epoch of Unix. */
  readonly lastSeen: number;
  /** The time from the last ping to its pong, in ms. */
  readonly roundTrip: number | undefined;
  /** The bytes that it was sent and has not taken. */
  readonly unacknowledged: number;
  /** The events that were left out for it. */
  readonly missed: number;
}

/** The part of the bridge that a client uses. */
export interface ClientHost {
  readonly settings: BridgeSettings;
  readonly frames: FrameCache;
  readonly terminals: ReadonlyMap<string, Terminal>;
  /** The client has gone. */
  gone(client: SocketClient): void;
  /** Something was refused. */
  refused(client: SocketClient, why: string, method: unknown): void;
}

type RequestId = string | number | undefined;

/** How long a client may take to answer a close. Then its socket is destroyed. */
const CLOSE_TIMEOUT = 1000;

/**
 * A client by WebSocket, whatever it is joined to: who it is, whether it is there, how much it may send, and how much it is sent. It has
 * no queue: beyond a window of bytes that it has not acknowledged, `sendData` sends nothing.
 */
export abstract class SocketClient implements BridgeClientInfo {
  readonly via: string;
  readonly address: string;
  client = "";
  protected readonly host: ClientHost;
  protected readonly socket: WebSocket;
  /** Since when a message waits for the window; undefined while none does. */
  protected stalledSince: number | undefined;
  /** The members that messages of the client may have beside those of JSON-RPC. */
  protected readonly extensions: readonly string[] = [];
  readonly #since = now();
  readonly #allowance: Allowance;
  #offeredToken: string | undefined;
  #identity: Identity | undefined;
  #attaching = false;
  #isAdmitted = false;
  #ended = false;
  #seen = now();
  #pingAt: number | undefined;
  #roundTrip: number | undefined;
  /** The bytes of each data message that was not acknowledged, the oldest first. */
  readonly #sizes: number[] = [];
  #unacknowledged = 0;
  #paused = false;

  constructor(socket: WebSocket, host: ClientHost, address: string, token: string | undefined) {
    this.socket = socket;
    this.host = host;
    this.address = address;
    this.via = `websocket ${address}`;
    this.#offeredToken = token;
    this.#allowance = new Allowance(host.settings.limits.maxRate);
    socket.on("message", (data, isBinary) => this.#read(data, isBinary));
    socket.on("pong", () => this.#pong());
    socket.on("close", () => this.#gone());
    // The close event follows.
    socket.on("error", () => {});
  }

  /**
   * Joins the client to what it came for, and returns what it is told. May throw a CallError. What the client says of itself may be
   * anything.
   */
  protected abstract admit(params: Fields, identity: Identity): object | Promise<object>;
  /** The client was told that it is in. */
  protected abstract begin(): void;
  /** A message of a client that is in. */
  protected abstract dispatch(message: Checked): void;
  /** The client has taken some of what it was sent. */
  protected abstract acknowledged(): void;
  /** Called now and then while the client is in, and not silent for too long. */
  protected abstract watch(): void;
  /** The connection of a client that was in is over. */
  protected abstract left(): void;

  get name(): string | undefined {
    return this.#identity?.name;
  }
  get role(): string {
    return this.#identity?.role ?? "";
  }
  get state(): BridgeClientInfo["state"] {
    if (!this.#isAdmitted) return "stranger";
    if (now() - this.#seen > 2 * this.host.settings.heartbeat.interval) return "silent";
    return this.stalledSince === undefined ? "live" : "slow";
  }
  get lastSeen(): number {
    return wallClock() - (now() - this.#seen);
  }
  get roundTrip(): number | undefined {
    return this.#roundTrip;
  }
  get unacknowledged(): number {
    return this.#unacknowledged;
  }
  get missed(): number {
    return 0;
  }
  /** The rights of the client's role. */
  get rights(): readonly string[] {
    return this.host.settings.roles.get(this.role) ?? [];
  }
  protected get ended(): boolean {
    return this.#ended;
  }

  /** Ends the connection in order; at once if the client does not answer. */
  end(code: number, reason: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.socket.close(code, reason);
    // Otherwise ws would wait for 30 s.
    const timer = setTimeout(() => this.socket.terminate(), CLOSE_TIMEOUT).unref();
    this.socket.on("close", () => clearTimeout(timer));
  }

  terminate(): void {
    this.#ended = true;
    this.socket.terminate();
  }

  /** Called now and then: looks at the time. */
  look(): void {
    const { heartbeat } = this.host.settings;
    const silent = now() - this.#seen;
    if (!this.#isAdmitted) {
      if (now() - this.#since > heartbeat.hello) this.end(CLOSE.helloTimeout, "no attach came in time");
      return;
    }
    if (silent > heartbeat.timeout) {
      this.terminate();
      return;
    }
    if (this.#pingAt === undefined || now() - this.#pingAt >= heartbeat.interval) {
      this.#pingAt = now();
      this.socket.ping();
    }
    this.watch();
  }

  /** Sends a message that the client must acknowledge, if there is room for it. */
  protected sendData(bytes: Buffer, binary = false): boolean {
    const { windowBytes, maxBufferedBytes } = this.host.settings.limits;
    const isFull = this.#unacknowledged > 0 && this.#unacknowledged + bytes.length > windowBytes;
    const buffered = this.socket.bufferedAmount;
    if (this.#ended || isFull || (buffered > 0 && buffered + bytes.length > maxBufferedBytes)) {
      this.stalledSince ??= now();
      return false;
    }
    this.#sizes.push(bytes.length);
    this.#unacknowledged += bytes.length;
    this.socket.send(bytes, { binary });
    return true;
  }

  /** Sends an answer. A client that asks and takes no answers is cut off at its ceiling. */
  protected answer(message: object): void {
    this.sendText(JSON.stringify(message));
  }

  protected sendText(text: string): void {
    if (this.#ended) return;
    const { bufferedAmount } = this.socket;
    if (bufferedAmount > 0 && bufferedAmount + text.length > this.host.settings.limits.maxBufferedBytes) {
      this.host.refused(this, "the client takes no answers", undefined);
      this.terminate();
      return;
    }
    this.socket.send(text, { binary: false });
  }

  protected refuse(id: RequestId | null, code: number, message: string, data?: unknown): void {
    if (id === undefined) return;
    this.answer({ jsonrpc: "2.0", id, error: { code, message, ...(data === undefined ? {} : { data }) } });
  }

  /** The client did something against the rules. */
  protected wrong(why: string, method: unknown): void {
    this.host.refused(this, why, method);
  }

  #read(data: Buffer, isBinary: boolean): void {
    if (this.#ended) return;
    this.#seen = now();
    if (isBinary) {
      this.host.refused(this, "a binary message came; messages are text", undefined);
      this.end(1003, "messages are text");
      return;
    }
    if (!this.#mayGoOn()) return;
    const message = check(data.toString(), this.host.settings.limits.maxDepth, this.extensions);
    if (message.kind === "refused") {
      this.wrong(message.why, undefined);
      this.refuse(message.id, message.code, message.why);
      return;
    }
    const { id, method } = message;
    if (this.#isAdmitted) this.dispatch(message);
    else if (method === "attach") void this.#attach(message);
    else {
      this.wrong("the client has not attached", method);
      this.refuse(id, INVALID_REQUEST, "the first message must be attach");
    }
  }

  /** Does what all clients with a window may ask for. Returns whether it was that. */
  protected common(message: Checked): boolean {
    const { id, method, params } = message;
    if (method === "attach") void this.#attach(message);
    else if (method === "ack") this.#acknowledge((params as Fields).count);
    else if (method === "ping") this.answer({ jsonrpc: "2.0", id: id ?? null, result: null });
    else return false;
    return true;
  }

  async #attach({ id, params: given }: Checked): Promise<void> {
    const params = given as Fields;
    if (this.#attaching || id === undefined) {
      this.wrong("attach comes once, as a request", "attach");
      this.refuse(id, INVALID_REQUEST, "attach comes once, as a request");
      return;
    }
    this.#attaching = true;
    const { roles, limits, heartbeat } = this.host.settings;
    const token = this.#offeredToken ?? params.token;
    this.#offeredToken = undefined;
    const identity = await this.#identify(token);
    if (this.#ended) return;
    if (identity === undefined || !roles.has(identity.role)) {
      this.host.refused(this, "the token is not known, or has no role here", "attach");
      this.refuse(id, NOT_ALLOWED, "the token is not known, or has no role here");
      this.end(CLOSE.unauthorised, "not authorised");
      return;
    }
    this.#identity = identity;
    try {
      const { name, role } = identity;
      const admitted = this.admit(params, identity);
      // A session may change in any turn, and what changes must not overtake the answer.
      const welcome = admitted instanceof Promise ? await admitted : admitted;
      this.#isAdmitted = true;
      if (this.#ended) {
        this.left();
        return;
      }
      const { windowBytes } = limits;
      const { interval, timeout } = heartbeat;
      const rights = { name, role, inputs: this.rights };
      this.answer({
        jsonrpc: "2.0",
        id,
        result: { ...welcome, ...rights, windowBytes, heartbeat: { interval, timeout } },
      });
      this.begin();
    } catch (error) {
      this.#attaching = false;
      const { message } = error as Error;
      this.wrong(message, "attach");
      this.refuse(id, error instanceof CallError ? error.rpcCode : INVALID_REQUEST, message);
    }
  }

  async #identify(token: unknown): Promise<Identity | undefined> {
    if (typeof token !== "string" || token.length > LONGEST_TOKEN) return undefined;
    try {
      const identity = await this.host.settings.authenticate(token);
      return identity === undefined ? undefined : checkIdentity(identity);
    } catch (error) {
      process.emitWarning(error as Error);
      return undefined;
    }
  }

  /** The client has taken the `count` oldest messages that it had not acknowledged. */
  #acknowledge(count: unknown): void {
    if (!Number.isSafeInteger(count) || (count as number) < 1 || (count as number) > this.#sizes.length) {
      this.wrong("an ack must be of messages that were sent", "ack");
      return;
    }
    // There is one ack for each message at most, so that it costs nothing of what the client may send.
    this.#allowance.give();
    for (const size of this.#sizes.splice(0, count as number)) this.#unacknowledged -= size;
    this.stalledSince = undefined;
    this.acknowledged();
  }

  /** Whether the client has acknowledged all that it was sent. */
  protected get isCaughtUp(): boolean {
    return this.#sizes.length === 0;
  }

  /** Returns false if the client was cut off, because it sends more than it may. */
  #mayGoOn(): boolean {
    const pause = this.#allowance.take();
    if (pause === Number.POSITIVE_INFINITY) {
      this.host.refused(this, "the client sends more messages than it may", undefined);
      this.end(CLOSE.flood, "too many messages");
      return false;
    }
    // What has been read already comes all the same.
    if (pause > 0) this.pauseFor(pause);
    return true;
  }

  /** Reads nothing of the client for some time. */
  protected pauseFor(ms: number): void {
    if (this.#paused) return;
    this.#paused = true;
    this.socket.pause();
    setTimeout(() => {
      this.#paused = false;
      this.socket.resume();
    }, ms).unref();
  }

  #pong(): void {
    this.#seen = now();
    if (this.#pingAt !== undefined) this.#roundTrip = now() - this.#pingAt;
  }

  #gone(): void {
    this.#ended = true;
    if (this.#isAdmitted) this.left();
    this.host.gone(this);
  }
}
