import type { McpNotification, McpRequest, Members } from "../message.js";
import { member } from "../message.js";
import type { SharedCalls } from "./calls.js";
import type { Session } from "./session.js";
import type { SharedTasks } from "./tasks.js";

/** The levels of log messages, from the least severe. */
const LEVELS = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

/** The id of the request that opened a subscription (revision 2026-07-28). */
const SUBSCRIPTION_ID = "io.modelcontextprotocol/subscriptionId";

const DONE = { jsonrpc: "2.0", result: {} } as const;

/** The server's notifications, and what clients say about which of them they want. */
export class Notices {
  readonly #sessions: () => Iterable<Session>;
  readonly #calls: SharedCalls;
  readonly #tasks: SharedTasks;
  /** Sends a request to the server that no client waits for. */
  readonly #ask: (method: string, params: object) => void;

  constructor(
    sessions: () => Iterable<Session>,
    calls: SharedCalls,
    tasks: SharedTasks,
    ask: (method: string, params: object) => void,
  ) {
    this.#sessions = sessions;
    this.#calls = calls;
    this.#tasks = tasks;
    this.#ask = ask;
  }

  /** Notes what a client's request says about notifications. Returns an answer where the server need not hear of it. */
  request(session: Session, { method, params }: McpRequest): typeof DONE | undefined {
    const uri = params?.uri;
    if (method === "logging/setLevel" && typeof params?.level === "string") session.logLevel = params.level;
    if (typeof uri !== "string") return undefined;
    if (method === "resources/subscribe") session.subscriptions.add(uri);
    if (method !== "resources/unsubscribe") return undefined;
    session.subscriptions.delete(uri);
    return this.#isWanted(uri) ? DONE : undefined;
  }

  /** Returns the request as the server gets it: the level of log messages is that of the client that wants most. */
  adjusted(request: McpRequest): McpRequest {
    if (request.method !== "logging/setLevel") return request;
    const level = this.#leastLevel();
    return level === undefined ? request : { ...request, params: { ...request.params, level } };
  }

  /** Gives a notification to those whom it concerns. */
  tell(notification: McpNotification): void {
    const { method, params } = notification;
    const subscription = member(params, "_meta")?.[SUBSCRIPTION_ID];
    const owner = this.#tasks.ownerOf(notification);
    if (method === "notifications/progress") this.#progress(notification);
    else if (subscription !== undefined) this.#subscribed(notification, subscription);
    else if (owner !== undefined) owner.client.send(notification);
    // Of a task that no client here has begun: clients ask for the state that they miss.
    else if (method.startsWith("notifications/tasks")) return;
    else this.#tellAll(notification, this.#concerned(method, params));
  }

  #tellAll(notification: McpNotification, concerns: (session: Session) => boolean): void {
    for (const session of this.#sessions()) {
      if (session.isReady && concerns(session)) session.client.send(notification);
    }
  }

  /** Takes back at the server what only this client wanted. */
  leave(session: Session): void {
    for (const uri of session.subscriptions) {
      if (!this.#isWanted(uri)) this.#ask("resources/unsubscribe", { uri });
    }
    const level = this.#leastLevel();
    if (session.logLevel !== undefined && level !== undefined && rank(level) > rank(session.logLevel)) {
      this.#ask("logging/setLevel", { level });
    }
  }

  #progress(notification: McpNotification): void {
    const token = notification.params?.progressToken;
    // That of a task goes on after its call was answered.
    const owner = this.#calls.tokenOf(token) ?? this.#tasks.byToken(token);
    if (owner?.progressToken === undefined) return;
    owner.session.client.send({
      ...notification,
      params: { ...notification.params, progressToken: owner.progressToken },
    } as McpNotification);
  }

  #subscribed(notification: McpNotification, subscription: unknown): void {
    const from = this.#calls.get(subscription)?.from;
    const _meta = { ...member(notification.params, "_meta"), [SUBSCRIPTION_ID]: from?.id };
    from?.session.client.send({
      ...notification,
      params: { ...notification.params, _meta },
    } as McpNotification);
  }

  #concerned(method: string, params: Members | undefined): (session: Session) => boolean {
    if (method === "notifications/message") {
      const nobody = this.#leastLevel() === undefined;
      const severity = rank(params?.level);
      // Clients that have set no level must not get the details that another one has asked for.
      return ({ logLevel }) => (nobody && logLevel === undefined) || severity >= rank(logLevel ?? "info");
    }
    const { uri } = params ?? {};
    if (method === "notifications/resources/updated" && typeof uri === "string") {
      // The server may name a part of what was subscribed to.
      return ({ subscriptions }) => [...subscriptions].some((subscribed) => uri.startsWith(subscribed));
    }
    return () => true;
  }

  #isWanted(uri: string): boolean {
    for (const { subscriptions } of this.#sessions()) if (subscriptions.has(uri)) return true;
    return false;
  }

  #leastLevel(): string | undefined {
    let least: string | undefined;
    for (const { logLevel } of this.#sessions()) {
      if (logLevel !== undefined && (least === undefined || rank(logLevel) < rank(least))) least = logLevel;
    }
    return least;
  }
}

/** How severe a level is. An unknown one is the most severe, so that it is not kept from anyone. */
function rank(level: unknown): number {
  const at = LEVELS.indexOf(level as string);
  return at < 0 ? LEVELS.length : at;
}
