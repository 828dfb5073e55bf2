import { type Item, itemOf } from "../session/item.js";
import { type Listener, Listeners } from "./listeners.js";
import { OpenCalls } from "./open-calls.js";
import { type Socket, type SocketClass, webSocketOf } from "./socket.js";

/*
 * The interface of a session in a browser, through a bridge: no dependency, and nothing of Node. It tells the bridge what the loop has
 * taken, so a page that is busy, hidden or frozen costs the session nothing, and gets what it missed when it comes back. Longer than most
 * files, because all of its state is private to one class.
 */

export { InputError } from "./open-calls.js";
export { open, type RemoteCallOptions, type RemoteOptions, RemoteService } from "./remote-service.js";
export type { Item };

/** Where to begin, as for `attach` of `ringbell/session`. */
export type From = "snapshot" | "live" | { readonly last: number } | { readonly cursor: string };

/**
 * `attached`; `reconnecting`; or an end: `over` (the session has ended for good), `replaced` (the same client has connected elsewhere),
 * `unauthorised`, `failed` (no more attempt is made), `closed`.
 */
export type Connection =
  | "reconnecting"
  | "attached"
  | "over"
  | "replaced"
  | "unauthorised"
  | "failed"
  | "closed";

export interface AttachOptions {
  /** The bridge's address, such as `ws://127.0.0.1:8080/ringbell`. */
  readonly url: string;
  /** The token, or what returns one; it is asked for each connection. It travels in the first message. */
  readonly token: string | (() => string | Promise<string>);
  /** The id of this client. Default: a random one. A page that is reloaded, and keeps it, replaces its former connection. */
  readonly client?: string;
  /** Default `"snapshot"`. */
  readonly from?: From;
  /** How long to go on trying when the connection is lost, in ms. 0: not at all. Default 600 000. */
  readonly reconnectFor?: number;
  /** The longest random delay between two attempts, in ms. Default 2000. */
  readonly maxDelay?: number;
  /** How long an attempt may take until it is attached, in ms. A link that is silent would hold it for minutes. Default 10 000. */
  readonly connectTimeout?: number;
  /** The class of WebSockets, where there is no global one. */
  readonly WebSocket?: SocketClass;
}

export interface InputOptions {
  readonly timeout?: number;
  readonly signal?: AbortSignal;
}

/** What a bridge answers to `attach`. */
interface Welcome {
  readonly session: string;
  readonly log: string;
  readonly epoch: number;
  readonly sequence?: number;
  readonly state: string;
  readonly retained: Readonly<Record<string, unknown>>;
  readonly role: string;
  readonly inputs: readonly string[];
  readonly heartbeat: { readonly interval: number; readonly timeout: number };
}

export interface AttachmentEvents {
  state: [state: string];
  retained: [name: string, value: unknown];
  connection: [connection: Connection];
  /** The bridge sends summaries in place of events, because this page is too slow, or events again. */
  mode: [mode: "live" | "summary", why: string | undefined];
  /** So many events wait that were not sent. */
  summary: [summary: { readonly behind: number; readonly state: string }];
}

/** Gets bytes, and the place of the first of them. More come when the promise that it returns has resolved. */
export type TerminalListener = (bytes: Uint8Array, place: number) => unknown;

interface Reading {
  readonly name: string;
  readonly listener: TerminalListener;
  /** The request, and the number of the terminal that was the answer. */
  request?: number;
  id: number | undefined;
  place: number;
}

const randomId = (): string => Math.random().toString(36).slice(2) + Date.now().toString(36);

function reportLater(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}

/** Messages that the loop has taken, before the bridge is told without waiting for the loop to run dry. */
const ACK_EVERY = 32;
const ENDS: Readonly<Record<number, Connection>> = { 4401: "unauthorised", 4409: "replaced", 4410: "over" };

const pageOf = () =>
  globalThis as {
    readonly document?: EventTarget;
    readonly addEventListener?: EventTarget["addEventListener"];
  };

export class Attachment<Event = unknown, Snapshot = unknown> implements AsyncIterable<Item<Event, Snapshot>> {
  readonly client: string;
  readonly retained: ReadonlyMap<string, unknown>;
  readonly #options: AttachOptions;
  readonly #retained = new Map<string, unknown>();
  readonly #listeners = new Listeners<AttachmentEvents>();
  readonly #calls = new OpenCalls();
  readonly #instance = randomId();
  readonly #terminals = new Set<Reading>();
  /** Items that have come. Their number is bounded, because the bridge sends no more until some were taken. */
  #queue: Item[] = [];
  #wake: (() => void) | undefined;
  #taken = 0;
  #reading = false;
  #socket: Socket | undefined;
  #connection: Connection = "reconnecting";
  #welcome: Welcome | undefined;
  #log = "";
  /** The last item that came, and the last that the loop got. */
  #came: number | undefined;
  #got: number | undefined;
  #state = "";
  #seen = 0;
  #pingAt: number | undefined;
  #roundTrip: number | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #lostAt = Date.now();
  #frozen = false;
  #first: { resolve(): void; reject(error: Error): void } | undefined;

  /** Resolves when it is attached for the first time. */
  static async open<Event, Snapshot>(options: AttachOptions): Promise<Attachment<Event, Snapshot>> {
    const made = new Attachment<Event, Snapshot>(options);
    await new Promise<void>((resolve, reject) => {
      made.#first = { resolve, reject };
      void made.#connect();
    });
    return made;
  }

  private constructor(options: AttachOptions) {
    this.#options = options;
    this.client = options.client ?? randomId();
    this.retained = this.#retained;
    const { document, addEventListener } = pageOf();
    // A frozen page loses all messages of its connection, though it seems to live: it is better off without one.
    document?.addEventListener("freeze", this.#onFreeze);
    document?.addEventListener("resume", this.#onResume);
    addEventListener?.call(globalThis, "pageshow", this.#onResume);
    addEventListener?.call(globalThis, "online", this.#onResume);
  }

  get connection(): Connection {
    return this.#connection;
  }
  /** The session's state, as it was last told. */
  get state(): string {
    return this.#state;
  }
  /** The inputs that the role of the token may make. */
  get inputs(): readonly string[] {
    return this.#welcome?.inputs ?? [];
  }
  get role(): string | undefined {
    return this.#welcome?.role;
  }
  /** The place of the last item that the loop got, for `from: { cursor }` after a reload. */
  get cursor(): string | undefined {
    return this.#got === undefined ? undefined : `${this.#log}.${this.#got}`;
  }
  /** When the bridge last gave a sign: `Date.now()` of then. Long ago while attached, it is slow; `reconnecting`, it is gone. */
  get lastSeen(): number {
    return this.#seen;
  }
  /** The time to the bridge and back, in ms, if it was asked. */
  get roundTrip(): number | undefined {
    return this.#roundTrip;
  }

  /** Adds a listener. Returns a function that takes it away. */
  on<Name extends keyof AttachmentEvents>(
    event: Name,
    listener: Listener<AttachmentEvents[Name]>,
  ): () => void {
    return this.#listeners.add(event, listener);
  }

  /** Makes an input. If the connection is lost before the answer, it is repeated once on the next one, and applied once. */
  input(method: string, params: object = {}, options: InputOptions = {}): Promise<unknown> {
    return this.#calls.make(method, params, options);
  }

  /** Asks for a snapshot, which comes as an item. */
  refresh(): void {
    this.#send("snapshot", {}, this.#calls.nextId());
  }

  /**
   * Reads a terminal of the bridge: its bytes from the oldest that is kept on, and from its place after a lost connection. The bridge
   * sends more when the promise of the listener has resolved: give it that of xterm's `write`. Returns a function that stops it.
   */
  terminal(name: string, listener: TerminalListener): () => void {
    const reading: Reading = { name, listener, id: undefined, place: 0 };
    this.#terminals.add(reading);
    this.#readTerminal(reading);
    return () => void this.#terminals.delete(reading);
  }

  #readTerminal(reading: Reading): void {
    if (this.#connection !== "attached") return;
    const id = this.#calls.nextId();
    reading.request = id;
    this.#send("terminal", { name: reading.name, offset: reading.place }, id);
  }

  /** A binary message: bytes of a terminal. */
  async #readBytes(data: ArrayBuffer): Promise<void> {
    const id = new DataView(data).getUint8(0);
    const place = new DataView(data).getFloat64(1);
    const bytes = new Uint8Array(data, 9);
    for (const one of this.#terminals) {
      if (one.id !== id) continue;
      one.place = place + bytes.length;
      try {
        await one.listener(bytes, place);
      } catch (error) {
        reportLater(error);
      }
    }
    this.#took(true);
  }

  close(): void {
    this.#end("closed", new Error("the attachment was closed"));
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Item<Event, Snapshot>, undefined> {
    if (this.#reading)
      throw new TypeError("the attachment is being iterated already; there is one loop at a time");
    this.#reading = true;
    try {
      for (;;) {
        const item = this.#queue.shift();
        if (item !== undefined) {
          this.#got = item.sequence;
          yield item as Item<Event, Snapshot>;
          // The loop has done with it, since it asks for the next.
          this.#took(this.#queue.length === 0);
        } else if (this.#isOver()) {
          if (this.#connection === "closed" || this.#connection === "over") return undefined;
          throw new Error(`the attachment has ended: ${this.#connection}`);
        } else {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
      }
    } finally {
      this.#reading = false;
    }
  }

  #isOver(): boolean {
    return this.#connection !== "attached" && this.#connection !== "reconnecting";
  }

  /** Counts a message that was taken, and tells the bridge: soon, or now. */
  #took(now: boolean): void {
    this.#taken++;
    if (!now && this.#taken < ACK_EVERY) return;
    this.#send("ack", { count: this.#taken });
    this.#taken = 0;
  }

  async #connect(): Promise<void> {
    clearTimeout(this.#timer);
    if (this.#isOver() || this.#frozen) return;
    const { url, token, from = "snapshot", connectTimeout = 10_000 } = this.#options;
    try {
      const given = typeof token === "function" ? await token() : token;
      const socket = new (webSocketOf(this.#options.WebSocket))(url, ["ringbell.v1"]);
      // The token may have taken its time.
      if (this.#isOver() || this.#frozen) {
        socket.close();
        return;
      }
      this.#drop();
      this.#socket = socket;
      this.#timer = setTimeout(() => this.#lost(socket, undefined), connectTimeout);
      const place = this.cursor === undefined ? from : { cursor: this.cursor };
      // What waits in the queue comes again.
      socket.onopen = () => {
        this.#queue = [];
        this.#taken = 0;
        this.#came = this.#got;
        this.#send(
          "attach",
          { protocol: 1, token: given, client: this.client, instance: this.#instance, from: place },
          0,
        );
      };
      socket.binaryType = "arraybuffer";
      socket.onmessage = ({ data }) => {
        if (this.#socket !== socket) return;
        this.#seen = Date.now();
        if (typeof data === "string") this.#read(data);
        else void this.#readBytes(data as ArrayBuffer);
      };
      // Browsers differ in which of the two comes, and in which order.
      socket.onclose = ({ code }) => this.#lost(socket, code);
      socket.onerror = () => this.#lost(socket, undefined);
    } catch {
      this.#retry();
    }
  }

  #lost(socket: Socket, code: number | undefined): void {
    if (this.#socket !== socket) return;
    this.#drop();
    const end = code === undefined ? undefined : ENDS[code];
    if (end !== undefined) this.#end(end, new Error(`the bridge has ended the connection: ${end}`));
    else this.#retry();
  }

  /** Forgets the socket. A close that is not answered would take a minute, so nobody waits for it. */
  #drop(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#calls.lost();
    clearTimeout(this.#timer);
    if (socket === undefined) return;
    socket.onopen = socket.onmessage = socket.onclose = socket.onerror = null;
    // An error may still come, and where nobody listens to it some implementations throw it.
    socket.onerror = () => {};
    socket.close();
  }

  #retry(): void {
    if (this.#isOver()) return;
    const { reconnectFor = 600_000, maxDelay = 2000 } = this.#options;
    if (this.#connection === "attached") {
      this.#lostAt = Date.now();
      this.#set("reconnecting");
    }
    if (Date.now() - this.#lostAt >= reconnectFor) {
      this.#end("failed", new Error(`the bridge at ${this.#options.url} was not reached`));
      return;
    }
    const delay = Math.random() * Math.min(maxDelay, 50 + Date.now() - this.#lostAt);
    this.#timer = setTimeout(() => void this.#probe(), delay);
  }

  /** After some failed WebSockets a browser delays those that follow, also to a bridge that is there again. It does not delay fetch. */
  async #probe(): Promise<void> {
    const { url, connectTimeout = 10_000 } = this.#options;
    const patience = new AbortController();
    this.#timer = setTimeout(() => patience.abort(), connectTimeout);
    const options = { cache: "no-store", signal: patience.signal };
    try {
      await fetch(`${url.replace(/^ws/, "http")}/health`, options as RequestInit);
    } catch {
      this.#retry();
      return;
    }
    void this.#connect();
  }

  #read(text: string): void {
    let message: {
      id?: number;
      method?: string;
      params?: Record<string, unknown>;
      result?: unknown;
      error?: never;
    };
    try {
      message = JSON.parse(text);
    } catch {
      return;
    }
    const { id, method, params } = message;
    if (method !== undefined) this.#heed(method, params ?? {});
    else if (id === 0) this.#attached(message.result as Welcome | undefined);
    else if (id === -1) this.#roundTrip = this.#seen - (this.#pingAt ?? this.#seen);
    else if (id !== undefined && !this.#isTerminal(id, message.result)) this.#calls.answered(id, message);
    this.#pingAt = undefined;
  }

  /** Whether the answer is that of a request to read a terminal. Bytes follow it. */
  #isTerminal(request: number, result: unknown): boolean {
    for (const one of this.#terminals) {
      if (one.request !== request) continue;
      one.id = (result as { readonly id: number } | undefined)?.id;
      return true;
    }
    return false;
  }

  #heed(method: string, params: Record<string, unknown>): void {
    if (method === "item") {
      const item = itemOf(params, this.#came);
      if (item === undefined) {
        // Out of its order: the next connection goes on from the cursor.
        this.#lost(this.#socket!, undefined);
        return;
      }
      this.#came = item.sequence;
      this.#queue.push(item);
      this.#stir();
      return;
    }
    if (method === "state") this.#setState(String(params.state));
    else if (method === "retained") this.#retain(String(params.name), params.value);
    else if (method === "summary") this.#listeners.call("summary", params as never);
    else if (method === "mode") this.#listeners.call("mode", params.mode as "live", params.why as undefined);
    this.#took(true);
  }

  #attached(welcome: Welcome | undefined): void {
    // The close that follows a refusal says what it was.
    if (welcome === undefined) return;
    const isNew = welcome.log !== this.#log;
    this.#welcome = welcome;
    this.#log = welcome.log;
    if (isNew) this.#came = this.#got = undefined;
    if (welcome.sequence !== undefined) this.#came = this.#got = welcome.sequence;
    clearTimeout(this.#timer);
    this.#set("attached");
    this.#setState(welcome.state);
    for (const name of this.#retained.keys()) if (!(name in welcome.retained)) this.#retain(name, undefined);
    for (const [name, value] of Object.entries(welcome.retained)) this.#retain(name, value);
    this.#calls.connected(welcome, (id, input) => this.#send("input", input, id));
    for (const reading of this.#terminals) this.#readTerminal(reading);
    this.#beat(welcome.heartbeat);
    this.#first?.resolve();
    this.#first = undefined;
  }

  /** Asks a bridge that is silent, and gives up one that does not answer. */
  #beat({ interval, timeout }: Welcome["heartbeat"]): void {
    this.#timer = setTimeout(() => {
      if (this.#pingAt !== undefined && Date.now() - this.#pingAt > timeout) {
        this.#lost(this.#socket!, undefined);
        return;
      }
      if (this.#pingAt === undefined && Date.now() - this.#seen >= interval) {
        this.#pingAt = Date.now();
        this.#send("ping", {}, -1);
      }
      this.#beat({ interval, timeout });
    }, interval);
  }

  #send(method: string, params: object, id?: number): void {
    if (this.#socket?.readyState !== 1) return;
    this.#socket.send(
      JSON.stringify({ jsonrpc: "2.0", ...(id === undefined ? {} : { id }), method, params }),
    );
  }

  #end(connection: Connection, error: Error): void {
    if (this.#isOver()) return;
    this.#set(connection);
    this.#drop();
    this.#calls.end(error);
    this.#first?.reject(error);
    this.#first = undefined;
    const { document } = pageOf();
    const { removeEventListener } = globalThis as {
      readonly removeEventListener?: EventTarget["removeEventListener"];
    };
    document?.removeEventListener("freeze", this.#onFreeze);
    document?.removeEventListener("resume", this.#onResume);
    removeEventListener?.call(globalThis, "pageshow", this.#onResume);
    removeEventListener?.call(globalThis, "online", this.#onResume);
    this.#stir();
  }

  readonly #onFreeze = () => {
    this.#frozen = true;
    this.#drop();
    if (this.#connection === "attached") {
      this.#lostAt = Date.now();
      this.#set("reconnecting");
    }
  };

  readonly #onResume = () => {
    this.#frozen = false;
    if (this.#connection !== "reconnecting" || this.#socket !== undefined) return;
    this.#lostAt = Date.now();
    void this.#connect();
  };

  #stir(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  #set(connection: Connection): void {
    this.#connection = connection;
    this.#listeners.call("connection", connection);
  }

  #setState(state: string): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#listeners.call("state", state);
  }

  #retain(name: string, value: unknown): void {
    if (value === undefined) this.#retained.delete(name);
    else this.#retained.set(name, value);
    this.#listeners.call("retained", name, value);
  }
}

/** Attaches to a session through its bridge. Resolves when it is attached; rejects where the token is refused, or nobody was reached. */
export function attach<Event = unknown, Snapshot = unknown>(
  options: AttachOptions,
): Promise<Attachment<Event, Snapshot>> {
  return Attachment.open(options);
}
