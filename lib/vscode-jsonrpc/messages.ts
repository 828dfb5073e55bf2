/** A message of JSON-RPC, as vscode-jsonrpc types it. */
export interface JsonrpcMessage {
  jsonrpc: string;
}

/** The code of the error with which vscode-jsonrpc rejects requests of a connection that has ended. */
const PENDING_RESPONSE_REJECTED = -32097;

type Id = string | number;

/** The requests that went out and are not answered. */
export class PendingRequests {
  readonly #ids = new Set<Id>();

  /** Notes a message that goes out. */
  sent(message: JsonrpcMessage): void {
    const { id, method } = message as { id?: Id; method?: unknown };
    if (id !== undefined && id !== null && method !== undefined) this.#ids.add(id);
  }

  /** Notes a message that has come. */
  received(message: unknown): void {
    if (typeof message !== "object" || message === null) return;
    const { id, method } = message as { id?: Id; method?: unknown };
    if (id !== undefined && method === undefined) this.#ids.delete(id);
  }

  /** Returns an answer to each: an error that says why there will be no other. */
  rejections(why: string): JsonrpcMessage[] {
    const error = { code: PENDING_RESPONSE_REJECTED, message: why };
    const answers = [...this.#ids].map((id) => ({ jsonrpc: "2.0", id, error }));
    this.#ids.clear();
    return answers;
  }
}
