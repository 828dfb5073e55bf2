import {
  isObject,
  type McpError,
  type McpNotification,
  type McpRequest,
  type McpResponse,
  member,
} from "../message.js";
import type { SharedCall } from "./calls.js";
import type { Session } from "./session.js";

/** In `_meta`: the task that a message belongs to (revision 2025-11-25). */
const RELATED_TASK = "io.modelcontextprotocol/related-task";

/** The most tasks of one client that are known to be its own. Beyond it the oldest is forgotten. */
const MOST_TASKS = 1024;

const INVALID_PARAMS = -32602;

interface Task {
  readonly id: string;
  readonly session: Session;
  /** Our id of the call that began it, by which the server reports its progress. */
  readonly call: number;
  readonly progressToken: SharedCall["progressToken"];
}

/**
 * Whose task is which. A task is its client's alone: others can't read or cancel it, and don't see it in a list. That of a client that
 * has gone belongs to the first that asks for it by its id, as a client does that has come back.
 */
export class SharedTasks {
  readonly #byId = new Map<string, Task>();
  readonly #byCall = new Map<number, Task>();
  /** The tasks of each client, from the oldest. */
  readonly #of = new Map<Session, Set<Task>>();

  /** Returns why a client may not ask this, if it names a task of another. */
  refusal(session: Session, { method, params }: McpRequest): McpError | undefined {
    if (!method.startsWith("tasks/") || typeof params?.taskId !== "string") return undefined;
    const owner = this.#byId.get(params.taskId)?.session;
    if (owner === undefined || owner === session) return undefined;
    // As if there were none: whether another client has such a task is nobody's business.
    return { code: INVALID_PARAMS, message: `there is no task ${params.taskId}` };
  }

  /** Notes what an answer says about tasks. Returns the answer as the client may see it. */
  answered(call: SharedCall, response: McpResponse): McpResponse {
    const { result } = response;
    if (call.from === undefined || result === undefined) return response;
    if (call.method === "tasks/list") return this.#own(call.from.session, response);
    const id = call.method.startsWith("tasks/") ? result.taskId : begunBy(result);
    if (typeof id === "string" && !this.#byId.has(id)) this.#add(id, call.from.session, call);
    return response;
  }

  /** Returns whose task a message of the server belongs to; undefined if it names none that a client has. */
  ownerOf({ params }: McpRequest | McpNotification): Session | undefined {
    const id = relatedTask(params);
    return typeof id === "string" ? this.#byId.get(id)?.session : undefined;
  }

  /** Returns the task whose progress the server reports by this token. */
  byToken(token: unknown): Task | undefined {
    return typeof token === "number" ? this.#byCall.get(token) : undefined;
  }

  leave(session: Session): void {
    for (const task of this.#of.get(session) ?? []) this.#remove(task);
    this.#of.delete(session);
  }

  #add(id: string, session: Session, { id: call, progressToken }: SharedCall): void {
    const own = this.#of.get(session) ?? new Set();
    this.#of.set(session, own);
    const [oldest] = own;
    if (oldest !== undefined && own.size >= MOST_TASKS) this.#remove(oldest);
    const task = { id, session, call, progressToken };
    own.add(task);
    this.#byId.set(id, task);
    this.#byCall.set(call, task);
  }

  #remove(task: Task): void {
    this.#byId.delete(task.id);
    this.#byCall.delete(task.call);
    this.#of.get(task.session)?.delete(task);
  }

  /** A list of tasks without those of others. */
  #own(session: Session, response: McpResponse): McpResponse {
    const { tasks } = response.result ?? {};
    if (!Array.isArray(tasks)) return response;
    const own = tasks.filter(
      (task) => isObject(task) && this.#byId.get(task.taskId as string)?.session === session,
    );
    return { ...response, result: { ...response.result, tasks: own } };
  }
}

/** The id of the task that a result stands for: in `task` (revision 2025-11-25), or the result itself (2026-07-28). */
function begunBy(result: McpResponse["result"]): unknown {
  return result?.resultType === "task" ? result.taskId : member(result, "task")?.taskId;
}

/** The id of the task that a message of the server is about. */
function relatedTask(params: McpNotification["params"]): unknown {
  return member(member(params, "_meta"), RELATED_TASK)?.taskId ?? params?.taskId;
}
