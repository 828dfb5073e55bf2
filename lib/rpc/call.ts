import type { Peer } from "../port.js";

/** What a handler knows of the call that it answers. */
export interface Call<Progress = unknown, Input = unknown, Client = unknown> {
  readonly method: string;
  /** Whether nobody waits for an answer from the beginning. */
  readonly isNotification: boolean;
  /** Aborted when the caller cancels, its time is over as far as it says so, or its connection ends. */
  readonly signal: AbortSignal;
  /**
   * Whether nobody wants an answer any more: the caller has cancelled, its time is over, or its connection has ended. A handler that
   * computes looks here from time to time, which costs nanoseconds: over shared memory a cancel shows at once, even while the event loop
   * does not run, and so does the deadline over every port. Elsewhere a cancel shows as soon as the loop has run.
   */
  readonly cancelled: boolean;
  /** How long the caller still waits, in ms; Infinity without a limit, 0 when it is over. */
  readonly timeLeft: number;
  /** The caller's process, if the port knows it. */
  readonly peer: Peer | undefined;
  /** The methods of the caller, if both sides serve. */
  readonly client: Client;
  /** The items that the caller streams; none if it streams nothing. */
  readonly input: AsyncIterableIterator<Input>;
  /**
   * Reports to the caller, before the answer. Resolves when the report is on its way; await it, and a slow caller slows the handler.
   * After a cancel, or the end of the connection, nothing is sent. Rejects with an EncodeError if the report can't be sent.
   */
  progress(value: Progress): Promise<void>;
}

/** Options of a call. */
export interface CallOptions<Progress = unknown, Input = unknown> {
  /** Cancels the call, which rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** How long to wait for the answer, in ms. Then the call is cancelled, and rejects with a TimeoutError. Default: no limit. */
  readonly timeout?: number | undefined;
  /** The call that is being answered by means of this one: it is cancelled with it, and has no more time than is left there. */
  readonly call?: Pick<Call, "signal" | "timeLeft"> | undefined;
  /** Called with each report of the handler. Schemas check it first. */
  readonly onProgress?: ((value: Progress) => void) | undefined;
  /** Items to stream to the handler. */
  readonly input?: AsyncIterable<Input> | Iterable<Input> | undefined;
}
