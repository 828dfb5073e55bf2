import type { McpId, McpMessage, McpNotification, McpRequest } from "../message.js";

const INITIALIZED = "notifications/initialized";

/** The messages that gave a server the state of its connection, to be sent to the next server. */
export class HandshakeMemory {
  /** The client's `initialize`; undefined for a client that has not sent one, or needs none. */
  hello: McpRequest | undefined;
  #initialized: McpNotification | undefined;
  #level: McpRequest | undefined;
  readonly #subscriptions = new Map<unknown, McpRequest>();

  /** Notes a message of the client. */
  note(message: McpMessage): void {
    const { method, params } = message as McpRequest;
    if (method === "initialize") this.hello = message as McpRequest;
    else if (method === INITIALIZED) this.#initialized = message as McpNotification;
    else if (method === "logging/setLevel") this.#level = message as McpRequest;
    else if (method === "resources/subscribe") this.#subscriptions.set(params?.uri, message as McpRequest);
    else if (method === "resources/unsubscribe") this.#subscriptions.delete(params?.uri);
  }

  /** Returns what follows the answer to `initialize`. Each request gets an id by `nextId`. */
  rest(nextId: () => McpId): McpMessage[] {
    const requests = [this.#level, ...this.#subscriptions.values()].filter((each) => each !== undefined);
    const again = requests.map((request): McpRequest => ({ ...request, id: nextId() }));
    return this.#initialized === undefined ? again : [this.#initialized, ...again];
  }
}
