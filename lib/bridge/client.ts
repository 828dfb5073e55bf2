import { clearTimeout, now, setTimeout, wallClock } from "../clock.js";
import { BUSY, CallError, INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND } from "../rpc/errors.js";
import { errorBodyOf } from "../rpc/failure.js";
import { type Fields, shown } from "../rpc/form.js";
import { checkAttach } from "../session/check-attach.js";
import { NOT_ALLOWED } from "../session/errors.js";
import type { InputMessage } from "../session/inputs.js";
import { isCount } from "../session/item.js";
import type { Carrier, SessionInterface } from "../session/session.js";
import { type BreakerEvent, type BreakerState, CLOSED_BREAKER, isSnapshotDue, step } from "./breaker.js";
import { CLOSE } from "./errors.js";
import type { FrameCache } from "./frame-cache.js";
import { check } from "./guard.js";
import { checkIdentity, type Identity, LONGEST_TOKEN } from "./identity.js";
import type { BridgeSettings } from "./options.js";
import type { Terminal } from "./terminal.js";
import type { WebSocket } from "./web-socket.js";

/* Longer than most files: each rule about a client reads the same counters, and these are private to one class. */

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
  gone(client: BridgeClient): void;
  /** Something was refused. */
  refused(client: BridgeClient, why: string, method: unknown): void;
}

/** How long a client may take to answer a close. Then its socket is destroyed. */
const CLOSE_TIMEOUT = 1000;

/** A client by WebSocket. It has no queue: what it has not taken waits in the session's log, beyond a window of bytes. */
export class BridgeClient implements Carrier, BridgeClientInfo {
  readonly peer = undefined;
  readonly via: string;
  readonly address: string;
  client = "";
  instance = "";
  readonly #host: ClientHost;
  readonly #socket: WebSocket;
  readonly #since = now();
  #offeredToken: string | undefined;
  #identity: Identity | undefined;
  #attached: SessionInterface | undefined;
  #attaching = false;
  #ended = false;
  #seen = now();
  #pingAt: number | undefined;
  #roundTrip: number | undefined;
  /** The bytes of each data message that was not acknowledged, the oldest first. */
  readonly #sizes: number[] = [];
  #unacknowledged = 0;
  /** Since when a message waits for the window; undefined while none does. */
  #stalledSince: number | undefined;
  #breaker: BreakerState = CLOSED_BREAKER;
  /** The changes that the client was not told yet. */
  readonly #changed = new Map<string, string | undefined>();
  #inputs = 0;
  /** The next byte of each terminal that it reads. */
  readonly #places = new Map<Terminal, number>();
  /** Messages that may be read at once, and when that was. */
  #allowance: number;
  #allowedAt = now();
  #paused = false;

  constructor(socket: WebSocket, host: ClientHost, address: string, token: string | undefined) {
    this.#socket = socket;
    this.#host = host;
    this.address = address;
    this.via = `websocket ${address}`;
    this.#offeredToken = token;
    this.#allowance = host.settings.limits.maxRate * 2;
    socket.on("message", (data, isBinary) => this.#read(data, isBinary));
    socket.on("pong", () => this.#pong());
    socket.on("close", () => this.#gone());
    // The close event follows.
    socket.on("error", () => {});
  }

  get name(): string | undefined {
    return this.#identity?.name;
  }
  get role(): string {
    return this.#identity?.role ?? "";
  }
  get state(): BridgeClientInfo["state"] {
    if (this.#attached === undefined) return "stranger";
    if (now() - this.#seen > 2 * this.#host.settings.heartbeat.interval) return "silent";
    if (this.#breaker.mode === "summary") return "summary";
    return this.#stalledSince === undefined ? "live" : "slow";
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
    return this.#attached?.missed ?? 0;
  }
  get breaker(): BreakerState {
    return this.#breaker;
  }

  /** Sends a frame of the session if the window has room for it. */
  offer(text: string): boolean {
    if (this.#ended) return false;
    // In summary mode, events wait in the log until a snapshot stands for them.
    if (this.#breaker.mode === "summary" && text.charCodeAt(0) === BRACKET) return false;
    return this.#sendData(this.#host.frames.get(text));
  }

  changed(what: "state" | "retained", name: string): void {
    this.#changed.set(what === "state" ? "state" : `retained ${name}`, what === "state" ? undefined : name);
    this.#tellChanges();
  }

  /** Sends what it has not got of the terminals that it reads, as far as there is room. */
  tellTerminals(): void {
    for (const [terminal, place] of this.#places) {
      let at = place;
      while (at < terminal.end) {
        const { bytes, next } = terminal.message(at);
        if (!this.#sendData(bytes, true)) return;
        at = next;
        this.#places.set(terminal, at);
      }
    }
  }

  replaced(): void {
    this.end(CLOSE.replaced, "the same client has connected anew");
  }

  async over(): Promise<void> {
    this.end(CLOSE.over, "the session is over");
  }

  close(): Promise<void> {
    this.end(1001, "the session has ended");
    return Promise.resolve();
  }

  /** Ends the connection in order; at once if the client does not answer. */
  end(code: number, reason: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#socket.close(code, reason);
    // Otherwise ws would wait for 30 s.
    const timer = setTimeout(() => this.#socket.terminate(), CLOSE_TIMEOUT).unref();
    this.#socket.on("close", () => clearTimeout(timer));
  }

  terminate(): void {
    this.#ended = true;
    this.#socket.terminate();
  }

  /** Called now and then: looks at the time. */
  look(): void {
    const { heartbeat, session } = this.#host.settings;
    const silent = now() - this.#seen;
    if (this.#attached === undefined) {
      if (now() - this.#since > heartbeat.hello) this.end(CLOSE.helloTimeout, "no attach came in time");
      return;
    }
    if (silent > heartbeat.timeout) {
      this.terminate();
      return;
    }
    if (this.#pingAt === undefined || now() - this.#pingAt >= heartbeat.interval) {
      this.#pingAt = now();
      this.#socket.ping();
    }
    const stalledFor = this.#stalledSince === undefined ? 0 : now() - this.#stalledSince;
    this.#step({ type: "looked", stalledFor, lag: this.#attached.lag });
    if (!isSnapshotDue(this.#breaker, now(), this.#host.settings.breaker) || this.#unacknowledged > 0) return;
    this.#step({ type: "snapshot" });
    this.#sendData(
      notification("summary", { behind: this.#attached.lag, state: session.state, why: this.#breaker.why }),
    );
    if (session.hasSnapshots) this.#attached.feed.refresh();
  }

  #step(event: BreakerEvent): void {
    const before = this.#breaker.mode;
    this.#breaker = step(this.#breaker, event, now(), this.#host.settings.breaker);
    const { mode, why } = this.#breaker;
    if (mode === before || this.#attached === undefined) return;
    this.#sendData(notification("mode", { mode, why }));
    if (mode === "live") this.#host.settings.session.resume(this.#attached);
  }

  /** Sends a message that the client must acknowledge, if there is room for it. */
  #sendData(bytes: Buffer, binary = false): boolean {
    const { windowBytes, maxBufferedBytes } = this.#host.settings.limits;
    const isFull = this.#unacknowledged > 0 && this.#unacknowledged + bytes.length > windowBytes;
    const buffered = this.#socket.bufferedAmount;
    if (this.#ended || isFull || (buffered > 0 && buffered + bytes.length > maxBufferedBytes)) {
      this.#stalledSince ??= now();
      return false;
    }
    this.#sizes.push(bytes.length);
    this.#unacknowledged += bytes.length;
    this.#socket.send(bytes, { binary });
    return true;
  }

  /** Sends an answer. A client that asks and takes no answers is cut off at its ceiling. */
  #answer(message: object): void {
    if (this.#ended) return;
    const text = JSON.stringify(message);
    const { bufferedAmount } = this.#socket;
    if (bufferedAmount > 0 && bufferedAmount + text.length > this.#host.settings.limits.maxBufferedBytes) {
      this.#host.refused(this, "the client takes no answers", undefined);
      this.terminate();
      return;
    }
    this.#socket.send(text, { binary: false });
  }

  #refuse(id: string | number | null | undefined, code: number, message: string, data?: unknown): void {
    if (id === undefined) return;
    this.#answer({ jsonrpc: "2.0", id, error: { code, message, ...(data === undefined ? {} : { data }) } });
  }

  #read(data: Buffer, isBinary: boolean): void {
    if (this.#ended) return;
    this.#seen = now();
    if (isBinary) {
      this.#host.refused(this, "a binary message came; messages are text", undefined);
      this.end(1003, "messages are text");
      return;
    }
    if (!this.#mayGoOn()) return;
    const message = check(data.toString(), this.#host.settings.limits.maxDepth);
    if (message.kind === "refused") {
      this.#wrong(message.why, undefined);
      this.#refuse(message.id, message.code, message.why);
      return;
    }
    const { id, method, params } = message;
    if (this.#attached === undefined && method !== "attach") {
      this.#wrong("the client has not attached", method);
      this.#refuse(id, INVALID_REQUEST, "the first message must be attach");
      return;
    }
    this.#dispatch(id, method, params);
  }

  #dispatch(id: string | number | undefined, method: string, params: Fields): void {
    switch (method) {
      case "ack":
        this.#acknowledge(params.count);
        return;
      case "attach":
        void this.#attach(id, params);
        return;
      case "input":
        void this.#input(id, params);
        return;
      case "snapshot":
        this.#step({ type: "heeded" });
        this.#answer({
          jsonrpc: "2.0",
          id: id ?? null,
          result: { available: this.#host.settings.session.refresh(this.#attached!) },
        });
        return;
      case "terminal":
        this.#terminal(id, params);
        return;
      case "ping":
        this.#answer({ jsonrpc: "2.0", id: id ?? null, result: null });
        return;
      default:
        this.#wrong("no such method", method);
        this.#refuse(id, METHOD_NOT_FOUND, `no method ${shown(method)}`);
    }
  }

  async #attach(id: string | number | undefined, params: Fields): Promise<void> {
    const { settings } = this.#host;
    if (this.#attaching || id === undefined) {
      this.#wrong("attach comes once, as a request", "attach");
      this.#refuse(id, INVALID_REQUEST, "attach comes once, as a request");
      return;
    }
    this.#attaching = true;
    const token = this.#offeredToken ?? params.token;
    this.#offeredToken = undefined;
    const identity = await this.#identify(token);
    if (this.#ended) return;
    if (identity === undefined || !settings.roles.has(identity.role)) {
      this.#host.refused(this, "the token is not known, or has no role here", "attach");
      this.#refuse(id, NOT_ALLOWED, "the token is not known, or has no role here");
      this.end(CLOSE.unauthorised, "not authorised");
      return;
    }
    this.#identity = identity;
    try {
      const { client, instance, from } = checkAttach(params);
      // A client is known by its token and its id, so that nobody takes the place of another one.
      this.client = `${identity.name}/${client}`;
      this.instance = instance;
      const { welcome, attached } = settings.session.attach(this, from);
      this.#attached = attached;
      const { windowBytes } = settings.limits;
      const { interval, timeout } = settings.heartbeat;
      const { role, name } = identity;
      this.#answer({
        jsonrpc: "2.0",
        id,
        result: {
          ...welcome,
          name,
          role,
          inputs: settings.roles.get(role),
          windowBytes,
          heartbeat: { interval, timeout },
        },
      });
      this.#tellChanges();
      attached.feed.resume();
    } catch (error) {
      this.#attaching = false;
      this.#wrong((error as Error).message, "attach");
      this.#refuse(
        id,
        error instanceof CallError ? error.rpcCode : INVALID_REQUEST,
        (error as Error).message,
      );
    }
  }

  async #identify(token: unknown): Promise<Identity | undefined> {
    if (typeof token !== "string" || token.length > LONGEST_TOKEN) return undefined;
    try {
      const identity = await this.#host.settings.authenticate(token);
      return identity === undefined ? undefined : checkIdentity(identity);
    } catch (error) {
      process.emitWarning(error as Error);
      return undefined;
    }
  }

  async #input(id: string | number | undefined, params: Fields): Promise<void> {
    const attached = this.#attached!;
    const { settings } = this.#host;
    const { method } = params;
    const allowed = settings.roles.get(this.role) ?? [];
    if (id === undefined) {
      this.#wrong("an input is a request", method);
      return;
    }
    if (typeof method !== "string" || !allowed.includes(method)) {
      this.#wrong(`the role ${this.role} may not make this input`, method);
      this.#refuse(id, NOT_ALLOWED, `the role ${shown(this.role)} may not call ${shown(method)}`);
      return;
    }
    if (this.#inputs >= settings.limits.maxInputs) {
      this.#refuse(id, BUSY, `${settings.limits.maxInputs} inputs are not answered, the most that may be`);
      return;
    }
    this.#inputs++;
    try {
      const result = await settings.session.input(attached, params as unknown as InputMessage);
      this.#step({ type: "heeded" });
      this.#answer({ jsonrpc: "2.0", id, result });
    } catch (error) {
      const { cause: _cause, ...body } = errorBodyOf(error);
      if (body.code === INVALID_PARAMS || body.code === INVALID_REQUEST) this.#step({ type: "refused" });
      this.#refuse(id, body.code, body.message, body.data);
    } finally {
      this.#inputs--;
    }
  }

  /** Begins to read a terminal, at a place or at the oldest byte that is kept. */
  #terminal(id: string | number | undefined, { name, offset = 0 }: Fields): void {
    const terminal = typeof name === "string" ? this.#host.terminals.get(name) : undefined;
    if (id === undefined || terminal === undefined || !isCount(offset)) {
      this.#wrong("no such terminal, or no place in one", "terminal");
      this.#refuse(id, INVALID_PARAMS, `no terminal ${shown(name)}, or no place in one`);
      return;
    }
    // A place of a former run of the program means nothing.
    this.#places.set(terminal, offset > terminal.end ? 0 : offset);
    this.#answer({ jsonrpc: "2.0", id, result: { id: terminal.id, first: terminal.first } });
    this.tellTerminals();
  }

  /** The client has taken the `count` oldest messages that it had not acknowledged. */
  #acknowledge(count: unknown): void {
    if (!Number.isSafeInteger(count) || (count as number) < 1 || (count as number) > this.#sizes.length) {
      this.#wrong("an ack must be of messages that were sent", "ack");
      return;
    }
    // There is one ack for each message at most, so that it costs nothing of what the client may send.
    this.#allowance++;
    for (const size of this.#sizes.splice(0, count as number)) this.#unacknowledged -= size;
    this.#stalledSince = undefined;
    if (this.#sizes.length === 0) this.#step({ type: "caught-up" });
    this.#tellChanges();
    this.tellTerminals();
    this.#host.settings.session.resume(this.#attached!);
  }

  /** Tells states and retained values that have changed, the newest of each, as far as there is room. */
  #tellChanges(): void {
    // Before the answer to attach, which has older values, they would be of no use.
    if (this.#attached === undefined) return;
    const { session } = this.#host.settings;
    for (const [key, name] of this.#changed) {
      const message =
        name === undefined
          ? notification("state", { state: session.state })
          : notification("retained", { name, value: session.retained(name) });
      if (!this.#sendData(message)) return;
      this.#changed.delete(key);
    }
  }

  #wrong(why: string, method: unknown): void {
    this.#host.refused(this, why, method);
    this.#step({ type: "refused" });
  }

  /** A bucket of messages that fills by time, and may be in debt. Returns false if the client was cut off. */
  #mayGoOn(): boolean {
    const { maxRate } = this.#host.settings.limits;
    const passed = now() - this.#allowedAt;
    this.#allowedAt = now();
    this.#allowance = Math.min(2 * maxRate, this.#allowance + (passed * maxRate) / 1000) - 1;
    if (this.#allowance >= 0) return true;
    if (this.#allowance < -2 * maxRate) {
      this.#host.refused(this, "the client sends more messages than it may", undefined);
      this.end(CLOSE.flood, "too many messages");
      return false;
    }
    if (this.#paused) return true;
    // It is not read until the debt is paid. What has been read already comes all the same.
    this.#paused = true;
    this.#socket.pause();
    const pay = () => {
      this.#paused = false;
      this.#socket.resume();
    };
    setTimeout(pay, (1000 * -this.#allowance) / maxRate).unref();
    return true;
  }

  #pong(): void {
    this.#seen = now();
    if (this.#pingAt !== undefined) this.#roundTrip = now() - this.#pingAt;
  }

  #gone(): void {
    this.#ended = true;
    if (this.#attached !== undefined) this.#host.settings.session.detach(this.#attached);
    this.#host.gone(this);
  }
}

/** `[`, with which events begin. */
const BRACKET = 0x5b;

function notification(method: string, params: object): Buffer {
  return Buffer.from(JSON.stringify({ jsonrpc: "2.0", method, params }));
}
