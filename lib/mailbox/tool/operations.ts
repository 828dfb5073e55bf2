/*
 * The nine operations as models see them: their parameters, defaults and descriptions, as JSON Schema. One tool `ipc` has them all, with
 * `operation` required; in the other form each is a tool.
 */

export const OPERATIONS = [
  "send",
  "receive",
  "ping",
  "broker_start",
  "broker_stop",
  "post",
  "fetch",
  "wait",
  "broker_status",
] as const;
export type Operation = (typeof OPERATIONS)[number];

/** The port of messages without a broker, and that of the broker. By names neither is bound: a port only tells two of them apart. */
export const POINT_PORT = 19_900;
export const BROKER_PORT = 19_901;

interface Property {
  readonly type: "string" | "integer" | "number";
  readonly description: string;
  readonly enum?: readonly string[];
  readonly default?: string | number;
  readonly minimum?: number;
  readonly maximum?: number;
}

type Properties = Readonly<Record<string, Property>>;

export interface InputSchema {
  readonly type: "object";
  readonly properties: Properties;
  readonly required: readonly string[];
  readonly additionalProperties: false;
}

export interface ToolDefinition {
  readonly name: string;
  readonly description: string;
  readonly inputSchema: InputSchema;
}

const PROPERTIES = {
  host: {
    type: "string",
    description:
      "send, ping: the name that the other session receives under, or HOST:PORT for TCP. Default: ipc",
  },
  port: {
    type: "integer",
    description:
      `send, receive, ping: a TCP port, in place of a name (${POINT_PORT} is customary). Other operations: tells several brokers apart; ` +
      "no port is bound",
    minimum: 0,
    maximum: 65_535,
  },
  message: { type: "string", description: "send, post: the text, at most 1 MB" },
  timeout: {
    type: "number",
    description: "seconds. receive, wait: how long to wait, default 60, at most 300. send, ping: default 10",
    minimum: 0,
    maximum: 300,
  },
  bind: {
    type: "string",
    description: "receive: the address to bind for TCP. Beyond this machine the server must have a token",
    default: "127.0.0.1",
  },
  to: { type: "string", description: "post: the mailbox. send, ping: as host" },
  from: { type: "string", description: "post, send: your name, so that the other can reply" },
  mailbox: {
    type: "string",
    description: "fetch, wait: the mailbox to take from. receive: the name to receive under, default ipc",
  },
} as const satisfies Properties;

type Parameter = keyof typeof PROPERTIES;
export const PARAMETERS = Object.keys(PROPERTIES) as Parameter[];

interface Described {
  readonly text: string;
  readonly takes: readonly Parameter[];
  readonly needs: readonly Parameter[];
}

export const DESCRIBED: Readonly<Record<Operation, Described>> = {
  send: {
    text: "Sends one message to a session that receives now. Use post if it may not be there.",
    takes: ["host", "port", "to", "message", "from", "timeout"],
    needs: ["message"],
  },
  receive: {
    text: "Waits for one message that is sent under a name.",
    takes: ["mailbox", "port", "bind", "timeout"],
    needs: [],
  },
  ping: {
    text: "Measures the round trip to a session that receives now.",
    takes: ["host", "port", "to", "timeout"],
    needs: [],
  },
  broker_start: {
    text: "Starts the broker, or joins the one that runs. Other operations do so by themselves.",
    takes: ["port"],
    needs: [],
  },
  broker_stop: { text: "Stops the broker, if it runs in this session.", takes: ["port"], needs: [] },
  post: {
    text: "Stores a message in a mailbox. It is kept until somebody takes it, whoever is there now.",
    takes: ["to", "from", "message", "port"],
    needs: ["to", "message"],
  },
  fetch: {
    text: "Takes all messages of a mailbox at once, possibly none.",
    takes: ["mailbox", "port"],
    needs: ["mailbox"],
  },
  wait: {
    text: "Waits until a mailbox has a message, and takes it. Costs nothing while it waits.",
    takes: ["mailbox", "timeout", "port"],
    needs: ["mailbox"],
  },
  broker_status: { text: "Tells how many messages each mailbox holds.", takes: ["port"], needs: [] },
};

/** The one tool with all operations. */
export const IPC: ToolDefinition = {
  name: "ipc",
  description:
    "Messages between agent sessions on this machine. " +
    OPERATIONS.map((operation) => `${operation}: ${DESCRIBED[operation].text}`).join(" "),
  inputSchema: {
    type: "object",
    properties: {
      operation: { type: "string", enum: OPERATIONS, description: "what to do" },
      ...PROPERTIES,
    },
    required: ["operation"],
    additionalProperties: false,
  },
};

/** A tool for each operation, with the parameters that it takes. */
export const OPERATION_TOOLS: readonly ToolDefinition[] = OPERATIONS.map((operation) => {
  const { text, takes, needs } = DESCRIBED[operation];
  return {
    name: `ipc_${operation}`,
    description: text,
    inputSchema: {
      type: "object",
      properties: Object.fromEntries(takes.map((name) => [name, PROPERTIES[name]])),
      required: needs,
      additionalProperties: false,
    },
  };
});
