import { releaseBlocks } from "../codec/release-blocks.js";
import { DecodeError, EncodeError, MessageTooLargeError, ValidationError } from "../errors.js";
import { makeClient } from "./client.js";
import type { Contract } from "./contract.js";
import { controlsOf } from "./controls.js";
import { INVALID_REQUEST, METHOD_NOT_FOUND, PARSE_ERROR } from "./errors.js";
import { unsendable } from "./failure.js";
import { Incoming, type Served } from "./incoming.js";
import { Link } from "./link.js";
import {
  CANCEL,
  CREDIT,
  type ErrorBody,
  type Id,
  INPUT,
  INPUT_CREDIT,
  INPUT_END,
  ITEMS,
  isId,
  PING,
  PROGRESS,
  type Request,
  type Response,
} from "./message.js";
import { Outgoing } from "./outgoing.js";
import type { RpcPort } from "./rpc-port.js";
import type { Answers } from "./served-call.js";

/** The most requests in one batch. */
const MOST_IN_BATCH = 1000;

export interface ConnectionEvents {
  /** The peer sent something that is no message, or an answer to nothing. The connection goes on. */
  bad(error: Error): void;
  /** The connection has ended, and its calls are settled. */
  ended(error: Error | undefined): void;
}

type Fields = Record<string, unknown>;

/** Calls in both directions over one port: takes messages apart, and gives each part to the calls it is about. */
export class RpcConnection {
  readonly link: Link;
  readonly outgoing: Outgoing;
  /** The methods of the other side. */
  readonly client: unknown;
  readonly #incoming: Incoming | undefined;
  readonly #events: ConnectionEvents;
  /** Answers go straight to the port. */
  readonly #direct: Answers = {
    expect: () => {},
    answer: (response) => this.#send(response),
    silent: () => {},
  };

  /** `served`: what this side serves; `calls`: the contract of the other side. */
  constructor(port: RpcPort, served: Served | undefined, calls: Contract, events: ConnectionEvents) {
    this.link = new Link(port);
    this.outgoing = new Outgoing(this.link);
    this.client = makeClient(calls, controlsOf(port, this.outgoing), this.outgoing);
    this.#events = events;
    if (served !== undefined) this.#incoming = new Incoming(this.link, served, this.client);
    const listen = (on: RpcPort) => {
      on.on("message", (message) => this.#receive(message));
      on.on("error", (error) => this.#unreadable(error));
    };
    listen(port);
    if (port.control !== undefined) listen(port.control);
    void port.closed.then(({ error }) => this.#end(error));
  }

  #end(error: Error | undefined): void {
    this.link.ended = { error };
    this.outgoing.end();
    this.#incoming?.end(error);
    this.#events.ended(error);
  }

  #receive(message: unknown): void {
    if (Array.isArray(message)) this.#batch(message);
    else this.#one(message, this.#direct);
  }

  #one(message: unknown, answers: Answers): void {
    const fields = typeof message === "object" && !Array.isArray(message) ? (message as Fields | null) : null;
    const fault = faultOf(fields);
    if (fault !== undefined) this.#invalid(message, idOf(fields), answers, fault);
    else if (typeof fields!.method === "string") this.#call(fields!, fields!.method, answers);
    else this.#answer(fields!);
  }

  #call(fields: Fields, method: string, answers: Answers): void {
    const id = fields.id as Id | undefined;
    if (method.startsWith("rpc.")) {
      this.#extension(method, id, (fields.params ?? {}) as Fields, answers);
    } else if (this.#incoming !== undefined) {
      this.#incoming.request(fields as unknown as Request, answers);
    } else {
      releaseBlocks(fields.params);
      if (id !== undefined) this.#refuse(id, answers, noMethod(method));
    }
  }

  /** A method of ours: what is said about calls. */
  #extension(method: string, id: Id | undefined, params: Fields, answers: Answers): void {
    if (id !== undefined) {
      if (method !== PING) {
        this.#refuse(id, answers, noMethod(method));
        return;
      }
      answers.expect();
      answers.answer({ jsonrpc: "2.0", id, result: null });
    } else if (!this.#aboutCall(method, params)) {
      releaseBlocks(params);
      const what = `a peer must not send this: ${method} for the call ${String(params.id)}`;
      this.#events.bad(new DecodeError(what, ""));
    }
  }

  /** Returns false for what the rules forbid. */
  #aboutCall(method: string, { id, value, items, count, error }: Fields): boolean {
    switch (method) {
      case PROGRESS:
        this.outgoing.progress(id, value);
        return true;
      case ITEMS:
        return Array.isArray(items) && this.outgoing.items(id, items);
      case INPUT_CREDIT:
        if (isCount(count)) this.outgoing.inputCredit(id, count);
        return isCount(count);
      case CANCEL:
        this.#incoming?.cancel(id);
        return true;
      case CREDIT:
        if (isCount(count)) this.#incoming?.credit(id, count);
        return isCount(count);
      case INPUT:
        return Array.isArray(items) && this.#incoming?.input(id, items) === true;
      case INPUT_END:
        this.#incoming?.inputEnd(id, isErrorBody(error) ? error : undefined);
        return true;
      default:
        // Of a later version.
        return true;
    }
  }

  #answer(fields: Fields): void {
    const { error } = fields;
    const both = "result" in fields && error !== undefined;
    const malformed = both || (error !== undefined && !isErrorBody(error));
    if (!malformed && this.outgoing.answer(fields as unknown as Response)) return;
    if (malformed) releaseBlocks(fields);
    this.#events.bad(
      new DecodeError(malformed ? `a malformed answer came, id ${fields.id}` : strayAnswer(fields), ""),
    );
  }

  #batch(batch: readonly unknown[]): void {
    if (batch.length === 0 || batch.length > MOST_IN_BATCH) {
      const what =
        batch.length === 0 ? "a batch must not be empty" : `a batch has ${MOST_IN_BATCH} requests at most`;
      this.#invalid(batch, null, this.#direct, what);
      return;
    }
    const answers = new BatchAnswers((responses) => this.#send(responses));
    for (const message of batch) this.#one(message, answers);
    answers.close();
  }

  #invalid(message: unknown, id: Id, answers: Answers, what: string): void {
    releaseBlocks(message);
    this.#refuse(id, answers, { code: INVALID_REQUEST, message: `invalid request: ${what}` });
  }

  #refuse(id: Id, answers: Answers, error: ErrorBody): void {
    answers.expect();
    answers.answer({ jsonrpc: "2.0", id, error });
  }

  /** Throws an EncodeError or MessageTooLargeError if the response can't be sent. If the port has ended, nobody waits for it. */
  #send(response: object): void {
    try {
      this.link.post(response)?.catch(() => {});
    } catch (error) {
      if (error instanceof EncodeError || error instanceof MessageTooLargeError) throw error;
    }
  }

  /** A message came that the codec of the port refuses. */
  #unreadable(error: Error): void {
    this.#events.bad(error);
    const code = error instanceof ValidationError ? INVALID_REQUEST : PARSE_ERROR;
    this.link.tell({ jsonrpc: "2.0", id: null, error: { code, message: error.message } });
  }
}

/** Gathers the answers to a batch, and sends them together. */
class BatchAnswers implements Answers {
  readonly #send: (responses: readonly Response[]) => void;
  readonly #responses: Response[] = [];
  /** Answers that are missing, and 1 as long as the batch is being read. */
  #missing = 1;

  constructor(send: (responses: readonly Response[]) => void) {
    this.#send = send;
  }

  expect(): void {
    this.#missing++;
  }

  answer(response: Response): void {
    this.#responses.push(response);
    this.close();
  }

  silent(): void {
    this.close();
  }

  close(): void {
    if (--this.#missing > 0 || this.#responses.length === 0) return;
    try {
      this.#send(this.#responses);
    } catch {
      this.#send(this.#responses.map(sendable));
    }
  }
}

/** An answer to no call: to a request that the peer could not read, or a mistake. */
function strayAnswer({ id, error }: Fields): string {
  return isErrorBody(error)
    ? `the peer could not read a message: ${error.message} (${error.code})`
    : `an answer came to no call, id ${id}`;
}

/** Returns the response, or an error in place of one that has no JSON form. */
function sendable(response: Response): Response {
  try {
    JSON.stringify(response);
    return response;
  } catch (error) {
    const { id } = response;
    return { jsonrpc: "2.0", id, error: unsendable(error) };
  }
}

/** Returns what is wrong with a message; undefined if it has the form of a request, a notification or an answer. */
function faultOf(fields: Fields | null): string | undefined {
  if (fields === null) return "a request is an object";
  const { jsonrpc, method, id, params } = fields;
  if (jsonrpc !== "2.0") return 'jsonrpc must be the string "2.0"';
  if (typeof method !== "string") {
    return method === undefined && ("result" in fields || "error" in fields)
      ? undefined
      : "method must be a string";
  }
  if (id !== undefined && !isId(id)) return "id must be a string, a number or null";
  if (params !== undefined && (typeof params !== "object" || params === null)) {
    return "params must be an object or an array";
  }
  return undefined;
}

/** Returns the id of an invalid request, as far as it has one. */
function idOf(fields: Fields | null): Id {
  return isId(fields?.id) ? fields.id : null;
}

function noMethod(method: string): ErrorBody {
  return { code: METHOD_NOT_FOUND, message: `no method ${method}` };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

function isErrorBody(value: unknown): value is ErrorBody {
  if (typeof value !== "object" || value === null) return false;
  const { code, message } = value as Partial<ErrorBody>;
  return Number.isInteger(code) && typeof message === "string";
}
