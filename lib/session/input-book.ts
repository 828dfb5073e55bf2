import { CallError } from "../rpc/errors.js";
import { errorBodyOf } from "../rpc/failure.js";
import type { ClientRecord } from "./client-record.js";
import { INTERRUPTED, NOT_STORED } from "./errors.js";

/* How inputs are applied once over the end of a process: the store has each that was begun, and its outcome. */

/** A client, and an input, as a former process has stored them. */
export interface StoredClient {
  readonly id: string;
  readonly epoch: number;
  readonly instance: string;
  readonly acked: number;
}
export interface StoredInput {
  readonly client: string;
  readonly number: number;
  /** The JSON of the outcome. Null: it was begun. */
  readonly outcome: string | null;
}

/** Keeps what became of inputs beyond the end of the process. */
export interface InputBook {
  /** What is known of a client is another thing; undefined: it was forgotten. */
  changed(client: string, record: ClientRecord | undefined): void;
  /** Resolves when all that was told is stored, and rejects if it can't be. */
  stored(): Promise<void>;
}

/** Runs an input when it is stored that it has begun, and answers when its outcome is. So no later process applies it again. */
export async function booked(
  book: InputBook | undefined,
  record: ClientRecord,
  number: number,
  client: string,
  run: () => Promise<unknown>,
): Promise<unknown> {
  if (book === undefined) return run();
  const { instance } = record;
  const note = (text: string | null | undefined): void => {
    // The numbers of a later run of the client are others.
    if (record.instance !== instance || number <= record.acked) return;
    record.note(number, text);
    book.changed(client, record);
  };
  note(null);
  try {
    await book.stored();
  } catch (cause) {
    note(undefined);
    if (record.instance === instance) record.outcomes.delete(number);
    throw new CallError(NOT_STORED, "the input was not applied: the store can't be written", undefined, {
      cause,
    });
  }
  try {
    const result = await run();
    note(JSON.stringify({ result }));
    return result;
  } catch (error) {
    note(JSON.stringify({ error: errorBodyOf(error) }));
    throw error;
  } finally {
    // It was applied, whether that can be stored or not.
    await book.stored().catch(() => {});
  }
}

/** What became of an input that a former process has begun. */
export function outcomeOf(text: string | null): Promise<unknown> {
  const { result, error } = (text === null ? { error: BEGUN } : JSON.parse(text)) as {
    result?: unknown;
    error?: { code: number; message: string; data?: unknown };
  };
  if (error === undefined) return Promise.resolve(result);
  const outcome = Promise.reject(new CallError(error.code, error.message, error.data));
  outcome.catch(() => {});
  return outcome;
}

const BEGUN = {
  code: INTERRUPTED,
  message: "the session's process ended while the input was applied; whether it was is not known",
};
