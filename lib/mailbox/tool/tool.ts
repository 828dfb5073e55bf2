import { checkOptions } from "../../check.js";
import { clearTimeout, now, setTimeout, type Timer } from "../../clock.js";
import { InvalidArgumentError, UnknownOptionError } from "../../errors.js";
import { SEND, WAIT } from "../limits.js";
import { type Mailboxes, mailboxes } from "../mailboxes.js";
import type { Message } from "../message.js";
import { checkWait, type MailboxesOptions } from "../options.js";
import { ping, receive, send } from "../point/point.js";
import {
  BROKER_PORT,
  DESCRIBED,
  IPC,
  OPERATION_TOOLS,
  OPERATIONS,
  type Operation,
  PARAMETERS,
  type ToolDefinition,
} from "./operations.js";

export type { ToolDefinition };

export interface IpcToolOptions extends Omit<MailboxesOptions, "name"> {
  /** What senders over TCP must know where `bind` leads beyond this machine. */
  readonly token?: string | undefined;
  /** After how many ms a `wait` or `receive` returns with a continuation where no progress can be told. Default 45 000. */
  readonly patience?: number | undefined;
  /** How often progress is told, in ms. Default 10 000. */
  readonly progressEvery?: number | undefined;
}

/** What the server of a tool knows of one call. */
export interface CallContext {
  /** Aborted when the client cancels the call. What was taken and not handed over goes back. */
  readonly signal?: AbortSignal | undefined;
  /** Tells the client that the call goes on, so that its time-out begins anew. Undefined if the client wants to hear nothing. */
  readonly progress?: ((elapsed: number, total: number, message: string) => unknown) | undefined;
}

/** The result of a tool, in the form of the Model Context Protocol. */
export interface ToolResult {
  readonly content: readonly { readonly type: "text"; readonly text: string }[];
  readonly structuredContent: Readonly<Record<string, unknown>>;
  readonly isError?: true;
}

/** The name that receives where none is given. */
const POINT_NAME = "ipc";
const PATIENCE = 45_000;
const PROGRESS_EVERY = 10_000;
const MOST_TIMEOUT = 300;

type Arguments = Readonly<Partial<Record<(typeof PARAMETERS)[number], unknown>>>;

/**
 * The tool `ipc` as data and a function: what a server for the Model Context Protocol lists and calls. It needs no SDK. `callTool` never
 * rejects: a failure is a result with `isError`, as models should see it.
 */
export class IpcTool {
  /** The tool with all operations. */
  readonly tools: readonly ToolDefinition[] = [IPC];
  /** In the other form: a tool for each operation, `ipc_post` and so on. */
  readonly operationTools = OPERATION_TOOLS;
  readonly #options: IpcToolOptions;
  readonly #opened = new Map<string, Promise<Mailboxes>>();

  constructor(options: IpcToolOptions = {}) {
    this.#options = options;
  }

  /** Calls a tool of either form. */
  async callTool(name: string, args: unknown, context: CallContext = {}): Promise<ToolResult> {
    try {
      const { operation, rest } = operationOf(name, args);
      return resultOf(await this.#run(operation, rest, context));
    } catch (error) {
      const { code, message } = error as { code?: string; message: string };
      return { ...resultOf({ error: message, ...(code === undefined ? {} : { code }) }), isError: true };
    }
  }

  /** Ends the broker, if it is here, and all connections. */
  async close(): Promise<void> {
    const opened = [...this.#opened.values()];
    this.#opened.clear();
    for (const mail of await Promise.allSettled(opened)) {
      if (mail.status === "fulfilled") await mail.value.close();
    }
  }

  async #run(operation: Operation, args: Arguments, context: CallContext): Promise<Record<string, unknown>> {
    switch (operation) {
      case "send":
        await send(targetOf(args), text(args, "message"), {
          ...this.#point(args, context),
          from: optionalText(args, "from"),
        });
        return { sent: true };
      case "ping":
        return { milliseconds: await ping(targetOf(args), this.#point(args, context)) };
      case "receive":
        return this.#receive(args, context);
      case "broker_start": {
        const mail = await this.#mail(args);
        return { role: mail.isBroker ? "broker" : "client", broker_pid: mail.brokerPid };
      }
      case "broker_stop":
        return { stopped: true, handed_over: await (await this.#mail(args)).stop() };
      case "post": {
        const mail = await this.#mail(args);
        const { position, readers } = await mail.post(text(args, "to"), text(args, "message"), {
          from: optionalText(args, "from"),
        });
        return { posted: true, position, readers };
      }
      case "fetch":
        return this.#fetch(args, context);
      case "wait":
        return this.#wait(args, context);
      case "broker_status": {
        const status = await (await this.#mail(args)).status();
        const boxes = Object.fromEntries(status.boxes.map(({ name, queued }) => [name, queued]));
        return { broker: status.broker, broker_pid: status.pid, mailboxes: boxes };
      }
    }
  }

  async #fetch(args: Arguments, { signal }: CallContext): Promise<Record<string, unknown>> {
    const mail = await this.#mail(args);
    const taken = await mail.fetch(text(args, "mailbox"), { ack: false });
    if (signal?.aborted) {
      await Promise.all(taken.map((delivery) => delivery.putBack()));
      throw signal.reason;
    }
    await Promise.all(taken.map((delivery) => delivery.ack()));
    return { messages: taken.map(shown) };
  }

  async #wait(args: Arguments, context: CallContext): Promise<Record<string, unknown>> {
    const mail = await this.#mail(args);
    const box = text(args, "mailbox");
    return this.#lasting("wait", args, context, async (timeout, signal) => {
      const delivery = await mail.wait(box, { timeout, signal, ack: false });
      if (delivery === undefined) return undefined;
      if (signal?.aborted) {
        await delivery.putBack();
        throw signal.reason;
      }
      await delivery.ack();
      return { message: shown(delivery) };
    });
  }

  #receive(args: Arguments, context: CallContext): Promise<Record<string, unknown>> {
    return this.#lasting("receive", args, context, async (timeout, signal) => {
      const { namespace, directory, token, maxMessageBytes } = this.#options;
      const port = optionalNumber(args, "port", 0, 65_535);
      const bind = optionalText(args, "bind");
      const name = optionalText(args, "mailbox") ?? POINT_NAME;
      try {
        const { message, from } = await receive(port === undefined ? name : undefined, {
          ...{ namespace, directory, token, maxMessageBytes, timeout, signal, port, bind },
        });
        return { message: { from, message } };
      } catch (error) {
        if ((error as { code?: string }).code === "ERR_RINGBELL_TIMEOUT") return undefined;
        throw error;
      }
    });
  }

  /**
   * Waits for `timeout` seconds. A client gives up a call that takes longer than its own time-out, mostly 60 s, unless it hears of progress.
   * One that does not want to hear gets an answer sooner, which says how to go on.
   */
  async #lasting(
    operation: Operation,
    args: Arguments,
    { signal, progress }: CallContext,
    wait: (timeout: number, signal: AbortSignal | undefined) => Promise<Record<string, unknown> | undefined>,
  ): Promise<Record<string, unknown>> {
    const seconds = optionalNumber(args, "timeout", 0, MOST_TIMEOUT);
    const total = checkWait(seconds === undefined ? undefined : seconds * 1000, WAIT);
    const { patience = PATIENCE, progressEvery = PROGRESS_EVERY } = this.#options;
    const most = progress === undefined ? Math.min(total, patience) : total;
    const begun = now();
    let timer: Timer | undefined;
    const tell = () => {
      const elapsed = now() - begun;
      progress?.(
        elapsed / 1000,
        total / 1000,
        `${operation}: nothing yet, after ${Math.round(elapsed / 1000)} s`,
      );
      timer = setTimeout(tell, progressEvery);
    };
    if (progress !== undefined) timer = setTimeout(tell, progressEvery);
    try {
      const result = await wait(most, signal);
      if (result !== undefined) return result;
    } finally {
      clearTimeout(timer);
    }
    if (most === total) return { timeout: true };
    const left = Math.ceil((total - most) / 1000);
    return {
      waiting: true,
      continuation: { operation, ...args, timeout: left },
      hint: `nothing came yet, and nothing is lost: call ${operation} again with these arguments to wait the other ${left} s`,
    };
  }

  /** The mailboxes of the port: by names a port only tells brokers apart. */
  #mail(args: Arguments): Promise<Mailboxes> {
    const port = optionalNumber(args, "port", 0, 65_535) ?? BROKER_PORT;
    const name = port === BROKER_PORT ? "mailbox" : `mailbox-${port}`;
    const known = this.#opened.get(name);
    if (known !== undefined) return known;
    const { token: _, patience: __, progressEvery: ___, ...options } = this.#options;
    const opening = mailboxes({ ...options, name });
    this.#opened.set(name, opening);
    // A failure is not kept: the next call may find what was missing.
    opening.catch(() => this.#opened.delete(name));
    return opening;
  }

  #point(args: Arguments, { signal }: CallContext) {
    const { namespace, directory, token } = this.#options;
    const seconds = optionalNumber(args, "timeout", 0, MOST_TIMEOUT);
    return { namespace, directory, token, signal, timeout: seconds === undefined ? SEND : seconds * 1000 };
  }
}

/** Makes the tool. Nothing is opened before the first call. */
export function ipcTool(options: IpcToolOptions = {}): IpcTool {
  return new IpcTool(options);
}

/** Checks a call of either form. */
function operationOf(tool: string, given: unknown): { operation: Operation; rest: Arguments } {
  checkOptions(given ?? {}, ["operation", ...PARAMETERS], "options");
  const { operation: named, ...rest } = (given ?? {}) as Record<string, unknown>;
  const operation = tool === IPC.name ? named : tool.replace(/^ipc_/, "");
  if (!OPERATIONS.includes(operation as Operation)) {
    throw new InvalidArgumentError("operation", OPERATIONS.join(", "), operation);
  }
  const known = operation as Operation;
  // A model that fills in every parameter means nothing by an empty one.
  const meant = Object.entries(rest).filter(([, value]) => value !== null && value !== "");
  for (const [name] of tool === IPC.name ? [] : meant) {
    const { takes } = DESCRIBED[known];
    if (!takes.includes(name as never)) throw new UnknownOptionError(name, takes);
  }
  return { operation: known, rest: Object.fromEntries(meant) };
}

/** The name or HOST:PORT of send and ping. */
function targetOf(args: Arguments): string {
  const host = optionalText(args, "to") ?? optionalText(args, "host");
  const port = optionalNumber(args, "port", 0, 65_535);
  if (port === undefined) return host ?? POINT_NAME;
  return `${host ?? "127.0.0.1"}:${port}`;
}

function text(args: Arguments, name: keyof Arguments): string {
  const value = args[name];
  if (typeof value !== "string") throw new InvalidArgumentError(name, "a text", value);
  return value;
}

function optionalText(args: Arguments, name: keyof Arguments): string | undefined {
  return args[name] === undefined ? undefined : text(args, name);
}

function optionalNumber(
  args: Arguments,
  name: keyof Arguments,
  least: number,
  most: number,
): number | undefined {
  const value = args[name];
  if (value === undefined) return undefined;
  if (typeof value !== "number" || !(value >= least && value <= most)) {
    throw new InvalidArgumentError(name, `a number from ${least} to ${most}`, value);
  }
  return value;
}

function shown({ body, from, position, posted, attempt }: Message): Record<string, unknown> {
  return {
    from: from.name,
    message: typeof body === "string" ? body : JSON.stringify(body),
    position,
    posted: new Date(posted).toISOString(),
    ...(attempt > 1 ? { redelivered: true } : {}),
    sender: { pid: from.pid, uid: from.uid },
  };
}

function resultOf(value: Record<string, unknown>): ToolResult {
  return { content: [{ type: "text", text: JSON.stringify(value) }], structuredContent: value };
}
