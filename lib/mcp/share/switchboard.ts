import {
  isId,
  type McpError,
  type McpMessage,
  type McpNotification,
  type McpRequest,
  type McpResponse,
  member,
  sort,
} from "../message.js";
import { mayAsk, type SharedCall, SharedCalls, withProgressToken } from "./calls.js";
import { Handshake } from "./handshake.js";
import { Notices } from "./notices.js";
import { Questions } from "./questions.js";
import { Session, type SharingClient } from "./session.js";
import { SharedTasks } from "./tasks.js";
import { Turns } from "./turns.js";

/** The most calls of one client that are not answered. */
const MOST_CALLS = 1024;

const INVALID_REQUEST = -32600;
const SERVER_ERROR = -32000;

export interface SwitchboardOptions {
  /** Whether calls of clients that may be asked for something take turns from the start. Else they do once it was needed. */
  readonly turns?: boolean | undefined;
}

/**
 * Joins many clients to one server of MCP, which believes that it has one client. It has no streams of its own, only messages.
 *
 * Each call gets an id of its own on its way to the server. By it the answer, reports of progress and cancels find their way.
 */
export class Switchboard {
  readonly #toServer: (message: McpMessage) => void;
  readonly #sessions = new Map<SharingClient, Session>();
  readonly #calls = new SharedCalls();
  readonly #tasks = new SharedTasks();
  readonly #handshake = new Handshake();
  readonly #questions: Questions;
  readonly #notices: Notices;
  readonly #turns = new Turns<Session>();
  #takesTurns: boolean;
  #end: McpError | undefined;

  constructor(toServer: (message: McpMessage) => void, { turns = false }: SwitchboardOptions = {}) {
    this.#toServer = toServer;
    this.#takesTurns = turns;
    const sessions = () => this.#sessions.values();
    this.#questions = new Questions(toServer, sessions, this.#calls, this.#tasks, () => {
      this.#takesTurns = true;
    });
    this.#notices = new Notices(sessions, this.#calls, this.#tasks, (method, params) =>
      this.#ask(method, params),
    );
  }

  /** The clients that have sent something. */
  get clients(): SharingClient[] {
    return [...this.#sessions.keys()];
  }

  /** Whether no message has gone to the server. */
  get isUnused(): boolean {
    return this.#calls.isUnused;
  }

  /**
   * Takes a message of a client. `answered` is called with the answer of a request, which has the client's id; it returns the answer that
   * the client gets.
   */
  fromClient(client: SharingClient, value: unknown, answered?: (response: McpResponse) => McpResponse): void {
    const sorted = sort(value);
    if (sorted === undefined) return;
    const session = this.#session(client);
    if (sorted.kind === "request") this.#request(session, sorted.message, answered);
    else if (sorted.kind === "response") this.#questions.answer(session, sorted.message);
    else this.#notification(session, sorted.message);
  }

  /** Takes a message of the server. */
  fromServer(value: unknown): void {
    const sorted = sort(value);
    if (sorted === undefined) return;
    if (sorted.kind === "request") this.#questions.ask(sorted.message);
    else if (sorted.kind === "response") this.#answer(sorted.message);
    else if (!this.#questions.cancelled(sorted.message)) this.#notices.tell(sorted.message);
  }

  /** Cancels what a client that has gone was waiting for, and answers what it was asked. */
  leave(client: SharingClient): void {
    const session = this.#sessions.get(client);
    if (session === undefined) return;
    this.#sessions.delete(client);
    for (const call of this.#calls.all(session)) {
      // The answer to the first initialize is for the others, too.
      if (call.method !== "initialize") this.#cancel(call, "the client has gone");
    }
    this.#tasks.leave(session);
    this.#handshake.leave(session);
    this.#questions.leave(session);
    this.#notices.leave(session);
  }

  /** Answers every call with an error: the server has ended. */
  end(message: string): void {
    const error = { code: SERVER_ERROR, message };
    this.#end = error;
    for (const call of this.#calls.all()) {
      this.#calls.remove(call);
      this.#give(call, error);
    }
    for (const request of this.#handshake.fail()) refuse(request.session, request.id, error);
  }

  #session(client: SharingClient): Session {
    const known = this.#sessions.get(client);
    if (known !== undefined) return known;
    const session = new Session(client);
    this.#sessions.set(client, session);
    return session;
  }

  #request(session: Session, request: McpRequest, answered: SharedCall["answered"]): void {
    const { id, method } = request;
    const refusal = this.#refusal(session, id) ?? this.#tasks.refusal(session, request);
    if (refusal !== undefined) {
      refuse(session, id, refusal);
      return;
    }
    if (method === "initialize") {
      this.#initialize(session, request);
      return;
    }
    if (method !== "server/discover") session.isReady = true;
    const local = this.#notices.request(session, request);
    if (local !== undefined) session.client.send({ ...local, id } as McpResponse);
    else this.#forward(session, this.#notices.adjusted(request), answered);
  }

  #refusal(session: Session, id: McpRequest["id"]): McpError | undefined {
    if (this.#end !== undefined) return this.#end;
    if (session.calls.has(id)) {
      const message = `the id ${JSON.stringify(id)} is that of a call that is not answered yet`;
      return { code: INVALID_REQUEST, message };
    }
    if (session.calls.size < MOST_CALLS) return undefined;
    return { code: SERVER_ERROR, message: `${MOST_CALLS} calls wait for an answer, the most that may` };
  }

  /** The first client's handshake is the server's. The others get the same answer. */
  #initialize(session: Session, request: McpRequest): void {
    session.capabilities = member(request.params, "capabilities") ?? {};
    const known = this.#handshake.begin(session, request.id);
    if (known === "wait") return;
    if (known !== "first") {
      session.isReady = true;
      session.client.send({ jsonrpc: "2.0", id: request.id, result: known } as McpResponse);
      return;
    }
    this.#forward(session, request, (response) => {
      for (const waiting of this.#handshake.finish(session, response)) {
        waiting.session.isReady = response.result !== undefined;
        waiting.session.client.send({ ...response, id: waiting.id } as McpResponse);
      }
      session.isReady = response.result !== undefined;
      return response;
    });
  }

  #forward(session: Session, request: McpRequest, answered: SharedCall["answered"]): void {
    const { params } = request;
    const token = member(params, "_meta")?.progressToken;
    const progressToken = isId(token) ? token : undefined;
    const from = { session, id: request.id };
    const call = this.#calls.add({ from, method: request.method, progressToken, answered });
    const marked =
      params === undefined || progressToken === undefined ? params : withProgressToken(params, call.id);
    const begin = () => {
      call.waiting = undefined;
      this.#toServer({
        ...request,
        id: call.id,
        ...(marked === undefined ? {} : { params: marked }),
      } as McpRequest);
    };
    if (!mayAsk(session, request.method)) {
      begin();
      return;
    }
    call.waiting = begin;
    call.over = () => {
      if (call.waiting === undefined) this.#turns.done(session);
      else this.#turns.remove(begin);
    };
    this.#turns.enter(session, begin, !this.#takesTurns);
  }

  /** Asks the server something for the switchboard itself. Nobody hears of the answer. */
  #ask(method: string, params: object): void {
    const { id } = this.#calls.add({
      from: undefined,
      method,
      progressToken: undefined,
      answered: undefined,
    });
    this.#toServer({ jsonrpc: "2.0", id, method, params } as McpRequest);
  }

  #answer(response: McpResponse): void {
    const call = this.#calls.get(response.id);
    // Unknown ids are those of calls that were cancelled.
    if (call === undefined || call.waiting !== undefined) return;
    this.#calls.remove(call);
    if (call.from === undefined) return;
    const answer = { ...this.#tasks.answered(call, response), id: call.from.id };
    this.#deliver(call, call.answered?.(answer) ?? answer);
  }

  #give(call: SharedCall, error: McpError): void {
    if (call.from === undefined) return;
    this.#deliver(call, { jsonrpc: "2.0", id: call.from.id, error });
  }

  #deliver({ from }: SharedCall, response: McpResponse): void {
    const client = from?.session.client;
    if (client !== undefined && this.#sessions.has(client)) client.send(response);
  }

  #notification(session: Session, notification: McpNotification): void {
    const { method, params } = notification;
    if (method === "notifications/cancelled") {
      const call = this.#calls.of(session, params?.requestId);
      if (call !== undefined && call.method !== "initialize") this.#cancel(call, params?.reason);
      return;
    }
    const passes =
      method === "notifications/initialized"
        ? this.#handshake.initialized()
        : method === "notifications/progress"
          ? this.#questions.isToken(session, params?.progressToken)
          : method === "notifications/roots/list_changed"
            ? this.#questions.isFirst(session, "roots")
            : true;
    if (passes) this.#toServer(notification);
  }

  /** Cancels a call at the server. An answer that comes all the same goes to nobody. */
  #cancel(call: SharedCall, reason: unknown): void {
    const begun = call.waiting === undefined;
    this.#calls.remove(call);
    if (!begun) return;
    const params = { requestId: call.id, ...(typeof reason === "string" ? { reason } : {}) };
    this.#toServer({ jsonrpc: "2.0", method: "notifications/cancelled", params } as McpNotification);
  }
}

function refuse(session: Session, id: McpRequest["id"], error: McpError): void {
  session.client.send({ jsonrpc: "2.0", id, error } as McpResponse);
}
