import type { McpId, McpResponse, Members } from "../message.js";
import type { Session } from "./session.js";

/** The requests in the course of which a server may ask its client for something. */
const ASKING = ["tools/call", "prompts/get", "resources/read", "completion/complete", "tasks/result"];

/** Whether the server may ask this client for something because of a request. */
export function mayAsk(session: Session, method: string): boolean {
  return session.canBeAsked && ASKING.includes(method);
}

/** A request that was sent to the server, or waits for its turn, and is not answered. */
export interface SharedCall {
  /** The id that the server sees. */
  readonly id: number;
  /** The client's session and id; undefined for a request of the switchboard's own. */
  readonly from: { readonly session: Session; readonly id: McpId } | undefined;
  readonly method: string;
  /** The token by which the client knows reports of its progress. */
  readonly progressToken: McpId | undefined;
  /** Called with the answer, which already has the client's id; returns what the client gets. */
  readonly answered: ((response: McpResponse) => McpResponse) | undefined;
  /** Called when the call is over, answered or not. */
  over?: (() => void) | undefined;
  /** Set while it waits for its turn. */
  waiting?: (() => void) | undefined;
}

/** The requests of all clients to one server, each with an id of its own. */
export class SharedCalls {
  #last = 0;
  readonly #calls = new Map<number, SharedCall>();

  /** Whether there never was one. */
  get isUnused(): boolean {
    return this.#last === 0;
  }

  add(call: Omit<SharedCall, "id">): SharedCall {
    const added: SharedCall = { ...call, id: ++this.#last };
    this.#calls.set(added.id, added);
    call.from?.session.calls.set(call.from.id, added.id);
    return added;
  }

  get(id: unknown): SharedCall | undefined {
    return typeof id === "number" ? this.#calls.get(id) : undefined;
  }

  /** Returns the call of a client, by the client's id. */
  of(session: Session, id: unknown): SharedCall | undefined {
    return this.get(session.calls.get(id as McpId));
  }

  /** Forgets a call, which is answered or cancelled. */
  remove(call: SharedCall): void {
    this.#calls.delete(call.id);
    call.from?.session.calls.delete(call.from.id);
    call.over?.();
  }

  /** Returns whose token the server reports about; undefined for one that nobody waits for. */
  tokenOf(token: unknown): { readonly session: Session; readonly progressToken: McpId } | undefined {
    const call = this.get(token);
    if (call?.from !== undefined && call.progressToken !== undefined) {
      return { session: call.from.session, progressToken: call.progressToken };
    }
    return undefined;
  }

  /** All calls of a client, or of all clients. */
  all(session?: Session): SharedCall[] {
    const calls = [...this.#calls.values()];
    return session === undefined ? calls : calls.filter(({ from }) => from?.session === session);
  }

  /** The clients that may be asked for something, and have calls under way. */
  callers(capability: string): Session[] {
    const sessions = new Set<Session>();
    for (const { waiting, from, method } of this.all()) {
      if (waiting === undefined && from?.session.can(capability) === true && ASKING.includes(method)) {
        sessions.add(from.session);
      }
    }
    return [...sessions];
  }
}

/** Returns the parameters with another token for progress. */
export function withProgressToken(params: Members, progressToken: McpId): Members {
  return { ...params, _meta: { ...(params._meta as Members), progressToken } };
}
