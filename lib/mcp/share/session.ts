import type { McpId, McpMessage, Members } from "../message.js";

/** A client, as those see it that share a server with it. */
export interface SharingClient {
  /** Sends the client a message. Never throws. */
  send(message: McpMessage): void;
}

/** A client's part in one server. */
export class Session {
  readonly client: SharingClient;
  /** What the client can be asked for, as it said in its `initialize`. */
  capabilities: Members = {};
  /** Whether the client has had its handshake, so that it may be told what all are told. */
  isReady = false;
  /** The least severe log messages that it wants, if it has said so. */
  logLevel: string | undefined;
  /** The URIs of the resources of which it wants updates. */
  readonly subscriptions = new Set<string>();
  /** Our ids of its calls that are not answered, by its own ids. */
  readonly calls = new Map<McpId, number>();

  constructor(client: SharingClient) {
    this.client = client;
  }

  /** Whether the server may ask it for this, such as `sampling`. */
  can(capability: string): boolean {
    return this.capabilities[capability] !== undefined;
  }

  /** Whether the server may ask it for something that concerns one call. */
  get canBeAsked(): boolean {
    return this.can("sampling") || this.can("elicitation");
  }
}
