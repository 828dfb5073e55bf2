import type { IncomingMessage, ServerResponse } from "node:http";
import type { Carrier, Session, SessionInterface } from "../session/session.js";
import type { Identity } from "./identity.js";

/** The bytes that may wait in this process for a reader. */
const CEILING = 1_048_576;

/**
 * A reader by server-sent events. It reads and does nothing else. There is no acknowledgement, so what the kernel and the browser hold
 * is not counted; what this process holds has a ceiling, and the rest waits in the session's log.
 */
export class EventStreamReader implements Carrier {
  readonly client: string;
  readonly instance = "";
  readonly role: string;
  readonly peer = undefined;
  readonly via: string;
  readonly #response: ServerResponse;
  readonly #session: Session;
  #attached: SessionInterface | undefined;
  #changed = new Map<string, string | undefined>();
  #ended = false;

  constructor(
    target: Session,
    identity: Identity,
    number: number,
    request: IncomingMessage,
    response: ServerResponse,
  ) {
    this.#session = target;
    this.#response = response;
    // Each reader is one of its own: two that replaced each other would come back, and do so for ever.
    this.client = `${identity.name}/sse/${number}`;
    this.role = identity.role;
    this.via = `sse ${request.socket.remoteAddress ?? "?"}`;
    response.on("close", () => this.#gone());
    response.on("drain", () => this.#resume());
    response.writeHead(200, {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-store",
      // Some proxies would hold events back.
      "x-accel-buffering": "no",
    });
    const last = request.headers["last-event-id"];
    const from =
      typeof last === "string" && /^[\w-]{1,64}\.\d{1,16}$/.test(last) ? { cursor: last } : "snapshot";
    const { welcome, attached } = target.attach(this, from);
    const { session, state, retained } = welcome;
    this.#write(`event: welcome\ndata: ${JSON.stringify({ session, state, retained })}\n\n`);
    this.#attached = attached;
    this.#tellChanges();
    attached.feed.resume();
  }

  offer(text: string): boolean {
    const session = this.#session;
    const sequence = /^\[(\d+)/.exec(text)?.[1] ?? /"sequence":(\d+)/.exec(text.slice(0, 64))?.[1];
    return this.#write(`id: ${session.logId}.${sequence}\ndata: ${text}\n\n`);
  }

  changed(what: "state" | "retained", name: string): void {
    this.#changed.set(what === "state" ? "state" : `retained ${name}`, what === "state" ? undefined : name);
    this.#tellChanges();
  }

  replaced(): void {
    this.#end();
  }

  over(): Promise<void> {
    this.#write("event: over\ndata: {}\n\n");
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.#end();
    return Promise.resolve();
  }

  /** Called now and then: a comment keeps the connection, and shows whether it is there. */
  look(): void {
    if (!this.#response.writableNeedDrain) this.#write(": \n\n");
  }

  #write(text: string): boolean {
    const { writableLength } = this.#response;
    if (this.#ended || (writableLength > 0 && writableLength + text.length > CEILING)) return false;
    this.#response.write(text);
    return true;
  }

  #resume(): void {
    this.#tellChanges();
    if (this.#attached !== undefined) this.#session.resume(this.#attached);
  }

  #tellChanges(): void {
    if (this.#attached === undefined) return;
    const session = this.#session;
    for (const [key, name] of this.#changed) {
      const data = name === undefined ? { state: session.state } : { name, value: session.retained(name) };
      const event = name === undefined ? "state" : "retained";
      if (!this.#write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)) return;
      this.#changed.delete(key);
    }
  }

  #end(): void {
    this.#ended = true;
    this.#response.end();
  }

  #gone(): void {
    this.#ended = true;
    if (this.#attached !== undefined) this.#session.detach(this.#attached);
  }
}
