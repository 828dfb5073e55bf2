import { InputError } from "./open-calls.js";
import { type Socket, type SocketClass, webSocketOf } from "./socket.js";

/** How many items of a stream may be under way, and after how many that were taken the service is told. */
const WINDOW = 256;
const TELL_EVERY = 128;
const HELLO = 0;

export interface RemoteOptions {
  /** The bridge's address, such as `ws://127.0.0.1:8080/ringbell`. */
  readonly url: string;
  /** It travels in the first message. */
  readonly token: string;
  /** The id of this client, for the audit chain. Default `page`. */
  readonly client?: string;
  /** How long it may take until calls can be made, in ms. Default 10 000. */
  readonly connectTimeout?: number;
  /** The class of WebSockets, where there is no global one. */
  readonly WebSocket?: SocketClass;
}

export interface RemoteCallOptions {
  /** Milliseconds, then the call is cancelled. */
  readonly timeout?: number;
  /** Cancels the call, which rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (value: unknown) => unknown;
}

interface Message {
  readonly id?: unknown;
  readonly method?: string;
  readonly params?: { readonly id?: number; readonly value?: unknown; readonly items?: readonly unknown[] };
  readonly result?: unknown;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown };
}

interface Pending {
  readonly method: string;
  readonly onProgress: ((value: unknown) => unknown) | undefined;
  readonly onItems: ((items: readonly unknown[]) => void) | undefined;
  settle(error: unknown, result: unknown): void;
}

/** A service behind a bridge. It does not come back by itself: whether a call may be made twice is for the page to say. */
export class RemoteService {
  /** Resolves with the code of the end, as a rule: undefined where the connection was lost. Never rejects. */
  readonly closed: Promise<number | undefined>;
  readonly #socket: Socket;
  readonly #calls = new Map<number, Pending>();
  #methods: readonly string[] = [];
  #last = HELLO;
  #isOver = false;

  /** Resolves when calls can be made. Rejects with an InputError where the token is refused, or nobody was reached. */
  static async open(options: RemoteOptions): Promise<RemoteService> {
    const service = new RemoteService(options);
    const { token, client = "page", connectTimeout = 10_000 } = options;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => service.close(), connectTimeout);
      service.#calls.set(HELLO, {
        ...{ method: "attach", onProgress: undefined, onItems: undefined },
        settle(error, result) {
          clearTimeout(timer);
          service.#methods = (result as { readonly inputs?: readonly string[] } | undefined)?.inputs ?? [];
          if (error === undefined) resolve();
          else reject(error);
        },
      });
      service.#socket.onopen = () =>
        service.#send({ id: HELLO, method: "attach", params: { token, client } });
    });
    return service;
  }

  private constructor({ url, WebSocket }: RemoteOptions) {
    const socket = new (webSocketOf(WebSocket))(url, ["ringbell.v1"]);
    this.#socket = socket;
    socket.onmessage = ({ data }) => {
      if (typeof data === "string") this.#read(JSON.parse(data));
    };
    this.closed = new Promise((resolve) => {
      const over = (code: number | undefined) => {
        if (this.#isOver) return;
        this.#isOver = true;
        for (const [id, { method, settle }] of this.#calls) {
          const text =
            id === HELLO
              ? "the bridge lets nobody in, or was not reached"
              : `${method}: the connection was lost`;
          settle(new InputError(text, undefined, id !== HELLO), undefined);
        }
        this.#calls.clear();
        resolve(code);
      };
      // Browsers differ in which of the two comes, and in which order.
      socket.onclose = ({ code }) => over(code);
      socket.onerror = () => over(undefined);
    });
  }

  /** The methods that the role of the token may call. */
  get methods(): readonly string[] {
    return this.#methods;
  }

  close(): void {
    this.#socket.close();
    // The end comes at once, also where nobody answers the close.
    this.#socket.onclose?.({ code: 1000 });
  }

  /** Calls a method. Rejects with an InputError: `code` is that of JSON-RPC, `mayHaveRun` says whether an unanswered call may have been made. */
  call(method: string, params?: object, options: RemoteCallOptions = {}): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#begin(method, params, options, undefined, (error, result) =>
        error === undefined ? resolve(result) : reject(error),
      );
    });
  }

  /** Calls a method that streams. The service waits for a loop that is slow; a loop that is left ends it. */
  async *stream(
    method: string,
    params?: object,
    options: RemoteCallOptions = {},
  ): AsyncGenerator<unknown, undefined> {
    let items: unknown[] = [];
    let end: { readonly error: unknown } | undefined;
    let wake = () => {};
    const onItems = (more: readonly unknown[]) => {
      items.push(...more);
      wake();
    };
    const cancel = this.#begin(method, params, options, onItems, (error) => {
      end = { error };
      wake();
    });
    try {
      for (let taken = 0; ; ) {
        for (const item of items.splice(0)) {
          yield item;
          if (++taken % TELL_EVERY === 0) cancel.credit(TELL_EVERY);
        }
        if (items.length > 0) continue;
        if (end !== undefined) {
          if (end.error !== undefined) throw end.error;
          return undefined;
        }
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    } finally {
      items = [];
      if (end === undefined) cancel.now();
    }
  }

  #begin(
    method: string,
    params: object | undefined,
    { timeout, signal, onProgress }: RemoteCallOptions,
    onItems: Pending["onItems"],
    done: Pending["settle"],
  ) {
    const id = ++this.#last;
    const settle: Pending["settle"] = (error, result) => {
      if (!this.#calls.delete(id) && error === undefined) return;
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
      done(error, result);
    };
    const now = () => {
      if (this.#calls.delete(id)) this.#send({ method: "rpc.cancel", params: { id } });
    };
    const giveUp = (error: unknown) => {
      now();
      settle(error, undefined);
    };
    const abort = () => giveUp(signal!.reason);
    const late = () => giveUp(new InputError(`${method}: no answer in ${timeout} ms`, undefined, true));
    const timer = timeout === undefined ? undefined : setTimeout(late, timeout);
    if (signal?.aborted) settle(signal.reason, undefined);
    else if (this.#isOver) settle(new InputError("the connection has ended", undefined, false), undefined);
    else {
      signal?.addEventListener("abort", abort);
      this.#calls.set(id, { method, onProgress, onItems, settle });
      this.#send({
        ...{ id, method, params: params ?? {} },
        ...(timeout === undefined ? {} : { timeout }),
        ...(onItems === undefined ? {} : { credit: WINDOW }),
      });
    }
    return { now, credit: (count: number) => this.#send({ method: "rpc.credit", params: { id, count } }) };
  }

  #send(message: object): void {
    if (this.#socket.readyState === 1) this.#socket.send(JSON.stringify({ jsonrpc: "2.0", ...message }));
  }

  #read({ id, method, params, result, error }: Message): void {
    const call = this.#calls.get((method === undefined ? id : params?.id) as number);
    if (call === undefined) return;
    if (method === "rpc.progress") call.onProgress?.(params?.value);
    else if (method === "rpc.items") call.onItems?.(params?.items ?? []);
    else if (method === undefined) {
      if (id === HELLO) this.#calls.delete(HELLO);
      if (error === undefined) call.settle(undefined, result);
      else call.settle(new InputError(error.message, error.code, false, error.data), undefined);
    }
  }
}

/** Opens a service behind a bridge. */
export function open(options: RemoteOptions): Promise<RemoteService> {
  return RemoteService.open(options);
}
