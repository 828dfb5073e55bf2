import { once } from "node:events";
import { type BridgeOptions, newToken, serveBridge } from "ringbell/bridge";
import { type AttachOptions, attach as attachByBrowser } from "ringbell/browser";
import type { Contract } from "ringbell/rpc";
import { Session, type SessionOptions } from "ringbell/session";
import { afterEach } from "vitest";
import { WebSocket } from "ws";
import { ending } from "../session/setup.js";

export const ORIGIN = "http://localhost:5173";
export const TOKENS = { boss: newToken(), viewer: newToken() };

const sockets: WebSocket[] = [];
const attachments: { close(): void }[] = [];

afterEach(() => {
  for (const attachment of attachments.splice(0)) attachment.close();
  for (const socket of sockets.splice(0)) socket.terminate();
});

/** A session and its bridge. */
export async function bridged<Event = unknown, Snapshot = unknown, const Inputs extends Contract = Contract>(
  sessionOptions: SessionOptions<Event, Snapshot, Inputs> = {},
  options: Partial<BridgeOptions> = {},
) {
  const session = ending(new Session<Event, Snapshot, Inputs>(sessionOptions));
  const bridge = ending(
    await serveBridge({
      session: session as unknown as Session,
      origins: [ORIGIN],
      tokens: {
        [TOKENS.boss]: { name: "boss", role: "operator" },
        [TOKENS.viewer]: { name: "eve", role: "viewer" },
      },
      ...options,
    }),
  );
  const attached = async (more: Partial<AttachOptions> = {}) => {
    const made = await attachByBrowser<Event, Snapshot>({
      url: bridge.url,
      token: TOKENS.boss,
      WebSocket: WebSocket as never,
      maxDelay: 20,
      ...more,
    });
    attachments.push(made);
    return made;
  };
  return { session, bridge, attached };
}

export type Message = {
  id?: unknown;
  method?: string;
  params?: never;
  result?: never;
  error?: { code: number; message: string };
};

/** A bare WebSocket, on which a test writes what it likes. */
export class Raw {
  readonly messages: Message[] = [];
  readonly socket: WebSocket;
  /** The code of its end. */
  readonly closed: Promise<number>;
  #id = 100;

  private constructor(socket: WebSocket) {
    this.socket = socket;
    sockets.push(socket);
    socket.on("message", (data) => this.messages.push(JSON.parse(String(data)) as Message));
    socket.on("error", () => {});
    this.closed = once(socket, "close").then(([code]) => code as number);
  }

  static async open(
    url: string,
    options: object = { origin: ORIGIN },
    protocols = ["ringbell.v1"],
  ): Promise<Raw> {
    const raw = new Raw(new WebSocket(url, protocols, options));
    await once(raw.socket, "open");
    return raw;
  }

  send(message: unknown): void {
    this.socket.send(typeof message === "string" ? message : JSON.stringify(message));
  }

  /** Sends a request, and returns its answer. */
  async ask(method: string, params: object = {}): Promise<Message> {
    const id = ++this.#id;
    this.send({ jsonrpc: "2.0", id, method, params });
    return this.answer(id);
  }

  async answer(id: unknown): Promise<Message> {
    for (;;) {
      const found = this.messages.find((message) => message.id === id);
      if (found !== undefined) return found;
      await Promise.race([
        once(this.socket, "message"),
        this.closed.then((code) => {
          throw new Error(`closed with ${code} before the answer`);
        }),
      ]);
    }
  }

  async attach(more: object = {}): Promise<{ session: string; epoch: number }> {
    const { result, error } = await this.ask("attach", {
      protocol: 1,
      token: TOKENS.boss,
      client: "raw",
      from: "live",
      ...more,
    });
    if (error !== undefined) throw new Error(error.message);
    return result as never;
  }
}
