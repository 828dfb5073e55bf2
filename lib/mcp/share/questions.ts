import type { McpError, McpMessage, McpNotification, McpRequest, McpResponse } from "../message.js";
import { isId, type McpId, member } from "../message.js";
import type { SharedCalls } from "./calls.js";
import type { Session } from "./session.js";
import type { SharedTasks } from "./tasks.js";

const METHOD_NOT_FOUND = -32601;
const SERVER_ERROR = -32000;

/** What a client must have announced to be asked this. */
const CAPABILITIES: Readonly<Record<string, string>> = {
  "roots/list": "roots",
  "sampling/createMessage": "sampling",
  "elicitation/create": "elicitation",
};

/** The most tasks of clients that are known. Beyond it the oldest is forgotten. */
const MOST_TASKS = 1024;

interface Question {
  /** The server's id. */
  readonly id: McpId;
  readonly session: Session;
  readonly progressToken: McpId | undefined;
}

/**
 * The server's requests to its clients. One that belongs to a task goes to the task's client. On standard streams no other says for which
 * call it is. So it goes to the one client that has calls under way and may be asked. Where several have, any choice could ask the wrong
 * person: the request is refused, and from then on calls of clients that may be asked take turns.
 */
export class Questions {
  readonly #toServer: (message: McpMessage) => void;
  readonly #sessions: () => Iterable<Session>;
  readonly #calls: SharedCalls;
  readonly #tasks: SharedTasks;
  readonly #ambiguous: () => void;
  #last = 0;
  readonly #open = new Map<number, Question>();
  /** The tasks that clients have begun for the server, by their ids, from the oldest. */
  readonly #theirs = new Map<string, Session>();

  constructor(
    toServer: (message: McpMessage) => void,
    sessions: () => Iterable<Session>,
    calls: SharedCalls,
    tasks: SharedTasks,
    ambiguous: () => void,
  ) {
    this.#toServer = toServer;
    this.#sessions = sessions;
    this.#calls = calls;
    this.#tasks = tasks;
    this.#ambiguous = ambiguous;
  }

  /** Takes a request of the server. */
  ask(request: McpRequest): void {
    const { id, method } = request;
    if (method === "ping") {
      this.#toServer({ jsonrpc: "2.0", id, result: {} } as McpResponse);
      return;
    }
    const doing = method.startsWith("tasks/")
      ? this.#theirs.get(request.params?.taskId as string)
      : undefined;
    if (doing !== undefined) {
      this.#put(doing, request);
      return;
    }
    const capability = CAPABILITIES[method];
    const sessions = capability === undefined ? [] : this.#whom(capability, request);
    const [session] = sessions;
    if (session === undefined) {
      const why = capability === undefined ? `has the method ${method}` : `offers ${capability}`;
      this.#refuse(id, METHOD_NOT_FOUND, `no client ${why}`);
    } else if (sessions.length > 1) {
      this.#ambiguous();
      const many = `${sessions.length} clients have calls under way, and the server does not say for which it asks`;
      this.#refuse(id, SERVER_ERROR, `${many}; from now on their calls take turns`);
    } else {
      this.#put(session, request);
    }
  }

  #put(session: Session, request: McpRequest): void {
    const token = member(request.params, "_meta")?.progressToken;
    const ours = ++this.#last;
    const progressToken = isId(token) ? token : undefined;
    this.#open.set(ours, { id: request.id, session, progressToken });
    session.client.send({ ...request, id: ours } as McpRequest);
  }

  /** Takes a client's answer. One to a question that it was not asked is dropped. */
  answer(session: Session, response: McpResponse): void {
    const question = this.#open.get(response.id as number);
    if (question?.session !== session) return;
    this.#open.delete(response.id as number);
    const task = member(response.result, "task")?.taskId;
    if (typeof task === "string") this.#begun(task, session);
    this.#toServer({ ...response, id: question.id } as McpResponse);
  }

  #begun(task: string, session: Session): void {
    const [oldest] = this.#theirs.keys();
    if (oldest !== undefined && this.#theirs.size >= MOST_TASKS) this.#theirs.delete(oldest);
    this.#theirs.set(task, session);
  }

  /** Passes on that the server does not wait for an answer any more. Returns whether the notification says so. */
  cancelled({ method, params }: McpNotification): boolean {
    if (method !== "notifications/cancelled") return false;
    for (const [ours, { id, session }] of this.#open) {
      if (id !== params?.requestId) continue;
      this.#open.delete(ours);
      session.client.send({
        jsonrpc: "2.0",
        method,
        params: { ...params, requestId: ours },
      } as McpNotification);
    }
    return true;
  }

  /** Whether a client reports about something that it was asked. */
  isToken(session: Session, token: unknown): boolean {
    return [...this.#open.values()].some(
      (question) => question.session === session && isId(token) && question.progressToken === token,
    );
  }

  /** Whether this is the client that is asked what concerns no call, such as its roots. */
  isFirst(session: Session, capability: string): boolean {
    return this.#first(capability) === session;
  }

  leave(session: Session): void {
    for (const [task, of] of this.#theirs) if (of === session) this.#theirs.delete(task);
    for (const [ours, question] of this.#open) {
      if (question.session !== session) continue;
      this.#open.delete(ours);
      this.#refuse(question.id, SERVER_ERROR, "the client has gone");
    }
  }

  /** The clients that a question may be for. One that belongs to a task is for the task's client. */
  #whom(capability: string, request: McpRequest): Session[] {
    const owner = this.#tasks.ownerOf(request);
    if (owner !== undefined) return owner.can(capability) ? [owner] : [];
    const callers = capability === "roots" ? [] : this.#calls.callers(capability);
    if (callers.length > 0) return callers;
    const first = this.#first(capability);
    return first === undefined ? [] : [first];
  }

  #first(capability: string): Session | undefined {
    for (const session of this.#sessions()) if (session.can(capability)) return session;
    return undefined;
  }

  #refuse(id: McpId, code: number, message: string): void {
    const error: McpError = { code, message };
    this.#toServer({ jsonrpc: "2.0", id, error } as McpResponse);
  }
}
