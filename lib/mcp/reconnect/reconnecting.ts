import { ClosedError } from "../../errors.js";
import type { Peer } from "../../port.js";
import {
  isId,
  isObject,
  type McpId,
  type McpMessage,
  type McpNotification,
  type McpRequest,
  type McpResponse,
  type Members,
  member,
  sort,
} from "../message.js";
import type { McpTransport } from "../transport.js";
import { HandshakeMemory } from "./handshake-memory.js";

const SERVER_ERROR = -32000;

/** The lists of a server that may be others after a restart. */
const LISTS = ["tools", "prompts", "resources"];

/** How often a server may be lost in the midst of a new handshake, in a row. */
const MOST_ATTEMPTS = 10;

interface Waiter {
  resolve(response: McpResponse): void;
  reject(error: Error): void;
}

/** What a transport is made of that comes back: each call connects once more. */
export type Connector = (signal: AbortSignal) => Promise<McpTransport>;

/**
 * A transport that connects again when its server has gone, so that a client outlives a restart of its server. The next server gets the
 * same handshake, log level and subscriptions. Calls that wait for an answer get an error; those made meanwhile wait for the connection.
 */
export class ReconnectingTransport {
  onclose?: (() => void) | undefined;
  onerror?: ((error: Error) => void) | undefined;
  onmessage?: ((message: McpMessage) => void) | undefined;

  readonly #connect: Connector;
  readonly #memory = new HandshakeMemory();
  readonly #gaveUp = new AbortController();
  /** The client's calls that are not answered. */
  readonly #calls = new Set<McpId>();
  /** The requests of this server that the client has not answered. Answers to those of an earlier server are dropped. */
  readonly #questions = new Set<McpId>();
  /** Our own requests that are not answered, by their ids. */
  readonly #own = new Map<McpId, Waiter>();
  #inner: McpTransport;
  /** Resolves when the server can take messages. Rejects when there will be none. */
  #ready: Promise<void> = Promise.resolve();
  #isComingBack = false;
  #lastOwn = 0;
  #finished = false;

  /** Made by `connectMcp`. */
  constructor(first: McpTransport, connect: Connector) {
    this.#inner = first;
    this.#connect = connect;
  }

  /** The process at the other end: that of the last connection. */
  get peer(): Peer {
    return this.#inner.peer;
  }

  /** Begins to read. The SDK calls it. */
  async start(): Promise<void> {
    await this.#listen(this.#inner);
  }

  /** Resolves when the message is on its way. Rejects when the server has gone for good. */
  async send(message: McpMessage): Promise<void> {
    const sorted = sort(message);
    // The first attempt of a handshake is the client's own, also where it begins while there is no server.
    await this.#ready;
    if (sorted?.kind === "response" && !this.#questions.delete(sorted.message.id)) return;
    if (sorted?.kind === "request") this.#calls.add(sorted.message.id);
    if (sorted?.kind === "notification") this.#noteCancel(sorted.message);
    this.#memory.note(message);
    await this.#inner.send(message);
  }

  /** Ends the connection, and does not connect again. Resolves after `onclose`. */
  async close(): Promise<void> {
    this.#gaveUp.abort(new ClosedError("the transport was closed"));
    await this.#inner.close();
    this.#finish();
  }

  #noteCancel({ method, params }: McpNotification): void {
    if (method === "notifications/cancelled") this.#calls.delete(params?.requestId as McpId);
  }

  async #listen(inner: McpTransport): Promise<void> {
    this.#inner = inner;
    let why: Error | undefined;
    inner.onmessage = (message) => this.#take(message);
    inner.onerror = (error) => {
      why = error;
      this.onerror?.(error);
    };
    inner.onclose = () => this.#lost(why);
    await inner.start();
  }

  #take(message: McpMessage): void {
    const sorted = sort(message);
    if (sorted?.kind === "response") {
      const { id } = sorted.message;
      const own = this.#own.get(id);
      if (own !== undefined) {
        this.#own.delete(id);
        own.resolve(sorted.message);
        return;
      }
      this.#calls.delete(id);
    } else if (sorted?.kind === "request") {
      this.#questions.add(sorted.message.id);
    }
    this.onmessage?.(message);
  }

  #lost(why: Error | undefined): void {
    const reason = why ?? new ClosedError("the server has closed the connection");
    for (const { reject } of this.#own.values()) reject(reason);
    this.#own.clear();
    this.#questions.clear();
    if (this.#gaveUp.signal.aborted || this.#isComingBack) return;
    const calls = [...this.#calls];
    this.#calls.clear();
    this.#ready = this.#comeBack();
    this.#ready.catch((error: Error) => {
      if (!this.#gaveUp.signal.aborted) this.onerror?.(error);
      this.#finish();
    });
    const message = `the connection was lost, and the call may have run: ${reason.message}`;
    for (const id of calls) {
      this.onmessage?.({ jsonrpc: "2.0", id, error: { code: SERVER_ERROR, message } } as McpResponse);
    }
  }

  /** Connects once more, and brings the new server to where the last one was. */
  async #comeBack(): Promise<void> {
    this.#isComingBack = true;
    for (let attempt = 1; ; attempt++) {
      await this.#listen(await this.#connect(this.#gaveUp.signal));
      try {
        const capabilities = await this.#shakeHands();
        this.#isComingBack = false;
        this.#tellChanges(capabilities);
        return;
      } catch (error) {
        if (attempt === MOST_ATTEMPTS || this.#gaveUp.signal.aborted) throw error;
        await this.#inner.close();
      }
    }
  }

  /** Repeats the client's handshake. Returns what the server offers. */
  async #shakeHands(): Promise<Members | undefined> {
    const { hello } = this.#memory;
    if (hello === undefined) return undefined;
    const { result, error } = await this.#ask({ ...hello, id: this.#nextId() });
    if (error !== undefined) throw new ClosedError(`the server refused the handshake: ${error.message}`);
    for (const message of this.#memory.rest(() => this.#nextId())) {
      // Answers to these are nobody's.
      if (isId((message as McpRequest).id)) this.#ask(message as McpRequest).catch(() => {});
      else await this.#inner.send(message);
    }
    return member(result, "capabilities");
  }

  #ask(request: McpRequest): Promise<McpResponse> {
    return new Promise((resolve, reject) => {
      this.#own.set(request.id, { resolve, reject });
      this.#inner.send(request).catch(reject);
    });
  }

  /** The server may have been started anew because it has changed. */
  #tellChanges(capabilities: Members | undefined): void {
    for (const list of LISTS) {
      const offered = capabilities?.[list];
      if (!isObject(offered) || offered.listChanged !== true) continue;
      this.onmessage?.({ jsonrpc: "2.0", method: `notifications/${list}/list_changed` } as McpNotification);
    }
  }

  #nextId(): McpId {
    return `ringbell:${++this.#lastOwn}`;
  }

  #finish(): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#gaveUp.abort(new ClosedError("the server has gone for good"));
    this.onclose?.();
  }
}
