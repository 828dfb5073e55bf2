import { now } from "../clock.js";
import { BUSY, INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND } from "../rpc/errors.js";
import { errorBodyOf } from "../rpc/failure.js";
import { type Fields, shown } from "../rpc/form.js";
import { checkAttach } from "../session/check-attach.js";
import { NOT_ALLOWED } from "../session/errors.js";
import type { InputMessage } from "../session/inputs.js";
import { isCount } from "../session/item.js";
import type { Carrier, Session, SessionInterface } from "../session/session.js";
import { type BreakerEvent, type BreakerState, CLOSED_BREAKER, isSnapshotDue, step } from "./breaker.js";
import { CLOSE } from "./errors.js";
import type { Checked } from "./guard.js";
import type { Identity } from "./identity.js";
import { type BridgeClientInfo, type ClientHost, SocketClient } from "./socket-client.js";
import type { Terminal } from "./terminal.js";
import type { WebSocket } from "./web-socket.js";

/** A client of a session. What it has not taken waits in the session's log, beyond a window of bytes. */
export class SessionClient extends SocketClient implements Carrier {
  readonly peer = undefined;
  instance = "";
  readonly #session: Session;
  #attached: SessionInterface | undefined;
  #breaker: BreakerState = CLOSED_BREAKER;
  /** The changes that the client was not told yet. */
  readonly #changed = new Map<string, string | undefined>();
  #inputs = 0;
  /** The next byte of each terminal that it reads. */
  readonly #places = new Map<Terminal, number>();

  constructor(
    session: Session,
    ...rest: [socket: WebSocket, host: ClientHost, address: string, token: string | undefined]
  ) {
    super(...rest);
    this.#session = session;
  }

  override get state(): BridgeClientInfo["state"] {
    const state = super.state;
    return this.#breaker.mode === "summary" && (state === "live" || state === "slow") ? "summary" : state;
  }
  override get missed(): number {
    return this.#attached?.missed ?? 0;
  }
  get breaker(): BreakerState {
    return this.#breaker;
  }

  /** Sends a frame of the session if the window has room for it. */
  offer(text: string): boolean {
    if (this.ended) return false;
    // In summary mode, events wait in the log until a snapshot stands for them.
    if (this.#breaker.mode === "summary" && text.charCodeAt(0) === BRACKET) return false;
    return this.sendData(this.host.frames.get(text));
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
        if (!this.sendData(bytes, true)) return;
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

  protected admit(params: Fields, { name }: Identity): object {
    const { client, instance, from } = checkAttach(params);
    // A client is known by its token and its id, so that nobody takes the place of another one.
    this.client = `${name}/${client}`;
    this.instance = instance;
    const { welcome, attached } = this.#session.attach(this, from);
    this.#attached = attached;
    return welcome;
  }

  protected begin(): void {
    this.#tellChanges();
    this.#attached!.feed.resume();
  }

  protected left(): void {
    this.#session.detach(this.#attached!);
  }

  protected acknowledged(): void {
    if (this.isCaughtUp) this.#step({ type: "caught-up" });
    this.#tellChanges();
    this.tellTerminals();
    this.#session.resume(this.#attached!);
  }

  protected watch(): void {
    const attached = this.#attached!;
    const stalledFor = this.stalledSince === undefined ? 0 : now() - this.stalledSince;
    this.#step({ type: "looked", stalledFor, lag: attached.lag });
    if (!isSnapshotDue(this.#breaker, now(), this.host.settings.breaker) || this.unacknowledged > 0) return;
    this.#step({ type: "snapshot" });
    const { state, hasSnapshots } = this.#session;
    this.sendData(notification("summary", { behind: attached.lag, state, why: this.#breaker.why }));
    if (hasSnapshots) attached.feed.refresh();
  }

  #step(event: BreakerEvent): void {
    const before = this.#breaker.mode;
    this.#breaker = step(this.#breaker, event, now(), this.host.settings.breaker);
    const { mode, why } = this.#breaker;
    if (mode === before || this.#attached === undefined) return;
    this.sendData(notification("mode", { mode, why }));
    if (mode === "live") this.#session.resume(this.#attached);
  }

  protected dispatch(message: Checked): void {
    if (this.common(message)) return;
    const { id, method } = message;
    const params = message.params as Fields;
    switch (method) {
      case "input":
        void this.#input(id, params);
        return;
      case "snapshot":
        this.#step({ type: "heeded" });
        this.answer({
          jsonrpc: "2.0",
          id: id ?? null,
          result: { available: this.#session.refresh(this.#attached!) },
        });
        return;
      case "terminal":
        this.#terminal(id, params);
        return;
      default:
        this.wrong("no such method", method);
        this.refuse(id, METHOD_NOT_FOUND, `no method ${shown(method)}`);
    }
  }

  async #input(id: string | number | undefined, params: Fields): Promise<void> {
    const attached = this.#attached!;
    const { settings } = this.host;
    const { method } = params;
    if (id === undefined) {
      this.wrong("an input is a request", method);
      return;
    }
    if (typeof method !== "string" || !this.rights.includes(method)) {
      this.wrong(`the role ${this.role} may not make this input`, method);
      this.refuse(id, NOT_ALLOWED, `the role ${shown(this.role)} may not call ${shown(method)}`);
      return;
    }
    if (this.#inputs >= settings.limits.maxInputs) {
      this.refuse(id, BUSY, `${settings.limits.maxInputs} inputs are not answered, the most that may be`);
      return;
    }
    this.#inputs++;
    try {
      const result = await this.#session.input(attached, params as unknown as InputMessage);
      this.#step({ type: "heeded" });
      this.answer({ jsonrpc: "2.0", id, result });
    } catch (error) {
      const { cause: _cause, ...body } = errorBodyOf(error);
      if (body.code === INVALID_PARAMS || body.code === INVALID_REQUEST) this.#step({ type: "refused" });
      this.refuse(id, body.code, body.message, body.data);
    } finally {
      this.#inputs--;
    }
  }

  /** Begins to read a terminal, at a place or at the oldest byte that is kept. */
  #terminal(id: string | number | undefined, { name, offset = 0 }: Fields): void {
    const terminal = typeof name === "string" ? this.host.terminals.get(name) : undefined;
    if (id === undefined || terminal === undefined || !isCount(offset)) {
      this.wrong("no such terminal, or no place in one", "terminal");
      this.refuse(id, INVALID_PARAMS, `no terminal ${shown(name)}, or no place in one`);
      return;
    }
    // A place of a former run of the program means nothing.
    this.#places.set(terminal, offset > terminal.end ? 0 : offset);
    this.answer({ jsonrpc: "2.0", id, result: { id: terminal.id, first: terminal.first } });
    this.tellTerminals();
  }

  /** Tells states and retained values that have changed, the newest of each, as far as there is room. */
  #tellChanges(): void {
    // Before the answer to attach, which has older values, they would be of no use.
    if (this.#attached === undefined) return;
    const session = this.#session;
    for (const [key, name] of this.#changed) {
      const message =
        name === undefined
          ? notification("state", { state: session.state })
          : notification("retained", { name, value: session.retained(name) });
      if (!this.sendData(message)) return;
      this.#changed.delete(key);
    }
  }

  protected override wrong(why: string, method: unknown): void {
    super.wrong(why, method);
    this.#step({ type: "refused" });
  }
}

/** `[`, with which events begin. */
const BRACKET = 0x5b;

function notification(method: string, params: object): Buffer {
  return Buffer.from(JSON.stringify({ jsonrpc: "2.0", method, params }));
}
