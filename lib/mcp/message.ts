/**
 * A message of MCP, as much of it as a transport looks at. The messages of both SDKs are assignable to it. Their own types are not
 * imported: the SDKs are optional.
 */
export interface McpMessage {
  readonly jsonrpc: "2.0";
}

export type McpId = string | number;

/** An object with any members, of which nothing is known. */
export type Members = Readonly<Record<string, unknown>>;

export interface McpRequest extends McpMessage {
  readonly id: McpId;
  readonly method: string;
  readonly params?: Members | undefined;
}

export interface McpNotification extends McpMessage {
  readonly method: string;
  readonly params?: Members | undefined;
}

/** An answer: with a result, or with an error. */
export interface McpResponse extends McpMessage {
  readonly id: McpId;
  readonly result?: Members | undefined;
  readonly error?: McpError | undefined;
}

export interface McpError {
  readonly code: number;
  readonly message: string;
  readonly data?: unknown;
}

/** What a message is. A message that is none of these is dropped. */
export type Sorted =
  | { readonly kind: "request"; readonly message: McpRequest }
  | { readonly kind: "notification"; readonly message: McpNotification }
  | { readonly kind: "response"; readonly message: McpResponse };

/** Tells what a message of a peer is; undefined for what is no message of JSON-RPC 2.0. */
export function sort(value: unknown): Sorted | undefined {
  if (!isObject(value) || value.jsonrpc !== "2.0") return undefined;
  const message = value as unknown as McpMessage;
  if (typeof value.method === "string") {
    if (value.params !== undefined && !isObject(value.params)) return undefined;
    if (isId(value.id)) return { kind: "request", message: message as McpRequest };
    return "id" in value ? undefined : { kind: "notification", message: message as McpNotification };
  }
  if (!isId(value.id) || !(isObject(value.result) || isObject(value.error))) return undefined;
  return { kind: "response", message: message as McpResponse };
}

export function isObject(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isId(value: unknown): value is McpId {
  return typeof value === "string" || typeof value === "number";
}

/** Returns a member that is an object; undefined if it is none, or `value` is none. */
export function member(value: unknown, name: string): Members | undefined {
  if (!isObject(value)) return undefined;
  const found = value[name];
  return isObject(found) ? found : undefined;
}
