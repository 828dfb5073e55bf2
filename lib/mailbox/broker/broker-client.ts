import type { Outcomes } from "../machine/outcomes.js";
import type { Answer, AnswerFrame, Notice } from "../wire.js";
import type { Waiter } from "./waiters.js";

/** How a broker reaches a client: over a channel, or by a call in its own process. */
export interface ClientPort {
  readonly pid: number | undefined;
  readonly uid: number;
  /** Whether the client is another process, so that it can go on while this one stores. */
  readonly away?: boolean;
  /** Sends a frame some time, in order. */
  send(frame: AnswerFrame): void;
  /** Ends the connection. */
  end(error?: Error): void;
}

/** A client as its broker knows it. */
export class BrokerClient {
  readonly port: ClientPort;
  /** Who holds the client's claims; undefined before it has said hello. */
  holder: string | undefined;
  /** What became of its posts. */
  outcomes: Outcomes | undefined;
  outcomesChanged = false;
  /** The number of the first post that the client has no answer to. */
  unanswered = 0;
  /** Its waits, by tag. */
  readonly waits = new Map<number, Waiter<BrokerClient>>();
  /** Whether its connection has ended. */
  gone = false;
  #answers: Answer[] = [];
  /** How many of the answers are messages that were posted in this turn. */
  #news = 0;

  constructor(port: ClientPort) {
    this.port = port;
  }

  /** Whether answers are kept. */
  get hasAnswers(): boolean {
    return this.#answers.length > 0;
  }

  /** Keeps an answer until the turn is stored. */
  answer(answer: Answer): void {
    this.#answers.push(answer);
  }

  /** Keeps a message for somebody who waits. */
  deliver(answer: Answer, isNew: boolean): void {
    this.#answers.push(answer);
    if (isNew) this.#news++;
  }

  /** Sends what was kept before it is stored, if that is nothing but new messages for another process. Returns whether it has. */
  hurry(): boolean {
    const answers = this.#answers;
    if (this.gone || !this.port.away || this.#news === 0 || this.#news < answers.length) return false;
    this.discard();
    this.port.send({ answers, early: true });
    return true;
  }

  /** Sends what was kept. */
  flush(notices: readonly Notice[]): void {
    const answers = this.#answers;
    if (this.gone || (answers.length === 0 && notices.length === 0)) return;
    this.discard();
    this.port.send(notices.length === 0 ? { answers } : { answers, notices });
  }

  /** Ends the connection, and counts as gone at once. */
  cutOff(): void {
    this.gone = true;
    this.port.end();
  }

  /** Drops what was kept. */
  discard(): void {
    this.#answers = [];
    this.#news = 0;
  }
}
