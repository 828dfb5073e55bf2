import { releaseBlocks } from "../codec/release-blocks.js";
import { DecodeError, ValidationError } from "../errors.js";
import { type Answers, BatchAnswers, DirectAnswers } from "./answers.js";
import { makeClient } from "./client.js";
import type { Contract } from "./contract.js";
import { controlsOf } from "./controls.js";
import { INVALID_REQUEST, PARSE_ERROR } from "./errors.js";
import { answerFaultOf, type Fields, faultOf, idOf, isCount, isErrorBody, noMethod, shown } from "./form.js";
import type { Gate } from "./gate.js";
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
  PING,
  PROGRESS,
  type Request,
  type Response,
} from "./message.js";
import { Outgoing } from "./outgoing.js";
import type { RpcPort } from "./rpc-port.js";

/** The most requests in one batch. */
const MOST_IN_BATCH = 1000;

export interface ConnectionEvents {
  /** The peer sent something that is no message, or an answer to nothing. The connection goes on. */
  bad(error: Error): void;
  /** The connection has ended, and its calls are settled. */
  ended(error: Error | undefined): void;
}

/** Calls in both directions over one port: takes messages apart, and gives each part to the calls it is about. */
export class RpcConnection {
  readonly link: Link;
  readonly outgoing: Outgoing;
  /** The methods of the other side. */
  readonly client: unknown;
  readonly #incoming: Incoming | undefined;
  readonly #events: ConnectionEvents;
  readonly #listener: (message: unknown) => void;
  /** Why the peer should not be read: answers wait for room, or calls for their turn. */
  readonly #full = { answers: false, calls: false };
  #paused = false;

  /** `served`: what this side serves; `calls`: the contract of the other side; `gate`: limits our calls of it. */
  constructor(
    port: RpcPort,
    served: Served | undefined,
    calls: Contract,
    events: ConnectionEvents,
    gate?: Gate,
  ) {
    this.link = new Link(port, {
      congested: () => void this.#pause("answers"),
      relieved: () => this.#relieved("answers"),
    });
    const bad = (error: Error) => events.bad(error);
    this.outgoing = new Outgoing(this.link, { bad, begun: () => this.#resume() }, gate);
    this.client = makeClient(calls, controlsOf(port, this.outgoing), this.outgoing);
    this.#events = events;
    if (served !== undefined) {
      const full = () => this.#pause("calls");
      this.#incoming = new Incoming(this.link, served, this.client, {
        bad,
        full,
        room: () => this.#relieved("calls"),
      });
    }
    this.#listener = this.#listen(port);
    if (port.control !== undefined) this.#listen(port.control);
    void port.closed.then(({ error }) => this.#end(error));
    void port.readingEnded?.then(() => this.#closeWhenIdle(port));
  }

  /** Reads from a port. What is asked there is answered there, in the order in which the port sends. Returns the listener. */
  #listen(on: RpcPort): (message: unknown) => void {
    const answers = new DirectAnswers((message) => this.link.answer(message, on));
    const listener = (message: unknown) => {
      if (Array.isArray(message)) this.#batch(message, on, answers);
      else this.#one(message, answers);
    };
    on.on("message", listener);
    on.on("error", (error) => this.#unreadable(error, answers));
    return listener;
  }

  /**
   * Does not read the peer until there is room. Returns whether that is so. Where calls of ours wait for the peer, or calls of the peer for
   * what it sends next, it is read all the same, or the two sides would wait for each other.
   */
  #pause(why: "answers" | "calls"): boolean {
    const { port } = this.link;
    if (port.off === undefined || port.pauses === false || this.outgoing.size > 0) return false;
    if (why === "calls" && this.#incoming?.needsPeer === true) return false;
    this.#full[why] = true;
    if (!this.#paused) port.off("message", this.#listener);
    this.#paused = true;
    return true;
  }

  #relieved(why: "answers" | "calls"): void {
    this.#full[why] = false;
    if (!this.#full.answers && !this.#full.calls) this.#resume();
  }

  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#full.answers = false;
    this.#full.calls = false;
    if (this.link.ended === undefined) this.link.port.on("message", this.#listener);
  }

  /** The peer asks nothing more, and waits for the rest of its answers. */
  async #closeWhenIdle(port: RpcPort): Promise<void> {
    await this.#incoming?.idle();
    await port.close();
  }

  #end(error: Error | undefined): void {
    this.link.ended = { error };
    this.outgoing.end();
    this.#incoming?.end(error);
    this.#events.ended(error);
  }

  #one(message: unknown, answers: Answers): void {
    const fields =
      typeof message === "object" && message !== null && !Array.isArray(message)
        ? (message as Fields)
        : undefined;
    if (fields !== undefined && this.#isAnswer(fields)) {
      this.#answer(fields);
      return;
    }
    const fault = faultOf(fields);
    if (fault === undefined) this.#call(fields!, fields!.method as string, answers);
    else this.#invalid(message, idOf(fields), answers, fault);
  }

  /** An answer may lack what makes it one. A call of ours that has its id tells. */
  #isAnswer(fields: Fields): boolean {
    return (
      fields.method === undefined &&
      ("result" in fields || "error" in fields || this.outgoing.waitsFor(fields.id))
    );
  }

  #call(fields: Fields, method: string, answers: Answers): void {
    const id = fields.id as Id | undefined;
    if (method.startsWith("rpc.")) {
      this.#extension(method, id, (fields.params ?? {}) as Fields, answers);
    } else if (this.#incoming !== undefined) {
      this.#incoming.request(fields as unknown as Request, answers);
    } else {
      releaseBlocks(fields.params);
      if (id !== undefined) refuse(id, answers, noMethod(method));
    }
  }

  /** A method of ours: what is said about calls. */
  #extension(method: string, id: Id | undefined, params: Fields, answers: Answers): void {
    if (id !== undefined) {
      releaseBlocks(params);
      if (method !== PING) {
        refuse(id, answers, noMethod(method));
        return;
      }
      answers.expect();
      answers.answer({ jsonrpc: "2.0", id, result: null });
    } else if (!this.#aboutCall(method, params)) {
      releaseBlocks(params);
      this.#bad(`a peer must not send this: ${shown(method)} for the call ${shown(params.id)}`);
    }
  }

  /** Returns false for what the rules forbid. */
  #aboutCall(method: string, params: Fields): boolean {
    const { id, value, items, count, error } = params;
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
        releaseBlocks(params);
        return true;
    }
  }

  #answer(fields: Fields): void {
    const fault = answerFaultOf(fields);
    if (fault === undefined) {
      if (!this.outgoing.answer(fields as unknown as Response)) this.#bad(strayAnswer(fields));
      return;
    }
    releaseBlocks(fields);
    const error = new DecodeError(`a malformed answer came, id ${shown(fields.id)}: ${fault}`, "");
    // No better one will come.
    this.outgoing.fail(fields.id, error);
    this.#events.bad(error);
  }

  #batch(batch: readonly unknown[], on: RpcPort, direct: Answers): void {
    if (batch.length === 0 || batch.length > MOST_IN_BATCH) {
      const what =
        batch.length === 0 ? "a batch must not be empty" : `a batch has ${MOST_IN_BATCH} requests at most`;
      this.#invalid(batch, null, direct, what);
      return;
    }
    const answers = new BatchAnswers((responses) => this.link.answer(responses, on));
    for (const message of batch) this.#one(message, answers);
    answers.close();
  }

  #invalid(message: unknown, id: Id, answers: Answers, what: string): void {
    releaseBlocks(message);
    refuse(id, answers, { code: INVALID_REQUEST, message: `invalid request: ${what}` });
    this.#bad(`an invalid request came: ${what}`);
  }

  /** A message came that the codec of the port refuses. */
  #unreadable(error: Error, answers: Answers): void {
    const code = error instanceof ValidationError ? INVALID_REQUEST : PARSE_ERROR;
    refuse(null, answers, { code, message: shown(error.message) });
    this.#events.bad(error);
  }

  #bad(what: string): void {
    this.#events.bad(new DecodeError(what, ""));
  }
}

function refuse(id: Id, answers: Answers, error: ErrorBody): void {
  answers.expect();
  answers.answer({ jsonrpc: "2.0", id, error });
}

/** An answer to no call: to a request that the peer could not read, or a mistake. */
function strayAnswer({ id, error }: Fields): string {
  return isErrorBody(error)
    ? `the peer could not read a message: ${shown(error.message)} (${error.code})`
    : `an answer came to no call, id ${shown(id)}`;
}
