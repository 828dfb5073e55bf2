/** An error that a session answered with, or how an input was lost. */
export class InputError extends Error {
  override readonly name = "InputError";

  constructor(
    message: string,
    /** The code of JSON-RPC; undefined if there was no answer. */
    readonly code: number | undefined,
    /** Whether the input may have been applied. */
    readonly mayHaveRun: boolean,
    readonly data?: unknown,
  ) {
    super(message);
  }
}

interface Answer {
  readonly result?: unknown;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown } | undefined;
}

interface Open {
  readonly number: number;
  readonly method: string;
  readonly params: object;
  sentTo: string | undefined;
  tries: number;
  id: number;
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

type Send = (id: number, input: object) => void;
type Place = { readonly session: string; readonly log: string; readonly epoch: number };

/** The inputs that wait for answers. As in `ringbell/session`: each is made twice at most, and the session applies it once. */
export class OpenCalls {
  readonly #open = new Map<number, Open>();
  #last = 0;
  #lastId = 0;
  #place: Place | undefined;
  #send: Send | undefined;
  #over: Error | undefined;

  nextId(): number {
    return ++this.#lastId;
  }

  make(
    method: string,
    params: object,
    { timeout, signal }: { readonly timeout?: number; readonly signal?: AbortSignal },
  ): Promise<unknown> {
    if (this.#over !== undefined) return Promise.reject(this.#over);
    if (signal?.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const number = ++this.#last;
      const settle = (call: () => void) => {
        if (!this.#open.delete(number)) return;
        clearTimeout(timer);
        signal?.removeEventListener("abort", abort);
        call();
      };
      const input: Open = {
        ...{ number, method, params, sentTo: undefined, tries: 0, id: 0 },
        resolve: (result) => settle(() => resolve(result)),
        reject: (error) => settle(() => reject(error)),
      };
      const abort = () => input.reject(signal!.reason);
      const timer =
        timeout === undefined
          ? undefined
          : setTimeout(
              () => input.reject(new InputError(`${method}: no answer in ${timeout} ms`, undefined, true)),
              timeout,
            );
      signal?.addEventListener("abort", abort);
      this.#open.set(number, input);
      this.#post(input);
    });
  }

  connected(place: Place, send: Send): void {
    this.#place = place;
    this.#send = send;
    for (const input of [...this.#open.values()]) {
      if (input.sentTo !== undefined && (input.sentTo !== place.log || input.tries > 1)) {
        input.reject(
          new InputError(
            "the connection was lost; whether the input was applied is not known",
            undefined,
            true,
          ),
        );
      } else this.#post(input);
    }
  }

  lost(): void {
    this.#send = undefined;
  }

  answered(id: number, { result, error }: Answer): void {
    for (const input of this.#open.values()) {
      if (input.id !== id) continue;
      if (error === undefined) input.resolve(result);
      else input.reject(new InputError(error.message, error.code, false, error.data));
      return;
    }
  }

  end(error: Error): void {
    this.#over ??= error;
    this.#send = undefined;
    for (const input of [...this.#open.values()]) {
      input.reject(new InputError(error.message, undefined, input.sentTo !== undefined));
    }
  }

  #post(input: Open): void {
    if (this.#send === undefined || this.#place === undefined) return;
    const { session, epoch, log } = this.#place;
    const { number, method, params } = input;
    const [oldest = number] = this.#open.keys();
    input.sentTo = log;
    input.tries++;
    input.id = this.nextId();
    this.#send(input.id, { session, epoch, number, acked: oldest - 1, method, params });
  }
}
