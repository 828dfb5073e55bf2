import { createHash } from "node:crypto";
import { validate } from "../codec/schema.js";
import { ValidationError } from "../errors.js";
import type { Peer } from "../port.js";
import type { Contract, Method } from "../rpc/contract.js";
import { BUSY, CallError, INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND } from "../rpc/errors.js";
import { errorBodyOf } from "../rpc/failure.js";
import { shown } from "../rpc/form.js";
import type { AuditChain } from "./audit.js";
import { ClientRecord } from "./client-record.js";
import { INPUT_TOO_OLD, NOT_ALLOWED, NOT_AUDITED, STALE_EPOCH, WRONG_SESSION } from "./errors.js";
import { booked, type InputBook, outcomeOf, type StoredClient, type StoredInput } from "./input-book.js";
import { isCount } from "./item.js";

/** What a handler knows of the interface that made the input. */
export interface InputSource {
  readonly client: string;
  readonly role: string;
  /** The interface's process; undefined for one behind a bridge. */
  readonly peer: Peer | undefined;
  /** Where the interface is, as the carrier says it: such as `channel` or `websocket 127.0.0.1`. */
  readonly via: string;
}

/** Handlers of inputs, by method. */
export type InputHandlers<C> =
  C extends Contract<infer M>
    ? {
        readonly [Name in keyof M]: M[Name] extends Method<infer _Kind, infer Params, infer Result>
          ? (
              params: Params["got"],
              source: InputSource,
            ) =>
              | Result["given"]
              | Promise<Result["given"]>
              // biome-ignore lint/suspicious/noConfusingVoidType: a handler without a result may return nothing.
              | (undefined extends Result["given"] ? void : never)
          : never;
      }
    : never;

/** What a role may do. */
export interface RoleRights {
  /** The methods of the inputs, or `"all"`. */
  readonly inputs: "all" | readonly string[];
}

/** An input as it comes. */
export interface InputMessage {
  readonly session: unknown;
  readonly epoch: unknown;
  /** Counted by the client, from 1. A repeated input has the number that it had. */
  readonly number: unknown;
  /** All inputs up to this one were answered, so the client will not repeat them. */
  readonly acked: unknown;
  readonly method: unknown;
  readonly params: unknown;
}

/** Answers that a client may leave unacknowledged. */
const MOST_OPEN = 256;
/** Clients that are not attached and are remembered. */
const MOST_REMEMBERED = 1024;
/** Parameters up to this length stand in the audit chain; of longer ones it has the hash. */
const LONGEST_SHOWN = 4096;

export interface InputParts {
  readonly session: string;
  readonly contract: Contract | undefined;
  readonly handlers: Readonly<Record<string, unknown>>;
  readonly roles: Readonly<Record<string, RoleRights>> | undefined;
  readonly audit: AuditChain | undefined;
  /** Undefined: the clients and their inputs are forgotten with the process. */
  readonly book: InputBook | undefined;
}

/** Applies each input once, whether it comes once or twice, and refuses those that must not be applied. */
export class Inputs {
  readonly #parts: InputParts;
  readonly #handlers = new Map<string, (params: unknown, source: InputSource) => unknown>();
  /** In the order in which they were attached last. */
  readonly #clients = new Map<string, ClientRecord>();
  /** Inputs that run. */
  readonly #running = new Set<Promise<unknown>>();

  constructor(parts: InputParts) {
    this.#parts = parts;
    for (const [name, handler] of Object.entries(parts.handlers)) {
      if (typeof handler === "function") this.#handlers.set(name, handler as never);
    }
  }

  /** The record of a client that attaches. Its earlier attachments are stale from now on. */
  attach(client: string, instance: string, isAttached: (client: string) => boolean): ClientRecord {
    const record = this.#clients.get(client) ?? new ClientRecord();
    this.#clients.delete(client);
    this.#clients.set(client, record);
    record.begin(instance);
    const { book } = this.#parts;
    book?.changed(client, record);
    if (this.#clients.size > MOST_REMEMBERED) {
      for (const name of this.#clients.keys()) {
        if (isAttached(name)) continue;
        this.#clients.delete(name);
        book?.changed(name, undefined);
        break;
      }
    }
    return record;
  }

  /** Remembers the clients of a former process, and what became of their inputs. Those that it had begun are not applied again. */
  restore(clients: readonly StoredClient[], inputs: readonly StoredInput[]): void {
    for (const { id, epoch, instance, acked } of clients) {
      this.#clients.set(id, Object.assign(new ClientRecord(), { epoch, instance, acked }));
    }
    for (const { client, number, outcome } of inputs) {
      const record = this.#clients.get(client);
      record?.texts.set(number, outcome);
      record?.outcomes.set(number, outcomeOf(outcome));
    }
  }

  /** Tells the book all that it should have. */
  restate(): void {
    for (const [client, record] of this.#clients) {
      record.lost();
      this.#parts.book?.changed(client, record);
    }
  }

  /** Resolves when no input runs. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.#running);
  }

  /** Answers an input. Throws, or rejects with, a CallError where it is refused, or with what the handler throws. */
  apply(message: InputMessage, record: ClientRecord, epoch: number, source: InputSource): Promise<unknown> {
    const { method, number, acked } = message;
    const refuse = (code: number, text: string): never => {
      this.#refused(source, method, code, text);
      throw new CallError(code, text);
    };
    if (message.session !== this.#parts.session) {
      refuse(
        WRONG_SESSION,
        `the input is for the session ${shown(message.session)}; this is ${this.#parts.session}`,
      );
    }
    if (message.epoch !== epoch || record.epoch !== epoch) {
      refuse(STALE_EPOCH, `the input is of epoch ${shown(message.epoch)}; the client is at ${record.epoch}`);
    }
    if (!isCount(number) || number === 0 || !isCount(acked) || acked >= number) {
      return refuse(INVALID_REQUEST, "an input has a number from 1 on, and acked below it");
    }
    const known = record.outcomes.get(number);
    if (known !== undefined) return known;
    if (number <= record.acked)
      refuse(INPUT_TOO_OLD, `the input ${number} was acknowledged; it is not applied again`);
    record.acknowledge(acked);
    if (record.outcomes.size >= MOST_OPEN) {
      refuse(BUSY, `${MOST_OPEN} inputs of the client are not acknowledged, the most that may be`);
    }
    const { handler, params } = this.#allowed(message, source, refuse);
    const outcome = booked(this.#parts.book, record, number, source.client, () =>
      this.#run(method as string, handler, params, source),
    );
    record.outcomes.set(number, outcome);
    this.#running.add(outcome);
    const over = () => this.#running.delete(outcome);
    outcome.then(over, over);
    return outcome;
  }

  /** Checks role, method and parameters. */
  #allowed(message: InputMessage, source: InputSource, refuse: (code: number, text: string) => never) {
    const { roles, contract } = this.#parts;
    const method = typeof message.method === "string" ? message.method : "";
    const rights = roles === undefined ? ALL : Object.hasOwn(roles, source.role) ? roles[source.role]! : NONE;
    if (rights.inputs !== "all" && !rights.inputs.includes(method)) {
      refuse(NOT_ALLOWED, `the role ${shown(source.role)} may not call ${shown(message.method)}`);
    }
    const types = contract?.methods[method];
    const handler = this.#handlers.get(method);
    if (handler === undefined || (contract?.checked === true && types === undefined)) {
      return refuse(METHOD_NOT_FOUND, `the session has no input ${shown(message.method)}`);
    }
    if (types?.params === undefined) return { handler, params: message.params };
    try {
      return { handler, params: validate(types.params, message.params) };
    } catch (error) {
      const { message: text } = error as Error;
      this.#refused(source, method, INVALID_PARAMS, text);
      throw new CallError(
        INVALID_PARAMS,
        text,
        error instanceof ValidationError ? { issues: error.issues } : undefined,
      );
    }
  }

  async #run(
    method: string,
    handler: (params: unknown, source: InputSource) => unknown,
    params: unknown,
    source: InputSource,
  ): Promise<unknown> {
    const { audit } = this.#parts;
    const input = { ...shownSource(source), method, ...shownParams(params) };
    if (audit !== undefined) {
      try {
        audit.append("input", input);
      } catch (cause) {
        throw new CallError(
          NOT_AUDITED,
          "the input was not applied: the audit chain can't be written",
          undefined,
          {
            cause,
          },
        );
      }
    }
    try {
      const result = (await handler.call(this.#parts.handlers, params, source)) ?? null;
      this.#outcome("applied", input);
      return result;
    } catch (error) {
      this.#outcome("failed", { ...input, error: errorBodyOf(error).message });
      throw error;
    }
  }

  /** The input has run; that its outcome can't be written does not undo it. */
  #outcome(kind: string, data: object): void {
    try {
      this.#parts.audit?.append(kind, data);
    } catch (error) {
      process.emitWarning(error as Error);
    }
  }

  #refused(source: InputSource, method: unknown, code: number, why: string): void {
    try {
      this.#parts.audit?.refusal({
        ...shownSource(source),
        method: shown(method),
        code,
        why: why.slice(0, 500),
      });
    } catch {
      // It is refused all the same.
    }
  }
}

const ALL: RoleRights = { inputs: "all" };
const NONE: RoleRights = { inputs: [] };

function shownSource({ client, role, peer, via }: InputSource): object {
  return { client, role, pid: peer?.pid, via };
}

function shownParams(params: unknown): object {
  let text = "";
  try {
    text = JSON.stringify(params) ?? "null";
  } catch {
    return { params: "not JSON" };
  }
  if (text.length <= LONGEST_SHOWN) return { params };
  return { paramsHash: createHash("sha256").update(text).digest("hex"), paramsLength: text.length };
}
