import { unsendable } from "./failure.js";
import type { Response } from "./message.js";

/** Takes an answer to where the request came from: the port, or a batch. */
export interface Answers {
  /** Called for a request that will be answered. */
  expect(): void;
  /**
   * Sends the response. Never throws: if it can't be sent, an error is sent in its place, and `unsent` is called with the reason. After the
   * end of the port nobody waits for it.
   */
  answer(response: Response, unsent?: (why: unknown) => void): void;
  /** The request will not be answered after all. */
  silent(): void;
}

/** Sends a message. Returns a promise if it waits for room. */
export type Send = (message: object) => Promise<void> | undefined;

/** Answers that go straight to a port. */
export class DirectAnswers implements Answers {
  readonly #send: Send;

  constructor(send: Send) {
    this.#send = send;
  }

  expect(): void {}

  silent(): void {}

  answer(response: Response, unsent?: (why: unknown) => void): void {
    try {
      this.#send(response)?.catch((why) => this.#instead(response, why, unsent));
    } catch (why) {
      this.#instead(response, why, unsent);
    }
  }

  #instead(response: Response, why: unknown, unsent: ((why: unknown) => void) | undefined): void {
    const error = unsendable(response, why);
    // The id is the peer's, and may itself be too long. Nothing goes out after the end of the port.
    if (attempt(this.#send, error) || attempt(this.#send, { ...error, id: null })) unsent?.(why);
  }
}

/** Gathers the answers to a batch, and sends them together. */
export class BatchAnswers implements Answers {
  readonly #send: Send;
  readonly #responses: Response[] = [];
  readonly #unsent: ((why: unknown) => void)[] = [];
  /** Answers that are missing, and 1 as long as the batch is being read. */
  #missing = 1;

  constructor(send: Send) {
    this.#send = send;
  }

  expect(): void {
    this.#missing++;
  }

  answer(response: Response, unsent?: (why: unknown) => void): void {
    this.#responses.push(response);
    if (unsent !== undefined) this.#unsent.push(unsent);
    this.close();
  }

  silent(): void {
    this.close();
  }

  /** Called once for each answer, and when the batch has been read. The last call sends. */
  close(): void {
    if (--this.#missing > 0 || this.#responses.length === 0) return;
    try {
      this.#send(this.#responses)?.catch((why) => this.#instead(why));
    } catch (why) {
      this.#instead(why);
    }
  }

  /** The answers together can't be sent, so those go that can. If it is their length, none does. */
  #instead(why: unknown): void {
    const some = this.#responses.map(withForm);
    const none = this.#responses.map((response) => unsendable(response, why));
    const short = none.map((response) => ({ ...response, id: null }));
    const sent = attempt(this.#send, some) || attempt(this.#send, none) || attempt(this.#send, short);
    if (sent) for (const unsent of this.#unsent) unsent(why);
  }
}

/** Returns whether the message is on its way. */
function attempt(send: Send, message: object): boolean {
  try {
    send(message)?.catch(() => {});
    return true;
  } catch {
    return false;
  }
}

/** Returns the response, or an error in place of one that has no JSON form. */
function withForm(response: Response): Response {
  try {
    JSON.stringify(response);
    return response;
  } catch (why) {
    return unsendable(response, why);
  }
}
